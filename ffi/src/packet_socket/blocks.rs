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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet_socket::{RingShape, RingVersion};

    fn ring() -> (Blocks, Cut) {
        let cut = RingShape { packet: 1500, packets: 2 }.to_receive(RingVersion::V3);
        (Blocks::new(RingMemory::anonymous(cut.bytes()), &cut), cut)
    }

    /// What the kernel does: a block of packets of these bytes, each of 60; the header of `bad` leads out of the block.
    fn hand_over(ring: &Blocks, block: usize, packets: &[u8], bad: Option<usize>) {
        let mut bytes = vec![0u8; 4096];
        let words = |bytes: &mut [u8], at: usize, values: &[(usize, u32)]| {
            for (field, value) in values {
                bytes[at + field..at + field + 4].copy_from_slice(&value.to_ne_bytes());
            }
        };
        words(&mut bytes, 0, &[(12, packets.len() as u32), (16, 48)]);
        for (number, byte) in packets.iter().enumerate() {
            let at = 48 + number * 176;
            let len = if bad == Some(number) { 1 << 20 } else { 60 };
            let step = if number + 1 == packets.len() { 0 } else { 176 };
            words(&mut bytes, at, &[(0, step), (12, len), (16, len), (20, USER)]);
            bytes[at + 24..at + 26].copy_from_slice(&96u16.to_ne_bytes());
            bytes[at + 96..at + 156].fill(*byte);
        }
        // SAFETY: the ring is the test's alone, and no slice of it is alive.
        unsafe { ring.memory.write(block + 12, &bytes[12..]) };
        ring.memory.word(block + BLOCK_STATUS).store(USER, Ordering::Release);
    }

    fn status(ring: &Blocks, block: usize) -> u32 {
        ring.memory.word(block + BLOCK_STATUS).load(Ordering::Acquire)
    }

    #[test]
    fn blocks_are_read_in_order_and_given_back_when_they_are_empty() {
        let (mut ring, cut) = ring();
        assert_eq!(cut.blocks, 2);
        for round in 0..3u8 {
            let block = usize::from(round % 2) * cut.block_bytes;
            assert!(ring.next().is_none());
            hand_over(&ring, block, &[round, round + 10], None);
            assert_eq!(ring.next().unwrap().bytes, [round; 60]);
            assert_eq!(ring.next().unwrap().bytes, [round + 10; 60]);
            assert_eq!(status(&ring, block), USER, "the last packet may still be read");
            assert!(ring.next().is_none());
            assert_eq!(status(&ring, block), KERNEL);
        }
        assert_eq!((ring.seen, ring.damaged), (6, 0));
    }

    #[test]
    fn a_block_is_given_up_where_a_length_leads_out_of_it() {
        let (mut ring, cut) = ring();
        hand_over(&ring, 0, &[1, 2, 3], Some(1));
        hand_over(&ring, cut.block_bytes, &[4], None);
        assert_eq!(ring.next().unwrap().bytes, [1; 60]);
        assert!(ring.next().is_none());
        assert_eq!((ring.seen, ring.damaged), (3, 2), "the one and those behind it");
        assert_eq!(ring.next().unwrap().bytes, [4; 60]);
        assert_eq!(status(&ring, 0), KERNEL);
        // An empty block is passed over.
        hand_over(&ring, 0, &[], None);
        assert!(ring.next().is_none());
        assert_eq!((status(&ring, 0), ring.seen), (KERNEL, 4));
    }
}
