//! A lookup step by step, for bursts and for who has something else to do in between.

use std::ops::DerefMut;

use super::{Bucket, Entry, FlowTable, Placed, Stamp};
use crate::state::hash::{Key, KeyHash};

/// An entry as its tag says: probably the right one, and on its way into the cache.
#[derive(Clone, Copy, Debug)]
pub struct Candidate(pub(super) u32);

impl Candidate {
    pub(super) const NONE: Candidate = Candidate(u32::MAX);
}

impl<K, V, B, E, S> FlowTable<K, V, B, E, S>
where
    K: Key,
    V: Copy,
    B: DerefMut<Target = [Bucket]>,
    E: DerefMut<Target = [Entry<K, V>]>,
    S: DerefMut<Target = [Stamp]>,
{
    /// Step one: hashes a key, and asks the cache for its bucket.
    #[inline(always)]
    pub fn hash(&self, key: &K) -> KeyHash {
        let hash = self.hasher.hash(key);
        self.index.prefetch(hash);
        hash
    }

    /// Step two: finds the entry the key has, if its tag does not mislead, and asks the cache for it and for its stamp.
    #[inline(always)]
    pub fn candidate(&self, hash: KeyHash) -> Candidate {
        let candidate = self.approach(hash);
        self.entries.prefetch_stamp(candidate.0 as usize);
        candidate
    }

    /// Step three, [`get`](FlowTable::get): `hash` and `candidate` are what the steps before said of this key; anything may have been put in
    /// and removed since.
    #[inline]
    pub fn get_at(&self, hash: KeyHash, candidate: Candidate, key: &K) -> Option<&V> {
        self.entries.get(self.locate(hash, candidate, key)?).map(|entry| &entry.value)
    }

    /// Step three, [`get_mut`](FlowTable::get_mut): as in [`get_at`](FlowTable::get_at).
    #[inline]
    pub fn get_mut_at(
        &mut self,
        now_ns: u64,
        hash: KeyHash,
        candidate: Candidate,
        key: &K,
    ) -> Option<&mut V> {
        let at = self.locate(hash, candidate, key)?;
        self.entries.touch(at, now_ns)
    }

    /// Step three, [`entry`](FlowTable::entry): as in [`get_at`](FlowTable::get_at).
    #[inline]
    pub fn entry_at(
        &mut self,
        now_ns: u64,
        hash: KeyHash,
        candidate: Candidate,
        key: &K,
        value: impl FnOnce() -> V,
    ) -> Option<Placed<'_, K, V>> {
        let (at, is_new, evicted) = match self.locate(hash, candidate, key) {
            Some(at) => (at, false, None),
            None => {
                let (at, evicted) = self.put_in(now_ns, hash, (*key, value()))?;
                (at, true, evicted)
            }
        };
        Some(Placed { value: self.entries.touch(at, now_ns)?, is_new, evicted })
    }

    /// Step two without the stamp.
    #[inline(always)]
    pub(super) fn approach(&self, hash: KeyHash) -> Candidate {
        match self.index.likely(hash) {
            Some(at) => {
                self.entries.prefetch(at as usize);
                Candidate(at)
            }
            None => Candidate::NONE,
        }
    }

    #[inline(always)]
    pub(super) fn locate(&self, hash: KeyHash, candidate: Candidate, key: &K) -> Option<usize> {
        let guess = candidate.0 as usize;
        let is_it = self.entries.stamp(guess).is_some() && self.entries.with_key(guess, key).is_some();
        if is_it { Some(guess) } else { self.find(hash, key) }
    }
}
