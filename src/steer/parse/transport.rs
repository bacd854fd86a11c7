//! The transport header: are its ports there, and do its lengths add up?

use crate::packet::layers::{Layers, Malformed, Network, Transport};

/// What a datagram carries, as far as its network headers say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// Protocol number (IANA) of the header at `at`.
    pub(super) protocol: u8,
    /// Where the network header starts.
    pub(super) offset: usize,
    /// Where the transport header starts.
    pub(super) at: usize,
    /// Where the datagram ends; may lie beyond the bytes that are there.
    pub(super) end: usize,
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const NO_NEXT_HEADER: u8 = 59;
const SCTP: u8 = 132;
/// Bytes of the two port fields, first in TCP, UDP and SCTP alike.
const PORTS: usize = 4;

/// Which transport a protocol number is, and the bytes of its fixed header.
fn kind(protocol: u8, network: Network) -> (Transport, usize) {
    match (protocol, network) {
        (TCP, _) => (Transport::Tcp, 20),
        (UDP, _) => (Transport::Udp, 8),
        (SCTP, _) => (Transport::Sctp, 12),
        (ICMP, Network::Ipv4) => (Transport::Icmp, 8),
        (ICMPV6, Network::Ipv6) => (Transport::Icmpv6, 4),
        (NO_NEXT_HEADER, Network::Ipv6) => (Transport::None, 0),
        _ => (Transport::Other, 0),
    }
}

/// Adds the transport header of `segment` to `layers`.
pub(super) fn transport(layers: Layers, bytes: &[u8], segment: Segment) -> Layers {
    let (kind, header) = kind(segment.protocol, layers.network());
    let words = ((segment.at - segment.offset) / 4).min(u8::MAX as usize) as u8;
    let limit = segment.end.min(bytes.len());
    let there = bytes.get(segment.at..limit).unwrap_or_default();
    let ported = matches!(kind, Transport::Tcp | Transport::Udp | Transport::Sctp);
    if ported && there.len() < PORTS {
        return layers.with_transport(Transport::None, words).with_malformed(Malformed::TransportTruncated);
    }
    let layers = layers.with_transport(kind, words);
    if there.len() < header {
        return layers.with_malformed(Malformed::TransportTruncated);
    }
    match lengths(kind, there, segment.end.saturating_sub(segment.at)) {
        Some(defect) => layers.with_malformed(defect),
        None => layers,
    }
}

/// What is wrong with the lengths in a transport header that lies within `there`, in a segment
/// of `len` bytes.
fn lengths(kind: Transport, there: &[u8], len: usize) -> Option<Malformed> {
    match kind {
        Transport::Tcp => {
            let header = (there.get(12)? >> 4) as usize * 4;
            (header < 20 || header > len).then_some(Malformed::BadTcpOffset)
        }
        Transport::Udp => {
            let field = u16::from_be_bytes([*there.get(4)?, *there.get(5)?]) as usize;
            // A jumbogram's length does not fit and is 0 (RFC 2675 section 4).
            let jumbo = field == 0 && len > u16::MAX as usize;
            ((field < 8 && !jumbo) || field > len).then_some(Malformed::BadUdpLength)
        }
        _ => None,
    }
}
