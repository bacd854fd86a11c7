//! Where verdicts are matched: the one place a packet's life ends or goes on elsewhere.

use crate::lane::Lanes;
use crate::packet::{Burst, CoreId, Frames, Packet, Packets, PortId, Reason, Verdict};
use crate::port::{Moved, Refusal, Transmit};
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

/// How packets leave by one port from this core.
pub(crate) enum Egress {
    /// By a queue this core owns.
    Own(Box<OwnQueue>),
    /// Through the lane to the core that owns the queue.
    Through(CoreId),
    /// Not at all: the port takes no packets.
    Never,
}

/// A transmit queue and what waits for it.
pub(crate) struct OwnQueue {
    pub(crate) sender: Sender,
    pending: Packets,
}

/// A transmit queue.
pub(crate) struct Sender {
    pub(crate) queue: Box<dyn Transmit>,
    unflushed: bool,
    /// What stands for the port in the output digest.
    name_hash: u64,
}

/// A core's verdicts, books and ways out.
pub(crate) struct Outbox {
    pub(crate) frames: Frames,
    pub(crate) lanes: Lanes,
    pub(crate) egress: Vec<Egress>,
    pub(crate) counts: Vec<PortCount>,
    pub(crate) books: Books,
    pub(crate) digest: Option<OutputDigest>,
    /// The port that writes down dropped packets, if one was asked to.
    pub(crate) drop_record: Option<PortId>,
    /// Something was handed to a transmit queue, or waits for one, since the last look.
    pub(crate) stirred: bool,
}

impl Outbox {
    /// Matches every verdict of the burst, which is empty afterwards.
    #[inline]
    pub(crate) fn settle(&mut self, burst: &mut Burst) {
        match burst.uniform() {
            Some(Verdict::Forward(port)) => self.forward_all(port, burst),
            Some(Verdict::Consume) => {
                self.books.consumed += burst.len() as u64;
                self.release_all(burst);
            }
            Some(verdict @ (Verdict::Drop(_) | Verdict::Pass)) if self.drop_record.is_none() => {
                let reason = reason_of(verdict);
                self.books.drop_packets(reason, burst.len() as u64);
                self.release_all(burst);
            }
            _ => self.settle_each(burst),
        }
    }

    fn release_all(&mut self, burst: &mut Burst) {
        self.frames.release_each(burst.packets_mut().drain(..).map(Packet::into_frame));
        burst.reset();
    }

    /// Hands a whole burst to the transmit queue as it lies.
    #[inline]
    fn forward_all(&mut self, port: PortId, burst: &mut Burst) {
        match self.egress.get_mut(port.index()) {
            Some(Egress::Own(own)) if own.pending.is_empty() => {
                let count = &mut self.counts[port.index()];
                self.stirred = true;
                let refusal = own.sender.transmit(
                    burst.packets_mut(),
                    &mut self.frames,
                    count,
                    &mut self.books,
                    &mut self.digest,
                );
                if !burst.is_empty() {
                    debug_assert_eq!(refusal, Some(Refusal::Full));
                    std::mem::swap(&mut own.pending, burst.packets_mut());
                }
                burst.reset();
            }
            _ => self.settle_each(burst),
        }
    }

    fn settle_each(&mut self, burst: &mut Burst) {
        for (packet, verdict) in burst.settle() {
            match verdict {
                Verdict::Forward(port) => forward(
                    packet,
                    port,
                    &mut self.egress,
                    &mut self.lanes,
                    &mut self.frames,
                    &mut self.counts,
                    &mut self.books,
                    &mut self.digest,
                ),
                Verdict::Consume => {
                    self.books.consumed += 1;
                    self.frames.release(packet.into_frame());
                }
                Verdict::Drop(_) | Verdict::Pass => {
                    let reason = reason_of(verdict);
                    match self.drop_record {
                        None => {
                            self.books.drop_packets(reason, 1);
                            self.frames.release(packet.into_frame());
                        }
                        Some(port) => record_drop(
                            packet,
                            reason,
                            port,
                            &mut self.egress,
                            &mut self.lanes,
                            &mut self.frames,
                            &mut self.books,
                        ),
                    }
                }
            }
        }
        burst.reset();
        self.stirred = true;
        self.transmit_pending();
    }

    /// Ends a packet that will not go anywhere.
    pub(crate) fn drop_packet(&mut self, packet: Packet, reason: Reason) {
        self.books.drop_packets(reason, 1);
        self.frames.release(packet.into_frame());
    }

