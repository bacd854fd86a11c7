//! IP and UDP headers around a message that is there.

use crate::apps::dns_cache::message::put;
use crate::packet::checksum::{add, checksum, sum};

/// Bytes of headers.
pub(super) const ETHERNET: usize = 14;
pub(super) const IPV4: usize = 20;
pub(super) const IPV6: usize = 40;
pub(super) const UDP: usize = 8;
/// The shortest Ethernet frame, without its checksum (IEEE 802.3, 3.2.8): shorter ones are padded.
pub(super) const SHORTEST_FRAME: usize = 60;
/// Hops a packet may take (what IANA recommends, RFC 1700).
const HOPS: u8 = 64;
/// The bits of IPv4's second byte that are the DSCP (RFC 2474); IPv6's that are not ECN's (RFC 3168).
const DSCP: u8 = 0xfc;
const NOT_ECN: u8 = 0xcf;

/// Turns an IPv4 header round, before a datagram with a message of `len` bytes.
pub(super) fn turn_ipv4(network: &mut [u8], len: usize, ports: [u16; 2]) {
    let Some((header, rest)) = network.split_first_chunk_mut::<IPV4>() else { return };
    let (source, destination) = header[12..].split_at_mut(4);
    source.swap_with_slice(destination);
    header[0] = 0x45;
    header[1] &= DSCP;
    put(header, 2, (IPV4 + UDP + len) as u16);
    finish_ipv4(header);
    let pseudo = add(sum(&header[12..]), 17);
    finish_udp(rest, len, ports, pseudo);
}

/// Hops, protocol and checksum of an IPv4 header (RFC 791).
pub(super) fn finish_ipv4(header: &mut [u8; IPV4]) {
    (header[8], header[9]) = (HOPS, 17);
    put(header, 10, 0);
    let value = checksum(header);
    put(header, 10, value);
}

/// Turns an IPv6 header round.
pub(super) fn turn_ipv6(network: &mut [u8], len: usize, ports: [u16; 2]) {
    let Some((header, rest)) = network.split_first_chunk_mut::<IPV6>() else { return };
    let (source, destination) = header[8..].split_at_mut(16);
    source.swap_with_slice(destination);
    header[1] &= NOT_ECN;
    finish_ipv6(header, rest, len, ports);
}

/// Length, protocol and hops of an IPv6 header (RFC 8200), and the datagram behind it.
pub(super) fn finish_ipv6(header: &mut [u8; IPV6], rest: &mut [u8], len: usize, ports: [u16; 2]) {
    put(header, 4, (UDP + len) as u16);
    (header[6], header[7]) = (17, HOPS);
    let pseudo = add(sum(&header[8..]), 17);
    finish_udp(rest, len, ports, pseudo);
}

/// Header and checksum of a datagram whose message of `len` bytes is there; `pseudo` is the sum of addresses and protocol.
pub(super) fn finish_udp(datagram: &mut [u8], len: usize, ports: [u16; 2], pseudo: u16) {
    let Some(datagram) = datagram.get_mut(..UDP + len) else { return };
    let size = (UDP + len) as u16;
    for (at, value) in [(0, ports[0]), (2, ports[1]), (4, size), (6, 0)] {
        put(datagram, at, value);
    }
    // 0 would say that there is none (RFC 768).
    let value = match !add(add(pseudo, size), sum(datagram)) {
        0 => 0xffff,
        value => value,
    };
    put(datagram, 6, value);
}
