//! `generator`: seeded synthetic traffic. Everything sent to it is swallowed.
//!
//! ```toml
//! [[port]]
//! name = "load"
//! driver = "generator"
//! flows = 65536        # conversations, no two with the same addresses and ports
//! size = "imix"        # or bytes, 60 to 9018
//! rate = "2Mpps"       # over all queues; as fast as they are taken without it
//! duration = "10s"     # or count = 20000000, or both, or neither
//! ipv6-share = 0.3     # of the flows, exactly
//! tcp-share = 0.8
//! vlan-share = 0.1
//! ```
//!
//! **The same seed, the same packets.** Flow `i`, its headers, sizes and sequence numbers are functions of
//! the seed, the port's number, its configuration and `i` alone. The port's packets have one order: the
//! first packets of all flows, in the order of their numbers, then the second of all, and so on. Packet `k`
//! is packet `k / flows` of flow `k % flows`. Queues share the flows as steering would, each takes its own
//! in that order, so how many queues there are changes who delivers a packet and nothing else; `count`
//! splits evenly over the flows, and the remainder goes to the first.
//!
//! **The schedule is absolute.** With a rate, packet `k` is due `k / rate` after the first call on any
//! queue. A queue that comes late catches up; nothing drifts. With a duration too, the port delivers the
//! packets that are due before its end (and for at most 100 ms after it, should it lag behind). In virtual
//! time packets come when they are due and carry that time; without a rate there are 1 million a second.
//!
//! **Every packet is valid**: lengths, checksums of IPv4, TCP and UDP, TCP's sequence and acknowledgement
//! numbers. The way of a packet through the modules:
//!
//! - [`config`](GeneratorConfig), `units`: the keys, and what people write in them
//! - `draw`: chance, from one seed
//! - `ends`: addresses and ports of both ends of each flow
//! - `template`: a flow's headers, written once, with their checksums
//! - `mix`: sizes, and what follows from a size and the headers
//! - `flow`: where a flow has got to; writes its next packet
//! - `pace`: when packets are due
//! - `source`: the queue

mod config;
mod draw;
mod ends;
mod flow;
mod mix;
mod pace;
mod source;
mod template;
mod units;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub use config::GeneratorConfig;
pub use units::{Rate, Size, Span};

use self::draw::{Draw, Share};
use self::ends::Ends;
use self::flow::Flow;
use self::mix::Mix;
use self::pace::Pace;
use self::source::{NOT_STARTED, Schedule, Source};
use self::template::Kind;
use super::swallow::Swallow;
use super::{Opening, Port, Queue};
use crate::packet::layers::LinkClass;

/// Packets a second in virtual time where no rate is given.
const VIRTUAL_RATE: u64 = 1_000_000;

/// What a stream of random numbers is for.
mod purpose {
    pub(super) const PORT: u64 = 1;
    pub(super) const ENDS: u64 = 2;
    pub(super) const IPV6: u64 = 3;
    pub(super) const TCP: u64 = 4;
    pub(super) const VLAN: u64 = 5;
    pub(super) const FLOW: u64 = 6;
}

/// A generator port.
#[derive(Debug)]
pub struct Generator {
    config: GeneratorConfig,
    /// Kinds that some flow has, by [`Kind::index`]; known once the queues are open.
    present: [bool; Kind::COUNT],
}

/// The flows of one queue, and their numbers in the port.
type Flows = (Vec<u32>, Vec<Flow>);

impl Generator {
    /// A generator with these keys.
    ///
    /// # Errors
    /// A key that is out of its range: which, what it is, what was expected.
    pub fn new(config: GeneratorConfig) -> anyhow::Result<Generator> {
        config.check()?;
        Ok(Generator { config, present: [false; Kind::COUNT] })
    }

    fn schedule(&self, virtual_time: bool) -> Schedule {
        let rate = self.config.rate.map(|rate| rate.0).or(virtual_time.then_some(VIRTUAL_RATE));
        let pace = rate.map(Pace::new);
        let duration_ns = self.config.duration.map(|span| span.ns);
        let lasting = pace.zip(duration_ns).map_or(u64::MAX, |(pace, ns)| pace.due_by(ns.saturating_sub(1)));
        Schedule {
            pace,
            packets: self.config.count.unwrap_or(u64::MAX).min(lasting),
            duration_ns,
            virtual_time,
            start: Arc::new(AtomicU64::new(NOT_STARTED)),
        }
    }

