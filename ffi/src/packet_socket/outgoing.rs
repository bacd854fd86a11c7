//! The slots of a transmit ring: filled by us, taken by the kernel in order.

use std::sync::atomic::Ordering;

use super::layout::{AVAILABLE, SEND_AT, SEND_REQUEST, SENDING, VIRTIO_HEADER, WRONG_FORMAT};
use super::memory::RingMemory;
use super::shape::Cut;
use super::slots::Cursor;

/// Offsets in `tpacket2_hdr`: status, length.
const LENGTH: usize = 4;
/// Offset of the virtio header, and in it of `hdr_len`.
const VIRTIO: usize = SEND_AT - VIRTIO_HEADER;
const HEADER_LENGTH: usize = 2;
/// Packets up to this size are copied into the socket buffer whole; of larger ones the ring's pages are sent. Copying
/// this much costs less than keeping track of a page, and a packet sent to another socket of this machine would have its
/// pages copied to new ones (`skb_orphan_frags`). What is copied must fit a buffer of one piece of 4 KiB.
const COPIED_WHOLE: usize = 2048;
/// What of a transmit ring is shared with the kernel.
#[derive(Debug)]
pub(super) struct Outgoing {
    memory: RingMemory,
    cut: Cut,
    /// The next slot to fill.
    head: Cursor,
    /// The oldest slot the kernel was not seen to take, and how many there are from it to `head`.
    oldest: Cursor,
    pub(super) unsent: u32,
}

impl Outgoing {
    pub(super) fn new(memory: RingMemory, cut: Cut) -> Outgoing {
        let start = Cursor::new(cut);
        Outgoing { memory, cut, head: start, oldest: start, unsent: 0 }
    }

    /// The largest packet a slot holds, bytes.
    pub(super) fn room(&self) -> usize {
        self.cut.slot_bytes - SEND_AT
    }

    /// Puts a packet into the next slot; `false`, and nothing done, when the ring is full or the packet larger than
    /// [`room`](Self::room).
    #[inline]
    pub(super) fn put(&mut self, packet: &[u8]) -> bool {
        let at = self.head.at;
        // Acquire: pairs with the kernel's barrier before it marks a slot whose packet has left (`tpacket_destruct_skb`).
        let free = self.memory.word(at).load(Ordering::Acquire) & (SEND_REQUEST | SENDING | WRONG_FORMAT)
            == AVAILABLE;
        if !free || packet.len() > self.room() || self.unsent as usize == self.cut.slots() {
            return false;
        }
        let copied = if packet.len() <= COPIED_WHOLE { packet.len() as u16 } else { 0 };
        let length = (packet.len() + SEND_AT - VIRTIO) as u32;
        let mut header = [0u8; SEND_AT - LENGTH];
        header[..4].copy_from_slice(&length.to_ne_bytes());
        let copied_at = VIRTIO + HEADER_LENGTH - LENGTH;
        header[copied_at..copied_at + 2].copy_from_slice(&copied.to_ne_bytes());
        // SAFETY: the slot's status says that it is ours; no slice of the mapping is alive.
        unsafe {
            self.memory.write(at + LENGTH, &header);
            self.memory.write(at + SEND_AT, packet);
        }
        // Release: the packet comes before the request to send it.
        self.memory.word(at).store(SEND_REQUEST, Ordering::Release);
        self.head.step();
        self.unsent += 1;
        true
    }

    /// Takes back what was not sent; how many packets that were.
    pub(super) fn withdraw(&mut self) -> u32 {
        let withdrawn = self.unsent;
        let mut slot = self.oldest;
        for _ in 0..withdrawn {
            self.memory.word(slot.at).store(AVAILABLE, Ordering::Release);
            slot.step();
        }
        // The kernel goes on at the oldest slot it did not take.
        self.head = self.oldest;
        self.unsent = 0;
        withdrawn
    }

    fn status(&self, slot: Cursor) -> u32 {
        self.memory.word(slot.at).load(Ordering::Acquire)
    }

    /// Passes over the slots the kernel has taken; did it refuse the one it stopped at? That packet is out of the ring then,
    /// so that the kernel goes on with the one behind it.
    #[inline]
    pub(super) fn pass_taken(&mut self) -> bool {
        self.look();
        let refused = self.unsent > 0 && self.status(self.oldest) & WRONG_FORMAT != 0;
        if refused {
            self.close_gap();
        }
        refused
    }

    #[inline]
    fn look(&mut self) {
        while self.unsent > 0 && self.status(self.oldest) & (SEND_REQUEST | WRONG_FORMAT) == 0 {
            self.oldest.step();
            self.unsent -= 1;
        }
    }

