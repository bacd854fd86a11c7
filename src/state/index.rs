//! Where the entries of a table are, by hash: buckets of a cache line, searched a few at a time, that forget without a trace.
//!
//! A key has [`PROBES`] buckets, the first of which has its entry nearly always. An entry whose buckets before are full
//! lies in the next, and each of those counts that it was passed: a search goes on only past buckets that are counted,
//! and removing an entry counts down again. So there are no tombstones, and a table is as fast after a year of coming and
//! going as on its first day.

use std::ops::DerefMut;

use hugepages::prefetch;

use super::bucket::Bucket;
use super::hash::KeyHash;

/// The most buckets one search looks into.
pub const PROBES: usize = 8;

/// The most entries one index can be made for.
pub const MOST_CAPACITY: usize = 1 << 30;

/// Entries per bucket, of its eight places, when every entry is taken: so few that all but a few in a hundred are in
/// their first bucket, and that practically all find a place.
const LOAD: usize = 4;

/// Buckets of the index of a table for `capacity` entries, a power of two.
pub fn buckets_for(capacity: usize) -> usize {
    capacity.min(MOST_CAPACITY).div_ceil(LOAD).next_power_of_two()
}

/// Buckets, and the numbers of entries in them.
#[derive(Debug)]
pub(super) struct Index<B> {
    buckets: B,
}

impl<B: DerefMut<Target = [Bucket]>> Index<B> {
    /// An empty index of zeroed buckets.
    ///
    /// # Panics
    /// If `capacity` is more than [`MOST_CAPACITY`], or there are not [`buckets_for`] it.
    pub(super) fn new(buckets: B, capacity: usize) -> Self {
        assert!(capacity <= MOST_CAPACITY, "{capacity} entries: at most {MOST_CAPACITY}");
        assert_eq!(buckets.len(), buckets_for(capacity), "buckets for {capacity} entries");
        Index { buckets }
    }

    /// The number of the bucket that a search comes to after `steps` others.
    #[inline(always)]
    fn number(&self, hash: KeyHash, steps: usize) -> usize {
        let mask = self.buckets.len() - 1;
        hash.home().wrapping_add(hash.stride().wrapping_mul(steps)) & mask
    }

    /// Asks the cache for the bucket where a search starts.
    #[inline(always)]
    pub(super) fn prefetch(&self, hash: KeyHash) {
        prefetch::for_many(self.buckets.as_ptr().wrapping_add(self.number(hash, 0)));
    }

    /// The first entry in the first bucket that has the hash's tag: the one that is meant, unless the tag misleads.
    #[inline(always)]
    pub(super) fn likely(&self, hash: KeyHash) -> Option<u32> {
        let bucket = self.buckets.get(self.number(hash, 0))?;
        Some(bucket.entry(bucket.tagged(hash.tag()).next()?) as u32)
    }

    /// The entry of this hash that `is` the one.
    #[inline]
    pub(super) fn find(&self, hash: KeyHash, is: impl Fn(usize) -> bool) -> Option<usize> {
        for steps in 0..PROBES {
            let bucket = self.buckets.get(self.number(hash, steps))?;
            let tagged = bucket.tagged(hash.tag()).map(|place| bucket.entry(place));
            if let Some(entry) = tagged.into_iter().find(|entry| is(*entry)) {
                return Some(entry);
            }
            if !bucket.is_passed() {
                return None;
            }
        }
        None
    }

    /// The first bucket with a free place, by how many steps away it is.
    #[inline]
    pub(super) fn room(&self, hash: KeyHash) -> Option<Room> {
        (0..PROBES).find_map(|steps| {
            let bucket = self.buckets.get(self.number(hash, steps))?;
            Some(Room { steps, place: bucket.free()? })
        })
    }

