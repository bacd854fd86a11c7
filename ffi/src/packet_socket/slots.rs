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
