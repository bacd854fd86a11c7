//! A V2 receive ring: a slot a packet.

use std::sync::atomic::Ordering;

use super::arrived::Arrived;
use super::layout::{self, KERNEL, USER};
use super::memory::RingMemory;
use super::shape::Cut;

/// A place in a ring whose blocks are cut into slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    cut: Cut,
    /// Bytes from the ring's start to the slot.
    pub(super) at: usize,
    /// Which slot of its block it is, and where the block starts.
    slot: usize,
    block: usize,
}

impl Cursor {
    pub(super) fn new(cut: Cut) -> Cursor {
        Cursor { cut, at: 0, slot: 0, block: 0 }
    }

    /// Goes to the next slot; after the last one comes the first.
    #[inline]
    pub(super) fn step(&mut self) {
        self.slot += 1;
        self.at += self.cut.slot_bytes;
        if self.slot == self.cut.slots_per_block {
            self.slot = 0;
            self.block += self.cut.block_bytes;
            if self.block == self.cut.bytes() {
                self.block = 0;
            }
            self.at = self.block;
        }
    }

    /// The slot after this one.
    #[inline]
    pub(super) fn following(mut self) -> Cursor {
        self.step();
        self
    }
}

/// Reads the slots in the order the kernel fills them.
#[derive(Debug)]
pub(super) struct Slots {
    memory: RingMemory,
    slot_bytes: usize,
    cursor: Cursor,
    /// Is the current slot ours, and its packet handed out?
    held: bool,
    /// Packets handed out or given up, since the ring was made.
    pub(super) seen: u64,
    /// Packets given up because a length led out of the slot.
    pub(super) damaged: u64,
}

impl Slots {
    pub(super) fn new(memory: RingMemory, cut: &Cut) -> Slots {
        Slots {
            memory,
            slot_bytes: cut.slot_bytes,
            cursor: Cursor::new(*cut),
            held: false,
            seen: 0,
            damaged: 0,
        }
    }

    /// The next packet, if there is one; the slot before it goes back to the kernel.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Arrived<'_>> {
        self.give_back();
        // Acquire: pairs with the kernel's barrier between filling the slot and its status (`__packet_set_status`).
        if self.memory.word(self.cursor.at).load(Ordering::Acquire) & USER == 0 {
            return None;
        }
        self.held = true;
        self.seen += 1;
        self.memory.prefetch(self.cursor.following().at);
        // SAFETY: its status says that it is ours, and `give_back` needs `&mut self`, so it stays ours while what is
        // returned lives.
        let bytes = unsafe { self.memory.ours(self.cursor.at, self.slot_bytes) };
        match layout::packet_v2(bytes) {
            Ok(found) => Some(Arrived::new(bytes, &found)),
            Err(layout::Damage) => {
                self.damaged += 1;
                None
            }
        }
    }

    /// Gives the slot of the packet handed out last back to the kernel.
    #[inline]
    pub(super) fn give_back(&mut self) {
        if self.held {
            // Release: all reading of the slot comes before the kernel may fill it again.
            self.memory.word(self.cursor.at).store(KERNEL, Ordering::Release);
            self.held = false;
            self.cursor.step();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet_socket::{RingShape, RingVersion};

    /// What the kernel does: a packet of 60 such bytes, whose header says `len`.
    fn hand_over(ring: &Slots, at: usize, byte: u8, len: u32) {
        let mut bytes = [0u8; 160];
        bytes[4..8].copy_from_slice(&len.to_ne_bytes());
        bytes[8..12].copy_from_slice(&len.to_ne_bytes());
        bytes[12..14].copy_from_slice(&96u16.to_ne_bytes());
        bytes[96..156].fill(byte);
        // SAFETY: the ring is the test's alone, and no slice of it is alive.
        unsafe { ring.memory.write(at + 4, &bytes[4..]) };
        ring.memory.word(at).store(USER, Ordering::Release);
    }

    #[test]
    fn slots_are_read_round_and_round_and_each_given_back() {
        let cut = RingShape { packet: 1500, packets: 100 }.to_receive(RingVersion::V2);
        assert!(cut.blocks > 1, "the ring's blocks have gaps at their ends");
        let mut ring = Slots::new(RingMemory::anonymous(cut.bytes()), &cut);
        let mut kernel = Cursor::new(cut);
        for number in 0..3 * cut.slots() {
            assert!(ring.next().is_none());
            hand_over(&ring, kernel.at, number as u8, 60);
            assert_eq!(ring.next().unwrap().bytes, [number as u8; 60]);
            assert_eq!(ring.memory.word(kernel.at).load(Ordering::Acquire), USER);
            ring.give_back();
            assert_eq!(ring.memory.word(kernel.at).load(Ordering::Acquire), KERNEL);
            kernel.step();
        }
        hand_over(&ring, kernel.at, 1, 1 << 20);
        hand_over(&ring, kernel.following().at, 2, 60);
        assert!(ring.next().is_none() && ring.damaged == 1);
        assert_eq!(ring.next().unwrap().bytes, [2; 60]);
        assert_eq!(ring.seen, 3 * cut.slots() as u64 + 2);
    }
}
