//! The flow key: what both directions of a conversation have in common.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use zerocopy::{FromZeros, Immutable, IntoBytes, KnownLayout};

use super::layers::{Layers, Network, Transport};

/// Which way a packet goes within its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the lower endpoint to the higher: the packet's source is `a`. Also where both
    /// endpoints are the same.
    AToB,
    /// From the higher endpoint to the lower: the packet's source is `b`.
    BToA,
}

impl Direction {
    /// 0 for `AToB`, 1 for `BToA`: an index into counters per direction.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A conversation: two endpoints (address and port) and a protocol. `a` is the lower endpoint, so
/// both directions have the same key.
///
/// Forty bytes without padding, the same on every machine: addresses and ports are in network
/// order, an IPv4 address is IPv4-mapped (`::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2), and the
/// version tells it from the IPv6 address that looks alike. All zeros is no flow's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromZeros, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FlowKey {
    /// 4 or 6.
    version: u8,
    /// IANA protocol number: 6, 17 or 132.
    protocol: u8,
    a_port: [u8; 2],
    b_port: [u8; 2],
    /// Keeps the addresses 8 bytes apart from the start; always 0.
    zero: [u8; 2],
    a: [u8; 16],
    b: [u8; 16],
}

const _: () = assert!(size_of::<FlowKey>() == 40);

impl FlowKey {
    /// The flow of a packet and the packet's direction in it; `None` where there are no ports:
    /// other protocols, fragments, what is not IP, what is cut off before them.
    ///
    /// `layers` is what the parser said of these bytes.
    #[inline]
    pub fn of(bytes: &[u8], layers: Layers) -> Option<(FlowKey, Direction)> {
        let protocol = match layers.transport() {
            Transport::Tcp => 6,
            Transport::Udp => 17,
            Transport::Sctp => 132,
            _ => return None,
        };
        let ports = bytes.get(layers.transport_offset()..)?.first_chunk::<4>()?;
        let header = bytes.get(layers.network_offset()..)?;
        match layers.network() {
            Network::Ipv4 => Some(ipv4(header.first_chunk()?, *ports, protocol)),
            Network::Ipv6 => Some(ipv6(header.first_chunk()?, *ports, protocol)),
            _ => None,
        }
    }

    /// The key of a conversation between two endpoints, in either order, under this protocol
    /// number; and whether `source` is `a`. `None` if one is IPv4 and the other IPv6.
    pub fn between(
        source: SocketAddr,
        destination: SocketAddr,
        protocol: u8,
    ) -> Option<(FlowKey, Direction)> {
        let version = match (source.ip(), destination.ip()) {
            (IpAddr::V4(_), IpAddr::V4(_)) => 4,
            (IpAddr::V6(_), IpAddr::V6(_)) => 6,
            _ => return None,
        };
        let end = |address: SocketAddr| (octets(address.ip()), address.port());
        let (from, to) = (end(source), end(destination));
        let forward = from <= to;
        let ((a, a_port), (b, b_port)) = if forward { (from, to) } else { (to, from) };
        let (a_port, b_port) = (a_port.to_be_bytes(), b_port.to_be_bytes());
        Some((FlowKey { version, protocol, a_port, b_port, zero: [0; 2], a, b }, direction(forward)))
    }

    /// The lower endpoint.
    pub fn a(&self) -> SocketAddr {
        SocketAddr::new(self.address(self.a), u16::from_be_bytes(self.a_port))
    }

    /// The higher endpoint.
    pub fn b(&self) -> SocketAddr {
        SocketAddr::new(self.address(self.b), u16::from_be_bytes(self.b_port))
    }

    /// IANA protocol number.
    pub fn protocol(&self) -> u8 {
        self.protocol
    }

    /// IP version, 4 or 6 (0 in a zeroed key).
    pub fn version(&self) -> u8 {
        self.version
    }

    /// The protocol's name, lowercase: `tcp`, `udp`, `sctp`; `other` for a number that is none.
    pub const fn protocol_name(&self) -> &'static str {
        match self.protocol {
            6 => "tcp",
            17 => "udp",
            132 => "sctp",
            _ => "other",
        }
    }

    /// Source and destination of a packet that goes this way.
    pub fn ends(&self, direction: Direction) -> (SocketAddr, SocketAddr) {
        match direction {
            Direction::AToB => (self.a(), self.b()),
            Direction::BToA => (self.b(), self.a()),
        }
    }

    fn address(&self, octets: [u8; 16]) -> IpAddr {
        let [.., p, q, r, s] = octets;
        if self.version == 4 { Ipv4Addr::new(p, q, r, s).into() } else { Ipv6Addr::from(octets).into() }
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[inline]
const fn direction(forward: bool) -> Direction {
    if forward { Direction::AToB } else { Direction::BToA }
}

/// Compares and orders address and port as one number, then writes the key once.
#[inline]
fn ipv4(header: &[u8; 20], ports: [u8; 4], protocol: u8) -> (FlowKey, Direction) {
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
    let [p0, p1, q0, q1] = ports;
    let source = u64::from_be_bytes([0, 0, s0, s1, s2, s3, p0, p1]);
    let destination = u64::from_be_bytes([0, 0, d0, d1, d2, d3, q0, q1]);
    let (low, high) = (source.min(destination), source.max(destination));
    let key = FlowKey {
        version: 4,
        protocol,
        a_port: (low as u16).to_be_bytes(),
        b_port: (high as u16).to_be_bytes(),
        zero: [0; 2],
        a: mapped((low >> 16) as u32),
        b: mapped((high >> 16) as u32),
    };
    (key, direction(source <= destination))
}

#[inline]
const fn mapped(address: u32) -> [u8; 16] {
    (0xffff_0000_0000_u128 | address as u128).to_be_bytes()
}

#[inline]
fn ipv6(header: &[u8; 40], ports: [u8; 4], protocol: u8) -> (FlowKey, Direction) {
    let (words, _) = header.as_chunks::<8>();
    let address =
        |at: usize| (u64::from_be_bytes(words[at]) as u128) << 64 | u64::from_be_bytes(words[at + 1]) as u128;
    let [p0, p1, q0, q1] = ports;
    let source = (address(1), [p0, p1]);
    let destination = (address(3), [q0, q1]);
    let forward = source <= destination;
    let ((a, a_port), (b, b_port)) = if forward { (source, destination) } else { (destination, source) };
    let (a, b) = (a.to_be_bytes(), b.to_be_bytes());
    (FlowKey { version: 6, protocol, a_port, b_port, zero: [0; 2], a, b }, direction(forward))
}

/// IPv4 before IPv6, then by `a` (address, port), `b` (address, port), protocol; all numeric.
impl Ord for FlowKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |key: &FlowKey| (key.version, key.a, key.a_port, key.b, key.b_port, key.protocol);
        rank(self).cmp(&rank(other))
    }
}

impl PartialOrd for FlowKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `tcp 10.0.0.1:443 10.0.0.2:51812`; IPv6 by RFC 5952 in brackets.
impl fmt::Display for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.protocol_name(), self.a(), self.b())
    }
}
