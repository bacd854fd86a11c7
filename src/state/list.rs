//! Intrusive lists: the links lie in the elements, which stay where they are; a list is its two ends.
//!
//! | | time | memory |
//! |---|---|---|
//! | push, pop, remove, move to an end | O(1): the element and at most two neighbours | 8 bytes an element, 12 bytes a list |
//!
//! Elements are named by their numbers in something that has [`Nodes`], such as a slice. An element is in one list at most for every
//! [`Links`] it has. A list knows no owner: removing an element by another list than the one it is in muddles the
//! two lists (order and length, never memory).

/// Where an element stands in its list. The default, and all zeros, is in none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, zerocopy::FromZeros)]
#[repr(C)]
pub struct Links {
    before: Link,
    after: Link,
}

/// A neighbour: 0 where the element is in no list, 1 where there is none, else a number and two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, zerocopy::FromZeros)]
#[repr(transparent)]
struct Link(u32);

impl Link {
    const NOT_LINKED: Link = Link(0);
    const END: Link = Link(1);

    fn to(at: u32) -> Link {
        Link(at + 2)
    }

    fn target(self) -> Option<u32> {
        self.0.checked_sub(2)
    }
}

impl Links {
    /// Is it in a list?
    #[inline]
    pub fn is_linked(&self) -> bool {
        self.before != Link::NOT_LINKED
    }
}

/// Elements with links, by number.
pub trait Nodes {
    /// The links of an element.
    ///
    /// # Panics
    /// May panic where there is no such element.
    fn links(&mut self, at: u32) -> &mut Links;
}

impl<T: AsMut<Links>> Nodes for [T] {
    #[inline(always)]
    fn links(&mut self, at: u32) -> &mut Links {
        self[at as usize].as_mut()
    }
}

/// The most elements there may be to choose from.
pub const MOST_NODES: usize = u32::MAX as usize - 2;

/// The ends of a list.
#[derive(Debug)]
pub struct List {
    first: Link,
    last: Link,
    len: u32,
}

impl Default for List {
    fn default() -> List {
        List::new()
    }
}

impl List {
    /// An empty list.
    pub const fn new() -> List {
        List { first: Link::END, last: Link::END, len: 0 }
    }

    /// Elements in it.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Is nothing in it?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first element.
    #[inline]
    pub fn first(&self) -> Option<u32> {
        self.first.target()
    }

    /// The last element.
    #[inline]
    pub fn last(&self) -> Option<u32> {
        self.last.target()
    }

    /// The element after one that is in it.
    #[inline]
    pub fn after(&self, nodes: &mut (impl Nodes + ?Sized), at: u32) -> Option<u32> {
        nodes.links(at).after.target()
    }

    /// The element before one that is in it.
    #[inline]
    pub fn before(&self, nodes: &mut (impl Nodes + ?Sized), at: u32) -> Option<u32> {
        nodes.links(at).before.target()
    }

    /// Puts an element before all others.
    ///
    /// # Panics
    /// If it is in a list already.
    #[inline]
    pub fn push_front(&mut self, nodes: &mut (impl Nodes + ?Sized), at: u32) {
        assert!(!nodes.links(at).is_linked(), "element {at} is in a list");
        *nodes.links(at) = Links { before: Link::END, after: self.first };
        match self.first.target() {
            Some(first) => nodes.links(first).before = Link::to(at),
            None => self.last = Link::to(at),
        }
        self.first = Link::to(at);
        self.len += 1;
    }

    /// Puts an element after all others.
    ///
    /// # Panics
    /// If it is in a list already.
    #[inline]
    pub fn push_back(&mut self, nodes: &mut (impl Nodes + ?Sized), at: u32) {
        assert!(!nodes.links(at).is_linked(), "element {at} is in a list");
        *nodes.links(at) = Links { before: self.last, after: Link::END };
        match self.last.target() {
            Some(last) => nodes.links(last).after = Link::to(at),
            None => self.first = Link::to(at),
        }
        self.last = Link::to(at);
        self.len += 1;
    }

    /// Takes an element out. `false` if it was in no list.
    #[inline]
    pub fn remove(&mut self, nodes: &mut (impl Nodes + ?Sized), at: u32) -> bool {
        let links = std::mem::take(nodes.links(at));
        if !links.is_linked() {
            return false;
        }
        match links.before.target() {
            Some(before) => nodes.links(before).after = links.after,
            None => self.first = links.after,
        }
        match links.after.target() {
            Some(after) => nodes.links(after).before = links.before,
            None => self.last = links.before,
        }
        self.len = self.len.saturating_sub(1);
        true
    }

    /// Takes out the first element.
    #[inline]
    pub fn pop_front(&mut self, nodes: &mut (impl Nodes + ?Sized)) -> Option<u32> {
        let at = self.first()?;
        self.remove(nodes, at);
        Some(at)
    }

    /// Takes out the last element.
    #[inline]
    pub fn pop_back(&mut self, nodes: &mut (impl Nodes + ?Sized)) -> Option<u32> {
        let at = self.last()?;
        self.remove(nodes, at);
        Some(at)
    }

    /// Puts an element that is in it before all others.
    #[inline]
    pub fn move_to_front(&mut self, nodes: &mut (impl Nodes + ?Sized), at: u32) {
        if self.first() != Some(at) && self.remove(nodes, at) {
            self.push_front(nodes, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Default)]
    struct Node(Links);

    impl AsMut<Links> for Node {
        fn as_mut(&mut self) -> &mut Links {
            &mut self.0
        }
    }

    #[test]
    #[should_panic(expected = "element 3 is in a list")]
    fn an_element_is_in_one_list_at_most() {
        let mut nodes = [Node::default(); 4];
        List::new().push_back(&mut nodes[..], 3);
        List::new().push_front(&mut nodes[..], 3);
    }

    proptest! {
        #[test]
        fn agrees_with_a_deque(steps in proptest::collection::vec((0u8..6, 0u32..20), 0..300)) {
            let mut nodes = [Node::default(); 20];
            let (mut list, mut model) = (List::new(), VecDeque::new());
            for (step, at) in steps {
                let inside = model.contains(&at);
                let nodes = &mut nodes[..];
                match step {
                    0 if !inside => {
                        list.push_front(nodes, at);
                        model.push_front(at);
                    }
                    1 if !inside => {
                        list.push_back(nodes, at);
                        model.push_back(at);
                    }
                    2 => {
                        prop_assert_eq!(list.remove(nodes, at), inside);
                        model.retain(|other| *other != at);
                    }
                    3 => prop_assert_eq!(list.pop_front(nodes), model.pop_front()),
                    4 => prop_assert_eq!(list.pop_back(nodes), model.pop_back()),
                    _ => {
                        list.move_to_front(nodes, at);
                        if inside {
                            model.retain(|other| *other != at);
                            model.push_front(at);
                        }
                    }
                }
                let forwards = std::iter::successors(list.first(), |at| list.after(nodes, *at));
                prop_assert_eq!(forwards.collect::<VecDeque<_>>(), model.clone());
                let backwards = std::iter::successors(list.last(), |at| list.before(nodes, *at));
                prop_assert!(backwards.eq(model.iter().rev().copied()));
                prop_assert_eq!(list.len(), model.len());
            }
            prop_assert!((0..20).all(|at| nodes[at as usize].0.is_linked() == model.contains(&at)));
        }
    }
}
