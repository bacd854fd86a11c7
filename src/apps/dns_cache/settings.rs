//! What one core's instance works with: the configuration, checked and made up for use.

use std::net::{IpAddr, SocketAddr};

use anyhow::ensure;

use super::config::DnsCacheConfig;
use super::fate::Reasons;
use super::message::Lives;
use super::neighbour::Board;
use crate::apps::station::{Addresses, Mac, Prefix};
use crate::packet::PortId;
use crate::pipeline::Build;

/// A server that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    /// The address of ours it is asked from.
    pub(super) own: IpAddr,
    /// The number of the next hop to it.
    pub(super) hop: usize,
}

/// Where packets to upstream servers go next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) address: IpAddr,
    /// Where the configuration says it.
    pub(super) mac: Option<[u8; 6]>,
}

/// What does not change in a run.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) addresses: Addresses,
    pub(super) port: u16,
    /// By port number: our Ethernet address there, and the port that queries of a client there are sent upstream by.
    pub(super) macs: Vec<Option<[u8; 6]>>,
    pub(super) egress: Vec<Option<PortId>>,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) hops: Vec<Hop>,
    pub(super) board: Board,
    pub(super) seed: u64,
    pub(super) payload: u16,
    pub(super) attempts: u32,
    pub(super) timeout_ns: u64,
    pub(super) lives: Lives,
    pub(super) reasons: Reasons,
}

impl Settings {
    /// Those of this configuration.
    ///
    /// # Errors
    /// It contradicts itself, or the ports.
    pub(super) fn new(config: &DnsCacheConfig, build: &mut Build<'_>) -> anyhow::Result<Settings> {
        if let Some(fault) = config.fault() {
            anyhow::bail!(fault);
        }
        let (upstreams, hops) = upstreams(config)?;
        let addresses: Vec<IpAddr> = hops.iter().map(|hop| hop.address).collect();
        let (macs, egress) = ports(config, build)?;
        Ok(Settings {
            addresses: Addresses::new(&config.addresses),
            port: config.port,
            macs,
            egress,
            upstreams,
            hops,
            board: config.heard.board(&addresses),
            seed: build.seed(),
            payload: config.payload,
            attempts: config.attempts,
            timeout_ns: u64::from(config.timeout_ms) * 1_000_000,
            lives: config.lives(),
            reasons: Reasons::new(build)?,
        })
    }

    /// Our Ethernet address on a port.
    #[inline]
    pub(super) fn mac(&self, port: PortId) -> Option<[u8; 6]> {
        self.macs.get(port.index()).copied().flatten()
    }

    /// The port that queries of a client at `port` are sent upstream by.
    pub(super) fn egress(&self, port: PortId) -> Option<PortId> {
        self.egress.get(port.index()).copied().flatten()
    }
}

/// Upstream servers and the next hops to them.
fn upstreams(config: &DnsCacheConfig) -> anyhow::Result<(Vec<Upstream>, Vec<Hop>)> {
    let (mut upstreams, mut hops): (_, Vec<Hop>) = (Vec::new(), Vec::new());
    for address in &config.upstreams {
        let ip = address.ip();
        ensure!(
            address.port() != 0,
            "upstreams: {address} has no port; expected one like \"{}\"",
            example(ip)
        );
        ensure!(
            config.addresses.iter().all(|own| own.address != ip),
            "upstreams: {address} is an address of its own: it would ask itself"
        );
        let (own, next) = way(config, ip)?;
        let hop = hops.iter().position(|hop| hop.address == next).unwrap_or_else(|| {
            hops.push(Hop { address: next, mac: config.neighbours.get(&next).map(|mac| Mac::bytes(*mac)) });
            hops.len() - 1
        });
        upstreams.push(Upstream { address: *address, own, hop });
    }
    for neighbour in config.neighbours.keys() {
        ensure!(
            hops.iter().any(|hop| hop.address == *neighbour),
            "neighbours: {neighbour} is neither an upstream server in a network of its own nor a gateway to one"
        );
    }
    Ok((upstreams, hops))
}

fn example(ip: IpAddr) -> SocketAddr {
    SocketAddr::new(ip, 53)
}

/// The address to ask a server from, and where packets to it go next.
fn way(config: &DnsCacheConfig, server: IpAddr) -> anyhow::Result<(IpAddr, IpAddr)> {
    let near = |address: IpAddr| config.addresses.iter().find(|own| covers(own, address));
    if let Some(own) = near(server) {
        return Ok((own.address, server));
    }
    let gateway = config.gateways.iter().find(|gateway| gateway.is_ipv4() == server.is_ipv4());
    let Some(gateway) = gateway else {
        anyhow::bail!(
            "upstreams: {server} is in none of its networks: write gateways = [...] with a router in one of them, or give \
             an address of its own the prefix they share"
        )
    };
    match near(*gateway) {
        Some(own) => Ok((own.address, *gateway)),
        None => anyhow::bail!("gateways: {gateway} is in none of its networks (addresses)"),
    }
}

/// Is an address in the network of this one?
fn covers(own: &Prefix, address: IpAddr) -> bool {
    match (own.address, address) {
        (IpAddr::V4(own_address), IpAddr::V4(address)) => {
            let mask = u32::MAX << (32 - own.len.clamp(1, 32));
            (own_address.to_bits() ^ address.to_bits()) & mask == 0
        }
        (IpAddr::V6(own_address), IpAddr::V6(address)) => {
            let mask = u128::MAX << (128 - own.len.clamp(1, 128));
            (own_address.to_bits() ^ address.to_bits()) & mask == 0
        }
        _ => false,
    }
}

type ByPort<T> = Vec<Option<T>>;

/// By port number: our Ethernet address there, and where its clients' queries leave.
fn ports(config: &DnsCacheConfig, build: &Build<'_>) -> anyhow::Result<(ByPort<[u8; 6]>, ByPort<PortId>)> {
    let (mut macs, mut egress) = (vec![None; PortId::LIMIT], vec![None; PortId::LIMIT]);
    let routes = build.routes();
    for (ingress, out) in routes.pairs() {
        let mac = config.mac.map(Mac::bytes).or_else(|| build.mac_address(*ingress));
        ensure!(
            mac.is_some(),
            "port number {} of the configuration has no Ethernet address of its own to answer with: write one \
             under [app.dns-cache], like mac = \"02:00:00:00:00:01\"",
            ingress.index() + 1
        );
        ensure!(
            routes.paired(*out).is_some(),
            "upstream servers are asked by port number {} of the configuration (to), and what they answer does not come to \
             this pipeline: name that port in from too",
            out.index() + 1
        );
        macs[ingress.index()] = mac;
        egress[ingress.index()] = Some(*out);
    }
    Ok((macs, egress))
}
