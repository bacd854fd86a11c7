//! The transmit ring: slots we fill and the kernel sends, in order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::layout::{AVAILABLE, SEND_AT, SEND_REQUEST, SENDING, WRONG_FORMAT};
use super::memory::RingMemory;
use super::receive::TPACKET_V2;
use super::shape::{Cut, RingShape};
use super::slots::Cursor;
use super::socket::{Failed, PacketSocket, option, step};

/// Offsets in `tpacket2_hdr`: status, length.
const LENGTH: usize = 4;
/// Offset of the virtio header, and in it of `hdr_len`.
const VIRTIO: usize = SEND_AT - super::layout::VIRTIO_HEADER;
const HEADER_LENGTH: usize = 2;
/// Packets up to this size are copied into the socket buffer whole; of larger ones the ring's pages are sent. Copying
/// this much costs less than keeping track of a page, and a packet sent to another socket of this machine would have its
/// pages copied to new ones (`skb_orphan_frags`). What is copied must fit a buffer of one piece of 4 KiB.
const COPIED_WHOLE: usize = 2048;
/// A socket buffer's bookkeeping beside the packet, bytes, generously (`SKB_TRUESIZE`).
const PER_PACKET: usize = 1024;

/// A transmit ring with the socket it belongs to.
///
/// Frames are in the V2 format; the V3 one differs for sending in nothing but its larger header. Every frame has a
/// virtio header (`PACKET_VNET_HDR`) that asks for nothing but how much is to be copied.
#[derive(Debug)]
pub struct TransmitRing {
    socket: Arc<PacketSocket>,
    memory: RingMemory,
    cut: Cut,
    /// The next slot to fill.
    head: Cursor,
    /// The oldest slot the kernel was not seen to take, and how many there are from it to `head`.
    oldest: Cursor,
    unsent: u32,
}

/// What came of asking the kernel to send.
#[derive(Debug)]
pub struct Kicked {
    /// Packets the kernel will not send: larger than the device takes, shorter than its header. They are out of the ring.
    pub rejected: u32,
    /// Why the kernel stopped before the last packet, if it did.
    pub error: Option<io::Error>,
}

impl TransmitRing {
    /// Opens a socket with a transmit ring in the calling thread's network namespace, and binds it to a device; it
    /// receives nothing. With `qdisc_bypass` packets go to the driver past queueing disciplines and taps.
    ///
    /// # Errors
    /// The step that failed. EPERM: no CAP_NET_RAW; ENOMEM: no memory for the ring; ENODEV: no such device.
    pub fn open(shape: RingShape, index: u32, qdisc_bypass: bool) -> Result<TransmitRing, Failed> {
        let socket = PacketSocket::open()?;
        let cut = shape.to_transmit();
        socket.set(option::VERSION, &TPACKET_V2).map_err(step("the format of the transmit ring"))?;
        socket.set(option::VNET_HDR, &1i32).map_err(step("headers in the transmit ring"))?;
        if qdisc_bypass {
            socket.set(option::QDISC_BYPASS, &1i32).map_err(step("going past queueing disciplines"))?;
        }
        let ring = || format!("a transmit ring of {} bytes", cut.bytes());
        // A limit that stays low only makes the ring look full earlier.
        let _ = socket.allow_in_flight(cut.slots() * (cut.slot_bytes + PER_PACKET));
        socket.make_ring(option::TX_RING, &cut, None).map_err(|error| step(ring())(error))?;
        let memory = RingMemory::map(&socket, cut.bytes()).map_err(|error| step(ring())(error))?;
        socket.bind_to(index, 0).map_err(step("binding to the device"))?;
        let start = Cursor::new(cut);
        Ok(TransmitRing { socket: Arc::new(socket), memory, cut, head: start, oldest: start, unsent: 0 })
    }

    /// The largest packet a slot holds, bytes.
    #[must_use]
    pub fn room(&self) -> usize {
        self.cut.slot_bytes - SEND_AT
    }

    /// Packets in the ring that the kernel was not seen to take.
    #[inline]
    #[must_use]
    pub fn unsent(&self) -> u32 {
        self.unsent
    }

    /// Puts a packet into the next slot; `false`, and nothing done, when the ring is full or the packet larger than
    /// [`room`](Self::room). It is sent with the next [`kick`](Self::kick).
    #[inline]
    #[must_use]
    pub fn put(&mut self, packet: &[u8]) -> bool {
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

    /// Has the kernel send what the ring holds; it does so in this call, as far as it can without waiting.
    pub fn kick(&mut self) -> Kicked {
        let mut rejected = 0;
        loop {
            let answer = self.socket.send_ring();
            self.look();
            if self.unsent > 0 && self.status(self.oldest) & WRONG_FORMAT != 0 {
                // The kernel stays on this slot until there is something in it that can be sent.
                self.close_gap();
                rejected += 1;
                if self.unsent > 0 {
                    continue;
                }
            }
            let error = answer.err().filter(|_| self.unsent > 0);
            return Kicked { rejected, error };
        }
    }

    /// Takes back what was not sent; how many packets that were.
    pub fn withdraw(&mut self) -> u32 {
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

    /// Passes over the slots the kernel has taken.
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
            // kernel looks at them only in `kick`, which is not going on. They are different slots, so the slice and
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
