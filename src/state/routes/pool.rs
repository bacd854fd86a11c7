//! The memory of a tree: the root's nodes, units of 8 bytes that are taken and given back, and a note for every run in these.
//!
//! ```text
//! words:  the root, 2^18 nodes of 16 bytes │ units: runs of 2 bytes, nodes │ notes: a byte for each run, for updates only
//! ```
//!
//! A buddy allocator (Knuth, The Art of Computer Programming, volume 1, 2.5) whose blocks are cut to the units that are needed:
//! taking splits a larger block and gives back what is too much, giving back joins neighbours. Both take some steps for each of
//! [`ORDERS`] sizes. What it needs to know is in the free blocks.

use std::ops::{DerefMut, Range};

use zerocopy::{FromBytes, IntoBytes};

use super::entry::Entry;

/// Words of the root: two for each value of an address's first 18 bits.
pub(super) const ROOT_WORDS: usize = 2 << 18;
/// Sizes of blocks: 1 << 0 to 1 << 7 units, which are the 64 children that a node can have.
pub(super) const ORDERS: usize = 8;
/// Runs in a unit.
pub(super) const RUNS: usize = 4;

/// The first note of a free block is this plus its order. Other notes are lengths of prefixes.
const FREE: u8 = 1 << 7;

/// Words for a pool of so many units.
pub(super) fn words_for(units: usize) -> usize {
    units.saturating_add(units.div_ceil(2)).saturating_add(ROOT_WORDS)
}

/// Units, by the number of their word, and runs, by unit times [`RUNS`] plus the place in the unit.
#[derive(Debug)]
pub(super) struct Pool<W> {
    words: W,
    /// Words of the root and of units; behind them are the notes.
    end: usize,
    /// The first free block of each order; 0, which is the root's, for none.
    free: [u32; ORDERS],
    free_units: usize,
}

impl<W: DerefMut<Target = [u64]>> Pool<W> {
    /// All units free; what the words hold does not matter.
    pub(super) fn new(words: W) -> Self {
        let units = (words.len() - ROOT_WORDS) * 2 / 3;
        let mut pool = Pool { words, end: ROOT_WORDS + units, free: [0; ORDERS], free_units: 0 };
        pool.words[ROOT_WORDS + units..].fill(0);
        pool.give_back(ROOT_WORDS as u32..(ROOT_WORDS + units) as u32);
        pool
    }

    /// Units, taken or free.
    pub(super) fn capacity(&self) -> usize {
        self.end - ROOT_WORDS
    }

    pub(super) fn free_units(&self) -> usize {
        self.free_units
    }

    #[inline(always)]
    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    pub(super) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// All of it as runs.
    #[inline(always)]
    pub(super) fn runs(&self) -> &[u16] {
        // Words are whole runs, and aligned better.
        <[u16]>::ref_from_bytes(self.words.as_bytes()).unwrap_or_default()
    }

    fn runs_mut(&mut self) -> &mut [u16] {
        <[u16]>::mut_from_bytes(self.words.as_mut_bytes()).unwrap_or_default()
    }

    fn notes(&mut self) -> &mut [u8] {
        self.words[self.end..].as_mut_bytes()
    }

    /// What a run says. A run in the root itself has its note in the run before.
    pub(super) fn entry(&self, at: usize) -> Entry {
        let run = self.runs()[at];
        let depth = match at.checked_sub(ROOT_WORDS * RUNS) {
            Some(note) => self.words[self.end..].as_bytes()[note],
            None => self.runs()[at - 1] as u8,
        };
        Entry { run, depth }
    }

    pub(super) fn set(&mut self, at: usize, entry: Entry) {
        self.runs_mut()[at] = entry.run;
        match at.checked_sub(ROOT_WORDS * RUNS) {
            Some(note) => self.notes()[note] = entry.depth,
            None => self.runs_mut()[at - 1] = entry.depth.into(),
        }
    }

