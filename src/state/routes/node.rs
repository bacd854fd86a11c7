//! A node: eight bits of an address, 256 slots, in one line or a few.
//!
//! ```text
//! word 0..8       a bit for each slot: does a run begin here? (slot 0 always begins one)
//! word 8          four counts of 8 bits: runs that begin in the 64-bit groups of slots before each
//! word 9          what the slot of the node above said before this node took it over
//! word 10..       what each run says; the first six are in the node's first line
//! ```
//!
//! A run begins where a prefix of the node begins, behind its end, and on both sides of a node further down: so there are as many
//! as the prefixes ask for, whatever their next hops, and what goes away never needs room.

use std::ops::DerefMut;

use super::blocks::{Blocks, Line, WORDS};
use super::entry::Entry;

/// Slots of a node.
pub(super) const SLOTS: usize = 256;
const COUNTS: usize = 8;
/// Where a node keeps what the slot above said.
pub(super) const INHERITED: usize = 9;
const FIRST_RUN: usize = 10;

/// The order of the block that a node of so many runs takes.
pub(super) fn order_for(runs: usize) -> usize {
    (FIRST_RUN + runs).div_ceil(WORDS).next_power_of_two().ilog2() as usize
}

/// The place among a node's words of what it says of a slot.
#[inline(always)]
pub(super) fn place(line: &Line, slot: u8) -> usize {
    let group = slot as usize / 64;
    let runs = bits(line, group) & (u64::MAX >> (63 - slot % 64));
    let before = line.0[COUNTS] >> (group * 8) & 0xff;
    FIRST_RUN - 1 + (before + runs.count_ones()) as usize
}

#[inline(always)]
fn bits(line: &Line, group: usize) -> u64 {
    u64::from(line.0[group * 2]) | u64::from(line.0[group * 2 + 1]) << 32
}

/// A node with its runs spread out, to be changed and written back.
pub(super) struct Spread {
    begins: [u64; SLOTS / 64],
    pub(super) slots: [Entry; SLOTS],
    inherited: Entry,
}

impl Spread {
    /// A new node, with what the slot above said.
    pub(super) fn fresh(inherited: Entry) -> Spread {
        Spread { begins: [1, 0, 0, 0], slots: [Entry::NONE; SLOTS], inherited }
    }

    pub(super) fn read<L: DerefMut<Target = [Line]>>(blocks: &Blocks<L>, node: u32) -> Spread {
        let first = blocks.line(node);
        let begins = [0, 1, 2, 3].map(|group| bits(first, group));
        let mut spread = Spread { begins, slots: [Entry::NONE; SLOTS], inherited: Entry(first.0[INHERITED]) };
        let mut at = node as usize * WORDS + FIRST_RUN - 1;
        for slot in 0..SLOTS {
            at += usize::from(spread.begins_at(slot));
            spread.slots[slot] = blocks.entry(at);
        }
        spread
    }

    pub(super) fn runs(&self) -> usize {
        self.begins.iter().map(|group| group.count_ones() as usize).sum()
    }

    pub(super) fn inherited(&self) -> Entry {
        self.inherited
    }

    /// Does it say nothing at all?
    pub(super) fn is_void(&self) -> bool {
        self.runs() == 1 && self.slots[0] == Entry::NONE
    }

    fn begins_at(&self, slot: usize) -> bool {
        self.begins[slot / 64] >> (slot % 64) & 1 == 1
    }

    /// A run begins at this slot from now on; behind the last slot, none does.
    pub(super) fn split(&mut self, slot: usize) {
        if slot < SLOTS {
            self.begins[slot / 64] |= 1 << (slot % 64);
        }
    }

    /// What is before this slot and what is after it are one run from now on.
    pub(super) fn join(&mut self, slot: usize) {
        if slot > 0 && slot < SLOTS {
            debug_assert_eq!(self.slots[slot], self.slots[slot - 1], "what is one run says one thing");
            self.begins[slot / 64] &= !(1 << (slot % 64));
        }
    }

    /// Makes its block as large as it has to be: gives back what it no longer needs, or takes a larger one instead, which the entry
    /// at `pointer` points to from then on. Where it is now; [`Spread::write`] is next. `None`, and nothing is changed, when no
    /// larger one is free.
    pub(super) fn make_room<L: DerefMut<Target = [Line]>>(
        &self,
        blocks: &mut Blocks<L>,
        node: u32,
        pointer: usize,
    ) -> Option<u32> {
        let had = order_for(runs_of(blocks.line(node)));
        let needs = order_for(self.runs());
        if needs > had {
            let larger = blocks.take(needs)?;
            blocks.give_back(node, had);
            blocks.set(pointer, Entry::node(larger).0);
            return Some(larger);
        }
        for order in (needs..had).rev() {
            blocks.give_back(node + (1 << order), order);
        }
        Some(node)
    }

    /// Writes it into a block that is large enough.
    pub(super) fn write<L: DerefMut<Target = [Line]>>(&self, blocks: &mut Blocks<L>, node: u32) {
        let base = node as usize * WORDS;
        let (mut counts, mut before) = (0, 0);
        for (group, begins) in self.begins.iter().enumerate() {
            blocks.set(base + group * 2, *begins as u32);
            blocks.set(base + group * 2 + 1, (*begins >> 32) as u32);
            counts |= before << (group * 8);
            before += begins.count_ones();
        }
        blocks.set(base + COUNTS, counts);
        blocks.set(base + INHERITED, self.inherited.0);
        let mut at = base + FIRST_RUN;
        for slot in (0..SLOTS).filter(|slot| self.begins_at(*slot)) {
            blocks.set(at, self.slots[slot].0);
            at += 1;
        }
    }
}

/// The runs of a node.
pub(super) fn runs_of(line: &Line) -> usize {
    (line.0[COUNTS] >> 24 & 0xff) as usize + bits(line, 3).count_ones() as usize
}
