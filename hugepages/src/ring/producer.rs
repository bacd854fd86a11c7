//! The end that elements go in at.

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::block::{Block, Header, Slot};
use crate::CACHE_LINE;
use crate::prefetch;
use crate::primitive::{Arc, Ordering};

/// How many elements ahead of the next one a burst asks for the slots of, to write them later.
const AHEAD: u32 = 64;

/// The one producing end of a ring.
pub struct Producer<T> {
    header: NonNull<Header>,
    slots: NonNull<Slot<T>>,
    mask: u32,
    /// Number of the next element to write: our cursor, which only we store.
    next: u32,
    /// The consumer's cursor when we last looked.
    seen: u32,
    /// Keeps `header` and `slots` valid.
    _block: Arc<Block<T>>,
}

// SAFETY: an end may move to another thread when its elements may: the other end gets them there.
// It is the only one that writes the producer's cursor and the free slots.
unsafe impl<T: Send> Send for Producer<T> {}

/// Publishes what was written when a burst ends, also when the caller's iterator panics.
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
            // Release: pairs with the consumer's Acquire load of this cursor in `Consumer::refresh`,
            // which makes the elements written before it visible there.
            self.header.producer.cursor.store(self.next, Ordering::Release);
        }
    }
}

impl<T> Producer<T> {
    pub(super) fn new(block: Arc<Block<T>>, first: u32) -> Self {
        let (header, slots, mask) = (block.header, block.slots, block.mask);
        Self { header, slots, mask, next: first, seen: first, _block: block }
    }

    #[inline(always)]
    fn header(&self) -> &Header {
        // SAFETY: the block lives as long as `_block` does.
        unsafe { self.header.as_ref() }
    }

    /// Free slots as far as we know.
    #[inline(always)]
    fn known_free(&self) -> u32 {
        self.mask + 1 - self.next.wrapping_sub(self.seen)
    }

    #[inline(always)]
    fn refresh(&mut self) {
        // Acquire: pairs with the consumer's Release store of this cursor (`Publish` there): it has
        // read what was in the slots before we write them again.
        self.seen = self.header().consumer.cursor.load(Ordering::Acquire);
    }

    /// Puts one element in.
    ///
    /// # Errors
    ///
    /// The element itself, when the ring is full.
    #[inline]
    pub fn push(&mut self, element: T) -> Result<(), T> {
        let mut one = Some(element);
        self.push_from(&mut std::iter::from_fn(|| one.take()));
        one.map_or(Ok(()), Err)
    }

    /// Takes elements from `iter` as long as there is room, and publishes them together; returns how
    /// many. What it did not take is still in the iterator.
    #[inline(always)]
    pub fn push_from(&mut self, iter: &mut impl Iterator<Item = T>) -> usize {
        let mut pushed = self.push_known(iter, self.known_free());
        if self.known_free() == 0 {
            self.refresh();
            pushed += self.push_known(iter, self.known_free());
        }
        pushed as usize
    }

    /// [`push_from`](Self::push_from), of `most` elements at most.
    #[inline(always)]
    pub fn push_batch_max(&mut self, most: usize, iter: &mut impl Iterator<Item = T>) -> usize {
        self.push_from(&mut iter.take(most))
    }

    /// Fills up to `room` slots, which are known to be free, and publishes them.
    #[inline(always)]
    fn push_known(&mut self, iter: &mut impl Iterator<Item = T>, room: u32) -> u32 {
        let first = self.next;
        let (slots, mask) = (self.slots, self.mask);
        // SAFETY: the block lives as long as `_block` does, and longer than this call.
        let header = unsafe { self.header.as_ref() };
        let mut publish = Publish { header, next: first, own: &mut self.next };
        let end = first.wrapping_add(room);
        while publish.next != end {
            let Some(element) = iter.next() else { break };
            // SAFETY: the mask keeps the number inside the ring's slots.
            let slot = unsafe { slots.add((publish.next & mask) as usize).as_ref() };
            // SAFETY: the slot is free: the consumer's cursor has passed what was in it, which the
            // Acquire in `refresh` saw, and it reads no slot from our published cursor on.
            slot.with_mut(|slot| unsafe { slot.write(MaybeUninit::new(element)) });
            publish.next = publish.next.wrapping_add(1);
        }
        let pushed = publish.next.wrapping_sub(first);
        drop(publish);
        self.ask_ahead(pushed);
        pushed
    }

    /// After a burst, takes the lines of as many slots, [`AHEAD`] of us, away from the consumer that read
    /// them last: they are here when we come to write them. Only of slots that are known to be free:
    /// of others the consumer still needs the lines.
    #[inline(always)]
    fn ask_ahead(&mut self, slots: u32) {
        if self.known_free() < AHEAD + slots {
            return;
        }
        let a_line = (CACHE_LINE / size_of::<T>().max(1)).max(1) as u32;
        let first = self.next.wrapping_add(AHEAD);
        for ahead in (0..slots).step_by(a_line as usize) {
            let slot = (first.wrapping_add(ahead) & self.mask) as usize;
            // Wrapping: no more than an address to hint at.
            prefetch::for_writing(self.slots.as_ptr().wrapping_add(slot));
        }
    }

    /// Elements in the ring: published and not yet taken.
    #[must_use]
    pub fn len(&self) -> usize {
        // Acquire: as in `refresh`, so that what is seen as free here is free for `push`.
        self.next.wrapping_sub(self.header().consumer.cursor.load(Ordering::Acquire)) as usize
    }

    /// Whether the consumer has taken everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Free slots; the consumer may have made more by the time it is used, never fewer.
    #[must_use]
    pub fn free(&self) -> usize {
        self.capacity() - self.len()
    }

    /// Slots in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.mask as usize + 1
    }

    /// Whether the consumer was dropped: nobody will take what is in the ring.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        // Acquire: pairs with the Release store in the consumer's `drop`.
        self.header().consumer.gone.load(Ordering::Acquire)
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire load in `Consumer::is_abandoned`: whoever sees it sees
        // every element pushed before.
        self.header().producer.gone.store(true, Ordering::Release);
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Producer({} of {})", self.len(), self.capacity())
    }
}
