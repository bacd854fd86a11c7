//! The lines of a tree: the root's, and behind them blocks of 1, 2, 4, ... 32 lines that nodes take and give back.
//!
//! A buddy allocator (Knuth, The Art of Computer Programming, volume 1, 2.5): taking splits a larger block, giving back joins a
//! block with its other half if that is free. Both take at most [`ORDERS`] steps. What it needs to know is in the free blocks.

use std::ops::DerefMut;

use hugepages::prefetch;
use zerocopy::FromZeros;

use super::entry::Entry;

/// Words of a line.
pub(super) const WORDS: usize = 16;
/// Lines of the root: an entry for each value of an address's first 16 bits.
pub(super) const ROOT_LINES: usize = (1 << 16) / WORDS;
/// Sizes of blocks: 1 << 0 to 1 << 5 lines.
pub(super) const ORDERS: usize = 6;

/// The last word of a free block's first line is this plus the block's order. Nobody else's last word is: there it says nothing
/// or is an entry, and the root's lines are no node's.
const FREE: u32 = 1 << 31;
const NEXT: usize = 0;
const PREVIOUS: usize = 1;
const MARK: usize = WORDS - 1;

/// A cache line of the tree. All zeros is an empty one.
#[derive(Clone, Copy, Debug, FromZeros)]
#[repr(C, align(64))]
pub struct Line(pub(super) [u32; WORDS]);

const _: () = assert!(size_of::<Line>() == hugepages::CACHE_LINE);

/// Lines, by number, and their words, by line times [`WORDS`] plus the place in the line.
#[derive(Debug)]
pub(super) struct Blocks<L> {
    lines: L,
    /// The first free block of each order; 0, a line of the root, for none.
    free: [u32; ORDERS],
    free_lines: usize,
}

impl<L: DerefMut<Target = [Line]>> Blocks<L> {
    /// All of them free but the root's; the lines are zero.
    pub(super) fn new(lines: L) -> Self {
        let len = lines.len();
        let mut blocks = Blocks { lines, free: [0; ORDERS], free_lines: 0 };
        // From the end, so that the blocks at the front are taken first.
        let mut end = len;
        while end > ROOT_LINES {
            let order = (end.trailing_zeros() as usize).min(ORDERS - 1);
            end -= 1 << order;
            blocks.push(end as u32, order);
        }
        blocks.free_lines = len - ROOT_LINES;
        blocks
    }

    /// Lines of nodes, taken or free.
    pub(super) fn capacity(&self) -> usize {
        self.lines.len() - ROOT_LINES
    }

    pub(super) fn free_lines(&self) -> usize {
        self.free_lines
    }

    #[inline(always)]
    pub(super) fn line(&self, line: u32) -> &Line {
        &self.lines[line as usize]
    }

    #[inline(always)]
    pub(super) fn word(&self, at: usize) -> u32 {
        self.lines[at / WORDS].0[at % WORDS]
    }

    #[inline(always)]
    pub(super) fn entry(&self, at: usize) -> Entry {
        Entry(self.word(at))
    }

    pub(super) fn set(&mut self, at: usize, word: u32) {
        self.lines[at / WORDS].0[at % WORDS] = word;
    }

    /// Asks the cache for a line. Any number will do.
    #[inline(always)]
    pub(super) fn prefetch(&self, line: usize) {
        prefetch::for_reading(self.lines.as_ptr().wrapping_add(line));
    }

    /// Takes a block of `1 << order` lines; `None` when there is none of that size or larger.
    pub(super) fn take(&mut self, order: usize) -> Option<u32> {
        let found = (order..ORDERS).find(|order| self.free[*order] != 0)?;
        let block = self.free[found];
        self.unlink(block, found);
        for half in (order..found).rev() {
            self.push(block + (1 << half), half);
        }
        self.free_lines -= 1 << order;
        Some(block)
    }

    /// Gives back a block, or the upper half of one that goes on as its lower half.
    pub(super) fn give_back(&mut self, mut block: u32, mut order: usize) {
        self.free_lines += 1 << order;
        while order + 1 < ORDERS {
            let other = block ^ 1 << order;
            let mark = self.lines.get(other as usize).map(|line| line.0[MARK]);
            if mark != Some(FREE + order as u32) {
                break;
            }
            self.unlink(other, order);
            block = block.min(other);
            order += 1;
        }
        self.push(block, order);
    }

    fn push(&mut self, block: u32, order: usize) {
        let next = self.free[order];
        if next != 0 {
            self.lines[next as usize].0[PREVIOUS] = block;
        }
        let line = &mut self.lines[block as usize].0;
        (line[NEXT], line[PREVIOUS], line[MARK]) = (next, 0, FREE + order as u32);
        self.free[order] = block;
    }

    fn unlink(&mut self, block: u32, order: usize) {
        let Line(line) = &mut self.lines[block as usize];
        let (next, previous) = (line[NEXT], line[PREVIOUS]);
        line[MARK] = 0;
        if previous == 0 {
            self.free[order] = next;
        } else {
            self.lines[previous as usize].0[NEXT] = next;
        }
        if next != 0 {
            self.lines[next as usize].0[PREVIOUS] = previous;
        }
    }
}
