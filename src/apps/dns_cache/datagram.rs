//! UDP datagrams (RFC 768) in packets: those that are for us, read; answers and queries of ours, put around a message.

use std::net::{IpAddr, SocketAddr};

use super::fate::{Fate, Reasons};
use crate::apps::station::{Addresses, Envelope, address, is_host_ipv6};
use crate::packet::checksum::{ChecksumState, add, checksum, states, sum};
use crate::packet::layers::{LinkClass, Network, Transport};
use crate::packet::{Packet, Reason};

use super::message::{get, put};

/// Bytes of headers.
const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
const UDP: usize = 8;
/// The shortest Ethernet frame, without its checksum (IEEE 802.3, 3.2.8): shorter ones are padded.
const SHORTEST_FRAME: usize = 60;
/// Hops a packet may take (what IANA recommends, RFC 1700).
const HOPS: u8 = 64;
/// The bits of IPv4's second byte that are the DSCP (RFC 2474); IPv6's that are not ECN's (RFC 3168).
const DSCP: u8 = 0xfc;
const NOT_ECN: u8 = 0xcf;

/// A whole, sound datagram to an address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datagram {
    /// Where its network header starts.
    at: u16,
    ipv6: bool,
    /// Where its message starts and ends.
    start: u16,
    end: u16,
    /// Ports it comes from and is for.
    pub(super) from_port: u16,
    pub(super) to_port: u16,
}

impl Datagram {
    /// Reads the headers.
    ///
    /// # Errors
    /// It is none, not for us, or not sound.
    #[inline]
    pub(super) fn of(
        packet: &Packet,
        mac: &[u8; 6],
        addresses: &Addresses,
        reasons: &Reasons,
    ) -> Result<Datagram, Fate> {
        let (data, layers) = (packet.data(), packet.layers());
        if packet.link() != LinkClass::Ethernet || layers.transport() != Transport::Udp {
            return Err(Fate::Other);
        }
        let envelope = Envelope::of(data, mac).filter(|envelope| envelope.at == layers.network_offset());
        let envelope = envelope.ok_or(Fate::Other)?;
        let (ipv6, host) = check_addresses(data, envelope.at, layers.network(), addresses)?;
        let start = layers.transport_offset();
        if layers.is_fragment() {
            return Err(Fate::Drop(reasons.fragment));
        }
        let end = start + usize::from(get(data, start + 4));
        if layers.malformed().is_some() || end < start + UDP || end > data.len() {
            let cut = packet.wire_len() as usize > data.len();
            return Err(Fate::Drop(if cut { reasons.truncated } else { Reason::MALFORMED }));
        }
        let from_port = get(data, start);
        if !host || from_port == 0 || !envelope.is_from_station(mac) {
            return Err(Fate::Drop(reasons.bad_source));
        }
        if envelope.to_group {
            return Err(Fate::Drop(reasons.link_broadcast));
        }
        check_sums(packet, ipv6, reasons)?;
        let [at, start, end] = [envelope.at, start + UDP, end].map(|at| at as u16);
        let to_port = get(data, usize::from(start) - UDP + 2);
        Ok(Datagram { at, ipv6, start, end, from_port, to_port })
    }