    /// All flows, by queue.
    fn flows(&mut self, opening: &Opening, mix: &Mix) -> Vec<Flows> {
        let (config, all) = (&self.config, self.config.flows);
        let seed = Draw::new(opening.seed, purpose::PORT, opening.id.index() as u64).next();
        let stream = |purpose, index| Draw::new(seed, purpose, index);
        let ends = Ends::new(stream(purpose::ENDS, 0));
        let [mut ipv6, mut tcp, mut vlan] = [
            Share::new(config.ipv6_share, all, stream(purpose::IPV6, 0)),
            Share::new(config.tcp_share, all, stream(purpose::TCP, 0)),
            Share::new(config.vlan_share, all, stream(purpose::VLAN, 0)),
        ];
        let mut queues: Vec<Flows> = (0..opening.queues).map(|_| Flows::default()).collect();
        let mut first = vec![0; mix.data.len()];
        for number in 0..all {
            let kind = Kind::new(ipv6.take(), tcp.take(), vlan.take());
            let draw = stream(purpose::FLOW, u64::from(number));
            let flow = Flow::new(number, kind, config.bidirectional, &ends, draw);
            self.present[kind.index()] = true;
            let len = flow.clone().write(mix, 0, &mut first);
            let queue = (opening.spread)(LinkClass::Ethernet, &first[..len as usize], len);
            let queue = &mut queues[queue % opening.queues];
            queue.0.push(number);
            queue.1.push(flow);
        }
        queues
    }
}

impl Port for Generator {
    fn driver(&self) -> &'static str {
        "generator"
    }

    fn queues(&self, cores: usize) -> usize {
        self.config.queues.unwrap_or(cores)
    }

    fn largest_packet(&self) -> usize {
        mix::longest(self.config.size)
    }

    fn memory(&self) -> u64 {
        u64::from(self.config.flows) * (size_of::<Flow>() + size_of::<u32>()) as u64
    }

    fn describe(&self) -> String {
        let config = &self.config;
        let mut text = format!("{} flows, ", config.flows);
        // Writing to a string does not fail.
        let _ = match config.size {
            Size::Bytes(bytes) => write!(text, "{bytes}-byte packets"),
            Size::Imix => write!(text, "packets of 60, 590 and 1514 bytes (7:4:1)"),
        };
        for (share, name) in
            [(config.ipv6_share, "IPv6"), (config.tcp_share, "TCP"), (config.vlan_share, "VLAN")]
        {
            let _ = if share > 0.0 { write!(text, ", {:.0} % {name}", share * 100.0) } else { Ok(()) };
        }
        let _ = config.rate.map(|rate| write!(text, ", {} packets/s", rate.0));
        let _ = config.count.map(|count| write!(text, ", {count} in all"));
        let _ = config.duration.map(|span| write!(text, ", for {span}"));
        text
    }

    fn open(&mut self, opening: &mut Opening<'_>) -> anyhow::Result<Vec<Queue>> {
        anyhow::ensure!(opening.queues > 0, "queues = 0: a port has at least one queue");
        let mix = Arc::new(Mix::new(self.config.size));
        let schedule = self.schedule(opening.virtual_time);
        let all = self.config.flows;
        let queues = self.flows(opening, &mix).into_iter().map(|flows| Queue {
            receive: Some(Box::new(Source::new(opening.id, mix.clone(), schedule.clone(), all, flows))),
            transmit: Some(Box::new(Swallow)),
        });
        Ok(queues.collect())
    }

    fn notes(&self) -> Vec<String> {
        let kinds = Kind::all().into_iter().filter(|kind| self.present[kind.index()]);
        let raised = kinds.filter_map(|kind| Some((kind, mix::raised_to(self.config.size, kind)?)));
        raised
            .map(|(kind, bytes)| {
                let (size, name) = (self.config.size, kind.name());
                format!("size = {size}: the shortest {name} packets are {bytes} bytes, since their headers need it")
            })
            .collect()
    }
}
