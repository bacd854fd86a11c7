//! A hash table that remembers for a while: fixed in size, with keys that come and go, and none of its operations ever long.
//!
//! ```text
//! key ─▶ hash ─▶ bucket, one cache line:  8 × (16-bit tag, entry number) ─▶ entry: key, value;  stamp: when it was used last
//!                   └ full? the next one, at most PROBES in all; each full one counts who passed it
//! ```
//!
//! | | time | memory |
//! |---|---|---|
//! | lookup | O(1): one line of the index, at most [`PROBES`] where those before are full; the entries its tag names | 16 to 32 bytes of index, an [`Entry`] (key and value) and 4 bytes a key |
//! | insert, remove | the same; no tombstones, nothing is moved, nothing grows | |
//! | [`expire`](FlowTable::expire) | O(limit): a cache line of stamps for 16 entries; remove, for those that go | |
//! | evicting | [`SAMPLE`] entries, or those of [`PROBES`] buckets | |
//!
//! Entries are used up to the last: a table holds its whole capacity. Whatever keys an attacker makes up, who does
//! not know the seed cannot aim them, and who does makes keys that collide be refused (or evict each other)
//! after the same few steps.
//!
//! **When it is full** a new key is refused, or evicts the one unused for longest among a few: see [`Eviction`]. What has been idle
//! for some time goes by [`expire`](FlowTable::expire), a few entries a call, so that no turn pays for all. A use is told by
//! the time it is given; the table has no clock.
//!
//! **For a burst**, [`get_burst`](FlowTable::get_burst) takes each step for many keys before the next, so that their cache misses overlap; or
//! do so yourself, amid other work: [`hash`](FlowTable::hash), [`candidate`](FlowTable::candidate), then [`get_at`](FlowTable::get_at),
//! [`get_mut_at`](FlowTable::get_mut_at) or [`entry_at`](FlowTable::entry_at).
//!
//! A table that never forgets, and keeps the order of arrival, is [`FlowRecords`](super::flow_records::FlowRecords).

mod ageing;
mod burst;
mod entries;
mod steps;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::ops::DerefMut;

use hugepages::{Carved, arena};

pub use super::bucket::Bucket;
pub use super::hash::KeyHash;
use super::hash::{Key, KeyHasher};
use super::index::Index;
pub use super::index::{MOST_CAPACITY, PROBES, buckets_for};
pub use super::stamp::Stamp;
pub use ageing::{Eviction, Expiry, SAMPLE};
use ageing::{Hand, Victim};
use entries::Entries;
pub use entries::Entry;
pub use steps::Candidate;

/// Keys and their values, as many as there are entries and no more.
///
/// `B`, `E` and `S` are where it lies: carved from an arena, or a `Vec` in a test.
#[derive(Debug)]
pub struct FlowTable<K, V, B = Carved<Bucket>, E = Carved<Entry<K, V>>, S = Carved<Stamp>> {
    index: Index<B>,
    entries: Entries<E, S>,
    hasher: KeyHasher,
    eviction: Eviction,
    hand: Hand,
    counts: Counts,
    of: PhantomData<(K, V)>,
}

/// What has become of a table's entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Keys in it.
    pub len: usize,
    /// The most keys it held at a time.
    pub peak: usize,
    /// Keys refused because it was full: once for every time.
    pub refused: u64,
    /// Keys that made room for others.
    pub evicted: u64,
    /// Keys that were idle for too long.
    pub expired: u64,
}

/// A key that is in the table now, by [`entry`](FlowTable::entry) or [`insert`](FlowTable::insert).
#[derive(Debug)]
pub struct Placed<'a, K, V> {
    /// Its value.
    pub value: &'a mut V,
    /// Was it not there before?
    pub is_new: bool,
    /// Who made room for it.
    pub evicted: Option<(K, V)>,
}

/// Bytes a table for `capacity` keys takes from an arena.
pub fn bytes_for<K, V>(capacity: usize) -> usize {
    let index = arena::carve_bytes::<Bucket>(buckets_for(capacity));
    let entries = arena::carve_bytes::<Entry<K, V>>(capacity);
    index.saturating_add(entries).saturating_add(arena::carve_bytes::<Stamp>(capacity))
}

