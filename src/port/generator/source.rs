//! A queue: the flows that belong to it, taken round and round, as far as the schedule has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::flow::Flow;
use super::mix::Mix;
use super::pace::Pace;
use crate::packet::layers::LinkClass;
use crate::packet::{Frames, Packet, Packets, PortId};
use crate::port::{Arrival, Gate, Moved, Receive, Supply};

/// How long after its end a port with a rate still delivers what was due before it: a turn may come late.
const GRACE_NS: u64 = 100_000_000;

/// When the packets of a port come.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// `None` is as fast as they are taken. In virtual time there is always one.
    pub(super) pace: Option<Pace>,
    /// Packets of the port in all, `u64::MAX` for no end.
    pub(super) packets: u64,
    /// Nanoseconds from the first call to the end.
    pub(super) duration_ns: Option<u64>,
    /// Packets come when the gate lets them, and carry the time they are due.
    pub(super) virtual_time: bool,
    /// Nanoseconds of the run's clock at the first call on any queue; `u64::MAX` until then.
    pub(super) start: Arc<AtomicU64>,
}

/// No call has come yet.
pub(super) const NOT_STARTED: u64 = u64::MAX;

impl Schedule {
    /// When the port started, which is now where nobody said so before.
    fn started(&self, now_ns: u64) -> u64 {
        // Relaxed: the number is all there is to know, and whoever comes second takes the first's.
        match self.start.compare_exchange(NOT_STARTED, now_ns, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => now_ns,
            Err(start) => start,
        }
    }

    /// When the port started, if it did.
    fn started_at(&self) -> Option<u64> {
        Some(self.start.load(Ordering::Relaxed)).filter(|start| *start != NOT_STARTED)
    }
}

/// The receiving half of a queue.
pub(super) struct Source {
    pub(super) port: PortId,
    pub(super) mix: Arc<Mix>,
    pub(super) schedule: Schedule,
    start_ns: u64,
    flows: Vec<Flow>,
    /// The number in the port of each of `flows`, ascending.
    numbers: Vec<u32>,
    /// Flows of the port.
    all_flows: u64,
    /// The next flow, by its position in `flows`.
    at: usize,
    /// Packets that every flow from `at` on has sent.
    round: u64,
    sent: u64,
    left: u64,
}

impl Source {
    /// The queue of these flows of a port's `all_flows`.
    pub(super) fn new(
        port: PortId,
        mix: Arc<Mix>,
        schedule: Schedule,
        all_flows: u32,
        (mut numbers, mut flows): (Vec<u32>, Vec<Flow>),
    ) -> Source {
        numbers.shrink_to_fit();
        flows.shrink_to_fit();
        let packets = schedule.packets;
        let start_ns = NOT_STARTED;
        let all_flows = u64::from(all_flows);
        let mut source = Source {
            port,
            mix,
            schedule,
            start_ns,
            flows,
            numbers,
            all_flows,
            at: 0,
            round: 0,
            sent: 0,
            left: 0,
        };
        source.left = source.share_of(packets);
        source
    }

    /// This queue's among the first `packets` of the port.
    fn share_of(&self, packets: u64) -> u64 {
        if packets == u64::MAX && !self.flows.is_empty() {
            return u64::MAX;
        }
        let (rounds, rest) = (packets / self.all_flows, packets % self.all_flows);
        rounds * self.flows.len() as u64
            + self.numbers.partition_point(|number| u64::from(*number) < rest) as u64
    }

    /// How many packets may go now.
    #[inline]
    fn ready(&mut self, now_ns: u64, gate: Gate) -> u64 {
        let horizon = if self.schedule.virtual_time {
            let due = self.schedule.pace.map_or(u64::MAX, |pace| pace.due_by(gate.until_ns));
            due.min(gate.before_ordinal)
        } else {
            self.due(now_ns, gate)
        };
        if horizon == u64::MAX {
            self.left
        } else {
            self.left.min(self.share_of(horizon).saturating_sub(self.sent))
        }
    }

