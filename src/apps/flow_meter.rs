//! `flow-meter`: who talks to whom, how much, and in what state packets are.

mod counters;
mod export;
mod flow;
mod summary;
mod tally;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use anyhow::ensure;
use arrayvec::ArrayVec;
use serde::de::{Deserializer, Error as _, Unexpected};
use serde::{Deserialize, Serialize};

pub use counters::Count;
use counters::Counters;
pub use export::{HEADER, export, write_csv};
pub use flow::Flow;
use flow::Sight;
pub use summary::{Checksums, Fragments, Protocols, Summary, Table, Verified};
pub use tally::FlowTally;

use crate::packet::flow::FlowKey;
use crate::packet::layers::{Layers, Transport};
use crate::packet::{Burst, BurstSize};
use crate::pipeline::{Application, Build, Context, Reads};
use crate::reduce::Occupancy;
use crate::state::flow_records::{self, FlowRecords, KeyHash, MOST_CAPACITY};
use crate::steer::key::PartitionKey;

/// `[app.flow-meter]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Flows each core has room for.
    #[serde(deserialize_with = "capacity")]
    pub capacity: usize,
    /// The CSV file that all flows are written to at the end; none if not given.
    pub export: Option<PathBuf>,
    /// Whether IPv4, TCP and UDP checksums are verified: that reads every byte of a packet.
    pub checksums: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config { capacity: 65_536, export: None, checksums: true }
    }
}

/// Reads a capacity.
fn capacity<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let capacity = usize::deserialize(from)?;
    if (1..=MOST_CAPACITY).contains(&capacity) {
        return Ok(capacity);
    }
    let expected = format!("a number of flows from 1 to {MOST_CAPACITY}");
    Err(D::Error::invalid_value(Unexpected::Unsigned(capacity as u64), &expected.as_str()))
}

/// Counts packets by flow, by protocol, by what is wrong with them and by the state of their
/// checksums; lets all of them pass.
///
/// A flow is a conversation over TCP, UDP or SCTP as the outer IP header tells it. Fragments and all
/// else without ports are in no flow, but in every total. So are packets of flows that came when the
/// table was full.
#[derive(Debug)]
pub struct FlowMeter {
    table: FlowRecords<Flow>,
    counters: Counters,
    /// The packets of a burst that belong to flows; empty between bursts.
    sights: ArrayVec<(Sight, KeyHash), { BurstSize::MAX }>,
}

impl FlowMeter {
    /// Counts the undecided packets of a burst. Each step is taken for all of them before the next: the
    /// lines the next one needs are then on their way.
    #[inline]
    fn meter(&mut self, burst: &Burst) {
        for packet in burst.undecided() {
            let (data, layers, bytes) = (packet.data(), packet.layers(), packet.wire_len());
            if let Some((key, direction)) = FlowKey::of(data, layers) {
                let hash = self.table.hash(&key);
                let flags = tcp_flags(data, layers);
                let sight = Sight { key, time_ns: packet.time_ns(), bytes, direction, flags };
                self.sights.push((sight, hash));
            }
            self.counters.count(packet, bytes);
        }
        let mut candidates = ArrayVec::<_, { BurstSize::MAX }>::new();
        candidates.extend(self.sights.iter().map(|(_, hash)| self.table.candidate(*hash)));
        for ((sight, hash), candidate) in self.sights.iter().zip(candidates) {
            match self.table.entry(*hash, candidate, &sight.key) {
                Some(flow) => flow.add(sight),
                None => self.counters.full.add(sight.bytes),
            }
        }
        self.sights.clear();
    }
}

/// The flags of a TCP packet; 0 of any other, and where they are cut off.
#[inline]
fn tcp_flags(data: &[u8], layers: Layers) -> u8 {
    match layers.transport() {
        Transport::Tcp => data.get(layers.transport_offset() + 13).copied().unwrap_or(0),
        _ => 0,
    }
}

impl Application for FlowMeter {
    type Config = Config;
    type Tally = FlowTally;

    const KEY: PartitionKey = PartitionKey::FiveTuple;
    const READS: Reads = Reads::Headers;
    const ABOUT: &'static str =
        "counts packets by flow, protocol, defect and checksum state; exports flows as CSV";

    fn arena_bytes(config: &Config) -> usize {
        flow_records::bytes_for::<Flow>(config.capacity)
    }

    fn writes(config: &Config) -> Option<PathBuf> {
        config.export.clone()
    }

    fn new(config: &Config, build: &mut Build<'_>) -> anyhow::Result<Self> {
        let capacity = config.capacity;
        ensure!(
            (1..=MOST_CAPACITY).contains(&capacity),
            "capacity = {capacity}: a flow table has room for 1 to {MOST_CAPACITY} flows"
        );
        if let Some(path) = config.export.as_deref().filter(|_| build.core().index() == 0) {
            export::probe(path)?;
        }
        let buckets = build.carve(flow_records::buckets_for(capacity))?;
        let table = FlowRecords::new(buckets, build.carve(capacity)?, build.seed());
        Ok(FlowMeter { table, counters: Counters::new(config.checksums), sights: ArrayVec::new() })
    }

    #[inline]
    fn process(&mut self, burst: &mut Burst, _context: &Context) {
        self.meter(burst);
    }

    fn occupancy(&self) -> Vec<Occupancy> {
        // Flows stay: there are never more than at the end.
        let flows = self.table.len() as u64;
        let (capacity, refused) = (self.table.capacity() as u64, self.table.full_count());
        vec![Occupancy { name: "flows", capacity, used: flows, peak: flows, evicted: 0, refused }]
    }

    fn tally(self) -> FlowTally {
        let flows = self.table.iter().map(|(key, flow)| (*key, *flow)).collect();
        FlowTally::new(self.counters, flows)
    }

    fn finish(tally: &FlowTally, config: &Config) -> anyhow::Result<Vec<String>> {
        let mut lines = Vec::new();
        let Table { full_packets, full_bytes, .. } = tally.summary().table;
        if full_packets > 0 {
            lines.push(format!(
                "flow table full: {full_packets} packets ({full_bytes} bytes) are in the totals but in no flow; \
                 raise capacity (now {} flows a core)",
                config.capacity
            ));
        }
        if let Some(path) = &config.export {
            export(path, tally.flows())?;
            lines.push(format!("{} flows written to {}", tally.flows().len(), path.display()));
        }
        Ok(lines)
    }
}
