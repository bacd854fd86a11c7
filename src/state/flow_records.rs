//! Flow records: a hash table of flows that only grows, up to its capacity; an index of cache lines, and entries of key and value.
//!
//! It is a type beside [`FlowTable`](super::flow_table::FlowTable) because never removing is worth keeping: entries
//! lie in the order of arrival, without a word for when they were used; a bucket needs no counts; whatever is below `len` is
//! a flow. A meter that reports all flows of a run wants exactly that; whatever has to forget takes the other.
//!
//! ```text
//! key ─▶ hash ─▶ bucket, one cache line:  8 × (16-bit tag, entry number) ─▶ entry: key, value
//!                   └ full? the next one, at most PROBES in all
//! ```
//!
//! Entries are filled one after the other, so going over all of them is going over a slice. Nothing is
//! ever removed: a key is in no bucket after the first one with a free place, and most searches, also
//! for keys that are not there, end at their first bucket. Whatever keys an attacker makes up, a search
//! looks at no more than [`PROBES`] lines of the index and the entries their places name; what finds no
//! place there, or no entry, is refused and counted.
//!
//! | | time | memory |
//! |---|---|---|
//! | every operation | O(1): at most [`PROBES`] lines of the index, and the entries named there | 16 to 32 bytes of index and an [`Entry`] a flow |
//!
//! For a burst, the three steps [`hash`](FlowRecords::hash), [`candidate`](FlowRecords::candidate) and
//! [`entry`](FlowRecords::entry) are each taken for all packets before the next, so that the cache misses
//! of a burst overlap.

#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::ops::DerefMut;
use std::ptr;

use hugepages::{Carved, arena, prefetch};
use zerocopy::FromZeros;

pub use super::bucket::Bucket;
pub use super::hash::KeyHash;
use super::hash::{KeyHasher, same};
use crate::packet::flow::FlowKey;

/// The most buckets one search looks into.
pub const PROBES: usize = 4;

/// The most flows one table can be made for.
pub const MOST_CAPACITY: usize = 1 << 30;

/// Flows per bucket, of its eight places, when every entry is taken: so few that a full table is one
/// without a free entry, and practically never one without a free place.
const LOAD: usize = 4;

/// A flow and what is known of it.
#[derive(Clone, Copy, Debug, FromZeros)]
#[repr(C)]
pub struct Entry<V> {
    key: FlowKey,
    value: V,
}

/// A flow's entry as its tag says: probably the right one, and on its way into the cache.
#[derive(Clone, Copy, Debug)]
pub struct Candidate(u32);

impl Candidate {
    const NONE: Candidate = Candidate(u32::MAX);
}

/// Flows and their values, as many as there are entries and no more.
///
/// `B` and `E` are where it lies: carved from an arena, or a `Vec` in a test.
#[derive(Debug)]
pub struct FlowRecords<V, B = Carved<Bucket>, E = Carved<Entry<V>>> {
    buckets: B,
    entries: E,
    len: usize,
    full_count: u64,
    hasher: KeyHasher,
    values: PhantomData<V>,
}

/// Buckets of the index of a table for `capacity` flows, a power of two.
pub fn buckets_for(capacity: usize) -> usize {
    capacity.min(MOST_CAPACITY).div_ceil(LOAD).next_power_of_two()
}

/// Bytes a table for `capacity` flows takes from an arena.
pub fn bytes_for<V>(capacity: usize) -> usize {
    let index = arena::carve_bytes::<Bucket>(buckets_for(capacity));
    index.saturating_add(arena::carve_bytes::<Entry<V>>(capacity))
}

