//! UDP datagrams (RFC 768) in packets: those that are for us, read; answers and queries of ours, put around a message.

mod headers;
mod route;

use std::net::{IpAddr, SocketAddr};

use super::fate::{Fate, Reasons};
use crate::apps::station::{Addresses, Envelope, address, is_host_ipv6};
use crate::packet::checksum::{ChecksumState, states};
use crate::packet::layers::{LinkClass, Network, Transport};
use crate::packet::{Packet, Reason};

use super::message::get;
use headers::{IPV4, IPV6, SHORTEST_FRAME, UDP, turn_ipv4, turn_ipv6};
pub(super) use route::Route;

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
