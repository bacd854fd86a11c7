//! What putting prefixes in and taking them out have in common: where they are in the tree, and changing what is said there.

use std::ops::{DerefMut, Range};

use super::entry::Entry;
use super::node::{SLOTS, Spread, run_of};
use super::prefix::{Address, Prefix};
use super::rules::Rule;
use super::{MOST_LEVELS, NODE_BITS, ROOT_BITS, Routes};

/// Where in the tree a prefix is.
pub(super) enum Spot {
    /// All addresses: not in the tree.
    Everywhere,
    /// So many nodes of the root, all of each.
    Nodes(Range<usize>),
    /// Slots of a node, by its level.
    Slots(usize, Range<usize>),
}

/// Where a prefix is, and how much longer it is than where its node begins.
pub(super) fn spot<A: Address>(prefix: Prefix<A>) -> (Spot, u8) {
    let (address, len) = (prefix.address(), prefix.len());
    let slots = |level: usize, bits: u8| {
        let first = address.slot(level as u32) as usize;
        Spot::Slots(level, first..first + (SLOTS >> bits))
    };
    if len == 0 {
        return (Spot::Everywhere, 0);
    }
    if len <= ROOT_BITS {
        let first = address.root_node();
        return (Spot::Nodes(first..first + (1 << (ROOT_BITS - len))), len);
    }
    let level = (len - ROOT_BITS - 1) / NODE_BITS;
    let bits = len - ROOT_BITS - level * NODE_BITS;
    // What the root says is of prefixes of any length up to its last bit.
    (slots(level.into(), bits), if level == 0 { len } else { bits })
}

/// The nodes from the root to one, as far as there are any.
pub(super) struct Way {
    pub(super) nodes: [usize; MOST_LEVELS],
    pub(super) len: usize,
}
impl<A, W, R> Routes<A, W, R>
where
    A: Address,
    W: DerefMut<Target = [u64]>,
    R: DerefMut<Target = [Rule<A::Octets>]>,
{
    /// The nodes on the way to the one of `level`, itself included, as far as there are any.
    pub(super) fn way(&self, address: A, level: usize) -> Way {
        let mut way = Way { nodes: [0; MOST_LEVELS], len: 1 };
        way.nodes[0] = address.root_node();
        for above in 0..level {
            let node = way.nodes[above];
            let entry = self.pool.entry(run_of(self.pool.node(node), address.slot(above as u32)));
            if !entry.is_child() {
                break;
            }
            way.nodes[above + 1] = self.pool.child(node, entry.run);
            way.len += 1;
        }
        way
    }

    /// Changes what nodes of the root say, where `which` is true of it.
    pub(super) fn paint_nodes(&mut self, nodes: Range<usize>, which: impl Fn(Entry) -> bool, entry: Entry) {
        for node in nodes {
            for at in self.pool.runs_of(node) {
                self.paint_run(node, at, &which, entry);
            }
        }
    }

    /// Changes what a run says, or what it said before a child took it over.
    fn paint_run(&mut self, node: usize, at: usize, which: &impl Fn(Entry) -> bool, entry: Entry) {
        let old = self.pool.entry(at);
        if old.is_child() {
            self.paint_inherited(self.pool.child(node, old.run), which, entry);
        } else if which(old) {
            self.pool.set(at, entry);
        }
    }

    fn paint_inherited(&mut self, node: usize, which: &impl Fn(Entry) -> bool, entry: Entry) {
        let at = self.pool.inherited_at(node);
        if which(self.pool.entry(at)) {
            self.pool.set(at, entry);
        }
    }

    /// Changes slots of a node that is spread where `which` is true; what its children took over, at once.
    pub(super) fn paint_slots(
        &mut self,
        node: usize,
        spread: &mut Spread,
        slots: Range<usize>,
        which: impl Fn(Entry) -> bool,
        entry: Entry,
    ) {
        for slot in &mut spread.slots[slots] {
            if slot.is_child() {
                self.paint_inherited(self.pool.child(node, slot.run), &which, entry);
            } else if which(*slot) {
                *slot = entry;
            }
        }
    }
}
