//! The ways out of a core: transmit queues it owns, and what waits for them.

use super::ledger::Ledger;
use crate::packet::{BurstSize, CoreId, Packet, Packets, PortId, Reason};
use crate::port::{Moved, Refusal, Transmit};
use crate::reduce::OutputDigest;

/// How packets leave by one port from this core.
pub(crate) enum Egress {
    /// By a queue this core owns.
    Own(Box<OwnQueue>),
    /// Through the lane to the core that owns the queue.
    Through(CoreId),
    /// Not at all: the port takes no packets.
    Never,
}

impl Egress {
    /// The queue this core owns, if that is the way.
    #[inline]
    pub(super) fn own(&mut self) -> Option<&mut OwnQueue> {
        match self {
            Egress::Own(own) => Some(own),
            Egress::Through(_) | Egress::Never => None,
        }
    }

    /// Does anything wait here?
    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self, Egress::Own(own) if own.is_waiting())
    }
}

/// A transmit queue and what waits for it.
pub(crate) struct OwnQueue {
    pub(super) sender: Sender,
    pub(super) pending: Packets,
}

/// A transmit queue.
pub(super) struct Sender {
    pub(super) queue: Box<dyn Transmit>,
    port: PortId,
    unflushed: bool,
    /// What stands for the port in the output digest.
    name_hash: u64,
}

impl OwnQueue {
    /// The transmit queue of a port of this name.
    pub(crate) fn new(queue: Box<dyn Transmit>, port: PortId, port_name: &str) -> OwnQueue {
        let name_hash = xxhash_rust::xxh3::xxh3_64(port_name.as_bytes());
        OwnQueue { sender: Sender { queue, port, unflushed: false, name_hash }, pending: Packets::new() }
    }

    /// Does something wait, here or in the queue itself?
    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        !self.pending.is_empty() || self.sender.unflushed
    }

    /// Adds a packet to those waiting; when they are a full burst they are offered to the queue, and a
    /// packet that still finds no room is dropped as `transmit-full`.
    #[inline]
    pub(super) fn enqueue(&mut self, packet: Packet, ledger: &mut Ledger) {
        if self.pending.is_full() {
            self.transmit_pending(ledger);
        }
        if let Err(full) = self.pending.try_push(packet) {
            ledger.end(full.element(), Reason::TRANSMIT_FULL);
        }
    }

    /// Offers the queue what waits for it. Did anything move?
    pub(super) fn transmit_pending(&mut self, ledger: &mut Ledger) -> bool {
        let before = self.pending.len();
        if before > 0 {
            self.sender.transmit(&mut self.pending, ledger);
        }
        self.pending.len() != before
    }

    /// Sends a whole burst as it lies; what the queue has no room for waits. Nothing may be waiting yet.
    #[inline]
    pub(super) fn transmit_burst(&mut self, packets: &mut Packets, ledger: &mut Ledger) {
        self.sender.transmit(packets, ledger);
        if !packets.is_empty() {
            std::mem::swap(&mut self.pending, packets);
        }
    }
}

impl Sender {
    /// Counts a dropped packet and lets the queue write it down.
    pub(super) fn record_drop(&mut self, packet: Packet, reason: Reason, ledger: &mut Ledger) {
        ledger.books.drop_packets(reason, 1);
        self.unflushed = true;
        self.queue.record_drop(packet, &mut ledger.frames);
    }

    /// Offers packets to the queue until it has them all or is full; those it will never carry are dropped
    /// with its reason.
    #[inline]
    fn transmit(&mut self, packets: &mut Packets, ledger: &mut Ledger) {
        loop {
            let (moved, refusal) = match &mut ledger.digest {
                None => self.queue.transmit(packets, &mut ledger.frames),
                Some(_) => self.transmit_digested(packets, ledger),
            };
            self.unflushed = true;
            ledger.sent(self.port, moved);
            match (refusal, packets.is_empty()) {
                (Some(Refusal::Never(reason)), false) => {
                    if let Some(packet) = packets.pop_at(0) {
                        ledger.end(packet, reason);
                    }
                }
                _ => return,
            }
        }
    }

    /// The same, each packet that was taken added to the digest.
    fn transmit_digested(&mut self, packets: &mut Packets, ledger: &mut Ledger) -> (Moved, Option<Refusal>) {
        let mut hashes = [0u128; BurstSize::MAX];
        for (hash, packet) in hashes.iter_mut().zip(packets.iter()) {
            *hash = OutputDigest::hash(self.name_hash, packet.time_ns(), packet.data());
        }
        let (moved, refusal) = self.queue.transmit(packets, &mut ledger.frames);
        if let Some(digest) = &mut ledger.digest {
            hashes[..moved.packets as usize].iter().for_each(|hash| digest.add_hash(*hash));
        }
        (moved, refusal)
    }

    /// Has the queue something to send that it could not before? It is flushed at the end of the turn then.
    pub(super) fn resume(&mut self) -> bool {
        self.unflushed |= self.queue.has_unsent();
        self.unflushed
    }

    /// Lets the port send what it took since the last time.
    #[inline]
    pub(super) fn flush(&mut self, ledger: &mut Ledger) {
        if self.unflushed {
            self.queue.flush(&mut ledger.frames);
            self.unflushed = self.queue.has_unsent();
        }
    }
}
