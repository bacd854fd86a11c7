//! What the halves of a queue and the control thread have in common, the halves themselves among it.
//!
//! A core takes a half out of its cell for the time of a call and puts it back: two atomic exchanges on a line nobody
//! else touches. So the control thread can replace a socket whose device went away: it takes the halves between two
//! calls, closes them, and later puts others there. Whoever finds a cell empty goes without.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_utils::CachePadded;
use crossbeam_utils::atomic::AtomicCell;
use hugepages::Frame;
use hugepages::umem::{self, Receiver, Sender};

use super::counts::{Counts, add};
use crate::packet::Frames;

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
    /// The receiving side.
    pub(super) receiving: CachePadded<AtomicCell<Option<Box<Receiving>>>>,
    /// The sending half.
    pub(super) sending: CachePadded<AtomicCell<Option<Box<Sender>>>>,
    /// Counters.
    pub(super) counts: Counts,
    /// Queues' ends on a core that have not closed yet.
    users: AtomicU32,
    /// Takes the queue's socket out of the map, so that packets go on to the kernel. Used at the end, never while packets move.
    unplug: Mutex<Option<Box<dyn Fn() + Send>>>,
}

impl Shared {
    /// Of a queue that `users` ends on its core will close.
    pub(super) fn new(receiver: Receiver, sender: Sender, users: u32) -> Shared {
        let receiving = Receiving { half: Some(receiver), ..Receiving::default() };
        Shared {
            receiving: CachePadded::new(AtomicCell::new(Some(Box::new(receiving)))),
            sending: CachePadded::new(AtomicCell::new(Some(Box::new(sender)))),
            counts: Counts::default(),
            users: AtomicU32::new(users),
            unplug: Mutex::new(None),
        }
    }

    /// How the queue's socket is taken out of the map from now on.
    pub(super) fn set_unplug(&self, unplug: Box<dyn Fn() + Send>) {
        *self.unplug.lock().unwrap_or_else(PoisonError::into_inner) = Some(unplug);
    }

    /// Takes the queue's socket out of the map.
    pub(super) fn unplug(&self) {
        if let Some(unplug) = self.unplug.lock().unwrap_or_else(PoisonError::into_inner).take() {
            unplug();
        }
    }

    /// One end less; is it the last?
    pub(super) fn leave(&self) -> bool {
        self.users.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// The run is over and both ends are done: closes the socket and releases every frame.
    pub(super) fn close(&self, frames: &mut Frames) -> Result<(), String> {
        self.unplug();
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
