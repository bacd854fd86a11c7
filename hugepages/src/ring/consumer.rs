//! The end that elements come out at.

use std::fmt;
use std::ptr::NonNull;

use super::block::{Block, Header, Slot};
use crate::primitive::{Arc, Ordering};

/// The one consuming end of a ring.
pub struct Consumer<T> {
    header: NonNull<Header>,
    slots: NonNull<Slot<T>>,
    mask: u32,
    /// Number of the next element to read: our cursor, which only we store.
    next: u32,
    /// The producer's cursor when we last looked.
    seen: u32,
    /// Keeps `header` and `slots` valid.
    _block: Arc<Block<T>>,
}

// SAFETY: an end may move to another thread when its elements may. It is the only one that writes
// the consumer's cursor and reads the published slots.
unsafe impl<T: Send> Send for Consumer<T> {}

/// Publishes what was read when a burst ends, also when the caller's closure panics: an element that
/// was handed out is never read again.
struct Publish<'a> {
    header: &'a Header,
    next: u32,
    own: &'a mut u32,
}

impl Drop for Publish<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if *self.own != self.next {
            *self.own = self.next;
            // Release: pairs with the producer's Acquire load of this cursor in `Producer::refresh`:
            // the slots have been read before it writes them again.
            self.header.consumer.cursor.store(self.next, Ordering::Release);
        }
    }
}

impl<T> Consumer<T> {
    pub(super) fn new(block: Arc<Block<T>>, first: u32) -> Self {
        let (header, slots, mask) = (block.header, block.slots, block.mask);
        Self { header, slots, mask, next: first, seen: first, _block: block }
    }

    #[inline(always)]
    fn header(&self) -> &Header {
        // SAFETY: the block lives as long as `_block` does.
        unsafe { self.header.as_ref() }
    }

    #[inline(always)]
    fn refresh(&mut self) {
        // Acquire: pairs with the producer's Release store of this cursor (`Publish` there): the
        // elements up to it are written.
        self.seen = self.header().producer.cursor.load(Ordering::Acquire);
    }

    /// Takes one element out; `None` when there is none.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let mut one = None;
        self.pop_each(1, |element| one = Some(element));
        one
    }

    /// Hands up to `most` elements to `f`, in the order they were pushed, and frees their slots
    /// together; returns how many. Looks at the producer's cursor only when the elements it knows of
    /// are fewer than `most`.
    ///
    /// If `f` panics, the elements it was given are gone and the others stay.
    #[inline(always)]
    pub fn pop_each(&mut self, most: usize, mut f: impl FnMut(T)) -> usize {
        if (self.seen.wrapping_sub(self.next) as usize) < most {
            self.refresh();
        }
        let count = (self.seen.wrapping_sub(self.next) as usize).min(most);
        let (slots, mask) = (self.slots, self.mask);
        // SAFETY: the block lives as long as `_block` does, and longer than this call.
        let header = unsafe { self.header.as_ref() };
        let end = self.next.wrapping_add(count as u32);
        let mut publish = Publish { header, next: self.next, own: &mut self.next };
        while publish.next != end {
            // SAFETY: the mask keeps the number inside the ring's slots.
            let slot = unsafe { slots.add((publish.next & mask) as usize).as_ref() };
            // SAFETY: the producer wrote the element before the cursor that `refresh` saw, and does
            // not touch the slot until we publish past it. It is read once: `next` moves on before
            // anything can panic.
            let element = slot.with(|slot| unsafe { (*slot).assume_init_read() });
            publish.next = publish.next.wrapping_add(1);
            f(element);
        }
        count
    }

    /// Elements that can be taken; the producer may have pushed more by the time it is used.
    #[must_use]
    pub fn len(&self) -> usize {
        // Acquire: as in `refresh`, so that what is counted here can be popped.
        self.header().producer.cursor.load(Ordering::Acquire).wrapping_sub(self.next) as usize
    }

    /// Whether nothing can be taken at this moment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Slots free to the producer.
    #[must_use]
    pub fn free(&self) -> usize {
        self.capacity() - self.len()
    }

    /// Slots in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.mask as usize + 1
    }

    /// Whether the producer was dropped. What it pushed before can still be taken: look first
    /// whether it is abandoned, then whether it is empty.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        // Acquire: pairs with the Release store in the producer's `drop`.
        self.header().producer.gone.load(Ordering::Acquire)
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire load in `Producer::is_abandoned`.
        self.header().consumer.gone.store(true, Ordering::Release);
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consumer({} of {})", self.len(), self.capacity())
    }
}