    /// Puts an entry where [`room`](Index::room) found a place for this hash.
    #[inline]
    pub(super) fn fill(&mut self, hash: KeyHash, room: Room, entry: usize) {
        for steps in 0..room.steps {
            let number = self.number(hash, steps);
            self.buckets[number].pass();
        }
        let number = self.number(hash, room.steps);
        self.buckets[number].fill(room.place, hash.tag(), entry as u32);
    }

    /// Takes an entry out that is there under this hash.
    #[inline]
    pub(super) fn remove(&mut self, hash: KeyHash, entry: usize) {
        for steps in 0..PROBES {
            let number = self.number(hash, steps);
            let bucket = &mut self.buckets[number];
            if let Some(place) = bucket.place_of(hash.tag(), entry) {
                bucket.clear(place);
                for steps in 0..steps {
                    let number = self.number(hash, steps);
                    self.buckets[number].unpass();
                }
                return;
            }
        }
        debug_assert!(false, "entry {entry} is not in the index");
    }

    /// All entries in the buckets of this hash, whatever their own hash.
    pub(super) fn rivals(&self, hash: KeyHash) -> impl Iterator<Item = usize> + '_ {
        (0..PROBES).flat_map(move |steps| self.buckets[self.number(hash, steps)].taken())
    }
}

/// A free place among the buckets of a hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    steps: usize,
    place: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zerocopy::FromZeros;

    use super::*;
    use crate::state::bucket::PLACES;
    use crate::state::hash::KeyHasher;

    fn index(buckets: usize) -> Index<Vec<Bucket>> {
        Index::new(vec![Bucket::new_zeroed(); buckets], buckets * LOAD)
    }

    fn is_as_new(index: &Index<Vec<Bucket>>) -> bool {
        index.buckets.iter().all(|bucket| bucket.taken().next().is_none() && !bucket.is_passed())
    }

    #[test]
    fn what_collides_is_refused_after_few_buckets_and_leaves_no_trace() {
        let mut index = index(1024);
        let hash = KeyHasher::new(1).hash(&0u64);
        for entry in 0..PROBES * PLACES {
            let room = index.room(hash).expect("a place");
            index.fill(hash, room, entry);
        }
        assert!(index.room(hash).is_none());
        assert_eq!(index.rivals(hash).count(), PROBES * PLACES);
        assert_eq!(index.find(hash, |_| false), None);
        // From the front: those farther on are found all the same.
        for entry in 0..PROBES * PLACES {
            assert_eq!(index.find(hash, |at| at == entry), Some(entry));
            index.remove(hash, entry);
            assert_eq!(index.find(hash, |at| at == entry), None);
        }
        assert!(is_as_new(&index));
    }

    proptest! {
        /// Few buckets, so that many are full, and few hashes, so that many collide.
        #[test]
        fn agrees_with_a_list(
            steps in proptest::collection::vec((any::<bool>(), 0u64..24, any::<prop::sample::Index>()), 0..400),
            bits in 0u32..6,
        ) {
            let mut index = index(1 << bits);
            let hasher = KeyHasher::new(9);
            let mut inside: Vec<(KeyHash, usize)> = Vec::new();
            for (entry, (puts_in, key, which)) in steps.into_iter().enumerate() {
                let hash = hasher.hash(&key);
                match index.room(hash) {
                    Some(room) if puts_in => {
                        index.fill(hash, room, entry);
                        inside.push((hash, entry));
                    }
                    None if 1 << bits <= PROBES => prop_assert_eq!(inside.len(), PLACES << bits),
                    _ if inside.is_empty() => {}
                    _ => {
                        let (hash, entry) = inside.swap_remove(which.index(inside.len()));
                        index.remove(hash, entry);
                        prop_assert_eq!(index.find(hash, |at| at == entry), None);
                    }
                }
                for (hash, entry) in &inside {
                    prop_assert_eq!(index.find(*hash, |at| at == *entry), Some(*entry));
                }
            }
            inside.iter().for_each(|(hash, entry)| index.remove(*hash, *entry));
            prop_assert!(is_as_new(&index));
        }
    }
}
