//! Where verdicts are matched: the one place a packet's life ends or goes on elsewhere.

use super::egress::Egress;
use super::ledger::Ledger;
use crate::lane::Lanes;
use crate::packet::{Burst, Packet, PortId, Reason, Verdict};

/// A core's verdicts and ways out.
pub(crate) struct Outbox {
    pub(crate) ledger: Ledger,
    pub(crate) lanes: Lanes,
    /// By port number.
    pub(crate) egress: Vec<Egress>,
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
                self.ledger.books.consumed += burst.len() as u64;
                self.release_all(burst);
            }
            Some(verdict @ (Verdict::Drop(_) | Verdict::Pass)) if self.drop_record.is_none() => {
                self.ledger.books.drop_packets(reason_of(verdict), burst.len() as u64);
                self.release_all(burst);
            }
            _ => self.settle_each(burst),
        }
    }

    fn release_all(&mut self, burst: &mut Burst) {
        self.ledger.frames.release_each(burst.packets_mut().drain(..).map(Packet::into_frame));
        burst.reset();
    }

    /// Hands a whole burst to the transmit queue as it lies.
    #[inline]
    fn forward_all(&mut self, port: PortId, burst: &mut Burst) {
        match self.egress.get_mut(port.index()) {
            Some(Egress::Own(own)) if own.pending.is_empty() => {
                self.stirred = true;
                own.transmit_burst(burst.packets_mut(), &mut self.ledger);
                burst.reset();
            }
            _ => self.settle_each(burst),
        }
    }

    fn settle_each(&mut self, burst: &mut Burst) {
        for (packet, verdict) in burst.settle() {
            self.settle_one(packet, verdict);
        }
        burst.reset();
        self.stirred = true;
        self.transmit_pending();
    }

    /// Matches one packet's verdict. Who calls it says that something [stirred](Outbox::stirred).
    #[inline(always)]
    pub(crate) fn settle_one(&mut self, packet: Packet, verdict: Verdict) {
        let Outbox { ledger, lanes, egress, drop_record, .. } = self;
        match (verdict, *drop_record) {
            (Verdict::Forward(port), _) => forward(packet, port, egress, lanes, ledger),
            (Verdict::Consume, _) => ledger.consume(packet),
            (Verdict::Drop(_) | Verdict::Pass, None) => ledger.end(packet, reason_of(verdict)),
            (Verdict::Drop(_) | Verdict::Pass, Some(port)) => {
                record_drop(packet, reason_of(verdict), port, egress, lanes, ledger);
            }
        }
    }

    /// Transmits (or writes down) what other cores left here for ports this core owns.
    #[inline]
    pub(crate) fn take_egress(&mut self, limit: usize) -> usize {
        let Outbox { ledger, lanes, egress, .. } = self;
        let take = |packet: Packet| {
            let own = egress.get_mut(packet.port().index()).and_then(Egress::own);
            match (own, packet.dropped()) {
                (Some(own), None) => own.enqueue(packet, ledger),
                (Some(own), Some(reason)) => own.sender.record_drop(packet, reason, ledger),
                (None, reason) => ledger.end(packet, reason.unwrap_or(Reason::NO_ROUTE)),
            }
        };
        let taken = lanes.take_egress(take, limit);
        if taken > 0 {
            self.stirred = true;
            self.transmit_pending();
        }
        taken
    }

    /// Offers every queue what waits for it. Did anything move?
    fn transmit_pending(&mut self) -> bool {
        let mut moved = false;
        for own in self.egress.iter_mut().filter_map(Egress::own) {
            moved |= own.transmit_pending(&mut self.ledger);
        }
        moved
    }

    /// Ends the turn for the transmit queues: offers them what waits, lets them send what they took. Did
    /// anything move?
    #[inline]
    pub(crate) fn end_turn(&mut self) -> bool {
        if !self.stirred {
            return false;
        }
        let (mut moved, mut waits) = (false, false);
        for own in self.egress.iter_mut().filter_map(Egress::own) {
            moved |= own.transmit_pending(&mut self.ledger);
            own.sender.flush(&mut self.ledger);
            waits |= own.is_waiting();
        }
        self.stirred = waits;
        moved
    }

    /// Queues that gave up sending, their device being down, may have one that is up again: what lies in them is sent then, and not with
    /// the next packet.
    pub(crate) fn look_again(&mut self) {
        for own in self.egress.iter_mut().filter_map(Egress::own) {
            self.stirred |= own.sender.resume();
        }
    }

    /// A step of virtual time is over.
    pub(crate) fn end_step(&mut self) {
        for own in self.egress.iter_mut().filter_map(Egress::own) {
            own.sender.queue.end_step(&mut self.ledger.frames);
        }
    }

    /// Closes every transmit queue; what could not be written.
    pub(crate) fn close(&mut self) -> Vec<String> {
        let ledger = &mut self.ledger;
        let own = self.egress.iter_mut().filter_map(Egress::own);
        own.filter_map(|own| own.sender.queue.close(&mut ledger.frames).err()).collect()
    }

    /// Are there other cores?
    #[inline]
    pub(crate) fn has_neighbours(&self) -> bool {
        self.lanes.cores() > 1
    }

    /// Takes in frames that came home.
    #[inline]
    pub(crate) fn take_home(&mut self) -> usize {
        self.lanes.take_home(&mut self.ledger.frames)
    }

    /// Sends what is staged for other cores.
    #[inline]
    pub(crate) fn flush_lanes(&mut self) -> bool {
        self.lanes.flush(&mut self.ledger.frames)
    }

    /// Is anything waiting to be sent?
    pub(crate) fn is_waiting(&self) -> bool {
        !self.lanes.clear()
            || !self.lanes.egress_clear()
            || self.ledger.frames.has_strays()
            || self.egress.iter().any(Egress::is_waiting)
    }

    /// Ends everything that waits, by force.
    pub(crate) fn abandon(&mut self) {
        let Outbox { ledger, lanes, egress, .. } = self;
        let mut end = |packet: Packet| {
            let reason = packet.dropped().unwrap_or(Reason::STOPPED);
            ledger.end(packet, reason);
        };
        lanes.abandon(&mut end);
        for own in egress.iter_mut().filter_map(Egress::own) {
            own.pending.drain(..).for_each(&mut end);
        }
    }
}

fn reason_of(verdict: Verdict) -> Reason {
    match verdict {
        Verdict::Drop(reason) => reason,
        _ => Reason::NO_VERDICT,
    }
}

/// Sends a packet on its way out by a port.
fn forward(mut packet: Packet, port: PortId, egress: &mut [Egress], lanes: &mut Lanes, ledger: &mut Ledger) {
    match egress.get_mut(port.index()) {
        Some(Egress::Own(own)) => own.enqueue(packet, ledger),
        Some(Egress::Through(core)) => {
            packet.set_port(port);
            lanes.stage_egress(*core, packet);
        }
        Some(Egress::Never) | None => ledger.end(packet, Reason::NO_ROUTE),
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
    ledger: &mut Ledger,
) {
    packet.mark_dropped(reason);
    match egress.get_mut(port.index()) {
        Some(Egress::Own(own)) => own.sender.record_drop(packet, reason, ledger),
        Some(Egress::Through(core)) => {
            packet.set_port(port);
            lanes.stage_egress(*core, packet);
        }
        Some(Egress::Never) | None => ledger.end(packet, reason),
    }
}