    /// Transmits what other cores left here for ports this core owns.
    #[inline]
    pub(crate) fn take_egress(&mut self, limit: usize) -> usize {
        let Outbox { frames, lanes, egress, counts, books, digest, .. } = self;
        let taken = lanes.take_egress(
            |packet| {
                let port = packet.port();
                match egress.get_mut(port.index()) {
                    Some(Egress::Own(own)) => match packet.dropped() {
                        Some(reason) => own.sender.record_drop(packet, reason, frames, books),
                        None => own.enqueue(packet, port, frames, counts, books, digest),
                    },
                    _ => {
                        books.drop_packets(Reason::NO_ROUTE, 1);
                        frames.release(packet.into_frame());
                    }
                }
            },
            limit,
        );
        if taken > 0 {
            self.stirred = true;
            self.transmit_pending();
        }
        taken
    }

    /// Offers every queue what waits for it. Did anything move?
    #[inline]
    pub(crate) fn transmit_pending(&mut self) -> bool {
        let mut moved = false;
        for (egress, count) in self.egress.iter_mut().zip(&mut self.counts) {
            if let Egress::Own(own) = egress
                && !own.pending.is_empty()
            {
                let before = own.pending.len();
                own.transmit_own(&mut self.frames, count, &mut self.books, &mut self.digest);
                moved |= own.pending.len() != before;
            }
        }
        moved
    }

    /// Lets ports send what they took in this turn.
    #[inline]
    fn flush(&mut self) {
        for egress in &mut self.egress {
            if let Egress::Own(own) = egress
                && own.sender.unflushed
            {
                own.sender.unflushed = false;
                own.sender.queue.flush(&mut self.frames);
            }
        }
    }

    /// Ends the turn for the transmit queues: offers them what waits, lets them send what they took. Did
    /// anything move?
    #[inline]
    pub(crate) fn end_turn(&mut self) -> bool {
        if !self.stirred {
            return false;
        }
        let moved = self.transmit_pending();
        self.flush();
        let waits = |egress: &Egress| matches!(egress, Egress::Own(own) if !own.pending.is_empty());
        self.stirred = self.egress.iter().any(waits);
        moved
    }

    /// A step of virtual time is over.
    pub(crate) fn end_step(&mut self) {
        for egress in &mut self.egress {
            if let Egress::Own(own) = egress {
                own.sender.queue.end_step(&mut self.frames);
            }
        }
    }

    /// Are there other cores?
    #[inline]
    pub(crate) fn counts_other_cores(&self) -> bool {
        self.lanes.cores() > 1
    }

    /// Takes in frames that came home.
    #[inline]
    pub(crate) fn take_home(&mut self) -> usize {
        self.lanes.take_home(&mut self.frames)
    }

    /// Sends what is staged for other cores.
    #[inline]
    pub(crate) fn flush_lanes(&mut self) -> bool {
        self.lanes.flush(&mut self.frames)
    }

    /// Is anything waiting to be sent?
    pub(crate) fn is_waiting(&self) -> bool {
        let waits = |egress: &Egress| matches!(egress, Egress::Own(own) if !own.pending.is_empty());
        !self.lanes.clear()
            || !self.lanes.egress_clear()
            || self.frames.has_strays()
            || self.egress.iter().any(waits)
    }

    /// Ends everything that waits, by force.
    pub(crate) fn abandon(&mut self) {
        let Outbox { frames, lanes, egress, books, .. } = self;
        let mut end = |packet: Packet| {
            books.drop_packets(packet.dropped().unwrap_or(Reason::STOPPED), 1);
            frames.release(packet.into_frame());
        };
        lanes.abandon(&mut end);
        for egress in egress {
            if let Egress::Own(own) = egress {
                own.pending.drain(..).for_each(&mut end);
            }
        }
    }
}

fn reason_of(verdict: Verdict) -> Reason {
    match verdict {
        Verdict::Drop(reason) => reason,
        _ => Reason::NO_VERDICT,
    }
}