impl<V, B, E> FlowRecords<V, B, E>
where
    V: Default,
    B: DerefMut<Target = [Bucket]>,
    E: DerefMut<Target = [Entry<V>]>,
{
    /// An empty table with room for a flow per entry. The buckets are zeroed; what the entries hold
    /// does not matter. Who knows the seed can make keys that collide.
    ///
    /// # Panics
    /// If there are not [`buckets_for`] the entries, or more than [`MOST_CAPACITY`] entries.
    pub fn new(buckets: B, entries: E, seed: u64) -> Self {
        assert!(entries.len() <= MOST_CAPACITY, "{} entries: at most {MOST_CAPACITY}", entries.len());
        assert_eq!(buckets.len(), buckets_for(entries.len()), "buckets for {} entries", entries.len());
        let hasher = KeyHasher::new(seed);
        FlowRecords { buckets, entries, len: 0, full_count: 0, hasher, values: PhantomData }
    }

    /// Flows it has room for.
    pub fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// Flows in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Is there no flow in it?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How often a flow was refused because it was full: once for every time it was asked.
    pub fn full_count(&self) -> u64 {
        self.full_count
    }

    /// All flows, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (&FlowKey, &V)> {
        self.entries.iter().take(self.len).map(|entry| (&entry.key, &entry.value))
    }

    /// Step one: hashes a key, and asks the cache for its bucket.
    #[inline]
    pub fn hash(&self, key: &FlowKey) -> KeyHash {
        let hash = self.hasher.hash(key);
        if let Some(bucket) = self.buckets.get(self.bucket(hash, 0)) {
            prefetch::for_many(bucket);
        }
        hash
    }

    /// Step two: finds the entry the key has, if its tag does not mislead, and asks the cache for the
    /// first and the last line of it.
    #[inline]
    pub fn candidate(&self, hash: KeyHash) -> Candidate {
        let home = self.buckets.get(self.bucket(hash, 0));
        let found = home.and_then(|bucket| Some(bucket.entry(bucket.tagged(hash.tag()).next()?)));
        match found.and_then(|at| Some((at, self.entries.get(at)?))) {
            Some((at, entry)) => {
                let first = ptr::from_ref(entry).cast::<u8>();
                prefetch::for_many(first);
                prefetch::for_many(first.wrapping_add(size_of::<Entry<V>>() - 1));
                Candidate(at as u32)
            }
            None => Candidate::NONE,
        }
    }

    /// Step three: the value of a key, which is put in with [`Default`] if it is not there yet; `None`,
    /// and counted, if it is full. `hash` and `candidate` are what the steps before said of this key;
    /// other keys may have been put in since.
    #[inline]
    pub fn entry(&mut self, hash: KeyHash, candidate: Candidate, key: &FlowKey) -> Option<&mut V> {
        let guess = candidate.0 as usize;
        let at = if self.holds(guess, key) { guess } else { self.find_or_insert(hash, key)? };
        Some(&mut self.entries.get_mut(at)?.value)
    }

    /// All three steps at once, for a single key.
    #[inline]
    pub fn lookup_or_insert(&mut self, key: &FlowKey) -> Option<&mut V> {
        let at = self.find_or_insert(self.hasher.hash(key), key)?;
        Some(&mut self.entries.get_mut(at)?.value)
    }

    /// The number of the bucket that a search for a key comes to after `steps` others.
    #[inline(always)]
    fn bucket(&self, hash: KeyHash, steps: usize) -> usize {
        let mask = self.buckets.len() - 1;
        hash.home().wrapping_add(hash.stride().wrapping_mul(steps)) & mask
    }

    #[inline(always)]
    fn holds(&self, at: usize, key: &FlowKey) -> bool {
        // What is past `len` was never put in.
        at < self.len && self.entries.get(at).is_some_and(|entry| same(&entry.key, key))
    }

    #[inline]
    fn find_or_insert(&mut self, hash: KeyHash, key: &FlowKey) -> Option<usize> {
        for steps in 0..PROBES {
            let number = self.bucket(hash, steps);
            let bucket = self.buckets.get(number)?;
            let found = bucket.tagged(hash.tag()).map(|place| bucket.entry(place));
            if let Some(at) = found.into_iter().find(|at| self.holds(*at, key)) {
                return Some(at);
            }
            if let Some(place) = bucket.free() {
                return self.insert(number, place, hash, key);
            }
        }
        self.full_count += 1;
        None
    }

    fn insert(&mut self, bucket: usize, place: usize, hash: KeyHash, key: &FlowKey) -> Option<usize> {
        let at = self.len;
        let (Some(bucket), Some(entry)) = (self.buckets.get_mut(bucket), self.entries.get_mut(at)) else {
            self.full_count += 1;
            return None;
        };
        bucket.fill(place, hash.tag(), at as u32);
        *entry = Entry { key: *key, value: V::default() };
        self.len = at + 1;
        Some(at)
    }
}
