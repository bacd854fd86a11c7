//! The run queue: numbers of ready slots, first in, first out.

use std::cell::Cell;
use std::ptr::NonNull;

/// A circle of numbers in the arena with a place for every slot: since each is queued at most once, it is never full.
pub(super) struct Queue {
    places: NonNull<Cell<u32>>,
    mask: u32,
    head: Cell<u32>,
    tail: Cell<u32>,
}

impl Queue {
    /// # Safety
    /// `places` are `count` initialised numbers, a power of two, that are nobody else's for as long as this lives.
    pub(super) unsafe fn new(places: NonNull<Cell<u32>>, count: usize) -> Queue {
        debug_assert!(count.is_power_of_two() && count <= 1 << 31);
        Queue { places, mask: (count - 1) as u32, head: Cell::new(0), tail: Cell::new(0) }
    }

    #[inline(always)]
    fn place(&self, cursor: u32) -> &Cell<u32> {
        // SAFETY: masked, it is one of the places; `Cell`s are only ever shared on one thread.
        unsafe { self.places.add((cursor & self.mask) as usize).as_ref() }
    }

    /// Queues a number. There must be a place for it.
    #[inline(always)]
    pub(super) fn push(&self, number: u32) {
        debug_assert!(self.len() <= self.mask);
        let tail = self.tail.get();
        self.place(tail).set(number);
        self.tail.set(tail.wrapping_add(1));
    }

    /// The number that has been waiting longest; `None` when nothing is queued.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<u32> {
        self.pop_before(self.end())
    }

    /// The number that has been waiting longest, of those before a place that was the [`end`](Self::end) once, or was some numbers
    /// before it; `None` when they have all come up.
    #[inline(always)]
    pub(super) fn pop_before(&self, end: u32) -> Option<u32> {
        let head = self.head.get();
        if head == end {
            return None;
        }
        self.head.set(head.wrapping_add(1));
        Some(self.place(head).get())
    }

    /// Where what is queued from now on will be: what is before that is queued now.
    #[inline(always)]
    pub(super) fn end(&self) -> u32 {
        self.tail.get()
    }

    /// Has everything before that place come up?
    #[inline(always)]
    pub(super) fn is_at(&self, end: u32) -> bool {
        self.head.get() == end
    }

    /// A number that will come up after `ahead` others; any number there once was if there are not so many.
    #[inline(always)]
    pub(super) fn ahead(&self, ahead: u32) -> u32 {
        self.place(self.head.get().wrapping_add(ahead)).get()
    }

    /// Numbers queued.
    #[inline(always)]
    pub(super) fn len(&self) -> u32 {
        self.tail.get().wrapping_sub(self.head.get())
    }
}
