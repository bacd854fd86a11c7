//! A cache of fixed size that evicts exactly the key unused for longest: an index, entries, and a list of them by use.
//!
//! | | time | memory |
//! |---|---|---|
//! | get, put, remove, pop | O(1): the index as in [`FlowTable`](super::flow_table::FlowTable), the entry, and three others whose links change | 16 to 32 bytes of index, key, `Option` of the value and 8 bytes |
//!
//! The order is exact and costs a use three cache lines; where one of the longest unused is good enough, a
//! [`FlowTable`](super::flow_table::FlowTable) with [`Eviction::LongestIdle`](super::flow_table::Eviction) is cheaper. Values are owned: they
//! are handed back when evicted or removed, and dropped with the cache.

use std::marker::PhantomData;
use std::ops::DerefMut;

use hugepages::{Carved, Filled, arena};

pub use super::bucket::Bucket;
use super::hash::{Key, KeyHash, KeyHasher, same};
use super::index::Index;
pub use super::index::{MOST_CAPACITY, buckets_for};
use super::list::{Links, List};

/// A key, its value, and where it stands by use.
#[derive(Debug)]
pub struct Entry<K, V> {
    links: Links,
    key: K,
    value: Option<V>,
}

impl<K: Key, V> Default for Entry<K, V> {
    fn default() -> Entry<K, V> {
        Entry { links: Links::default(), key: K::new_zeroed(), value: None }
    }
}

impl<K, V> AsMut<Links> for Entry<K, V> {
    #[inline(always)]
    fn as_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// Bytes a cache for `capacity` keys takes from an arena.
pub fn bytes_for<K, V>(capacity: usize) -> usize {
    let index = arena::carve_bytes::<Bucket>(buckets_for(capacity));
    index.saturating_add(arena::carve_bytes::<Entry<K, V>>(capacity))
}

/// Keys and their values, as many as there are entries and no more.
#[derive(Debug)]
pub struct Lru<K, V, B = Carved<Bucket>, E = Filled<Entry<K, V>>> {
    index: Index<B>,
    entries: E,
    /// Those in use, the one used last first.
    used: List,
    free: List,
    hasher: KeyHasher,
    peak: usize,
    evicted: u64,
    of: PhantomData<(K, V)>,
}

impl<K, V, B, E> Lru<K, V, B, E>
where
    K: Key,
    B: DerefMut<Target = [Bucket]>,
    E: DerefMut<Target = [Entry<K, V>]>,
{
    /// An empty cache. The buckets are zeroed; carve the entries by `carve_filled` with [`Entry::default`]. Who knows the seed can make
    /// keys that evict each other.
    ///
    /// # Panics
    /// If there are no entries, not [`buckets_for`] them, more than [`MOST_CAPACITY`], or one is in use.
    pub fn new(buckets: B, mut entries: E, seed: u64) -> Self {
        assert!(!entries.is_empty(), "a cache has at least one entry");
        assert!(entries.iter().all(|entry| entry.value.is_none()), "entries are empty at first");
        let (index, mut free) = (Index::new(buckets, entries.len()), List::new());
        (0..entries.len()).for_each(|at| free.push_back(&mut *entries, at as u32));
        let (used, hasher) = (List::new(), KeyHasher::new(seed));
        Lru { index, entries, used, free, hasher, peak: 0, evicted: 0, of: PhantomData }
    }

    /// Keys it has room for.
    pub fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// Keys in it.
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// Is no key in it?
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// The most keys that were in it at a time.
    pub fn peak(&self) -> usize {
        self.peak
    }

    /// Keys that made room for others.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The value of a key, which is the one used last now.
    #[inline]
    pub fn get(&mut self, key: &K) -> Option<&mut V> {
        let at = self.find(self.hasher.hash(key), key)?;
        self.used.move_to_front(&mut *self.entries, at as u32);
        self.entries[at].value.as_mut()
    }

    /// The value of a key; it counts as no use.
    #[inline]
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.entries[self.find(self.hasher.hash(key), key)?].value.as_ref()
    }

    /// Puts a key in, which is the one used last now. What had to go for it: the key's own value before, or, if
    /// it was full, the key unused for longest. (Where all of a key's buckets are full, which only who knows the seed brings about, somebody in
    /// them.)
    #[inline]
    pub fn put(&mut self, key: &K, value: V) -> Option<(K, V)> {
        let hash = self.hasher.hash(key);
        if let Some(at) = self.find(hash, key) {
            self.used.move_to_front(&mut *self.entries, at as u32);
            return self.entries[at].value.replace(value).map(|before| (*key, before));
        }
        let evicted = self.victim(hash).and_then(|at| self.take_out(at));
        self.evicted += u64::from(evicted.is_some());
        if let (Some(room), Some(at)) = (self.index.room(hash), self.free.pop_front(&mut *self.entries)) {
            let entry = &mut self.entries[at as usize];
            (entry.key, entry.value) = (*key, Some(value));
            self.index.fill(hash, room, at as usize);
            self.used.push_front(&mut *self.entries, at);
            self.peak = self.peak.max(self.used.len());
        }
        evicted
    }

