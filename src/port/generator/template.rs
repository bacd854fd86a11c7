//! The headers of a flow, written once: what is the same in all its packets, and its checksum.

use std::net::IpAddr;

use super::ends::End;
use crate::packet::checksum::sum;

/// Bytes of a template: the longest headers (Ethernet, VLAN, IPv6, TCP: 78) and [`LEAST_DATA`].
pub(super) const TEMPLATE: usize = 80;
/// Data in a packet at least, bytes: a sequence number has something to count.
pub(super) const LEAST_DATA: usize = 2;

const ETHERNET: usize = 14;
const TAG: usize = 4;
const IPV4: usize = 20;
const IPV6: usize = 40;
const UDP: usize = 8;
const TCP: usize = 20;
/// Hops a packet has left.
const HOPS: u8 = 64;
/// Receive window of both ends, bytes.
const WINDOW: u16 = 65_535;

/// Which headers a flow's packets have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind(u8);

impl Kind {
    /// How many kinds there are.
    pub(super) const COUNT: usize = 8;

    pub(super) const fn new(ipv6: bool, tcp: bool, vlan: bool) -> Kind {
        Kind(ipv6 as u8 | (tcp as u8) << 1 | (vlan as u8) << 2)
    }

    /// All of them, in the order of [`Kind::index`].
    pub(super) fn all() -> [Kind; Kind::COUNT] {
        std::array::from_fn(|code| Kind(code as u8))
    }

    #[inline]
    pub(super) const fn index(self) -> usize {
        self.0 as usize % Kind::COUNT
    }

    #[inline]
    pub(super) const fn ipv6(self) -> bool {
        self.0 & 1 != 0
    }

    #[inline]
    pub(super) const fn tcp(self) -> bool {
        self.0 & 2 != 0
    }

    #[inline]
    pub(super) const fn vlan(self) -> bool {
        self.0 & 4 != 0
    }

    /// Bytes before the network header.
    #[inline]
    pub(super) const fn network_at(self) -> usize {
        if self.vlan() { ETHERNET + TAG } else { ETHERNET }
    }

    /// Bytes before the transport header.
    #[inline]
    pub(super) const fn transport_at(self) -> usize {
        self.network_at() + if self.ipv6() { IPV6 } else { IPV4 }
    }

    /// Bytes of all headers.
    pub(super) const fn headers(self) -> usize {
        self.transport_at() + if self.tcp() { TCP } else { UDP }
    }

    /// In words.
    pub(super) const fn name(self) -> &'static str {
        [
            "IPv4 UDP",
            "IPv6 UDP",
            "IPv4 TCP",
            "IPv6 TCP",
            "tagged IPv4 UDP",
            "tagged IPv6 UDP",
            "tagged IPv4 TCP",
            "tagged IPv6 TCP",
        ][self.index()]
    }
}

/// What a flow's packets say beside their addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// VLAN identifier, 1 to 4094.
    pub(super) vlan: u16,
    /// IPv6 flow label, 20 bits (RFC 6437).
    pub(super) label: u32,
}

/// The byte of a packet's data at this distance from the packet's start, whatever its headers.
pub(super) const fn data_at(position: usize) -> u8 {
    position as u8
}

/// The first bytes of every packet that goes from `from` to `to`, with 0 for what changes: lengths,
/// identification, sequence numbers, flags, checksums.
pub(super) fn template(kind: Kind, from: &End, to: &End, marks: Marks) -> [u8; TEMPLATE] {
    let mut bytes: [u8; TEMPLATE] = std::array::from_fn(data_at);
    bytes[..kind.headers()].fill(0);
    link(&mut bytes, kind, from, to, marks.vlan);
    match (from.address, to.address) {
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = &mut bytes[kind.network_at()..][..IPV6];
            header[..4].copy_from_slice(&(0x6000_0000 | marks.label & 0x000f_ffff).to_be_bytes());
            (header[6], header[7]) = (protocol(kind), HOPS);
            header[8..24].copy_from_slice(&from.octets());
            header[24..40].copy_from_slice(&to.octets());
        }
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = &mut bytes[kind.network_at()..][..IPV4];
            header[0] = 0x45;
            header[6] = 0x40; // do not fragment
            (header[8], header[9]) = (HOPS, protocol(kind));
            header[12..16].copy_from_slice(&from.octets());
            header[16..20].copy_from_slice(&to.octets());
        }
        _ => unreachable!("both ends of a flow are of the kind's family"),
    }
    let header = &mut bytes[kind.transport_at()..kind.headers()];
    header[..2].copy_from_slice(&from.port.to_be_bytes());
    header[2..4].copy_from_slice(&to.port.to_be_bytes());
    if kind.tcp() {
        header[12] = 0x50;
        header[14..16].copy_from_slice(&WINDOW.to_be_bytes());
    }
    bytes
}

fn link(bytes: &mut [u8], kind: Kind, from: &End, to: &End, vlan: u16) {
    let (addresses, rest) = bytes.split_at_mut(12);
    addresses[..6].copy_from_slice(&to.mac);
    addresses[6..].copy_from_slice(&from.mac);
    let ether_type: u16 = if kind.ipv6() { 0x86dd } else { 0x0800 };
    if kind.vlan() {
        rest[..2].copy_from_slice(&[0x81, 0x00]);
        rest[2..4].copy_from_slice(&vlan.to_be_bytes());
        rest[4..6].copy_from_slice(&ether_type.to_be_bytes());
    } else {
        rest[..2].copy_from_slice(&ether_type.to_be_bytes());
    }
}

const fn protocol(kind: Kind) -> u8 {
    if kind.tcp() { 6 } else { 17 }
}

/// Sums of a template, each folded: of the network header, and of the transport header with the addresses
/// and protocol of its pseudo-header. They are the same for both directions, since a sum does not care which
/// address and which port comes first.
pub(super) fn sums(kind: Kind, template: &[u8; TEMPLATE]) -> [u16; 2] {
    let network = &template[kind.network_at()..kind.transport_at()];
    let addresses = if kind.ipv6() { &network[8..] } else { &network[12..] };
    let transport = u32::from(sum(&template[kind.transport_at()..kind.headers()]))
        + u32::from(sum(addresses))
        + u32::from(protocol(kind));
    [sum(network), fold(u64::from(transport))]
}

/// Folds a sum of 16-bit words, or of anything that is congruent to one modulo 2^16 - 1.
#[inline]
pub(super) const fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}
