//! A receive ring with the socket it belongs to.

use std::sync::Arc;

use super::arrived::Arrived;
use super::blocks::Blocks;
use super::layout::VIRTIO_HEADER;
use super::memory::RingMemory;
use super::shape::{RingShape, RingVersion};
use super::slots::Slots;
use super::socket::{Failed, PacketSocket, option, step};

/// `TPACKET_V2`, `TPACKET_V3`.
pub(super) const TPACKET_V2: i32 = 1;
const TPACKET_V3: i32 = 2;
/// The shortest time after which a V3 block that is not full is handed over, milliseconds.
const SHORTEST_TIMEOUT_MS: u32 = 1;

/// Packets as they come in, one at a time, each in memory of the ring.
#[derive(Debug)]
pub struct ReceiveRing {
    socket: Arc<PacketSocket>,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Slots(Slots),
    Blocks(Blocks),
}

impl ReceiveRing {
    /// Opens a socket with a receive ring, in the calling thread's network namespace. It is not bound to a device
    /// yet, and what is bound receives nothing before [`PacketSocket::admit`]: so a group of sockets starts as one.
    ///
    /// What our own host sends is not received again (`PACKET_IGNORE_OUTGOING`: it is not even offered to the
    /// socket, where a look at each packet's type would let the kernel copy it into the ring first). Checksums left
    /// to the card are told with their place (`PACKET_VNET_HDR`).
    ///
    /// # Errors
    /// The step that failed. EPERM: no CAP_NET_RAW; ENOMEM: no memory for the ring; ENOPROTOOPT: a kernel before 4.20.
    pub fn open(shape: RingShape, version: RingVersion) -> Result<ReceiveRing, Failed> {
        let socket = PacketSocket::open()?;
        let cut = shape.to_receive(version);
        let (number, timeout) = match version {
            RingVersion::V2 => (TPACKET_V2, None),
            RingVersion::V3 => (TPACKET_V3, Some(SHORTEST_TIMEOUT_MS)),
        };
        socket.set(option::VERSION, &number).map_err(step("the format of the receive ring"))?;
        socket.set(option::VNET_HDR, &1i32).map_err(step("places of checksums"))?;
        socket.set(option::IGNORE_OUTGOING, &1i32).map_err(step("leaving out what this host sends"))?;
        let ring = || format!("a receive ring of {} bytes", cut.bytes());
        socket.make_ring(option::RX_RING, &cut, timeout).map_err(|error| step(ring())(error))?;
        let memory = RingMemory::map(&socket, cut.bytes()).map_err(|error| step(ring())(error))?;
        socket.deny().map_err(step("holding packets back"))?;
        let format = match version {
            RingVersion::V2 => Format::Slots(Slots::new(memory, &cut)),
            RingVersion::V3 => Format::Blocks(Blocks::new(memory, &cut)),
        };
        const { assert!(VIRTIO_HEADER == 10) };
        Ok(ReceiveRing { socket: Arc::new(socket), format })
    }

    /// The socket, to bind it and to read its counters.
    #[must_use]
    pub fn socket(&self) -> &Arc<PacketSocket> {
        &self.socket
    }

    /// The next packet, if there is one. Room it took in the ring goes back to the kernel with a later call: in a V2 ring
    /// with the next one, in a V3 ring with the one after the last of its block.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "what it returns borrows from the ring")]
    pub fn next(&mut self) -> Option<Arrived<'_>> {
        match &mut self.format {
            Format::Slots(slots) => slots.next(),
            Format::Blocks(blocks) => blocks.next(),
        }
    }

    /// Gives back the room of the packet handed out last, where it is a slot of its own.
    #[inline]
    pub fn give_back(&mut self) {
        if let Format::Slots(slots) = &mut self.format {
            slots.give_back();
        }
    }

    /// Packets taken out of the ring since it was made, and how many of these were given up because a length in the
    /// ring led out of it.
    #[must_use]
    pub fn seen(&self) -> (u64, u64) {
        match &self.format {
            Format::Slots(slots) => (slots.seen, slots.damaged),
            Format::Blocks(blocks) => (blocks.seen, blocks.damaged),
        }
    }
}