    /// The message it carries.
    #[inline]
    pub(super) fn message<'p>(&self, packet: &'p Packet) -> &'p [u8] {
        packet.data().get(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }

    /// The same, to be changed in place.
    pub(super) fn message_mut<'p>(&self, packet: &'p mut Packet) -> &'p mut [u8] {
        packet.data_mut().get_mut(usize::from(self.start)..usize::from(self.end)).unwrap_or_default()
    }

    /// Whom it is from.
    pub(super) fn source(&self, packet: &Packet) -> SocketAddr {
        SocketAddr::new(self.ip(packet, 0), self.from_port)
    }

    /// The address of ours that it is for.
    pub(super) fn own(&self, packet: &Packet) -> IpAddr {
        self.ip(packet, 1)
    }

    fn ip(&self, packet: &Packet, which: usize) -> IpAddr {
        let at = usize::from(self.at);
        let header = packet.data().get(at..).unwrap_or_default();
        if self.ipv6 {
            let address = header.get(8 + 16 * which..).and_then(|rest| rest.first_chunk::<16>());
            IpAddr::from(address.copied().unwrap_or_default())
        } else {
            let address = header.get(12 + 4 * which..).and_then(|rest| rest.first_chunk::<4>());
            IpAddr::from(address.copied().unwrap_or_default())
        }
    }

    /// Makes room for an answer of `len` bytes in the packet, its first `keep` bytes being those of what was asked; `None`,
    /// and the packet as it was, where its frame has none.
    #[inline]
    pub(super) fn settle<'p>(&self, packet: &'p mut Packet, len: usize, keep: usize) -> Option<&'p mut [u8]> {
        let (before, at) = (packet.len(), usize::from(self.at));
        let start = at + if self.ipv6 { IPV6 } else { IPV4 } + UDP;
        let end = start + len;
        // Options and extension headers do not come back: what is kept moves up.
        let from = usize::from(self.start);
        let whole = end.max(before.min(SHORTEST_FRAME));
        if whole > before && !packet.resize(whole) {
            return None;
        }
        if from != start {
            packet.data_mut().copy_within(from..from + keep, start);
        }
        if whole != packet.len() || packet.wire_len() as usize != whole {
            packet.resize(whole);
        }
        let (answer, padding) = packet.data_mut().get_mut(start..)?.split_at_mut_checked(len)?;
        padding.fill(0);
        Some(answer)
    }

    /// Turns the packet with an answer of `len` bytes round: headers, lengths, checksums. It is from `mac` of ours.
    #[inline]
    pub(super) fn turn(&self, packet: &mut Packet, len: usize, mac: &[u8; 6]) {
        let data = packet.data_mut();
        if let Some(source) = data.get(6..).and_then(|rest| rest.first_chunk::<6>()).copied() {
            address(data, &source, mac);
        }
        let network = data.get_mut(usize::from(self.at)..).unwrap_or_default();
        let ports = [self.to_port, self.from_port];
        if self.ipv6 {
            turn_ipv6(network, len, ports);
        } else {
            turn_ipv4(network, len, ports);
        }
        packet.set_checksum_complete();
    }
}

/// Is it IPv6, and could a host have its source? It is for an address of ours.
#[inline]
fn check_addresses(
    data: &[u8],
    at: usize,
    network: Network,
    addresses: &Addresses,
) -> Result<(bool, bool), Fate> {
    let header = data.get(at..).unwrap_or_default();
    match network {
        Network::Ipv4 => {
            let header = header.first_chunk::<IPV4>().ok_or(Fate::Other)?;
            let &[a, b, c, d, e, f, g, h] = header.last_chunk::<8>().ok_or(Fate::Other)?;
            let (source, own) = ([a, b, c, d], [e, f, g, h]);
            if !addresses.has_ipv4(own) {
                return Err(Fate::Other);
            }
            Ok((false, addresses.is_host_ipv4(source) && !addresses.has_ipv4(source)))
        }
        Network::Ipv6 => {
            let header = header.first_chunk::<IPV6>().ok_or(Fate::Other)?;
            let (source, own) = header[8..].split_first_chunk::<16>().ok_or(Fate::Other)?;
            if own.first_chunk::<16>().is_none_or(|own| !addresses.has_ipv6(own)) {
                return Err(Fate::Other);
            }
            Ok((true, is_host_ipv6(source) && !addresses.has_ipv6(source)))
        }
        _ => Err(Fate::Other),
    }
}

