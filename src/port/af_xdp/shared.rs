//! What the halves of a queue and the control thread have in common.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crossbeam_utils::atomic::AtomicCell;
use hugepages::umem::{Receiver, Sender};

use super::counts::Counts;
use super::slot::Slot;

/// What the halves of one queue and the control thread share.
#[derive(Default)]
pub(super) struct Shared {
    /// The receiving half on its way.
    pub(super) receive: Slot<Receiver>,
    /// The sending half on its way.
    pub(super) transmit: Slot<Sender>,
    /// The receiving half where nobody polls it: it waits for the sending one, and both are closed together.
    pub(super) parked: AtomicCell<Option<Box<Receiver>>>,
    /// Counters.
    pub(super) counts: Counts,
    /// Takes the queue's socket out of the map, so that packets go on to the kernel. Used at the end, never while packets move.
    unplug: Mutex<Option<Box<dyn Fn() + Send>>>,
}

impl Shared {
    /// How the queue's socket is taken out of the map from now on.
    pub(super) fn set_unplug(&self, unplug: impl Fn() + Send + 'static) {
        *self.unplug.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(unplug));
    }

    /// Takes the queue's socket out of the map.
    pub(super) fn unplug(&self) {
        if let Some(unplug) = self.unplug.lock().unwrap_or_else(PoisonError::into_inner).take() {
            unplug();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("counts", &self.counts).finish_non_exhaustive()
    }
}
