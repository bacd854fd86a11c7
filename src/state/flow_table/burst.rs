//! Lookups of a burst: each step for all keys before the next.

use std::ops::DerefMut;

use super::{Bucket, Candidate, Entry, FlowTable, Stamp};
use crate::state::hash::{Key, KeyHash};

/// Keys whose cache misses overlap; longer bursts are looked up in parts of this size.
pub const BURST: usize = 64;

impl<K, V, B, E, S> FlowTable<K, V, B, E, S>
where
    K: Key,
    V: Copy,
    B: DerefMut<Target = [Bucket]>,
    E: DerefMut<Target = [Entry<K, V>]>,
    S: DerefMut<Target = [Stamp]>,
{
    /// The value of each key, in order: `found` gets the key's place in the burst and the value, if it is there. It does not count as
    /// a use.
    #[inline]
    pub fn get_burst(&self, keys: &[K], mut found: impl FnMut(usize, Option<&V>)) {
        let mut steps = [Step::NONE; BURST];
        for (part, keys) in keys.chunks(BURST).enumerate() {
            self.hash_burst(keys, &mut steps);
            for step in &mut steps[..keys.len()] {
                step.candidate = self.approach(step.hash);
            }
            for (nth, (key, step)) in keys.iter().zip(&steps).enumerate() {
                // Nothing is removed in between: what the index named is in use.
                let likely = self.entries.with_key(step.candidate.0 as usize, key);
                found(part * BURST + nth, likely.or_else(|| self.get_unlikely(step.hash, key)));
            }
        }
    }

    /// The value of each key, in order, which is used at `now_ns`: as [`get_burst`](FlowTable::get_burst).
    #[inline]
    pub fn get_mut_burst(&mut self, now_ns: u64, keys: &[K], mut found: impl FnMut(usize, Option<&mut V>)) {
        let mut steps = [Step::NONE; BURST];
        for (part, keys) in keys.chunks(BURST).enumerate() {
            self.hash_burst(keys, &mut steps);
            for step in &mut steps[..keys.len()] {
                step.candidate = self.candidate(step.hash);
            }
            for (nth, (key, step)) in keys.iter().zip(&steps).enumerate() {
                found(part * BURST + nth, self.get_mut_at(now_ns, step.hash, step.candidate, key));
            }
        }
    }

    #[inline(always)]
    fn hash_burst(&self, keys: &[K], steps: &mut [Step; BURST]) {
        for (key, step) in keys.iter().zip(steps) {
            step.hash = self.hash(key);
        }
    }

    /// The value of a key that is not where its tag said first: it is nowhere, farther on, or a tag misled.
    fn get_unlikely(&self, hash: KeyHash, key: &K) -> Option<&V> {
        self.entries.get(self.find(hash, key)?).map(|entry| &entry.value)
    }
}

/// How far a key of the burst has come.
#[derive(Clone, Copy)]
struct Step {
    hash: KeyHash,
    candidate: Candidate,
}

impl Step {
    const NONE: Step = Step { hash: KeyHash::NONE, candidate: Candidate::NONE };
}
