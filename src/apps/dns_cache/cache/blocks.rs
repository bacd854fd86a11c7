//! Memory of answers: blocks of a cache line, in chains.

use hugepages::Carved;
use zerocopy::FromZeros;

/// Bytes of an answer in a block.
const DATA: usize = 60;

/// A cache line: the number of the next block, counted from 1, and bytes.
#[derive(Clone, Copy, Debug, FromZeros)]
#[repr(C, align(64))]
pub(super) struct Block {
    next: u32,
    data: [u8; DATA],
}

const _: () = assert!(size_of::<Block>() == 64);

/// All blocks of a shard.
#[derive(Debug)]
pub(super) struct Blocks {
    blocks: Carved<Block>,
    /// The first of a chain of unused blocks.
    unused: u32,
    /// Blocks that were ever used; those behind them are unused too, and in no chain.
    touched: u32,
    free: usize,
}

impl Blocks {
    /// All unused.
    pub(super) fn new(blocks: Carved<Block>) -> Blocks {
        let free = blocks.len();
        Blocks { blocks, unused: 0, touched: 0, free }
    }

    /// Blocks for so many bytes.
    pub(super) fn count(bytes: usize) -> usize {
        bytes.div_ceil(DATA).max(1)
    }

    /// Blocks there are.
    pub(super) fn capacity(&self) -> usize {
        self.blocks.len()
    }

    /// Blocks that are unused.
    pub(super) fn free(&self) -> usize {
        self.free
    }

    /// Reads a chain from its start.
    #[inline]
    pub(super) fn read(&self, first: u32) -> Chain<'_> {
        let block = first.checked_sub(1).and_then(|at| self.blocks.get(at as usize));
        Chain { blocks: &self.blocks, block, at: 0 }
    }

    /// A new chain of `count` blocks, of which at least so many are unused.
    pub(super) fn write(&mut self, count: usize) -> Writer<'_> {
        let mut first = 0;
        for _ in 0..count {
            let number = match self.unused {
                0 => {
                    self.touched += 1;
                    self.touched
                }
                number => {
                    self.unused = self.blocks[number as usize - 1].next;
                    number
                }
            };
            self.blocks[number as usize - 1].next = first;
            first = number;
        }
        self.free -= count;
        Writer { blocks: &mut self.blocks, first, block: first, at: 0 }
    }

    /// Gives a chain back.
    pub(super) fn release(&mut self, first: u32) {
        let mut number = first;
        while number != 0 {
            let block = &mut self.blocks[number as usize - 1];
            let next = std::mem::replace(&mut block.next, self.unused);
            self.unused = number;
            self.free += 1;
            number = next;
        }
    }
}

/// A place in a chain, to read on from.
#[derive(Clone, Copy)]
pub(super) struct Chain<'b> {
    blocks: &'b [Block],
    block: Option<&'b Block>,
    at: usize,
}

impl<'b> Chain<'b> {
    /// The next bytes that lie together, at most `most`; empty at the end.
    #[inline]
    fn piece(&mut self, most: usize) -> &'b [u8] {
        if self.at == DATA {
            let next = self.block.and_then(|block| block.next.checked_sub(1));
            self.block = next.and_then(|at| self.blocks.get(at as usize));
            self.at = 0;
        }
        let Some(block) = self.block else { return &[] };
        let piece = &block.data[self.at..DATA.min(self.at + most)];
        self.at += piece.len();
        piece
    }

    /// The place so many bytes on.
    #[inline]
    pub(super) fn skip(mut self, mut bytes: usize) -> Chain<'b> {
        while bytes > 0 {
            let piece = self.piece(bytes);
            if piece.is_empty() {
                break;
            }
            bytes -= piece.len();
        }
        self
    }

    /// Are these the next bytes?
    #[inline]
    pub(super) fn equals(mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let piece = self.piece(bytes.len());
            match bytes.strip_prefix(piece) {
                Some(rest) if !piece.is_empty() => bytes = rest,
                _ => return false,
            }
        }
        true
    }

    /// Fills `to` with the next bytes.
    #[inline]
    pub(super) fn copy(&mut self, mut to: &mut [u8]) {
        while !to.is_empty() {
            let piece = self.piece(to.len());
            if piece.is_empty() {
                break;
            }
            let (start, rest) = to.split_at_mut(piece.len());
            start.copy_from_slice(piece);
            to = rest;
        }
    }
}

/// Fills a chain from its start.
pub(super) struct Writer<'b> {
    blocks: &'b mut [Block],
    first: u32,
    block: u32,
    at: usize,
}

impl Writer<'_> {
    /// The chain's first block.
    pub(super) fn first(&self) -> u32 {
        self.first
    }

    /// Writes bytes behind those before; there are blocks for them.
    pub(super) fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.block != 0 {
            let block = &mut self.blocks[self.block as usize - 1];
            if self.at == DATA {
                (self.block, self.at) = (block.next, 0);
                continue;
            }
            let (piece, rest) = bytes.split_at(bytes.len().min(DATA - self.at));
            block.data[self.at..self.at + piece.len()].copy_from_slice(piece);
            self.at += piece.len();
            bytes = rest;
        }
    }
}
