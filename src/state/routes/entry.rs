//! What a slot of the tree says: nothing, a next hop and how long the prefix is that it is of, or where to go on.

use std::num::NonZeroU32;

/// Bits of an entry that hold a next hop's number plus one.
const HOP_BITS: u32 = 27;
const HOP_MASK: u32 = (1 << HOP_BITS) - 1;
const NODE: u32 = 1 << 31;

/// A next hop: a small number that says which, of whatever the application keeps of next hops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop(NonZeroU32);

impl NextHop {
    /// The highest number a next hop can have.
    pub const LAST: u32 = HOP_MASK - 1;

    /// The next hop of this number; `None` above [`NextHop::LAST`].
    #[inline]
    pub const fn new(number: u32) -> Option<NextHop> {
        if number > NextHop::LAST {
            return None;
        }
        match NonZeroU32::new(number + 1) {
            Some(stored) => Some(NextHop(stored)),
            None => None,
        }
    }

    /// Its number.
    #[inline(always)]
    pub const fn number(self) -> u32 {
        self.0.get() - 1
    }

    /// As it is stored, never 0.
    pub(super) fn stored(self) -> u32 {
        self.0.get()
    }

    /// From how it is stored, 0 for none.
    #[inline(always)]
    pub(super) fn from_stored(stored: u32) -> Option<NextHop> {
        NonZeroU32::new(stored).map(NextHop)
    }
}

/// A slot of the tree, in four bytes. Zero says nothing: there is no prefix here that ends in this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(pub(super) u32);

impl Entry {
    pub(super) const NONE: Entry = Entry(0);

    /// The next hop of a prefix that is `depth` bits (1 to 16) longer than where its node begins.
    pub(super) fn hop(hop: NextHop, depth: u8) -> Entry {
        Entry((u32::from(depth) - 1) << HOP_BITS | hop.stored())
    }

    /// A node further down, by its first line.
    pub(super) fn node(line: u32) -> Entry {
        Entry(NODE | line)
    }

    #[inline(always)]
    pub(super) fn is_node(self) -> bool {
        self.0 & NODE != 0
    }

    /// The first line of the node it names, if it names one.
    #[inline(always)]
    pub(super) fn line(self) -> u32 {
        self.0 & !NODE
    }

    /// How much longer than the node's beginning the prefix is; 0 when it says nothing.
    pub(super) fn depth(self) -> u8 {
        if self == Entry::NONE { 0 } else { (self.0 >> HOP_BITS) as u8 + 1 }
    }

    /// Its next hop as it is stored, 0 for none; of no use for a node.
    #[inline(always)]
    pub(super) fn stored(self) -> u32 {
        self.0 & HOP_MASK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_hold_what_was_put_in() {
        for number in [0, 1, 77, NextHop::LAST] {
            let hop = NextHop::new(number).expect("a next hop");
            for depth in 1..=16 {
                let entry = Entry::hop(hop, depth);
                assert_eq!((entry.is_node(), entry.depth()), (false, depth));
                assert_eq!(NextHop::from_stored(entry.stored()).map(NextHop::number), Some(number));
            }
        }
        assert_eq!((NextHop::new(NextHop::LAST + 1), NextHop::from_stored(0)), (None, None));
        assert_eq!((Entry::node(4097).is_node(), Entry::node(4097).line()), (true, 4097));
        assert_eq!(Entry::NONE.depth(), 0);
        assert_eq!(size_of::<Option<NextHop>>(), 4);
    }
}
