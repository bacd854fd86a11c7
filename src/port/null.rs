//! `null`: endless packets of a set size in, everything out swallowed. What the framework itself costs.

use serde::{Deserialize, Serialize};

use super::swallow::Swallow;
use super::{Arrival, Gate, Moved, Opening, Port, Queue, Receive, Supply};
use crate::packet::layers::LinkClass;
use crate::packet::{Frames, Packet, Packets, PortId};

/// Virtual time between two packets of the port, nanoseconds: a million packets a second, as of a generator.
const GAP_NS: u64 = 1_000;

/// Keys of a null port.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NullConfig {
    /// Bytes of each packet, 1 to 65536.
    pub size: u32,
    /// Queues; one a core unless given.
    pub queues: Option<usize>,
    /// Packets in all, over its queues; endless unless given.
    pub count: Option<u64>,
}

impl Default for NullConfig {
    fn default() -> Self {
        NullConfig { size: 64, queues: None, count: None }
    }
}

/// A null port.
#[derive(Debug)]
pub struct Null {
    config: NullConfig,
}

impl Null {
    /// A null port with these keys.
    ///
    /// # Errors
    /// A size that is not 1 to 65536, or no queue at all.
    pub fn new(config: NullConfig) -> anyhow::Result<Null> {
        anyhow::ensure!(
            (1..=65536).contains(&config.size),
            "size = {}: expected 1 to 65536 bytes",
            config.size
        );
        anyhow::ensure!(config.queues != Some(0), "queues = 0: a port has at least one queue");
        Ok(Null { config })
    }
}

impl Port for Null {
    fn driver(&self) -> &'static str {
        "null"
    }

    fn queues(&self, cores: usize) -> usize {
        self.config.queues.unwrap_or(cores)
    }

    fn largest_packet(&self) -> usize {
        self.config.size as usize
    }

    fn describe(&self) -> String {
        format!("{}-byte packets from nowhere, everything sent is swallowed", self.config.size)
    }

    fn open(&mut self, opening: &mut Opening<'_>) -> anyhow::Result<Vec<Queue>> {
        let queues = opening.queues as u64;
        let share = |queue: u64| {
            self.config.count.map_or(u64::MAX, |all| all / queues + u64::from(queue < all % queues))
        };
        Ok((0..queues)
            .map(|queue| Queue {
                receive: Some(Box::new(Source {
                    port: opening.id,
                    size: self.config.size,
                    left: share(queue),
                    due: opening.virtual_time.then_some(Arrival { time_ns: queue * GAP_NS, ordinal: queue }),
                    queues,
                })),
                transmit: Some(Box::new(Swallow)),
            })
            .collect())
    }
}

/// Hands out frames as they are: what a packet held before, it holds again, as with DPDK's null port.
struct Source {
    port: PortId,
    size: u32,
    left: u64,
    /// In virtual time: when the next packet arrives.
    due: Option<Arrival>,
    queues: u64,
}

impl Source {
    /// What arrives until the gate shuts: in virtual time nothing may come for ever.
    fn receive_due(&mut self, frames: &mut Frames, into: &mut Packets, limit: usize, gate: Gate) -> Moved {
        let mut moved = Moved::default();
        while (moved.packets as usize) < limit
            && let Some(arrival) = self.next_arrival()
            && gate.passes(arrival)
            && let Some(frame) = frames.acquire(self.size as usize)
        {
            let mut packet = Packet::new(frame, self.port, LinkClass::Ethernet, arrival.time_ns);
            packet.set_order([arrival.time_ns, arrival.ordinal << 16]);
            into.push(packet);
            moved.packets += 1;
            moved.bytes += u64::from(self.size);
            self.left -= u64::from(self.left != u64::MAX);
            let ordinal = arrival.ordinal + self.queues;
            self.due = Some(Arrival { time_ns: ordinal.saturating_mul(GAP_NS), ordinal });
        }
        moved
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
        if self.due.is_some() {
            return self.receive_due(frames, into, limit, gate);
        }
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(limit);
        let port = self.port;
        let packets = frames.acquire_each(count, self.size, |frame| {
            into.push(Packet::new(frame, port, LinkClass::Ethernet, now_ns));
        });
        if self.left != u64::MAX {
            self.left -= packets as u64;
        }
        Moved { packets: packets as u32, bytes: packets as u64 * u64::from(self.size) }
    }

    fn supply(&self) -> Supply {
        if self.left == 0 { Supply::Ended } else { Supply::Open }
    }

    fn next_arrival(&mut self) -> Option<Arrival> {
        self.due.filter(|_| self.left > 0)
    }
}
