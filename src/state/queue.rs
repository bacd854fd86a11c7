//! A queue for one thread, first in first out, bounded: values by ownership, packets among them.
//!
//! | | time | memory |
//! |---|---|---|
//! | push, pop | O(1), one element | an `Option` of the value a place |
//!
//! Between threads it is a [`ring`](hugepages::ring). What is full refuses, and gives the value back: nothing is dropped unseen.

use std::marker::PhantomData;
use std::ops::DerefMut;

use hugepages::{Filled, arena};

/// Bytes a queue for `capacity` values takes from an arena.
pub fn bytes_for<T>(capacity: usize) -> usize {
    arena::carve_bytes::<Option<T>>(capacity)
}

/// Values in the order they came, as many as there are places and no more.
#[derive(Debug)]
pub struct Queue<T, P = Filled<Option<T>>> {
    places: P,
    first: usize,
    len: usize,
    peak: usize,
    refused: u64,
    of: PhantomData<T>,
}

impl<T, P: DerefMut<Target = [Option<T>]>> Queue<T, P> {
    /// An empty queue. Carve the places by `carve_filled` with `None`.
    ///
    /// # Panics
    /// If there is a value in one.
    pub fn new(places: P) -> Self {
        assert!(places.iter().all(Option::is_none), "places are empty at first");
        Queue { places, first: 0, len: 0, peak: 0, refused: 0, of: PhantomData }
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

    /// Is there no room?
    pub fn is_full(&self) -> bool {
        self.len == self.places.len()
    }

    /// The most values that were in it at a time.
    pub fn peak(&self) -> usize {
        self.peak
    }

    /// Values that were refused because it was full.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The place `offset` after the first, going round.
    #[inline(always)]
    fn at(&self, offset: usize) -> usize {
        let at = self.first + offset;
        if at < self.places.len() { at } else { at - self.places.len() }
    }

    /// Puts a value behind all others.
    ///
    /// # Errors
    /// The value, and it is counted, when it is full.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), T> {
        if self.is_full() {
            self.refused += 1;
            return Err(value);
        }
        let at = self.at(self.len);
        self.places[at] = Some(value);
        self.len += 1;
        self.peak = self.peak.max(self.len);
        Ok(())
    }

    /// Moves the last value forward: past those that `before` puts behind it, of the `most` values in front of it at most.
    pub fn sink_last(&mut self, most: usize, mut before: impl FnMut(&T, &T) -> bool) {
        for step in 1..=most.min(self.len.saturating_sub(1)) {
            let (front, back) = (self.at(self.len - 1 - step), self.at(self.len - step));
            match (&self.places[front], &self.places[back]) {
                (Some(other), Some(value)) if before(value, other) => self.places.swap(front, back),
                _ => break,
            }
        }
    }

    /// Takes out the value that came first.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let value = self.places.get_mut(self.first)?.take()?;
        self.first = self.at(1);
        self.len -= 1;
        Some(value)
    }

    /// The value that came first.
    pub fn first(&self) -> Option<&T> {
        self.places.get(self.first)?.as_ref()
    }

    /// All values, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len).filter_map(|offset| self.places[self.at(offset)].as_ref())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;

    fn queue<T>(capacity: usize) -> Queue<T, Vec<Option<T>>> {
        Queue::new((0..capacity).map(|_| None).collect())
    }

    #[test]
    fn values_in_it_are_dropped_with_it() {
        let counted = Rc::new(());
        let mut queue = queue(2);
        assert!(queue.push(counted.clone()).is_ok() && queue.push(counted.clone()).is_ok());
        assert!(queue.push(counted.clone()).is_err());
        assert_eq!(Rc::strong_count(&counted), 3);
        drop(queue.pop());
        drop(queue);
        assert_eq!(Rc::strong_count(&counted), 1);
    }

    proptest! {
        #[test]
        fn agrees_with_a_deque(
            steps in proptest::collection::vec(proptest::option::weighted(0.6, any::<u8>()), 0..300),
            capacity in 0usize..20,
        ) {
            let (mut queue, mut model) = (queue(capacity), VecDeque::new());
            let (mut peak, mut refused) = (0, 0);
            for step in steps {
                match step {
                    Some(value) if model.len() < capacity => {
                        prop_assert_eq!(queue.push(value), Ok(()));
                        model.push_back(value);
                    }
                    Some(value) => {
                        prop_assert_eq!(queue.push(value), Err(value));
                        refused += 1;
                    }
                    None => prop_assert_eq!(queue.pop(), model.pop_front()),
                }
                peak = peak.max(model.len());
                prop_assert!(queue.iter().eq(&model));
                prop_assert_eq!((queue.first(), queue.is_full()), (model.front(), model.len() == capacity));
            }
            prop_assert_eq!((queue.len(), queue.peak(), queue.refused()), (model.len(), peak, refused));
        }

        #[test]
        fn what_sinks_lies_as_a_stable_sort_would_put_it(
            old in proptest::collection::vec(any::<u8>(), 0..8),
            new in proptest::collection::vec((0u8..4, any::<u8>()), 0..12),
        ) {
            // Going round the end of the places, or not.
            let mut queue = queue(old.len() + new.len() + 3);
            for _ in 0..new.len() {
                let _ = (queue.push((0, 0)), queue.pop());
            }
            old.iter().for_each(|value| assert!(queue.push((9, *value)).is_ok()));
            for (count, value) in new.iter().enumerate() {
                prop_assert!(queue.push(*value).is_ok());
                queue.sink_last(count, |one, other| one.0 < other.0);
            }
            let mut sorted = new.clone();
            sorted.sort_by_key(|value| value.0);
            let expected = old.iter().map(|value| (9, *value)).chain(sorted);
            prop_assert!(queue.iter().copied().eq(expected));
        }
    }
}
