//! A V3 receive ring: packets lie close together in blocks, and a block is the kernel's or ours as a whole.

use std::sync::atomic::Ordering;

use super::arrived::Arrived;
use super::layout::{self, BLOCK_STATUS, KERNEL, USER};
use super::memory::RingMemory;
use super::shape::Cut;

/// Reads the blocks in the order the kernel fills them.
#[derive(Debug)]
pub(super) struct Blocks {
    memory: RingMemory,
    block_bytes: usize,
    /// Where the current block starts, and where the ring ends.
    block: usize,
    end: usize,
    /// Is the current block ours?
    held: bool,
    /// Packets of it not yet handed out, and where the next one's header is in it.
    left: u32,
    next: usize,
    /// Packets handed out or given up, since the ring was made.
    pub(super) seen: u64,
    /// Packets given up because a length led out of the block.
    pub(super) damaged: u64,
}

impl Blocks {
    pub(super) fn new(memory: RingMemory, cut: &Cut) -> Blocks {
        Blocks {
            memory,
            block_bytes: cut.block_bytes,
            block: 0,
            end: cut.bytes(),
            held: false,
            left: 0,
            next: 0,
            seen: 0,
            damaged: 0,
        }
    }

    /// The next packet, if there is one. The block before goes back to the kernel once its last packet was taken.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Arrived<'_>> {
        while self.left == 0 {
            if self.held {
                self.give_back();
            }
            if !self.take() {
                return None;
            }
        }
        self.seen += 1;
        self.left -= 1;
        // SAFETY: `held`: the block's status was read as ours, and `give_back` needs `&mut self`, so not while
        // what is returned lives.
        let bytes = unsafe { self.memory.ours(self.block, self.block_bytes) };
        match layout::packet_v3(bytes, self.next) {
            Ok((found, next)) => {
                self.memory.prefetch(self.block + next);
                self.next = next;
                Some(Arrived::new(bytes, &found))
            }
            Err(layout::Damage) => {
                self.damaged += u64::from(self.left) + 1;
                self.seen += u64::from(self.left);
                self.left = 0;
                None
            }
        }
    }

    /// Takes the current block, if the kernel is done with it.
    #[inline]
    fn take(&mut self) -> bool {
        // Acquire: pairs with the kernel's barrier between filling the block and its status (`prb_flush_block`).
        if self.memory.word(self.block + BLOCK_STATUS).load(Ordering::Acquire) & USER == 0 {
            return false;
        }
        self.held = true;
        // SAFETY: its status says that it is ours, and it is given back by `give_back` only.
        let bytes = unsafe { self.memory.ours(self.block, self.block_bytes) };
        match layout::block(bytes) {
            Ok(head) => (self.left, self.next) = (head.packets, head.first),
            // How many packets there were nobody knows: the difference to the kernel's count shows at the end.
            Err(layout::Damage) => self.left = 0,
        }
        true
    }

    fn give_back(&mut self) {
        // Release: all reading of the block comes before the kernel may fill it again.
        self.memory.word(self.block + BLOCK_STATUS).store(KERNEL, Ordering::Release);
        self.held = false;
        self.block += self.block_bytes;
        if self.block == self.end {
            self.block = 0;
        }
    }
}
