//! Is a packet's checksum right? What of it can be told, and what cannot.

use super::plain::both_good;
use super::{add, sum};
use crate::packet::extent::{self, IPV6_HEADER, ipv4_end, ipv6_chain};
use crate::packet::layers::{Layers, Malformed, Network, Transport};

/// What is known of one checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumState {
    /// It is right.
    Good,
    /// It is wrong.
    Bad,
    /// It is what a host leaves behind for its network card to finish: in TCP and UDP the folded
    /// sum of the pseudo-header, not complemented; in an IPv4 header 0. On the wire it would be
    /// wrong; in a capture taken on the sending host it is the rule.
    OffloadPartial,
    /// UDP says with 0 that there is none (RFC 768). Over IPv6 that is allowed to tunnels only
    /// (RFC 6935); it is not told apart here.
    Absent,
    /// It cannot be told: the packet is cut off, or a fragment, or its lengths contradict each
    /// other, or an IPv6 routing header hides the final destination.
    Unverifiable,
}

impl ChecksumState {
    /// Every state, in order of declaration.
    pub const ALL: [ChecksumState; 5] = [
        ChecksumState::Good,
        ChecksumState::Bad,
        ChecksumState::OffloadPartial,
        ChecksumState::Absent,
        ChecksumState::Unverifiable,
    ];

    /// The name reports use, kebab-case.
    pub const fn name(self) -> &'static str {
        match self {
            ChecksumState::Good => "good",
            ChecksumState::Bad => "bad",
            ChecksumState::OffloadPartial => "offload-partial",
            ChecksumState::Absent => "absent",
            ChecksumState::Unverifiable => "unverifiable",
        }
    }
}

/// State of the outer IPv4 header's checksum and of the outer TCP or UDP checksum of a packet
/// that was `wire_len` bytes long on the wire; `None` where there is no such header.
///
/// `layers` is what the parser said of these bytes. A fragment's transport is `Unverifiable`.
/// SCTP (a CRC) and ICMP are not looked at.
#[inline]
pub fn states(bytes: &[u8], layers: Layers, wire_len: u32) -> (Option<ChecksumState>, Option<ChecksumState>) {
    if both_good(bytes, layers) {
        return (Some(ChecksumState::Good), Some(ChecksumState::Good));
    }
    (ipv4_header_state(bytes, layers), transport_state(bytes, layers, wire_len))
}

/// State of the outer IPv4 header's checksum (RFC 791 section 3.1); `None` if it is not IPv4.
#[inline]
pub fn ipv4_header_state(bytes: &[u8], layers: Layers) -> Option<ChecksumState> {
    if layers.network() != Network::Ipv4 {
        return None;
    }
    let header = ipv4_header(bytes, layers.network_offset());
    let unsound = matches!(layers.malformed(), Some(Malformed::BadHeaderLength | Malformed::BadTotalLength));
    Some(match header {
        Some(header) if !unsound => match header_sum(header) {
            0xffff => ChecksumState::Good,
            _ if header[10] == 0 && header[11] == 0 => ChecksumState::OffloadPartial,
            _ => ChecksumState::Bad,
        },
        _ => ChecksumState::Unverifiable,
    })
}

/// The sum of an IPv4 header; most are of 20 bytes, and a sum of a known length has no loop.
#[inline]
fn header_sum(header: &[u8]) -> u16 {
    match header.as_array::<20>() {
        Some(plain) => sum(plain),
        None => sum(header),
    }
}

/// The IPv4 header at `offset`, options and all: 20 bytes at least.
#[inline]
pub(super) fn ipv4_header(bytes: &[u8], offset: usize) -> Option<&[u8]> {
    let rest = bytes.get(offset..)?;
    let len = (rest.first()? & 0x0f) as usize * 4;
    if len < 20 { None } else { rest.get(..len) }
}