#[inline]
fn check_sums(packet: &Packet, ipv6: bool, reasons: &Reasons) -> Result<(), Fate> {
    let (header, datagram) = states(packet.data(), packet.layers(), packet.wire_len());
    match (header, datagram) {
        (Some(ChecksumState::Bad), _) => Err(Fate::Drop(reasons.bad_checksum)),
        (_, Some(ChecksumState::Bad)) if !packet.is_checksum_partial() => {
            Err(Fate::Drop(reasons.bad_checksum))
        }
        (_, Some(ChecksumState::Absent)) if ipv6 => Err(Fate::Drop(reasons.no_checksum)),
        _ => Ok(()),
    }
}

fn turn_ipv4(network: &mut [u8], len: usize, ports: [u16; 2]) {
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
fn finish_ipv4(header: &mut [u8; IPV4]) {
    (header[8], header[9]) = (HOPS, 17);
    put(header, 10, 0);
    let value = checksum(header);
    put(header, 10, value);
}

fn turn_ipv6(network: &mut [u8], len: usize, ports: [u16; 2]) {
    let Some((header, rest)) = network.split_first_chunk_mut::<IPV6>() else { return };
    let (source, destination) = header[8..].split_at_mut(16);
    source.swap_with_slice(destination);
    header[1] &= NOT_ECN;
    finish_ipv6(header, rest, len, ports);
}

/// Length, protocol and hops of an IPv6 header (RFC 8200), and the datagram behind it.
fn finish_ipv6(header: &mut [u8; IPV6], rest: &mut [u8], len: usize, ports: [u16; 2]) {
    put(header, 4, (UDP + len) as u16);
    (header[6], header[7]) = (17, HOPS);
    let pseudo = add(sum(&header[8..]), 17);
    finish_udp(rest, len, ports, pseudo);
}

/// Header and checksum of a datagram whose message of `len` bytes is there; `pseudo` is the sum of addresses and protocol.
fn finish_udp(datagram: &mut [u8], len: usize, ports: [u16; 2], pseudo: u16) {
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

/// Who sends to whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    /// Ethernet addresses: ours, and the next hop's.
    pub(super) mac: [u8; 6],
    pub(super) next_hop: [u8; 6],
    /// Of one family.
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
}

impl Route {
    /// Puts a datagram with a message of `len` bytes, which `write` writes, into an empty packet; `false` where its frame has
    /// no room for it.
    pub(super) fn send(&self, packet: &mut Packet, len: usize, write: impl FnOnce(&mut [u8])) -> bool {
        let head = ETHERNET + if self.to.is_ipv6() { IPV6 } else { IPV4 } + UDP;
        let whole = (head + len).max(SHORTEST_FRAME);
        if !packet.resize(whole) {
            return false;
        }
        let data = packet.data_mut();
        data.fill(0);
        address(data, &self.next_hop, &self.mac);
        if let Some(message) = data.get_mut(head..head + len) {
            write(message);
        }
        let network = &mut data[ETHERNET..];
        let ports = [self.from.port(), self.to.port()];
        let kind: u16 = match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let Some((header, rest)) = network.split_first_chunk_mut::<IPV4>() else { return false };
                header[0] = 0x45;
                put(header, 2, (IPV4 + UDP + len) as u16);
                // Not to be fragmented; so it needs no identification (RFC 6864, 4.1).
                header[6] = 0x40;
                header[12..16].copy_from_slice(&from.octets());
                header[16..].copy_from_slice(&to.octets());
                finish_ipv4(header);
                finish_udp(rest, len, ports, add(sum(&header[12..]), 17));
                0x0800
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let Some((header, rest)) = network.split_first_chunk_mut::<IPV6>() else { return false };
                header[0] = 0x60;
                header[8..24].copy_from_slice(&from.octets());
                header[24..].copy_from_slice(&to.octets());
                finish_ipv6(header, rest, len, ports);
                0x86dd
            }
            _ => return false,
        };
        put(data, 12, kind);
        true
    }
}
