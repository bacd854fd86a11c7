//! A node: six bits of an address, 64 slots, in two words; its runs and its children are elsewhere.
//!
//! ```text
//! word 0   a bit for each slot: does a run begin here? (slot 0 always begins one)
//! word 1   where its runs are, below; where its children are, above
//!
//! runs       what the slot above said before this node took it over; what the first run says, the second, ...
//! children   nodes, in no order; a run names one by its number
//! ```
//!
//! The runs of a slot: as many as bits are set up to its own, so that one bit count finds what is said of it. In the root there is
//! no slot above, and a node with a single run has this in the upper half of word 1, where it would have its children.
//!
//! A run begins where a prefix of the node begins, behind its end, and on both sides of a child: so there are as many as the
//! prefixes ask for, whatever their next hops, and what goes away never needs room.

use std::ops::DerefMut;

use super::entry::{self, Entry};
use super::pool::{Pool, ROOT_WORDS, RUNS};

/// Slots of a node.
pub(super) const SLOTS: usize = 64;

/// Word 1 of a node of the root whose only run is in it.
fn inline(node: usize) -> u64 {
    (node * 2 * RUNS + 6) as u64
}

/// Where the run is that a slot is in.
#[inline(always)]
pub(super) fn run_of(node: [u64; 2], slot: u32) -> usize {
    runs_at(node).wrapping_add((node[0] << (63 - slot)).count_ones()) as usize
}

/// One before the first run: where what the slot above said is.
#[inline(always)]
pub(super) fn runs_at(node: [u64; 2]) -> u32 {
    node[1] as u32
}

/// The first child.
#[inline(always)]
pub(super) fn children_at(node: [u64; 2]) -> usize {
    (node[1] >> 32) as usize
}

fn is_root(node: usize) -> bool {
    node * 2 < ROOT_WORDS
}

/// Units that the runs of a node take.
fn units_for(node: usize, runs: usize) -> usize {
    match (is_root(node), runs) {
        (true, 1) => 0,
        (true, _) => runs.div_ceil(RUNS),
        (false, _) => (runs + 1).div_ceil(RUNS),
    }
}

/// Nodes in a pool, by number: the first word of a node is twice as much.
impl<W: DerefMut<Target = [u64]>> Pool<W> {
    pub(super) fn node(&self, node: usize) -> [u64; 2] {
        [self.words()[node * 2], self.words()[node * 2 + 1]]
    }

    fn set_node(&mut self, node: usize, words: [u64; 2]) {
        self.words_mut()[node * 2..node * 2 + 2].copy_from_slice(&words);
    }

    /// Makes all nodes of the root say nothing.
    pub(super) fn clear_root(&mut self) {
        for node in 0..ROOT_WORDS / 2 {
            self.set_node(node, [1, inline(node)]);
        }
    }

    /// Where the runs of a node are, without what the slot above said.
    pub(super) fn runs_of(&self, node: usize) -> std::ops::Range<usize> {
        let words = self.node(node);
        let first = runs_at(words).wrapping_add(1) as usize;
        first..first + words[0].count_ones() as usize
    }

    /// The child that a run of a node names.
    pub(super) fn child(&self, node: usize, run: u16) -> usize {
        children_at(self.node(node)) + entry::child(run)
    }

    /// Where what the slot above said is, in a node that is not of the root.
    pub(super) fn inherited_at(&self, node: usize) -> usize {
        runs_at(self.node(node)) as usize
    }

    /// Makes a node of what was taken for it: a unit for its runs, and for its children what is given.
    pub(super) fn lay_out(&mut self, node: usize, unit: u32, children: usize) {
        self.set_node(node, [0, u64::from(unit * RUNS as u32) | (children as u64) << 32]);
    }

    /// Gives back what a node took that is not of the root and has no children.
    pub(super) fn drop_runs(&mut self, node: usize) {
        self.give_back(runs_at(self.node(node)) / RUNS as u32);
    }

    /// Makes what the runs of a node take as large as `spread` needs: takes more, or less if it can. [`Pool::write`] is next.
    /// `None`, and nothing is changed, when it needs more and there is none.
    pub(super) fn make_room(&mut self, node: usize, spread: &Spread) -> Option<()> {
        let [begins, place] = self.node(node);
        let needs = units_for(node, spread.runs());
        // In the root, the first run is where elsewhere is what the slot above said.
        let before = u32::from(is_root(node));
        let had =
            (place as u32 != inline(node) as u32).then(|| (place as u32).wrapping_add(before) / RUNS as u32);
        let fits = had.map_or(needs == 0, |unit| needs > 0 && self.size_of(unit) >= needs);
        if fits && had.is_none_or(|unit| !self.is_too_large(unit, needs)) {
            return Some(());
        }
        let place = if needs == 0 {
            inline(node)
        } else {
            match self.take(needs) {
                Some(unit) => {
                    let children = if had.is_some() { place >> 32 << 32 } else { 0 };
                    u64::from((unit * RUNS as u32).wrapping_sub(before)) | children
                }
                // Larger than it has to be is large enough.
                None if fits => return Some(()),
                None => return None,
            }
        };
        if let Some(unit) = had {
            self.give_back(unit);
        }
        self.set_node(node, [begins, place]);
        Some(())
    }

