//! `[app.dns-cache]`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::cache::Capacity;
use super::message::Lives;
use super::neighbour::Heard;
use super::pending::Limits;
use crate::apps::station::{Mac, Others, Prefix};

/// Keys of `[app.dns-cache]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DnsCacheConfig {
    /// The addresses it serves, with the length of their prefix: `"10.9.0.1/24"`, `"fd09::1/64"`. `echo` before it in the chain
    /// answers ARP, neighbour solicitations and pings for them. Upstream servers are asked from them too.
    pub addresses: Vec<Prefix>,
    /// Its Ethernet address; the port's own unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// UDP port it serves.
    pub port: u16,
    /// The servers that are asked, in this order: `"10.9.1.1:53"`, `"[fd09::3]:53"`.
    pub upstreams: Vec<SocketAddr>,
    /// Where packets go to servers that are in none of its networks: a router for each family.
    pub gateways: Vec<IpAddr>,
    /// Ethernet addresses of servers and gateways that are not to be asked for: `{ "10.9.1.1" = "02:00:00:00:00:03" }`.
    pub neighbours: BTreeMap<IpAddr, Mac>,
    /// How long an upstream server has to answer, milliseconds.
    pub timeout_ms: u32,
    /// How often each upstream server is asked before nobody is asked any more.
    pub attempts: u32,
    /// Bytes of a UDP payload: the most a client is sent, and what upstream servers are told. 512 to 4096.
    pub payload: u16,
    /// Answers each core remembers.
    pub cache_entries: u32,
    /// Bytes of answers each core remembers.
    pub cache_bytes: u64,
    /// Bounds for how long answers are remembered, seconds, whatever their TTLs say.
    pub min_ttl: u32,
    /// The same, the upper one.
    pub max_ttl: u32,
    /// The longest that there is no such name, or nothing of that type, is remembered, seconds.
    pub max_negative_ttl: u32,
    /// How long it is remembered that no server has an answer, seconds, 1 to 300 (RFC 9520).
    pub failure_ttl: u32,
    /// Questions that may be under way; each holds a frame.
    pub questions: u32,
    /// Queries that may wait for what others asked; each holds a frame.
    pub waiting: u32,
    /// Queries that may wait for the same answer.
    pub waiting_each: u32,
    /// Parts, each with a cache of its own, that the flows of clients are divided into: a power of two, and no fewer than
    /// cores. What is answered depends on it, not on the number of cores.
    pub shards: u16,
    /// What becomes of packets that are not for it.
    pub others: Others,
    /// What its cores hear of their neighbours; no key.
    #[serde(skip)]
    pub(super) heard: Heard,
}

impl Default for DnsCacheConfig {
    fn default() -> DnsCacheConfig {
        DnsCacheConfig {
            addresses: Vec::new(),
            mac: None,
            port: 53,
            upstreams: Vec::new(),
            gateways: Vec::new(),
            neighbours: BTreeMap::new(),
            timeout_ms: 800,
            attempts: 2,
            // What fits into the smallest MTU of IPv6 (DNS flag day 2020; RFC 9715, 3.2 is 1400).
            payload: 1232,
            cache_entries: 1 << 16,
            cache_bytes: 8 << 20,
            min_ttl: 0,
            max_ttl: 86_400,
            max_negative_ttl: 3600,
            failure_ttl: 1,
            questions: 1024,
            waiting: 512,
            waiting_each: 32,
            shards: 8,
            others: Others::Pass,
            heard: Heard::default(),
        }
    }
}

impl DnsCacheConfig {
    /// What is wrong with it, and what to write instead.
    pub(super) fn fault(&self) -> Option<String> {
        let bounds = [
            ("timeout_ms", self.timeout_ms, 1, 60_000),
            ("attempts", self.attempts, 1, 100),
            ("payload", self.payload.into(), 512, 4096),
            ("max_ttl", self.max_ttl, 1, i32::MAX as u32),
            ("min_ttl", self.min_ttl, 0, self.max_ttl),
            ("max_negative_ttl", self.max_negative_ttl, 0, self.max_ttl),
            ("failure_ttl", self.failure_ttl, 1, 300),
            ("port", self.port.into(), 1, 65_535),
            ("cache_entries", self.cache_entries, self.shards.into(), 1 << 28),
            ("questions", self.questions, self.shards.into(), 1 << 20),
            ("waiting", self.waiting, self.shards.into(), 1 << 20),
            ("waiting_each", self.waiting_each, 1, 1 << 20),
        ];
        if !self.shards.is_power_of_two() || self.shards > 1024 {
            return Some(format!("shards = {}: expected a power of two from 1 to 1024", self.shards));
        }
        let wrong = bounds.iter().find(|(_, value, least, most)| !(least..=most).contains(&value));
        if let Some((key, value, least, most)) = wrong {
            return Some(format!("{key} = {value}: expected {least} to {most}"));
        }
        let least = u64::from(self.shards) * (16 << 10);
        if !(least..=1 << 37).contains(&self.cache_bytes) {
            return Some(format!(
                "cache_bytes = {}: expected {least} (16 KiB a shard) to 2^37",
                self.cache_bytes
            ));
        }
        self.missing()
    }

    fn missing(&self) -> Option<String> {
        if self.addresses.is_empty() {
            return Some(
                "it has no address to serve: write addresses = [\"10.9.0.1/24\"] under [app.dns-cache]"
                    .into(),
            );
        }
        if self.upstreams.is_empty() {
            return Some(
                "it has nobody to ask: write upstreams = [\"10.9.0.3:53\"] under [app.dns-cache]".into(),
            );
        }
        let twice = self
            .addresses
            .iter()
            .enumerate()
            .find(|(i, prefix)| self.addresses[..*i].iter().any(|other| other.address == prefix.address));
        twice.map(|(_, prefix)| format!("addresses: {} is listed twice", prefix.address))
    }

    /// How large the cache of a shard is.
    pub(super) fn capacity(&self) -> Capacity {
        let shards = u32::from(self.shards.max(1));
        let blocks = self.cache_bytes / u64::from(shards) / 64;
        Capacity { entries: self.cache_entries / shards, blocks: u32::try_from(blocks).unwrap_or(u32::MAX) }
    }

    /// How much may be under way in a shard.
    pub(super) fn limits(&self) -> Limits {
        let shards = u32::from(self.shards.max(1));
        let (questions, waiting) = (self.questions / shards, self.waiting / shards);
        Limits { questions, waiting, waiting_each: self.waiting_each }
    }

    /// How long answers are remembered.
    pub(super) fn lives(&self) -> Lives {
        Lives {
            least: self.min_ttl,
            most: self.max_ttl,
            most_negative: self.max_negative_ttl,
            failure: self.failure_ttl,
        }
    }
}
