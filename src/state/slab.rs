//! Values under numbers of their own choice: fixed in size, owned, dropped with the slab.
//!
//! | | time | memory |
//! |---|---|---|
//! | insert, get, remove | O(1), one element | 8 bytes beside an `Option` of the value |
//!
//! A [`Handle`] has the generation of its element in it, so that the handle of a value that was removed names nobody, whoever lies there now
//! (until its element was used four thousand million times more).

use std::ops::DerefMut;

use hugepages::{Filled, arena};

use super::list::{Links, Nodes};

/// The most values one slab can be made for.
pub const MOST_CAPACITY: usize = u32::MAX as usize - 2;

/// Names a value of the slab it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    index: u32,
    generation: u32,
}

impl Handle {
    /// The number of its element, less than the capacity: what [`List`](super::list::List) calls it.
    pub fn index(self) -> u32 {
        self.index
    }
}

/// Room for a value.
#[derive(Debug)]
pub struct Place<T> {
    generation: u32,
    /// The next free place, of one that is free.
    next: u32,
    value: Option<T>,
}

impl<T> Default for Place<T> {
    fn default() -> Place<T> {
        Place { generation: 0, next: 0, value: None }
    }
}

/// Bytes a slab for `capacity` values takes from an arena.
pub fn bytes_for<T>(capacity: usize) -> usize {
    arena::carve_bytes::<Place<T>>(capacity)
}

/// Values, as many as there are places and no more.
#[derive(Debug)]
pub struct Slab<T, P = Filled<Place<T>>> {
    places: P,
    free: u32,
    /// Places from here on were never used.
    fresh: u32,
    len: usize,
    peak: usize,
    refused: u64,
    of: std::marker::PhantomData<T>,
}

impl<T, P: DerefMut<Target = [Place<T>]>> Slab<T, P> {
    /// An empty slab. Carve the places by `carve_filled` with [`Place::default`].
    ///
    /// # Panics
    /// If there are more than [`MOST_CAPACITY`], or a value in one.
    pub fn new(places: P) -> Self {
        assert!(places.len() <= MOST_CAPACITY, "{} places: at most {MOST_CAPACITY}", places.len());
        assert!(places.iter().all(|place| place.value.is_none()), "places are empty at first");
        let of = std::marker::PhantomData;
        Slab { places, free: u32::MAX, fresh: 0, len: 0, peak: 0, refused: 0, of }
    }

    /// Values it has room for.
    pub fn capacity(&self) -> usize {
        self.places.len()
    }

    /// Values in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Is no value in it?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The most values that were in it at a time.
    pub fn peak(&self) -> usize {
        self.peak
    }

    /// Values that were refused because it was full.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Puts a value in the place that was freed last.
    ///
    /// # Errors
    /// The value, and it is counted, when no place is free.
    #[inline]
    pub fn insert(&mut self, value: T) -> Result<Handle, T> {
        let index = if self.free == u32::MAX { self.fresh } else { self.free };
        let Some(place) = self.places.get_mut(index as usize) else {
            self.refused += 1;
            return Err(value);
        };
        if index == self.fresh {
            self.fresh += 1;
        } else {
            self.free = place.next;
        }
        place.value = Some(value);
        self.len += 1;
        self.peak = self.peak.max(self.len);
        Ok(Handle { index, generation: place.generation })
    }

    #[inline]
    fn place(&self, handle: Handle) -> Option<&Place<T>> {
        self.places.get(handle.index as usize).filter(|place| place.generation == handle.generation)
    }

    /// The value of a handle.
    #[inline]
    pub fn get(&self, handle: Handle) -> Option<&T> {
        self.place(handle)?.value.as_ref()
    }

