//! What the halves of a queue and the control thread have in common, the halves themselves among it.
//!
//! The control thread replaces a socket whose device went away, so halves change hands. The receiving half is its
//! core's own, which looks at one word a turn whether it is wanted: an atomic exchange there would wait for the ring's
//! stores to reach the kernel's CPU. The sending half is taken out of a cell for the time of a call, which costs nothing
//! beside the system call; so it can be had while nothing is sent. Whoever finds a cell empty goes without.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_utils::CachePadded;
use crossbeam_utils::atomic::AtomicCell;
use hugepages::Frame;
use hugepages::umem::{self, Receiver, Sender};

use super::counts::{Counts, add};
use crate::packet::Frames;

/// Whose the receiving half is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Turn {
    /// Its core's.
    Core = 0,
    /// Its core's, and the control thread wants it.
    Wanted = 1,
    /// The control thread's, in the cell; also where no core polls the queue.
    Control = 2,
    /// It lies in the cell for its core.
    Ready = 3,
}

/// The receiving side of a queue.
#[derive(Debug, Default)]
pub(super) struct Receiving {
    /// The half; `None` while there is no device.
    pub(super) half: Option<Receiver>,
    /// The first parts of a packet whose last is not here yet.
    pub(super) partial: Option<Frame>,
    /// The packet that goes on was longer than a frame.
    pub(super) skipping: bool,
    /// Frames to fill the next socket with.
    pub(super) kept: Vec<Frame>,
    /// Frames to go home to their pool, when its core looks next.
    pub(super) spare: Vec<Frame>,
}

/// What the halves of one queue and the control thread share.
pub(super) struct Shared {
    turn: CachePadded<AtomicU8>,
    /// The receiving side, while its core does not have it.
    pub(super) receiving: CachePadded<AtomicCell<Option<Box<Receiving>>>>,
    /// The sending half.
    pub(super) sending: CachePadded<AtomicCell<Option<Box<Sender>>>>,
    /// Counters.
    pub(super) counts: Counts,
    /// Queues' ends on a core that have not closed yet.
    users: AtomicU32,
    /// The whole port's.
    pub(super) plug: Arc<Plug>,
}

/// What takes the sockets of all queues of a port out of the map, so that packets go on to the kernel, once. Used at
/// the end, never while packets move.
#[derive(Default)]
pub(super) struct Plug(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Plug {
    /// How it is done from now on.
    pub(super) fn set(&self, how: Option<Box<dyn FnOnce() + Send>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = how;
    }

    /// Does it, if it has not been done.
    pub(super) fn pull(&self) {
        // Others wait until it is done: it is their packets' end too.
        let mut how = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(how) = how.take() {
            how();
        }
    }
}

impl Shared {
    /// Of a queue that `users` ends on its core will close; `turn` says whether one of them polls it.
    pub(super) fn new(receiver: Receiver, sender: Sender, users: u32, turn: Turn, plug: Arc<Plug>) -> Shared {
        let receiving = Receiving { half: Some(receiver), ..Receiving::default() };
        Shared {
            turn: CachePadded::new(AtomicU8::new(turn as u8)),
            receiving: CachePadded::new(AtomicCell::new(Some(Box::new(receiving)))),
            sending: CachePadded::new(AtomicCell::new(Some(Box::new(sender)))),
            counts: Counts::default(),
            users: AtomicU32::new(users),
            plug,
        }
    }

    /// Is the receiving half its core's, and nobody wants it?
    #[inline(always)]
    pub(super) fn is_quiet(&self) -> bool {
        self.turn.load(Ordering::Relaxed) == Turn::Core as u8
    }

    /// Is it so?
    pub(super) fn is_turn(&self, turn: Turn) -> bool {
        self.turn.load(Ordering::Acquire) == turn as u8
    }

    /// It is so from now on: what lies in the cell was put there before.
    pub(super) fn set_turn(&self, turn: Turn) {
        self.turn.store(turn as u8, Ordering::Release);
    }

    /// One end less; is it the last?
    pub(super) fn leave(&self) -> bool {
        self.users.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// The run is over and both ends are done: closes the socket and releases every frame.
    pub(super) fn close(&self, frames: &mut Frames) -> Result<(), String> {
        self.plug.pull();
        let mut receiving = self.receiving.take().unwrap_or_default();
        if let Some(half) = &mut receiving.half {
            self.empty(half, |frame| frames.release(frame));
        }
        let sender = self.sending.take().map(|half| *half);
        frames
            .release_each(receiving.partial.take().into_iter().chain(receiving.kept).chain(receiving.spare));
        umem::close(receiving.half, sender, |frame| frames.release(frame))
            .map_err(|_| "a socket's halves are not together; this is a bug in mnvkd".to_owned())
    }

    /// Counts what a socket's ring still holds and what it has lost; frames go to `each`.
    pub(super) fn empty(&self, half: &mut Receiver, mut each: impl FnMut(Frame)) {
        let mut left = 0;
        while let Some(taken) = half.take() {
            let Ok(taken) = taken else { continue };
            left += u64::from(!taken.continues);
            each(taken.frame);
        }
        half.release();
        add(&self.counts.left_in_ring, left);
        if let Ok(last) = half.socket().statistics() {
            self.counts.add_socket(&last);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("counts", &self.counts).finish_non_exhaustive()
    }
}