/// State of the outer TCP (RFC 9293 section 3.1) or UDP (RFC 768) checksum; `None` if it is
/// neither.
#[inline]
pub fn transport_state(bytes: &[u8], layers: Layers, wire_len: u32) -> Option<ChecksumState> {
    if layers.is_fragment() {
        return Some(ChecksumState::Unverifiable);
    }
    let field = field_of(layers)?;
    Some(match Covered::of(bytes, layers, wire_len) {
        Some(covered) => covered.state(bytes, field),
        None if is_absent(bytes, layers, field) => ChecksumState::Absent,
        None => ChecksumState::Unverifiable,
    })
}

/// Where a TCP or UDP header has its checksum, in bytes from its start.
#[inline]
pub(super) fn field_of(layers: Layers) -> Option<usize> {
    match layers.transport() {
        Transport::Tcp => Some(16),
        Transport::Udp => Some(6),
        _ => None,
    }
}

/// UDP's 0 says it all even if the datagram is cut off after it.
fn is_absent(bytes: &[u8], layers: Layers, field: usize) -> bool {
    let truncated = layers.malformed() == Some(Malformed::TransportTruncated);
    let value = extent::be16(bytes, layers.transport_offset() + field);
    layers.transport() == Transport::Udp && !truncated && value == Some(0)
}

/// The bytes a transport checksum covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Covered {
    /// Start of the transport header.
    pub(super) start: usize,
    /// One past the last byte, within the packet.
    pub(super) end: usize,
    /// Folded sum of the pseudo-header.
    pub(super) pseudo: u16,
    /// TCP or UDP.
    udp: bool,
}

impl Covered {
    /// `None` if the bytes are not all there or the lengths contradict each other.
    #[inline]
    pub(super) fn of(bytes: &[u8], layers: Layers, wire_len: u32) -> Option<Covered> {
        let start = layers.transport_offset();
        let (end, addresses) = datagram(bytes, layers, extent::whole(bytes, wire_len))?;
        let segment = bytes.get(start..end)?;
        let udp = layers.transport() == Transport::Udp;
        let len = if udp { udp_len(segment)? } else { segment.len() };
        let protocol = match layers.transport() {
            Transport::Udp => 17,
            Transport::Tcp if len >= 20 => 6,
            _ => return None,
        };
        // Length in 32 bits (RFC 8200 section 8.1); in IPv4's 16 bits the upper half is 0.
        let lengths = add((len >> 16) as u16, len as u16);
        let pseudo = add(add(addresses, lengths), protocol);
        Some(Covered { start, end: start + len, pseudo, udp })
    }

    #[inline]
    fn state(self, bytes: &[u8], field: usize) -> ChecksumState {
        let segment = bytes.get(self.start..self.end).unwrap_or_default();
        match extent::be16(segment, field) {
            None => ChecksumState::Unverifiable,
            Some(0) if self.udp => ChecksumState::Absent,
            Some(_) if add(self.pseudo, sum(segment)) == 0xffff => ChecksumState::Good,
            Some(value) if value == self.pseudo => ChecksumState::OffloadPartial,
            Some(_) => ChecksumState::Bad,
        }
    }
}

/// End of the datagram and the sum of both of its addresses; `None` if the addresses are not the ones the
/// checksum covers.
#[inline]
fn datagram(bytes: &[u8], layers: Layers, whole: usize) -> Option<(usize, u16)> {
    let offset = layers.network_offset();
    match layers.network() {
        Network::Ipv4 => {
            let header = ipv4_header(bytes, offset)?;
            let total = extent::be16(header, 2)?;
            Some((ipv4_end(offset, total, whole), sum(header.get(12..)?.first_chunk::<8>()?)))
        }
        Network::Ipv6 => {
            let header = bytes.get(offset..)?.first_chunk::<IPV6_HEADER>()?;
            let chain = ipv6_chain(bytes, offset, header);
            if chain.rerouted { None } else { Some((chain.end, sum(header.last_chunk::<32>()?))) }
        }
        _ => None,
    }
}

/// Bytes of a UDP datagram by its own length field; 0 is a jumbogram's (RFC 2675 section 4).
fn udp_len(segment: &[u8]) -> Option<usize> {
    match extent::be16(segment, 4)? as usize {
        0 if segment.len() > u16::MAX as usize => Some(segment.len()),
        len if len >= 8 && len <= segment.len() => Some(len),
        _ => None,
    }
}
