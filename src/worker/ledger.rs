//! What a core keeps account of: its frames, its books, what its ports moved, what it sent.

use crate::packet::{Frames, Packet, PortId, Reason};
use crate::port::Moved;
use crate::reduce::{Books, OutputDigest};

/// Packets and bytes a port moved on this core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCount {
    /// Packets received.
    pub received: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Packets transmitted.
    pub transmitted: u64,
    /// Bytes transmitted.
    pub transmitted_bytes: u64,
}

impl PortCount {
    /// Adds another core's.
    pub fn merge(&mut self, other: &PortCount) {
        self.received += other.received;
        self.received_bytes += other.received_bytes;
        self.transmitted += other.transmitted;
        self.transmitted_bytes += other.transmitted_bytes;
    }
}

/// A core's frames and accounts: whatever ends a packet's life goes through here, so that its frame goes home
/// and its fate is counted in one step.
pub(crate) struct Ledger {
    pub(crate) frames: Frames,
    pub(crate) books: Books,
    /// By port number.
    pub(crate) counts: Vec<PortCount>,
    /// Over what was transmitted, where asked for.
    pub(crate) digest: Option<OutputDigest>,
}

impl Ledger {
    /// Packets came in by this port.
    #[inline]
    pub(crate) fn received(&mut self, port: PortId, moved: Moved) {
        self.books.received += u64::from(moved.packets);
        let count = &mut self.counts[port.index()];
        count.received += u64::from(moved.packets);
        count.received_bytes += moved.bytes;
    }

    /// A transmit queue of this port took packets and released their frames.
    #[inline]
    pub(crate) fn sent(&mut self, port: PortId, moved: Moved) {
        self.books.forwarded += u64::from(moved.packets);
        let count = &mut self.counts[port.index()];
        count.transmitted += u64::from(moved.packets);
        count.transmitted_bytes += moved.bytes;
    }

    /// An application consumed the packet.
    #[inline]
    pub(crate) fn consume(&mut self, packet: Packet) {
        self.books.consumed += 1;
        self.frames.release(packet.into_frame());
    }

    /// The packet ends here for this reason.
    #[inline]
    pub(crate) fn end(&mut self, packet: Packet, reason: Reason) {
        self.books.drop_packets(reason, 1);
        self.frames.release(packet.into_frame());
    }
}