    /// The first packet of the port that may not go yet, by the machine's clock.
    #[inline]
    fn due(&mut self, now_ns: u64, gate: Gate) -> u64 {
        if self.start_ns == NOT_STARTED {
            self.start_ns = self.schedule.started(now_ns);
        }
        let since_ns = now_ns.saturating_sub(self.start_ns);
        let grace_ns = if self.schedule.pace.is_some() { GRACE_NS } else { 0 };
        if self.schedule.duration_ns.is_some_and(|all| since_ns >= all.saturating_add(grace_ns)) {
            self.left = 0;
        }
        if now_ns > gate.until_ns {
            return 0;
        }
        self.schedule.pace.map_or(u64::MAX, |pace| pace.due_by(since_ns)).min(gate.before_ordinal)
    }
}

/// When packet `round` of the flow with this number of `all_flows` is due after the start, and its place in
/// the order of the whole port: the first packets of all flows, then the second of all.
#[inline]
fn arrival(schedule: &Schedule, all_flows: u64, number: u32, round: u64) -> Arrival {
    let ordinal = round * all_flows + u64::from(number);
    Arrival { time_ns: schedule.pace.map_or(0, |pace| pace.due_ns(ordinal)), ordinal }
}

impl Source {
    /// Writes up to `count` packets, as many as there are frames.
    #[inline(always)]
    fn deliver<const VIRTUAL: bool>(
        &mut self,
        frames: &mut Frames,
        into: &mut Packets,
        count: usize,
        now_ns: u64,
    ) -> Moved {
        let Source { port, mix, schedule, flows, numbers, all_flows, at, round, .. } = self;
        let mut bytes = 0;
        let (mut next, mut number) = (*at, *round);
        // Frames for the longest, cut to what each packet is: one number of bytes for all.
        let packets = frames.acquire_each(count, mix.data.len() as u32, |mut frame| {
            let len = flows[next].write(mix, number, frame.bytes_mut());
            frame.truncate(len);
            bytes += u64::from(len);
            into.push(if VIRTUAL {
                let arrival = arrival(schedule, *all_flows, numbers[next], number);
                let mut packet = Packet::new(frame, *port, LinkClass::Ethernet, arrival.time_ns);
                packet.set_order([arrival.time_ns, arrival.ordinal << 16]);
                packet
            } else {
                Packet::new(frame, *port, LinkClass::Ethernet, now_ns)
            });
            next += 1;
            if next == flows.len() {
                (next, number) = (0, number + 1);
            }
        });
        (*at, *round) = (next, number);
        self.sent += packets as u64;
        self.left -= packets as u64;
        Moved { packets: packets as u32, bytes }
    }
}

impl Receive for Source {
    #[inline]
    fn receive(
        &mut self,
        frames: &mut Frames,
        into: &mut Packets,
        limit: usize,
        now_ns: u64,
        gate: Gate,
    ) -> Moved {
        let ready = self.ready(now_ns, gate);
        let count = usize::try_from(ready).unwrap_or(usize::MAX).min(limit);
        if self.schedule.virtual_time {
            self.deliver::<true>(frames, into, count, now_ns)
        } else {
            self.deliver::<false>(frames, into, count, now_ns)
        }
    }

    fn supply(&self) -> Supply {
        if self.left == 0 { Supply::Ended } else { Supply::Open }
    }

    fn next_arrival(&mut self) -> Option<Arrival> {
        let number = *self.numbers.get(self.at).filter(|_| self.left > 0)?;
        let mut next = arrival(&self.schedule, self.all_flows, number, self.round);
        if !self.schedule.virtual_time {
            // Without a rate nothing is ever due, it is just there.
            self.schedule.pace?;
            next.time_ns = self.schedule.started_at()?.saturating_add(next.time_ns);
        }
        Some(next)
    }
}
