//! From the network header to the transport header.

use super::other;
use super::transport::{Segment, transport};
use crate::packet::extent::{IPV6_HEADER, MAX_CHAIN, authentication_len, ipv4_end, ipv6_chain};
use crate::packet::layers::{Layers, Malformed, Network, Transport};

const AUTHENTICATION: u8 = 51;

/// The `N` bytes of a fixed header of this version at `offset`, or what is wrong with it.
fn fixed<const N: usize>(bytes: &[u8], offset: usize, version: u8) -> Result<&[u8; N], Layers> {
    let rest = bytes.get(offset..).unwrap_or_default();
    let defect = match rest.first() {
        Some(first) if first >> 4 != version => Malformed::BadVersion,
        _ => Malformed::NetworkTruncated,
    };
    match rest.first_chunk::<N>() {
        Some(header) if defect != Malformed::BadVersion => Ok(header),
        _ => Err(other(bytes, offset).with_malformed(defect)),
    }
}

/// Marks a datagram that ends beyond the packet.
fn within(layers: Layers, end: usize, whole: usize) -> Layers {
    if end > whole { layers.with_malformed(Malformed::LengthBeyondPacket) } else { layers }
}

/// IPv4 (RFC 791 section 3.1).
pub(super) fn ipv4(bytes: &[u8], offset: usize, whole: usize) -> Layers {
    let header: &[u8; 20] = match fixed(bytes, offset, 4) {
        Ok(header) => header,
        Err(layers) => return layers,
    };
    let words = header[0] & 0x0f;
    let len = words as usize * 4;
    let base = Layers::new(Network::Ipv4, offset as u8);
    if words < 5 {
        return base.with_transport(Transport::None, 5).with_malformed(Malformed::BadHeaderLength);
    }
    if offset + len > bytes.len() {
        return other(bytes, offset).with_malformed(Malformed::NetworkTruncated);
    }
    let base = base.with_transport(Transport::None, words);
    let total = u16::from_be_bytes([header[2], header[3]]);
    let end = ipv4_end(offset, total, whole);
    if end < offset + len {
        return base.with_malformed(Malformed::BadTotalLength);
    }
    let base = within(base, end, whole);
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff;
    if fragment != 0 {
        return base.with_fragment(fragment & 0x1fff == 0);
    }
    let segment = Segment { protocol: header[9], offset, at: offset + len, end };
    transport(base, bytes, beyond_authentication(bytes, segment))
}

/// An authentication header (RFC 4302) is looked through in IPv4 too: it hides nothing. One
/// that is cut off, or too long to express, stays the transport.
fn beyond_authentication(bytes: &[u8], mut segment: Segment) -> Segment {
    while segment.protocol == AUTHENTICATION {
        let limit = segment.end.min(bytes.len());
        let Some([next, field]) = bytes.get(segment.at..limit).and_then(|rest| rest.first_chunk::<2>())
        else {
            break;
        };
        let at = segment.at + authentication_len(*field);
        if at > limit || at - segment.offset > MAX_CHAIN {
            break;
        }
        (segment.protocol, segment.at) = (*next, at);
    }
    segment
}

/// IPv6 (RFC 8200 sections 3 and 4).
pub(super) fn ipv6(bytes: &[u8], offset: usize, whole: usize) -> Layers {
    let header: &[u8; IPV6_HEADER] = match fixed(bytes, offset, 6) {
        Ok(header) => header,
        Err(layers) => return layers,
    };
    let chain = ipv6_chain(bytes, offset, header);
    let words = ((chain.at - offset) / 4).min(u8::MAX as usize) as u8;
    let base = Layers::new(Network::Ipv6, offset as u8).with_transport(Transport::None, words);
    let base = within(base, chain.end, whole);
    let base = match chain.fragment {
        Some(first) => base.with_fragment(first),
        None => base,
    };
    if let Some(kind) = chain.defect {
        return base.with_malformed(kind);
    }
    if chain.fragment.is_some() {
        return base;
    }
    let segment = Segment { protocol: chain.protocol, offset, at: chain.at, end: chain.end };
    transport(base, bytes, segment)
}
