//! What a polling core and the control thread tell each other: counters one way, the phase the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

/// How far a run is. Only ever goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Packets come in.
    Run = 0,
    /// Nothing is received any more; what is in flight goes its way.
    Drain = 1,
    /// What is still in flight is dropped as `stopped`: draining took too long.
    Abandon = 2,
    /// All packets are accounted for; frames go home.
    Home = 3,
    /// All frames were sent home; cores take theirs in and return.
    Exit = 4,
}

impl Phase {
    fn from_code(code: u8) -> Phase {
        match code {
            0 => Phase::Run,
            1 => Phase::Drain,
            2 => Phase::Abandon,
            3 => Phase::Home,
            _ => Phase::Exit,
        }
    }
}

/// The phase, written by the control thread and read by every core.
#[derive(Debug)]
pub struct Orders {
    phase: CachePadded<AtomicU8>,
}

impl Default for Orders {
    fn default() -> Self {
        Orders { phase: CachePadded::new(AtomicU8::new(Phase::Run as u8)) }
    }
}

impl Orders {
    /// The phase now. Pairs with [`Orders::advance`].
    #[inline]
    pub fn phase(&self) -> Phase {
        Phase::from_code(self.phase.load(Ordering::Acquire))
    }

    /// Goes on to a later phase; an earlier one changes nothing.
    pub fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }
}

/// One core's counters as of its last housekeeping; written by the core, read by the control thread.
#[derive(Debug, Default)]
pub struct Published {
    /// Packets received by this core's queues.
    pub received: AtomicU64,
    /// Bytes received.
    pub received_bytes: AtomicU64,
    /// Packets that tasks made.
    pub originated: AtomicU64,
    /// Packets whose life ended here: forwarded, consumed, dropped.
    pub accounted: AtomicU64,
    /// Packets dropped here.
    pub dropped: AtomicU64,
    /// Messages that tasks and applications sent: written when one is, before it can be found to have arrived.
    pub messages_sent: Arc<AtomicU64>,
    /// Messages that arrived here, once what came of them has been done.
    pub messages_arrived: AtomicU64,
    /// Packets processed by this core's pipelines.
    pub processed: AtomicU64,
    /// Regimes' shares, in parts of 10,000, sixteen bits each would not do for seven: one word each.
    pub shares: [AtomicU64; crate::reduce::REGIMES],
    /// Turns of a core whose tasks are about to run, for who looks whether it still turns.
    pub turns: AtomicU64,
    /// All receive queues have ended.
    pub ended: AtomicBool,
    /// The phase this core has carried out.
    pub done: AtomicU8,
    /// The kernel's number of the core's thread; 0 before it has started, and for a simulated core.
    pub thread: AtomicU32,
    /// The core's thread has left its loop, in order or not.
    pub gone: AtomicBool,
}

impl Published {
    /// The phase the core has carried out. Pairs with [`Published::carry_out`]: counters read after this are
    /// no older than the phase.
    pub fn carried_out(&self) -> Phase {
        Phase::from_code(self.done.load(Ordering::Acquire))
    }

    /// Says that a phase has been carried out.
    pub fn carry_out(&self, phase: Phase) {
        self.done.store(phase as u8, Ordering::Release);
    }
}
