//! Who has to go: idle entries by a hand that goes round, a few at a time; others by eviction when the table is full.

use std::ops::DerefMut;

use super::{Bucket, Entry, FlowTable};
use crate::state::hash::{Key, KeyHash, split_mix};
use crate::state::stamp::{Stamp, idle_units};

/// Entries of which the one unused for longest is evicted, drawn anew each time.
pub const SAMPLE: usize = 16;

/// Entries the hand looks at before it removes those of them that are idle, so that their cache misses overlap.
const STRETCH: usize = 16;

/// What happens to a new key when the table is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// It is refused: who is in, stays.
    Refuse,
    /// It takes the place of the key that is unused for longest among [`SAMPLE`] drawn by the seed (at the eviction before). That is one of the longest unused
    /// sixteenth on average, and costs lookups nothing: an exact order would have each of them write to two other entries.
    /// ([`Lru`](crate::state::lru::Lru) keeps one.) Where a key finds no place although entries are free, because all its buckets are full, it takes
    /// that of the one unused for longest in them.
    LongestIdle,
}

/// What [`FlowTable::expire`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// Entries it looked at.
    pub seen: usize,
    /// Keys that went.
    pub expired: usize,
}

/// Among whom to look for somebody to evict.
#[derive(Clone, Copy, Debug)]
pub(super) enum Victim {
    /// Those in the buckets of this hash.
    Rival(KeyHash),
    /// All; every entry is in use.
    Anyone,
}

/// Where ageing is, and who is to be evicted next: known ahead, so that its lines are in the cache by then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hand {
    at: usize,
    /// State of the generator that draws samples.
    random: u64,
    /// The sample that the one after the next is chosen from.
    sample: [usize; SAMPLE],
    /// The next one, and its stamp: who was used since is not evicted.
    next: Option<(usize, Stamp)>,
}

impl Hand {
    pub(super) fn new(seed: u64) -> Hand {
        Hand { at: 0, random: !seed, sample: [0; SAMPLE], next: None }
    }
}

impl<K, V, B, E, S> FlowTable<K, V, B, E, S>
where
    K: Key,
    V: Copy,
    B: DerefMut<Target = [Bucket]>,
    E: DerefMut<Target = [Entry<K, V>]>,
    S: DerefMut<Target = [Stamp]>,
{
    /// Looks at the next `limit` entries, going round, and removes those that are unused for `idle_ns` or longer at `now_ns`; `gone` is told of each.
    /// None goes earlier; as stamps count milliseconds, one may be let go by for 2.1 ms longer. `idle_ns` is at most 6 days, and who is
    /// not looked at for 13 days counts as used again. Call it once a turn or by a timer: called every `t` nanoseconds with a limit of `capacity * t / idle_ns`, it finds an idle key
    /// after twice `idle_ns` at the latest.
    pub fn expire(
        &mut self,
        now_ns: u64,
        idle_ns: u64,
        limit: usize,
        mut gone: impl FnMut(&K, &V),
    ) -> Expiry {
        let mut expiry = Expiry::default();
        let (now, longest) = (Stamp::at(now_ns), idle_units(idle_ns));
        let limit = limit.min(self.entries.used());
        while expiry.seen < limit {
            if self.hand.at >= self.entries.used() {
                self.hand.at = 0;
            }
            let end = self.entries.used().min(self.hand.at + STRETCH.min(limit - expiry.seen));
            expiry.seen += end - self.hand.at;
            expiry.expired += self.expire_stretch(self.hand.at..end, now, longest, &mut gone);
            self.hand.at = end;
        }
        self.counts.expired += expiry.expired as u64;
        expiry
    }

    /// Removes what is idle of at most [`STRETCH`] entries: how many.
    fn expire_stretch(
        &mut self,
        stretch: std::ops::Range<usize>,
        now: Stamp,
        longest: u32,
        gone: &mut impl FnMut(&K, &V),
    ) -> usize {
        let mut idle = [0; STRETCH];
        let mut count = 0;
        for at in stretch {
            if self.entries.stamp(at).is_some_and(|stamp| stamp.idle(now) > longest) {
                self.entries.prefetch(at);
                idle[count] = at;
                count += 1;
            }
        }
        let mut hashes = [KeyHash::NONE; STRETCH];
        for (hash, at) in hashes.iter_mut().zip(&idle[..count]) {
            if let Some(entry) = self.entries.get(*at) {
                *hash = self.hash(&entry.key);
            }
        }
        for (hash, at) in hashes.iter().zip(&idle[..count]) {
            let (key, value) = self.take_out(*hash, *at);
            gone(&key, &value);
        }
        count
    }

    /// Makes room if the policy says so; counts either way.
    pub(super) fn evict(&mut self, now_ns: u64, victim: Victim) -> Option<(K, V)> {
        let now = Stamp::at(now_ns);
        let at = match (self.eviction, victim) {
            (Eviction::Refuse, _) => None,
            (Eviction::LongestIdle, Victim::Rival(hash)) => self.longest_idle(now, self.index.rivals(hash)),
            (Eviction::LongestIdle, Victim::Anyone) => self.next_victim(now),
        };
        let evicted = at.and_then(|at| {
            let hash = self.hasher.hash(&self.entries.get(at)?.key);
            Some(self.take_out(hash, at))
        });
        if evicted.is_none() {
            self.counts.refused += 1;
            return None;
        }
        self.counts.evicted += 1;
        self.look_ahead(now);
        evicted
    }

    /// Who was chosen ahead, or is chosen now.
    fn next_victim(&mut self, now: Stamp) -> Option<usize> {
        match self.hand.next.take() {
            Some((at, stamp)) if self.entries.stamp(at) == Some(stamp) => Some(at),
            _ => {
                self.draw();
                self.longest_idle(now, self.hand.sample.into_iter())
            }
        }
    }

    /// Chooses the next one, asks the cache for it, and for the stamps of the sample after.
    fn look_ahead(&mut self, now: Stamp) {
        let next = self.longest_idle(now, self.hand.sample.into_iter());
        self.hand.next = next.and_then(|at| Some((at, self.entries.stamp(at)?)));
        if let Some(at) = next {
            self.entries.prefetch(at);
        }
        self.draw();
    }

    /// Draws a sample from all entries.
    fn draw(&mut self) {
        let used = self.entries.used() as u64;
        for at in &mut self.hand.sample {
            let drawn = u128::from(split_mix(&mut self.hand.random)) * u128::from(used);
            *at = (drawn >> 64) as usize;
            self.entries.prefetch_stamp(*at);
        }
    }

    fn longest_idle(&self, now: Stamp, among: impl Iterator<Item = usize>) -> Option<usize> {
        let idle = among.filter_map(|at| Some((self.entries.stamp(at)?.idle(now), at)));
        idle.max_by_key(|(units, _)| *units).map(|(_, at)| at)
    }
}