/// Brings a dropped packet to the port that writes it down. It is counted there: until then it is in flight,
/// and the run is not over.
fn record_drop(
    mut packet: Packet,
    reason: Reason,
    port: PortId,
    egress: &mut [Egress],
    lanes: &mut Lanes,
    frames: &mut Frames,
    books: &mut Books,
) {
    packet.mark_dropped(reason);
    match egress.get_mut(port.index()) {
        Some(Egress::Own(own)) => own.sender.record_drop(packet, reason, frames, books),
        Some(Egress::Through(core)) => {
            packet.set_port(port);
            lanes.stage_egress(*core, packet);
        }
        Some(Egress::Never) | None => {
            books.drop_packets(reason, 1);
            frames.release(packet.into_frame());
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "the outbox taken apart while its burst is drained")]
fn forward(
    mut packet: Packet,
    port: PortId,
    egress: &mut [Egress],
    lanes: &mut Lanes,
    frames: &mut Frames,
    counts: &mut [PortCount],
    books: &mut Books,
    digest: &mut Option<OutputDigest>,
) {
    match egress.get_mut(port.index()) {
        Some(Egress::Own(own)) => own.enqueue(packet, port, frames, counts, books, digest),
        Some(Egress::Through(core)) => {
            packet.set_port(port);
            lanes.stage_egress(*core, packet);
        }
        Some(Egress::Never) | None => {
            books.drop_packets(Reason::NO_ROUTE, 1);
            frames.release(packet.into_frame());
        }
    }
}

impl OwnQueue {
    pub(crate) fn new(queue: Box<dyn Transmit>, port_name: &str) -> OwnQueue {
        let name_hash = xxhash_rust::xxh3::xxh3_64(port_name.as_bytes());
        OwnQueue { sender: Sender { queue, unflushed: false, name_hash }, pending: Packets::new() }
    }

    /// Adds a packet to those waiting; when they are a full burst they are offered to the queue, and a
    /// packet that still finds no room is dropped as `transmit-full`.
    fn enqueue(
        &mut self,
        packet: Packet,
        port: PortId,
        frames: &mut Frames,
        counts: &mut [PortCount],
        books: &mut Books,
        digest: &mut Option<OutputDigest>,
    ) {
        if self.pending.is_full() {
            self.transmit_own(frames, &mut counts[port.index()], books, digest);
        }
        if let Err(full) = self.pending.try_push(packet) {
            books.drop_packets(Reason::TRANSMIT_FULL, 1);
            frames.release(full.element().into_frame());
        }
    }

    fn transmit_own(
        &mut self,
        frames: &mut Frames,
        count: &mut PortCount,
        books: &mut Books,
        digest: &mut Option<OutputDigest>,
    ) {
        self.sender.transmit(&mut self.pending, frames, count, books, digest);
    }
}

impl Sender {
    /// Counts a dropped packet and lets the queue write it down.
    fn record_drop(&mut self, packet: Packet, reason: Reason, frames: &mut Frames, books: &mut Books) {
        books.drop_packets(reason, 1);
        self.unflushed = true;
        self.queue.record_drop(packet, frames);
    }

    /// Offers packets to the queue until it has them all or is full; those it will never carry are dropped
    /// with its reason.
    #[inline]
    fn transmit(
        &mut self,
        packets: &mut Packets,
        frames: &mut Frames,
        count: &mut PortCount,
        books: &mut Books,
        digest: &mut Option<OutputDigest>,
    ) -> Option<Refusal> {
        loop {
            let (moved, refusal) = match digest {
                None => self.queue.transmit(packets, frames),
                Some(digest) => self.transmit_digested(packets, frames, digest),
            };
            self.unflushed = true;
            books.forwarded += u64::from(moved.packets);
            count.transmitted += u64::from(moved.packets);
            count.transmitted_bytes += moved.bytes;
            match refusal {
                Some(Refusal::Never(reason)) if !packets.is_empty() => {
                    books.drop_packets(reason, 1);
                    if let Some(packet) = packets.pop_at(0) {
                        frames.release(packet.into_frame());
                    }
                }
                _ if packets.is_empty() => return None,
                refusal => return refusal,
            }
        }
    }

    fn transmit_digested(
        &mut self,
        packets: &mut Packets,
        frames: &mut Frames,
        digest: &mut OutputDigest,
    ) -> (Moved, Option<Refusal>) {
        let mut hashes = [0u128; crate::packet::BurstSize::MAX];
        for (hash, packet) in hashes.iter_mut().zip(packets.iter()) {
            *hash = OutputDigest::hash(self.name_hash, packet.time_ns(), packet.data());
        }
        let (moved, refusal) = self.queue.transmit(packets, frames);
        hashes[..moved.packets as usize].iter().for_each(|hash| digest.add_hash(*hash));
        (moved, refusal)
    }
}