    /// Takes a key out: its value.
    #[inline]
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.find(self.hasher.hash(key), key)?;
        self.take_out(at).map(|(_, value)| value)
    }

    /// Takes out the key unused for longest. It counts as removed, not as evicted.
    pub fn pop(&mut self) -> Option<(K, V)> {
        self.take_out(self.used.last()? as usize)
    }

    #[inline]
    fn find(&self, hash: KeyHash, key: &K) -> Option<usize> {
        self.index.find(hash, |at| self.entries.get(at).is_some_and(|entry| same(&entry.key, key)))
    }

    /// Who has to go for a key of this hash, if anybody.
    #[inline]
    fn victim(&self, hash: KeyHash) -> Option<usize> {
        if self.index.room(hash).is_none() {
            return self.index.rivals(hash).next();
        }
        if self.free.is_empty() { self.used.last().map(|at| at as usize) } else { None }
    }

    fn take_out(&mut self, at: usize) -> Option<(K, V)> {
        let key = self.entries[at].key;
        let value = self.entries[at].value.take()?;
        self.index.remove(self.hasher.hash(&key), at);
        self.used.remove(&mut *self.entries, at as u32);
        self.free.push_front(&mut *self.entries, at as u32);
        Some((key, value))
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use proptest::prelude::*;
    use zerocopy::FromZeros;

    use super::*;

    type InVec<V> = Lru<u64, V, Vec<Bucket>, Vec<Entry<u64, V>>>;

    fn cache<V>(capacity: usize, seed: u64) -> InVec<V> {
        let buckets = vec![Bucket::new_zeroed(); buckets_for(capacity)];
        Lru::new(buckets, (0..capacity).map(|_| Entry::default()).collect(), seed)
    }

    #[test]
    fn values_are_handed_back_or_dropped_with_it() {
        let counted = Rc::new(());
        let mut cache = cache(2, 0);
        assert!(cache.put(&1, counted.clone()).is_none() && cache.put(&2, counted.clone()).is_none());
        assert!(cache.get(&1).is_some());
        assert_eq!(cache.put(&3, counted.clone()).map(|(key, _)| key), Some(2));
        assert_eq!((cache.evicted(), cache.peak(), cache.capacity()), (1, 2, 2));
        assert_eq!(Rc::strong_count(&counted), 3);
        drop(cache);
        assert_eq!(Rc::strong_count(&counted), 1);
    }

    #[test]
    fn keys_that_all_collide_evict_each_other() {
        let mut cache = cache(4096, 3);
        let hash = cache.hasher.hash(&0);
        while let Some(room) = cache.index.room(hash) {
            let at = cache.free.pop_front(&mut *cache.entries).expect("free");
            (cache.entries[at as usize].key, cache.entries[at as usize].value) = (0, Some(at));
            cache.index.fill(hash, room, at as usize);
            cache.used.push_front(&mut *cache.entries, at);
        }
        let full = cache.len();
        // Key 0's own buckets are full: a key beside it would have to evict one of them.
        assert!(cache.victim(hash).is_some() && full < cache.capacity());
        assert!(cache.remove(&0).is_some() && cache.victim(hash).is_none());
        assert_eq!(cache.len(), full - 1);
    }

    proptest! {
        /// The model is a list, the key used last first.
        #[test]
        fn agrees_with_a_list(
            steps in proptest::collection::vec((0u8..7, 0u64..40, any::<u32>()), 0..400),
            capacity in 1usize..40,
            seed: u64,
        ) {
            let mut cache = cache(capacity, seed);
            let mut model: Vec<(u64, u32)> = Vec::new();
            let (mut peak, mut evicted) = (0, 0);
            for (step, key, value) in steps {
                let at = model.iter().position(|(other, _)| *other == key);
                match step {
                    0..3 => {
                        let gone = match at {
                            Some(at) => Some(model.remove(at)),
                            None if model.len() == capacity => {
                                evicted += 1;
                                model.pop()
                            }
                            None => None,
                        };
                        model.insert(0, (key, value));
                        prop_assert_eq!(cache.put(&key, value), gone);
                    }
                    3 => {
                        let found = at.map(|at| {
                            let mut entry = model.remove(at);
                            entry.1 = entry.1.wrapping_add(1);
                            model.insert(0, entry);
                            entry.1
                        });
                        let value = cache.get(&key).map(|value| {
                            *value = value.wrapping_add(1);
                            *value
                        });
                        prop_assert_eq!(value, found);
                    }
                    4 => prop_assert_eq!(cache.peek(&key).copied(), at.map(|at| model[at].1)),
                    5 => prop_assert_eq!(cache.remove(&key), at.map(|at| model.remove(at).1)),
                    _ => prop_assert_eq!(cache.pop(), model.pop()),
                }
                peak = peak.max(model.len());
                prop_assert_eq!((cache.len(), cache.peak(), cache.evicted()), (model.len(), peak, evicted));
            }
            while let Some(entry) = model.pop() {
                prop_assert_eq!(cache.pop(), Some(entry));
            }
            prop_assert!(cache.is_empty() && cache.pop().is_none());
        }
    }
}
