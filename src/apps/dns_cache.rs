//! `dns-cache`: a forwarding, caching DNS server over UDP, IPv4 and IPv6.
//!
//! A query whose answer is in the cache is answered in its own packet, within the burst it came in. One that misses
//! becomes a task, which asks one upstream server after the other until one answers, and waits for each; the same
//! question asked meanwhile waits for the same answer. `echo` before it in the chain answers ARP, neighbour solicitations and pings
//! for its addresses; what stands between it and its servers it finds out by itself.
//!
//! What the RFCs leave open is decided like this:
//!
//! * **It forwards.** It asks what it is asked, with the client's RD and CD bits and its DO bit, and remembers answers apart by
//!   these; so it suits recursive and authoritative servers upstream alike. RA is set in every answer, AA never.
//! * **EDNS** is spoken on both sides, hop by hop (RFC 6891): payload sizes are our own, options are neither sent on nor
//!   remembered. A server that does not understand it is asked again without.
//! * **What does not fit** the client's payload size is left out by whole RRsets (RFC 2181, section 9). There is no TCP: payloads of
//!   up to 4096 bytes are for links that carry them. What a server truncates is sent on truncated, and not remembered.
//! * **An answer counts** only from the address and port that were asked, with the id that was drawn and the question as it was
//!   asked, letter for letter; all else is ignored, counted, and waited past (RFC 5452).
//! * **Ids and source ports** are a keyed hash of the query they are for, with the run's seed as its key.
//! * **Failures** (SERVFAIL, REFUSED and the like) send it to the next server. When none has an answer, the client is told what the
//!   last of them said, or SERVFAIL; that is remembered shortly (RFC 9520).
//! * **Negative answers** live by their SOA record and are not remembered without one (RFC 2308).
//! * **What cannot be read** is FORMERR, a kind of query that is not forwarded (transfers, other opcodes) NOTIMP. What has no whole
//!   header, and responses sent to its port, are dropped.
//!
//! **Shards.** Clients' flows are divided into shards, each with a cache and pending questions of its own; a shard's packets come
//! to one core. So what is answered depends on the number of shards and not of cores; and a name that clients all over ask for is
//! remembered once for each shard. Nothing else is shared but what neighbours said.

mod ask;
mod cache;
mod config;
mod conversation;
mod core;
mod datagram;
mod draw;
mod fate;
mod lookup;
mod message;
mod neighbour;
mod pending;
mod settings;
mod tally;
#[cfg(test)]
mod tests;

use std::task::Waker;
use std::time::Duration;

pub use config::DnsCacheConfig;
pub use tally::{Answers, DnsCacheTally, Ignored, Remembered, Upstream};

use self::core::{Asked, Core, Found, Shard};
use super::station::Others;
use crate::packet::{Burst, Verdict};
use crate::pipeline::{Application, Build, Context, Reads};
use crate::steer::key::PartitionKey;
use crate::task::{self, FlowLimits, Held, TaskNeeds};
use cache::Cache;
use datagram::Datagram;
use lookup::{Client, Tasks};
use pending::Pending;
use settings::Settings;

/// Packets of one upstream conversation that may wait for its task.
const MAILBOX: u16 = 16;

/// A forwarding, caching DNS server.
#[derive(Debug)]
pub struct DnsCache {
    tasks: Tasks,
    others: Others,
}

impl Application for DnsCache {
    type Config = DnsCacheConfig;
    type Tally = DnsCacheTally;
    const KEY: PartitionKey = PartitionKey::FiveTuple;
    const READS: Reads = Reads::Headers;
    const ABOUT: &'static str =
        "a forwarding, caching DNS server over UDP; all else passes (echo before it answers ARP)";

    fn decides(config: &DnsCacheConfig) -> bool {
        config.others == Others::Drop
    }

    fn arena_bytes(config: &DnsCacheConfig) -> usize {
        config.capacity().arena_bytes()
    }

    fn tasks(config: &DnsCacheConfig) -> TaskNeeds {
        let lookup = task::room(|(tasks, client, question)| lookup::lookup(tasks, client, question));
        let join = task::room(|(tasks, client, seat)| lookup::join(tasks, client, seat));
        TaskNeeds::default()
            .tasks(lookup, config.questions)
            .tasks(join, config.waiting)
            .flows(config.questions)
            .originates(64)
    }

    fn shards(config: &DnsCacheConfig) -> Option<u16> {
        Some(config.shards)
    }

    fn new(config: &DnsCacheConfig, build: &mut Build<'_>) -> anyhow::Result<Self> {
        let settings = Settings::new(config, build)?;
        let mut shards: Vec<Option<Shard<Waker>>> = (0..config.shards).map(|_| None).collect();
        for number in build.shards() {
            let shard = Shard {
                cache: Cache::new(config.capacity(), build)?,
                pending: Pending::new(config.limits()),
                asked_ns: vec![None; settings.hops.len()],
            };
            if let Some(place) = shards.get_mut(usize::from(number)) {
                *place = Some(shard);
            }
        }
        // Nothing is to be told of a conversation that is over: its id was its own. So ports do not rest.
        let idle = Duration::from_millis(u64::from(config.timeout_ms)) * 2 + Duration::from_secs(1);
        let limits = FlowLimits { mailbox: MAILBOX, idle, rest: Duration::ZERO };
        let tasks = Tasks {
            flows: build.flows("dns-upstream", config.questions, limits)?,
            lookup: build.task("dns-lookup")?,
            joined: build.task("dns-joined")?,
            core: build.state(Core::new(settings, shards))?,
        };
        Ok(DnsCache { tasks, others: config.others })
    }

    #[inline]
    fn process(&mut self, burst: &mut Burst, context: &Context) {
        let now_ns = context.now_ns;
        self.tasks.core.with(|core| burst.decide(|packet| core.look(packet, now_ns)));
        if burst.undecided_len() > 0 {
            task::hand_over(burst, |held| self.take(held, now_ns));
        }
    }

    fn tally(self) -> DnsCacheTally {
        self.tasks.core.take().map_or_else(DnsCacheTally::default, Core::finish)
    }
}

impl DnsCache {
    /// What a packet that was not decided about at once is to wait for, if anything.
    fn take(&self, held: Held, now_ns: u64) -> Option<(Held, Verdict)> {
        let found = self.tasks.core.with(|core| {
            let mac = core.settings.mac(held.port())?;
            core.read(&held, &mac, now_ns).ok()
        });
        match found {
            Some(Found::Query(asked)) => {
                self.wait(held, asked);
                None
            }
            Some(Found::Datagram(datagram)) => match self.tasks.flows.deliver(held) {
                Ok(()) => None,
                Err((held, _)) => Some(self.unexpected(held, &datagram)),
            },
            None => Some(self.other(held)),
        }
    }

    fn wait(&self, held: Held, asked: Asked) {
        lookup::start(self.tasks, Client { held, asked });
    }

    /// A datagram that no conversation waits for: from an upstream server it is late, or not what it seems.
    fn unexpected(&self, held: Held, datagram: &Datagram) -> (Held, Verdict) {
        match self.tasks.core.with(|core| core.unexpected(&held, datagram)) {
            Some(reason) => (held, Verdict::Drop(reason)),
            None => self.other(held),
        }
    }

    fn other(&self, held: Held) -> (Held, Verdict) {
        let reason = self.tasks.core.with(|core| {
            core.tally.others += 1;
            core.settings.reasons.not_for_us
        });
        let verdict = match self.others {
            Others::Pass => Verdict::Pass,
            Others::Drop => Verdict::Drop(reason),
        };
        (held, verdict)
    }
}