    /// The value of a handle.
    #[inline]
    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        let place = self.places.get_mut(handle.index as usize)?;
        if place.generation != handle.generation {
            return None;
        }
        place.value.as_mut()
    }

    /// Takes a value out.
    #[inline]
    pub fn remove(&mut self, handle: Handle) -> Option<T> {
        let place = self.places.get_mut(handle.index as usize)?;
        if place.generation != handle.generation {
            return None;
        }
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
        place.next = self.free;
        self.free = handle.index;
        self.len -= 1;
        Some(value)
    }

    /// The handle of the value whose number this is.
    pub fn handle(&self, index: u32) -> Option<Handle> {
        let place = self.places.get(index as usize)?;
        place.value.as_ref()?;
        Some(Handle { index, generation: place.generation })
    }

    /// All values, by number.
    pub fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        let used = self.places.iter().take(self.fresh as usize).zip(0..);
        used.filter_map(|(place, index)| {
            Some((Handle { index, generation: place.generation }, place.value.as_ref()?))
        })
    }
}

/// Lists of values, by [`Handle::index`]. Take a value out of its list before you remove it.
impl<T: AsMut<Links>, P: DerefMut<Target = [Place<T>]>> Nodes for Slab<T, P> {
    #[inline]
    fn links(&mut self, at: u32) -> &mut Links {
        let value = self.places[at as usize].value.as_mut();
        value.unwrap_or_else(|| panic!("place {at} of the slab is free")).as_mut()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;
    use crate::state::list::List;

    type InVec<T> = Slab<T, Vec<Place<T>>>;

    fn slab<T>(capacity: usize) -> InVec<T> {
        Slab::new((0..capacity).map(|_| Place::default()).collect())
    }

    #[test]
    fn values_in_it_are_dropped_with_it() {
        let counted = Rc::new(());
        let mut slab = slab(3);
        let handles: Vec<Handle> = (0..3).map(|_| slab.insert(counted.clone()).expect("room")).collect();
        assert!(slab.insert(counted.clone()).is_err());
        assert_eq!((slab.refused(), Rc::strong_count(&counted)), (1, 4));
        assert!(slab.remove(handles[1]).is_some() && slab.remove(handles[1]).is_none());
        assert_eq!(Rc::strong_count(&counted), 3);
        drop(slab);
        assert_eq!(Rc::strong_count(&counted), 1);
    }

    #[test]
    fn its_values_can_be_in_a_list() {
        struct Linked(u32, Links);
        impl AsMut<Links> for Linked {
            fn as_mut(&mut self) -> &mut Links {
                &mut self.1
            }
        }
        let (mut slab, mut list) = (slab(4), List::new());
        for n in 0..4 {
            let handle = slab.insert(Linked(n, Links::default())).unwrap_or_else(|_| panic!("room"));
            list.push_front(&mut slab, handle.index());
        }
        let at = list.pop_back(&mut slab).expect("four are in it");
        let handle = slab.handle(at).expect("it is there");
        assert_eq!(slab.remove(handle).map(|linked| linked.0), Some(0));
        assert_eq!((list.len(), slab.len(), slab.handle(at)), (3, 3, None));
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(
            steps in proptest::collection::vec((any::<bool>(), any::<prop::sample::Index>(), any::<u16>()), 0..300),
            capacity in 0usize..20,
        ) {
            let mut slab = slab(capacity);
            let mut model: HashMap<Handle, u16> = HashMap::new();
            let mut known: Vec<Handle> = Vec::new();
            let (mut peak, mut refused) = (0, 0);
            for (inserts, which, value) in steps {
                if inserts || known.is_empty() {
                    match slab.insert(value) {
                        Ok(handle) => {
                            prop_assert!(model.len() < capacity && model.insert(handle, value).is_none());
                            prop_assert!(!known.contains(&handle));
                            known.push(handle);
                        }
                        Err(back) => {
                            prop_assert!(model.len() == capacity && back == value);
                            refused += 1;
                        }
                    }
                } else {
                    // Also one that was removed long ago.
                    let handle = known[which.index(known.len())];
                    prop_assert_eq!(slab.remove(handle), model.remove(&handle));
                }
                peak = peak.max(model.len());
                for handle in &known {
                    prop_assert_eq!(slab.get(*handle), model.get(handle));
                    prop_assert_eq!(slab.get_mut(*handle).copied(), model.get(handle).copied());
                }
            }
            prop_assert_eq!((slab.len(), slab.peak(), slab.refused()), (model.len(), peak, refused));
            let all: HashMap<Handle, u16> = slab.iter().map(|(handle, value)| (handle, *value)).collect();
            prop_assert_eq!(all, model);
        }
    }
}