    /// Drops the packet in the oldest slot, which the kernel refuses, and moves those behind it up by one.
    #[cold]
    fn close_gap(&mut self) {
        let mut to = self.oldest;
        for _ in 1..self.unsent {
            let from = to.following();
            // SAFETY: both slots are between the oldest one the kernel did not take and the head, so they are ours: the
            // kernel looks at them only while it is asked to send, which is not going on. They are different slots, so the slice and
            // what is written do not overlap; no status word is written while the slice lives.
            unsafe {
                let bytes = self.memory.ours(from.at + LENGTH, self.cut.slot_bytes - LENGTH);
                self.memory.write(to.at + LENGTH, bytes);
            }
            self.memory.word(to.at).store(SEND_REQUEST, Ordering::Release);
            to = from;
        }
        self.memory.word(to.at).store(AVAILABLE, Ordering::Release);
        self.head = to;
        self.unsent -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet_socket::RingShape;

    fn ring(packets: u32) -> Outgoing {
        let cut = RingShape { packet: 1500, packets }.to_transmit();
        Outgoing::new(RingMemory::anonymous(cut.bytes()), cut)
    }

    /// The bytes of the packet in a slot, as its header says.
    fn packet(ring: &Outgoing, slot: Cursor) -> Vec<u8> {
        // SAFETY: the ring is the test's alone, and nothing is written while the slice lives.
        let bytes = unsafe { ring.memory.ours(slot.at, ring.cut.slot_bytes) };
        let len = u32::from_ne_bytes(*bytes[LENGTH..].first_chunk().unwrap()) as usize;
        bytes[SEND_AT..VIRTIO + len].to_vec()
    }

    /// What the kernel does with the oldest slots: takes so many.
    fn take(ring: &Outgoing, count: usize, status: u32) -> Cursor {
        let mut slot = ring.oldest;
        for _ in 0..count {
            assert_eq!(ring.status(slot), SEND_REQUEST);
            ring.memory.word(slot.at).store(status, Ordering::Release);
            slot.step();
        }
        slot
    }

    #[test]
    fn a_full_ring_takes_nothing_until_packets_have_left() {
        let mut ring = ring(4);
        let slots = ring.cut.slots();
        for number in 0..slots {
            assert!(ring.put(&[number as u8; 60]));
        }
        assert!(!ring.put(&[9; 60]) && ring.unsent as usize == slots);
        // Taken, but still on their way: their slots are not free.
        let start = ring.oldest;
        take(&ring, 2, SENDING);
        assert!(!ring.pass_taken() && ring.unsent as usize == slots - 2);
        assert!(!ring.put(&[9; 60]));
        ring.memory.word(start.at).store(AVAILABLE, Ordering::Release);
        assert!(ring.put(&[9; 60]) && !ring.put(&[9; 60]));
        assert_eq!(packet(&ring, start), [9; 60]);
        assert!(!ring.put(&vec![0; ring.room() + 1]));
    }

    #[test]
    fn a_packet_that_is_refused_makes_room_for_those_behind_it() {
        let mut ring = ring(8);
        for number in 0..5u8 {
            assert!(ring.put(&vec![number; 60 + usize::from(number)]));
        }
        let bad = take(&ring, 2, AVAILABLE);
        ring.memory.word(bad.at).store(WRONG_FORMAT, Ordering::Release);
        assert!(ring.pass_taken() && ring.unsent == 2);
        // The kernel goes on at the slot it refused, and finds the next packets there.
        let second = bad.following();
        assert_eq!((packet(&ring, bad), packet(&ring, second)), (vec![3; 63], vec![4; 64]));
        assert_eq!((ring.status(bad), ring.status(second), ring.status(second.following())), (1, 1, 0));
        assert!(ring.put(&[7; 60]) && packet(&ring, second.following()) == [7; 60]);
        take(&ring, 3, AVAILABLE);
        assert!(!ring.pass_taken() && ring.unsent == 0);
    }

    #[test]
    fn what_is_withdrawn_is_not_sent_and_the_kernel_goes_on_there() {
        let mut ring = ring(8);
        for number in 0..3u8 {
            assert!(ring.put(&[number; 60]));
        }
        let next = take(&ring, 1, AVAILABLE);
        assert!(!ring.pass_taken() && ring.withdraw() == 2 && ring.unsent == 0);
        assert_eq!((ring.status(next), ring.status(next.following())), (AVAILABLE, AVAILABLE));
        assert!(ring.put(&[9; 60]) && packet(&ring, next) == [9; 60]);
    }
}
