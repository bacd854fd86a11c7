//! hashbrown's maps and vectors with a piece of the arena as their memory, for where their pauses do not matter.
//!
//! They are the libraries' own types, with all they can do. Two things are different here. They have as much memory as was carved and no more,
//! so put things in by [`insert`] and [`push`], which refuse when there is none; the types' own `insert` and `push` would end the
//! process then. And a map grows by moving everything at once: for as long as its memory lasts, it pauses for milliseconds
//! (a million keys: 30 ms measured, `benches/hash.rs`). What every packet asks for belongs in a
//! [`FlowTable`](super::flow_table::FlowTable).
//!
//! | | time | memory |
//! |---|---|---|
//! | lookup | O(1) | key, value and a byte, for 8/7 to 16/7 times the keys; while it grows, for the old size as well |
//! | [`insert`], [`push`] | O(1) mostly, O(len) when it grows, or puts what was removed behind it | |

use foldhash::fast::FixedState;
use hugepages::Heap;

/// A hash map in a heap. Its hash is seeded: who knows the seed can make keys that collide.
pub type Map<K, V> = hashbrown::HashMap<K, V, FixedState, Heap>;

/// A vector in a heap.
pub type Vector<T> = allocator_api2::vec::Vec<T, Heap>;

/// An empty map.
pub fn map<K, V>(heap: &Heap, seed: u64) -> Map<K, V> {
    Map::with_hasher_in(FixedState::with_seed(seed), heap.clone())
}

/// An empty vector.
pub fn vector<T>(heap: &Heap) -> Vector<T> {
    Vector::new_in(heap.clone())
}

/// What was not put in because the heap has no room for it, as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the heap has no room left")]
pub struct NoRoom<T>(pub T);

/// Puts a key into a map: its value before.
///
/// # Errors
/// [`NoRoom`] where the map would have to grow and the heap has no room for it. The map is as it was, and the heap has counted it.
#[inline]
pub fn insert<K: Eq + std::hash::Hash, V>(
    map: &mut Map<K, V>,
    key: K,
    value: V,
) -> Result<Option<V>, NoRoom<(K, V)>> {
    if map.len() == map.capacity()
        && let Some(known) = map.get_mut(&key)
    {
        return Ok(Some(std::mem::replace(known, value)));
    }
    match map.try_reserve(1) {
        Ok(()) => Ok(map.insert(key, value)),
        Err(_) => Err(NoRoom((key, value))),
    }
}

/// Puts a value at the end of a vector.
///
/// # Errors
/// [`NoRoom`] where the vector would have to grow and the heap has no room for it.
#[inline]
pub fn push<T>(vector: &mut Vector<T>, value: T) -> Result<(), NoRoom<T>> {
    match vector.try_reserve(1) {
        Ok(()) => {
            vector.push(value);
            Ok(())
        }
        Err(_) => Err(NoRoom(value)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use hugepages::{Arena, PagePolicy};
    use proptest::prelude::*;

    use super::*;

    fn heap(bytes: usize) -> Heap {
        let mut arena = Arena::reserve(bytes, &PagePolicy::Never, None).expect("memory");
        arena.carve_heap("heap", bytes).expect("room")
    }

    #[test]
    fn a_full_heap_refuses_and_all_that_is_in_stays() {
        let heap = heap(1 << 16);
        let mut map = map(&heap, 1);
        let refused = (0u64..).find(|n| insert(&mut map, *n, n.to_string()).is_err()).expect("it is bounded");
        assert!(refused > 400 && heap.usage().refused > 0, "{refused} fitted");
        assert_eq!(map.len() as u64, refused);
        assert!((0..refused).all(|n| map[&n] == n.to_string()));
        assert_eq!(insert(&mut map, 7, "new".to_owned()), Ok(Some("7".to_owned())), "who is in may change");
        assert_eq!(insert(&mut map, refused, String::new()), Err(NoRoom((refused, String::new()))));
        drop(map);
        let mut vector = vector(&heap);
        let refused = (0u32..).find(|n| push(&mut vector, *n).is_err()).expect("it is bounded");
        assert!(refused >= 4096 && vector.iter().copied().eq(0..refused));
        drop(vector);
        assert_eq!(heap.usage().used, 0);
    }

    /// It is built on one thread and used on another.
    #[test]
    fn it_moves_to_its_core_with_its_application() {
        let mut map = map(&heap(1 << 16), 2);
        insert(&mut map, 1, "one").expect("room");
        let map = std::thread::spawn(move || {
            insert(&mut map, 2, "two").expect("room");
            map
        });
        assert_eq!(map.join().expect("no panic").len(), 2);
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(steps in proptest::collection::vec((any::<bool>(), any::<u8>(), any::<u32>()), 0..600), bytes in 0usize..8192) {
            let heap = heap(bytes);
            let (mut map, mut model) = (map(&heap, 3), HashMap::new());
            for (inserts, key, value) in steps {
                if inserts {
                    match insert(&mut map, key, value) {
                        Ok(before) => prop_assert_eq!(before, model.insert(key, value)),
                        Err(NoRoom(back)) => prop_assert!(back == (key, value) && !model.contains_key(&key)),
                    }
                } else {
                    prop_assert_eq!(map.remove(&key), model.remove(&key));
                }
            }
            prop_assert_eq!(map.into_iter().collect::<HashMap<_, _>>(), model);
            prop_assert_eq!(heap.usage().used, 0);
        }
    }
}
