//! How a half of a socket goes back and forth between the core that polls it and the control thread that replaces it.
//!
//! Looking whether anything is wanted is one load of a word nobody writes in normal times. Only when the control thread
//! wants a half does anything move: the core puts it into the slot, and takes what it finds there later.

use std::sync::atomic::{AtomicU8, Ordering};

use crossbeam_utils::atomic::AtomicCell;
use hugepages::Frame;

/// Whose turn it is.
mod turn {
    /// The core has the half and polls.
    pub(super) const POLLING: u8 = 0;
    /// The control thread wants it.
    pub(super) const WANTED: u8 = 1;
    /// It lies in the slot for the control thread.
    pub(super) const GIVEN: u8 = 2;
    /// What the core is to go on with lies in the slot.
    pub(super) const READY: u8 = 3;
}

/// What lies in a slot.
#[derive(Debug)]
pub(super) struct Parcel<H> {
    /// The half, if there is one now.
    pub(super) half: Option<Box<H>>,
    /// Frames that belong to the core's pool and are in no ring.
    pub(super) frames: Vec<Frame>,
}

impl<H> Default for Parcel<H> {
    fn default() -> Self {
        Parcel { half: None, frames: Vec::new() }
    }
}

/// The place where a half changes hands.
pub(super) struct Slot<H> {
    turn: AtomicU8,
    place: AtomicCell<Option<Box<Parcel<H>>>>,
}

impl<H> Default for Slot<H> {
    fn default() -> Self {
        Slot { turn: AtomicU8::new(turn::POLLING), place: AtomicCell::new(None) }
    }
}

impl<H> Slot<H> {
    /// Core: is there anything to do here?
    #[inline(always)]
    pub(super) fn is_quiet(&self) -> bool {
        self.turn.load(Ordering::Relaxed) == turn::POLLING
    }

    /// Core: does the control thread want the half?
    pub(super) fn is_wanted(&self) -> bool {
        self.turn.load(Ordering::Acquire) == turn::WANTED
    }

    /// Core: here it is.
    pub(super) fn give(&self, parcel: Parcel<H>) {
        self.place.store(Some(Box::new(parcel)));
        self.turn.store(turn::GIVEN, Ordering::Release);
    }

    /// Core: what there is to go on with, once it is there.
    pub(super) fn resume(&self) -> Option<Parcel<H>> {
        if self.turn.load(Ordering::Acquire) != turn::READY {
            return None;
        }
        let parcel = self.place.take()?;
        self.turn.store(turn::POLLING, Ordering::Release);
        Some(*parcel)
    }

    /// Control: asks for the half.
    pub(super) fn want(&self) {
        // Where it was asked for already, or lies here, nothing changes.
        let _ = self.turn.compare_exchange(turn::POLLING, turn::WANTED, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Control: has the core given it?
    pub(super) fn is_given(&self) -> bool {
        self.turn.load(Ordering::Acquire) == turn::GIVEN
    }

    /// Control: takes what lies here, to look after it; it comes back by [`Slot::leave`] or [`Slot::ready`].
    pub(super) fn take(&self) -> Parcel<H> {
        self.place.take().map_or_else(Parcel::default, |parcel| *parcel)
    }

    /// Control: leaves it here for another time.
    pub(super) fn leave(&self, parcel: Parcel<H>) {
        self.place.store(Some(Box::new(parcel)));
    }

    /// Control: the core may go on with this.
    pub(super) fn ready(&self, parcel: Parcel<H>) {
        self.place.store(Some(Box::new(parcel)));
        self.turn.store(turn::READY, Ordering::Release);
    }

    /// Core, when the run is over and the control thread looks after nothing any more: whatever lies here.
    pub(super) fn clear(&self) -> Parcel<H> {
        self.take()
    }
}
