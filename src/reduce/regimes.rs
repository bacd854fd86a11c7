//! What a core's time was spent on.

use crate::clock;

/// What a core does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Regime {
    /// Nothing: no queue had anything.
    Idle = 0,
    /// Receiving from ports and lanes.
    Receive = 1,
    /// Parsing, hashing, handing over to other cores.
    Steer = 2,
    /// Applications.
    Pipeline = 3,
    /// Green tasks and timers.
    Tasks = 4,
    /// Settling verdicts and transmitting.
    Transmit = 5,
    /// Publishing counters, obeying the control thread.
    Housekeeping = 6,
}

/// How many regimes there are.
pub const REGIMES: usize = 7;

/// Their names in reports, in the order of their numbers.
pub const REGIME_NAMES: [&str; REGIMES] =
    ["idle", "receive", "steer", "pipeline", "tasks", "transmit", "housekeeping"];

/// Bills a core's time.
///
/// The counter is read once a turn, which tells busy turns from idle ones exactly; only every
/// n-th turn is measured regime by regime (reading it eight times a turn would cost more than the
/// turn's own work), and the busy time is divided as the measured turns were.
#[derive(Clone, Debug)]
pub struct Meter {
    /// Cycles of turns that did something.
    pub busy_cycles: u64,
    /// Cycles of turns that found nothing to do.
    pub idle_cycles: u64,
    /// Counter when the core began to poll, and at the end of its last busy turn.
    pub span: (u64, u64),
    sampled: [u64; REGIMES],
    last_turn: u64,
    last_mark: u64,
    every: u32,
    until_sample: u32,
    sampling: bool,
}

impl Meter {
    /// Measures every `every`-th turn regime by regime.
    pub fn new(every: u32) -> Meter {
        Meter {
            busy_cycles: 0,
            idle_cycles: 0,
            span: (0, 0),
            sampled: [0; REGIMES],
            last_turn: 0,
            last_mark: 0,
            every: every.max(1),
            until_sample: 0,
            sampling: false,
        }
    }

    /// Polling begins at `now` (cycles).
    pub fn start(&mut self, now: u64) {
        self.last_turn = now;
        self.span = (now, now);
    }

    /// What went before `now` (cycles) is nobody's: other cores shared the thread.
    #[inline]
    pub fn resume(&mut self, now: u64) {
        self.last_turn = now;
    }

    /// The turn that just ended is billed at `now` (cycles), for a core that shares its thread.
    #[inline]
    pub fn pause(&mut self, now: u64, busy: bool) {
        let spent = now.wrapping_sub(self.last_turn);
        self.last_turn = now;
        self.bill(now, spent, busy);
    }

    #[inline]
    fn bill(&mut self, now: u64, spent: u64, busy: bool) {
        if busy {
            self.busy_cycles += spent;
            self.span.1 = now;
        } else {
            self.idle_cycles += spent;
        }
    }

    /// A turn begins at `now` (cycles): the one before it ends, and is billed.
    #[inline]
    pub fn begin_turn(&mut self, now: u64, previous_busy: bool) {
        let spent = now.wrapping_sub(self.last_turn);
        self.last_turn = now;
        self.bill(now, spent, previous_busy);
        if self.until_sample == 0 {
            self.until_sample = self.every;
            self.sampling = true;
            self.last_mark = now;
        } else {
            self.sampling = false;
        }
        self.until_sample -= 1;
    }

    /// Is this turn one that is measured?
    #[inline]
    pub fn sampling(&self) -> bool {
        self.sampling
    }

    /// The time since the last mark was spent on this.
    #[inline]
    pub fn mark(&mut self, regime: Regime) {
        if self.sampling {
            self.mark_now(regime);
        }
    }

    #[cold]
    fn mark_now(&mut self, regime: Regime) {
        let now = clock::cycles();
        self.sampled[regime as usize] += now.wrapping_sub(self.last_mark);
        self.last_mark = now;
    }

    /// Share of the core's time by regime, adding up to 1; all 0 when no time was billed.
    pub fn shares(&self) -> [f64; REGIMES] {
        let total = (self.busy_cycles + self.idle_cycles) as f64;
        let mut shares = [0.0; REGIMES];
        if total == 0.0 {
            return shares;
        }
        shares[Regime::Idle as usize] = self.idle_cycles as f64 / total;
        let sampled: u64 = self.sampled[1..].iter().sum();
        for (share, cycles) in shares[1..].iter_mut().zip(&self.sampled[1..]) {
            if sampled > 0 {
                *share = self.busy_cycles as f64 / total * *cycles as f64 / sampled as f64;
            }
        }
        if sampled == 0 {
            shares[Regime::Pipeline as usize] = self.busy_cycles as f64 / total;
        }
        shares
    }
}
