//! From the two ends of a packet to the key of its flow.

use std::net::{IpAddr, SocketAddr};

use super::{Direction, FlowKey};

/// One end of a conversation, as read from the packet in little-endian order: a port (16 bits) and
/// the two halves of an address.
#[derive(Clone, Copy)]
pub(super) struct End {
    port: u64,
    address: [u64; 2],
}

/// The second half of an IPv4-mapped address, less its IPv4 address.
const MAPPED: u64 = 0xffff_0000;

impl End {
    pub(super) fn new(end: SocketAddr) -> End {
        let address = match end.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let halves = [(address >> 64) as u64, address as u64];
        End { port: end.port().swap_bytes().into(), address: halves.map(u64::swap_bytes) }
    }

    /// What ends are ordered by: the address and then the port, as numbers.
    #[inline]
    pub(super) const fn rank(self) -> (u64, u64, u16) {
        let [high, low] = self.address;
        (high.swap_bytes(), low.swap_bytes(), (self.port as u16).swap_bytes())
    }
}

/// A key between `a` and `b`, which are in order.
#[inline]
const fn ordered(version: u8, protocol: u8, a: End, b: End) -> FlowKey {
    let head = version as u64 | (protocol as u64) << 8 | a.port << 16 | b.port << 32;
    let [a0, a1] = a.address;
    let [b0, b1] = b.address;
    FlowKey { words: [head.to_le(), a0.to_le(), a1.to_le(), b0.to_le(), b1.to_le()] }
}

/// Orders the two ends, `from` being `a` if `forward`.
#[inline]
pub(super) const fn key(
    version: u8,
    protocol: u8,
    from: End,
    to: End,
    forward: bool,
) -> (FlowKey, Direction) {
    if forward {
        (ordered(version, protocol, from, to), Direction::AToB)
    } else {
        (ordered(version, protocol, to, from), Direction::BToA)
    }
}

#[inline]
pub(super) fn ipv4(header: &[u8; 20], ports: [u8; 4], protocol: u8) -> (FlowKey, Direction) {
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
    let both = u64::from_le_bytes([s0, s1, s2, s3, d0, d1, d2, d3]);
    let ports = u32::from_le_bytes(ports);
    // Both ends as a number each, so that ordering them takes one comparison.
    let rank = |address: u32, port: u16| u64::from(address.swap_bytes()) << 16 | u64::from(port.swap_bytes());
    let forward = rank(both as u32, ports as u16) <= rank((both >> 32) as u32, (ports >> 16) as u16);
    let from = End { port: u64::from(ports) & 0xffff, address: [0, both << 32 | MAPPED] };
    let to = End { port: u64::from(ports >> 16), address: [0, both >> 32 << 32 | MAPPED] };
    key(4, protocol, from, to, forward)
}

#[inline]
pub(super) fn ipv6(header: &[u8; 40], ports: [u8; 4], protocol: u8) -> (FlowKey, Direction) {
    let (words, _) = header.as_chunks::<8>();
    let word = |index: usize| u64::from_le_bytes(words[index]);
    let ports = u32::from_le_bytes(ports);
    let from = End { port: u64::from(ports) & 0xffff, address: [word(1), word(2)] };
    let to = End { port: u64::from(ports >> 16), address: [word(3), word(4)] };
    key(6, protocol, from, to, from.rank() <= to.rank())
}
