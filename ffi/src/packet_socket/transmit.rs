//! The transmit ring with the socket it belongs to.

use std::io;
use std::sync::Arc;

use super::memory::RingMemory;
use super::outgoing::Outgoing;
use super::receive::TPACKET_V2;
use super::shape::RingShape;
use super::socket::{Failed, PacketSocket, option, step};

/// A socket buffer's bookkeeping beside the packet, bytes, generously (`SKB_TRUESIZE`).
const PER_PACKET: usize = 1024;

/// A transmit ring with the socket it belongs to.
///
/// Frames are in the V2 format; the V3 one differs for sending in nothing but its larger header. Every frame has a
/// virtio header (`PACKET_VNET_HDR`) that asks for nothing but how much is to be copied.
#[derive(Debug)]
pub struct TransmitRing {
    socket: Arc<PacketSocket>,
    slots: Outgoing,
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
        Ok(TransmitRing { socket: Arc::new(socket), slots: Outgoing::new(memory, cut) })
    }

    /// The largest packet a slot holds, bytes.
    #[must_use]
    pub fn room(&self) -> usize {
        self.slots.room()
    }

    /// Packets in the ring that the kernel was not seen to take.
    #[inline]
    #[must_use]
    pub fn unsent(&self) -> u32 {
        self.slots.unsent
    }

    /// Puts a packet into the next slot; `false`, and nothing done, when the ring is full or the packet larger than
    /// [`room`](Self::room). It is sent with the next [`kick`](Self::kick).
    #[inline]
    #[must_use]
    pub fn put(&mut self, packet: &[u8]) -> bool {
        self.slots.put(packet)
    }

    /// Has the kernel send what the ring holds; it does so in this call, as far as it can without waiting.
    pub fn kick(&mut self) -> Kicked {
        let mut rejected = 0;
        loop {
            let answer = self.socket.send_ring();
            let refused = self.slots.pass_taken();
            rejected += u32::from(refused);
            if !refused || self.slots.unsent == 0 {
                let error = answer.err().filter(|_| self.slots.unsent > 0);
                return Kicked { rejected, error };
            }
        }
    }

    /// Takes back what was not sent; how many packets that were.
    pub fn withdraw(&mut self) -> u32 {
        self.slots.withdraw()
    }
}
