//! What the tree says of an address: nothing, a next hop and how long the prefix is that it is of, or where to go on.

use std::num::NonZeroU16;

/// A run that names one of its node's children.
const CHILD: u16 = 1 << 15;

/// A next hop: a number from 0 to [`NextHop::LAST`] that says which, of whatever the application keeps of its next hops. It is no
/// wider because the tree is: two bytes a run keep a full table within the caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop(NonZeroU16);

impl NextHop {
    /// The highest number a next hop can have.
    pub const LAST: u16 = CHILD - 2;

    /// The next hop of this number; `None` above [`NextHop::LAST`].
    #[inline]
    pub const fn new(number: u16) -> Option<NextHop> {
        if number > NextHop::LAST {
            return None;
        }
        match NonZeroU16::new(number + 1) {
            Some(stored) => Some(NextHop(stored)),
            None => None,
        }
    }

    /// Its number.
    #[inline(always)]
    pub const fn number(self) -> u16 {
        self.0.get() - 1
    }

    /// As it is stored, never 0.
    pub(super) fn stored(self) -> u16 {
        self.0.get()
    }

    /// From how it is stored, 0 for none.
    #[inline(always)]
    pub(super) fn from_stored(stored: u16) -> Option<NextHop> {
        NonZeroU16::new(stored).map(NextHop)
    }
}

/// Does this run name a child, and no next hop?
#[inline(always)]
pub(super) fn is_child(run: u16) -> bool {
    run & CHILD != 0
}

/// Which of its node's children a run names.
#[inline(always)]
pub(super) fn child(run: u16) -> usize {
    (run & !CHILD).into()
}

/// What a run says, and what only updates need to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// A next hop as it is stored, 0 for none, or a child.
    pub(super) run: u16,
    /// Bits the prefix is longer than where its node begins, 1 to 24; 0 when it is no prefix's.
    pub(super) depth: u8,
}

impl Entry {
    pub(super) const NONE: Entry = Entry { run: 0, depth: 0 };

    pub(super) fn hop(hop: NextHop, depth: u8) -> Entry {
        Entry { run: hop.stored(), depth }
    }

    pub(super) fn child(nth: usize) -> Entry {
        Entry { run: CHILD | nth as u16, depth: 0 }
    }

    pub(super) fn is_child(self) -> bool {
        is_child(self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_hold_what_was_put_in() {
        for number in [0, 1, 77, NextHop::LAST] {
            let entry = Entry::hop(NextHop::new(number).expect("a next hop"), 24);
            assert_eq!((entry.is_child(), entry.depth), (false, 24));
            assert_eq!(NextHop::from_stored(entry.run).map(NextHop::number), Some(number));
        }
        assert_eq!((NextHop::new(NextHop::LAST + 1), NextHop::from_stored(0)), (None, None));
        assert_eq!((Entry::child(63).is_child(), child(Entry::child(63).run)), (true, 63));
        assert_eq!(size_of::<Option<NextHop>>(), 2);
    }
}