    /// Takes so many units, one after the other, beginning at a multiple of the next power of two; `None` when no block is large
    /// enough.
    pub(super) fn take(&mut self, units: usize) -> Option<u32> {
        let order = units.next_power_of_two().ilog2() as usize;
        let found = (order..ORDERS).find(|order| self.free[*order] != 0)?;
        let block = self.free[found];
        self.unlink(block, found);
        self.free_units -= 1 << found;
        self.give_back(block + units as u32..block + (1 << found));
        for unit in block..block + units as u32 {
            *self.first_note(unit) = 0;
        }
        Some(block)
    }

    /// Gives back units that were taken, whether all of a block or some.
    pub(super) fn give_back(&mut self, units: Range<u32>) {
        let Range { start: mut unit, end } = units;
        while unit < end {
            let order = unit.trailing_zeros().min((end - unit).ilog2()).min(ORDERS as u32 - 1);
            self.give_back_block(unit, order as usize);
            unit += 1 << order;
        }
    }

    fn give_back_block(&mut self, mut block: u32, mut order: usize) {
        self.free_units += 1 << order;
        while order + 1 < ORDERS {
            let other = block ^ 1 << order;
            if other as usize >= self.end || *self.first_note(other) != FREE + order as u8 {
                break;
            }
            self.unlink(other, order);
            block = block.min(other);
            order += 1;
        }
        let next = self.free[order];
        self.words[block as usize] = next.into();
        if next != 0 {
            self.words[next as usize] |= u64::from(block) << 32;
        }
        *self.first_note(block) = FREE + order as u8;
        self.free[order] = block;
    }

    /// Takes a free block out of its list, whose links are in its first word: the next one below, the previous one above.
    fn unlink(&mut self, block: u32, order: usize) {
        *self.first_note(block) = 0;
        let links = self.words[block as usize];
        let (next, previous) = (links as u32, (links >> 32) as u32);
        if previous == 0 {
            self.free[order] = next;
        } else {
            let word = &mut self.words[previous as usize];
            *word = *word >> 32 << 32 | u64::from(next);
        }
        if next != 0 {
            let word = &mut self.words[next as usize];
            *word = *word & u64::from(u32::MAX) | u64::from(previous) << 32;
        }
    }

    fn first_note(&mut self, unit: u32) -> &mut u8 {
        &mut self.notes()[(unit as usize - ROOT_WORDS) * RUNS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_never_overlap_and_join_again(
            units in 0usize..700,
            steps in proptest::collection::vec((any::<bool>(), 1usize..=128, any::<prop::sample::Index>()), 0..200),
        ) {
            let mut pool = Pool::new(vec![u64::MAX; words_for(units)]);
            let capacity = pool.capacity();
            prop_assert!((units..units + 2).contains(&capacity));
            let mut taken: Vec<Range<u32>> = Vec::new();
            for (take, size, which) in steps {
                if take {
                    if let Some(block) = pool.take(size) {
                        let block = block..block + size as u32;
                        prop_assert!(block.start as usize >= ROOT_WORDS && block.end as usize <= pool.end);
                        prop_assert!(taken.iter().all(|other| other.end <= block.start || block.end <= other.start));
                        // Whatever is written into it does not matter to the others.
                        pool.words_mut()[block.start as usize..block.end as usize].fill(u64::MAX);
                        taken.push(block);
                    }
                } else if !taken.is_empty() {
                    let nth = which.index(taken.len());
                    let middle = (taken[nth].start + taken[nth].end) / 2;
                    // The rear of it, then the front.
                    pool.give_back(middle..taken[nth].end);
                    if middle > taken[nth].start {
                        taken[nth].end = middle;
                    } else {
                        taken.swap_remove(nth);
                    }
                }
                let used: u32 = taken.iter().map(|block| block.end - block.start).sum();
                prop_assert_eq!(pool.free_units(), capacity - used as usize);
            }
            taken.into_iter().for_each(|block| pool.give_back(block));
            for _ in 0..capacity / 128 {
                prop_assert!(pool.take(128).is_some(), "largest blocks again");
            }
        }
    }
}