    /// Writes a node that has the room it needs.
    pub(super) fn write(&mut self, node: usize, spread: &Spread) {
        self.words_mut()[node * 2] = spread.begins;
        if !is_root(node) {
            let at = self.inherited_at(node);
            self.set(at, spread.inherited);
        }
        let first = self.runs_of(node).start;
        let slots = (0..SLOTS).filter(|slot| spread.begins_at(*slot));
        for (nth, slot) in slots.enumerate() {
            self.set(first + nth, spread.slots[slot]);
        }
    }

    /// Room for one child more than the `had` that a node has: where they are or are to be.
    pub(super) fn take_children(&mut self, node: usize, had: usize) -> Option<usize> {
        let from = children_at(self.node(node));
        if had > 0 && self.size_of(from as u32 * 2) >= (had + 1) * 2 {
            return Some(from);
        }
        Some(self.take((had + 1) * 2)? as usize / 2)
    }

    /// Gives back what [`Pool::take_children`] took.
    pub(super) fn give_back_children(&mut self, node: usize, had: usize, place: usize) {
        if had == 0 || place != children_at(self.node(node)) {
            self.give_back(place as u32 * 2);
        }
    }

    /// Moves the `had` children of a node to where they are to be.
    pub(super) fn move_children(&mut self, node: usize, had: usize, place: usize) {
        let [begins, at] = self.node(node);
        let from = children_at([begins, at]);
        if had > 0 && from != place {
            for nth in 0..had {
                let child = self.node(from + nth);
                self.set_node(place + nth, child);
            }
            self.give_back(from as u32 * 2);
        }
        self.set_node(node, [begins, u64::from(at as u32) | (place as u64) << 32]);
    }

    /// Takes child `nth` of `had` away from a node; the last one becomes the `nth`, here and in `spread`.
    pub(super) fn drop_child(&mut self, node: usize, nth: usize, had: usize, spread: &mut Spread) {
        let [begins, at] = self.node(node);
        let first = children_at([begins, at]);
        let last = self.node(first + had - 1);
        self.set_node(first + nth, last);
        for slot in spread.slots.iter_mut().filter(|slot| **slot == Entry::child(had - 1)) {
            *slot = Entry::child(nth);
        }
        if had == 1 {
            self.give_back(first as u32 * 2);
            self.set_node(node, [begins, u64::from(at as u32)]);
        } else if self.is_too_large(first as u32 * 2, (had - 1) * 2)
            && let Some(place) = self.take((had - 1) * 2)
        {
            self.move_children(node, had - 1, place as usize / 2);
        }
    }
}

/// A node with its runs spread out over its slots, to be changed and written back.
#[derive(Debug)]
pub(super) struct Spread {
    begins: u64,
    pub(super) slots: [Entry; SLOTS],
    pub(super) inherited: Entry,
}

impl Spread {
    /// A new node, with what the slot above said.
    pub(super) fn fresh(inherited: Entry) -> Spread {
        Spread { begins: 1, slots: [Entry::NONE; SLOTS], inherited }
    }

    pub(super) fn read<W: DerefMut<Target = [u64]>>(pool: &Pool<W>, node: usize) -> Spread {
        let inherited = if is_root(node) { Entry::NONE } else { pool.entry(pool.inherited_at(node)) };
        let mut spread = Spread { begins: pool.node(node)[0], ..Spread::fresh(inherited) };
        let mut runs = pool.runs_of(node);
        let mut entry = Entry::NONE;
        for slot in 0..SLOTS {
            if spread.begins_at(slot) {
                entry = runs.next().map_or(Entry::NONE, |at| pool.entry(at));
            }
            spread.slots[slot] = entry;
        }
        spread
    }

    fn runs(&self) -> usize {
        self.begins.count_ones() as usize
    }

    pub(super) fn children(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_child()).count()
    }

    /// Does it say nothing at all?
    pub(super) fn is_void(&self) -> bool {
        self.begins == 1 && self.slots[0] == Entry::NONE
    }

    fn begins_at(&self, slot: usize) -> bool {
        self.begins >> slot & 1 == 1
    }

    /// A run begins at this slot from now on; behind the last slot, none does.
    pub(super) fn split(&mut self, slot: usize) {
        if slot < SLOTS {
            self.begins |= 1 << slot;
        }
    }

    /// What is before this slot and what begins with it are one run from now on.
    pub(super) fn join(&mut self, slot: usize) {
        debug_assert_eq!(self.slots[slot], self.slots[slot - 1], "what is one run says one thing");
        self.begins &= !(1 << slot);
    }
}