impl<K, V, B, E, S> FlowTable<K, V, B, E, S>
where
    K: Key,
    V: Copy,
    B: DerefMut<Target = [Bucket]>,
    E: DerefMut<Target = [Entry<K, V>]>,
    S: DerefMut<Target = [Stamp]>,
{
    /// An empty table with room for a key per entry. The buckets are zeroed; what entries and stamps hold
    /// does not matter. Who knows the seed can make keys that collide.
    ///
    /// # Panics
    /// If there are not [`buckets_for`] the entries, not a stamp for each, or more than [`MOST_CAPACITY`] entries.
    pub fn new(buckets: B, entries: E, stamps: S, eviction: Eviction, seed: u64) -> Self {
        FlowTable {
            index: Index::new(buckets, entries.len()),
            entries: Entries::new(entries, stamps),
            hasher: KeyHasher::new(seed),
            eviction,
            hand: Hand::new(seed),
            counts: Counts::default(),
            of: PhantomData,
        }
    }

    /// Keys it has room for.
    pub fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// Keys in it.
    pub fn len(&self) -> usize {
        self.counts.len
    }

    /// Is no key in it?
    pub fn is_empty(&self) -> bool {
        self.counts.len == 0
    }

    /// How many are and were in it, and why they are no more.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// All keys and values, in an order that depends only on what was done to it.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let entries = (0..self.entries.used()).filter_map(|at| self.entries.get(at));
        entries.map(|entry| (&entry.key, &entry.value))
    }

    // ---- one key at a time

    /// The value of a key. It does not count as a use: the key grows no younger.
    #[inline]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.find(self.hasher.hash(key), key).and_then(|at| Some(&self.entries.get(at)?.value))
    }

    /// The value of a key, which is used at `now_ns`.
    #[inline]
    pub fn get_mut(&mut self, now_ns: u64, key: &K) -> Option<&mut V> {
        let at = self.find(self.hasher.hash(key), key)?;
        self.entries.touch(at, now_ns)
    }

    /// The value of a key, which is used at `now_ns` and put in with `value()` if it is not there yet. `None`, and counted, if it is
    /// full and evicts nobody.
    #[inline]
    pub fn entry(&mut self, now_ns: u64, key: &K, value: impl FnOnce() -> V) -> Option<Placed<'_, K, V>> {
        self.entry_at(now_ns, self.hasher.hash(key), Candidate::NONE, key, value)
    }

    /// Puts a key in with this value, or gives it this value if it is there. `None`, and counted, if it is full and
    /// evicts nobody.
    #[inline]
    pub fn insert(&mut self, now_ns: u64, key: &K, value: V) -> Option<Placed<'_, K, V>> {
        let placed = self.entry(now_ns, key, || value)?;
        *placed.value = value;
        Some(placed)
    }

    /// Takes a key out: its value.
    #[inline]
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let hash = self.hasher.hash(key);
        let at = self.find(hash, key)?;
        Some(self.take_out(hash, at).1)
    }

    // ---- what they are made of

    #[inline]
    fn find(&self, hash: KeyHash, key: &K) -> Option<usize> {
        self.index.find(hash, |at| self.entries.with_key(at, key).is_some())
    }

    /// Puts in a key that is not there: where, and who made room.
    fn put_in(&mut self, now_ns: u64, hash: KeyHash, entry: (K, V)) -> Option<(usize, Option<(K, V)>)> {
        let evicted = match self.crowded(hash) {
            None => None,
            Some(victim) => Some(self.evict(now_ns, victim)?),
        };
        let room = self.index.room(hash)?;
        let at = self.entries.take(entry, now_ns)?;
        self.index.fill(hash, room, at);
        self.counts.len += 1;
        self.counts.peak = self.counts.peak.max(self.counts.len);
        Some((at, evicted))
    }

    /// Among whom somebody has to make room for this hash, if so.
    #[inline]
    fn crowded(&self, hash: KeyHash) -> Option<Victim> {
        if self.index.room(hash).is_none() {
            Some(Victim::Rival(hash))
        } else {
            (!self.entries.has_free()).then_some(Victim::Anyone)
        }
    }

    #[inline]
    fn take_out(&mut self, hash: KeyHash, at: usize) -> (K, V) {
        self.index.remove(hash, at);
        self.counts.len -= 1;
        self.entries.let_go(at)
    }
}
