//! From hash to entry: places with a list of entries each.

use hugepages::Carved;

/// Places for so many entries.
pub(super) fn places(entries: usize) -> usize {
    entries.max(1).next_power_of_two()
}

/// The first entry of each place; the next one is in the entry.
#[derive(Debug)]
pub(super) struct Index {
    places: Carved<u32>,
}

impl Index {
    /// Over a power of two of places, all empty.
    pub(super) fn new(places: Carved<u32>) -> Index {
        Index { places }
    }

    #[inline]
    fn place(&self, hash: u64) -> usize {
        // The upper half: the lower one is nobody's yet, but this costs nothing.
        (hash >> 32) as usize & (self.places.len() - 1)
    }

    /// The first entry at a hash's place.
    #[inline]
    pub(super) fn first(&self, hash: u64) -> u32 {
        self.places[self.place(hash)]
    }

    /// Makes an entry the first of its place; returns the one that comes after it.
    pub(super) fn push(&mut self, hash: u64, number: u32) -> u32 {
        let place = self.place(hash);
        std::mem::replace(&mut self.places[place], number)
    }

    /// Sets the first entry of a place.
    pub(super) fn set(&mut self, hash: u64, number: u32) {
        let place = self.place(hash);
        self.places[place] = number;
    }

    /// The entry that comes before this one in its place; `None` where it is the first.
    pub(super) fn before(&self, hash: u64, number: u32, next: impl Fn(u32) -> u32) -> Option<u32> {
        let (mut before, mut at) = (None, self.first(hash));
        while at != number && at != 0 {
            before = Some(at);
            at = next(at);
        }
        before
    }
}
