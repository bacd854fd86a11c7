//! How far a datagram reaches: the end the IP header declares, and the way through IPv6
//! extension headers to the transport header.
//!
//! Both the parser (which asks once per packet) and the checksum verifier (which asks when an
//! application wants checksums) need the same answer, so it is computed here and nowhere else.
//! Every position is in bytes from the start of the packet; every read is checked.

use super::layers::Malformed;

/// Length of the fixed IPv6 header in bytes (RFC 8200 section 3).
pub const IPV6_HEADER: usize = 40;

/// Most bytes between a network header and its transport header that [`super::layers::Layers`]
/// can express: 255 words of 4 bytes.
pub const MAX_CHAIN: usize = 255 * 4;

/// Bytes the packet had on the wire: `wire_len`, or what was captured where that is more.
#[inline]
pub const fn whole(bytes: &[u8], wire_len: u32) -> usize {
    let wire = wire_len as usize;
    if wire > bytes.len() { wire } else { bytes.len() }
}

/// Big-endian 16-bit field `at` bytes into `bytes`, if it lies within.
#[inline]
pub fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*field))
}

/// End of the IPv4 datagram whose header starts at `offset` and declares `total_length` (RFC 791
/// section 3.1), in a packet of `whole` bytes.
///
/// A total length of 0 is what the kernel shows of a segment that is still to be cut up by the
/// hardware (TSO, BIG TCP): the datagram reaches to the end of the packet.
#[inline]
pub const fn ipv4_end(offset: usize, total_length: u16, whole: usize) -> usize {
    if total_length == 0 { whole } else { offset + total_length as usize }
}

/// What lies between a fixed IPv6 header and the transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Protocol number of the first header that is no extension header.
    pub protocol: u8,
    /// Where that header starts.
    pub at: usize,
    /// End of the datagram: payload length (RFC 8200 section 3) or jumbo payload (RFC 2675).
    pub end: usize,
    /// A fragment header was met (the walk stops there); `true` if its offset is 0.
    pub fragment: Option<bool>,
    /// A routing header has segments left: the destination in the fixed header is not the last
    /// one, and the transport checksum covers the last one (RFC 8200 section 8.1).
    pub rerouted: bool,
    /// Why the walk stopped early, if it did. `protocol` then is the header it stopped at.
    pub defect: Option<Malformed>,
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;
const JUMBO_PAYLOAD: u8 = 0xc2;

/// Is this protocol number an IPv6 extension header that is walked through (RFC 7045 section 4,
/// without ESP, which hides what follows)?
#[inline]
const fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION | MOBILITY | HIP | SHIM6
    )
}

/// Length in bytes of an authentication header whose length field is `field` (RFC 4302
/// section 2.2: 4-byte words, less two).
#[inline]
pub const fn authentication_len(field: u8) -> usize {
    (field as usize + 2) * 4
}

/// Walks the extension headers of the IPv6 packet whose fixed header `fixed` starts at `offset`.
#[inline]
pub fn ipv6_chain(bytes: &[u8], offset: usize, fixed: &[u8; IPV6_HEADER]) -> Chain {
    let payload = u16::from_be_bytes([fixed[4], fixed[5]]) as usize;
    let at = offset + IPV6_HEADER;
    let chain =
        Chain { protocol: fixed[6], at, end: at + payload, fragment: None, rerouted: false, defect: None };
    if is_extension(chain.protocol) { walk(bytes, offset, chain, payload == 0) } else { chain }
}

#[cold]
fn walk(bytes: &[u8], offset: usize, mut chain: Chain, empty: bool) -> Chain {
    if empty && chain.protocol == HOP_BY_HOP {
        chain.end = jumbo_end(bytes, chain.at).unwrap_or(chain.end);
    }
    // Each step moves at least 8 bytes on, and at most MAX_CHAIN in all.
    while is_extension(chain.protocol) && chain.fragment.is_none() && chain.defect.is_none() {
        step(bytes, offset, &mut chain);
    }
    chain
}

/// Moves `chain` over one extension header, or notes why it cannot.
fn step(bytes: &[u8], offset: usize, chain: &mut Chain) {
    let limit = chain.end.min(bytes.len());
    let head = bytes.get(chain.at..limit).and_then(|rest| rest.first_chunk::<8>());
    let fragment = chain.protocol == FRAGMENT;
    let Some(head) = head else {
        // Even a fragment header that is cut off says that this is a fragment.
        chain.fragment = fragment.then_some(false);
        chain.defect = Some(Malformed::ExtensionTruncated);
        return;
    };
    let len = match chain.protocol {
        FRAGMENT => 8,
        AUTHENTICATION => authentication_len(head[1]),
        _ => (head[1] as usize + 1) * 8,
    };
    if chain.at + len > limit {
        chain.defect = Some(Malformed::ExtensionTruncated);
    } else if chain.at + len - offset > MAX_CHAIN {
        chain.defect = Some(Malformed::ExtensionLimit);
    } else {
        chain.rerouted |= chain.protocol == ROUTING && head[3] != 0;
        chain.fragment = fragment.then_some(u16::from_be_bytes([head[2], head[3]]) >> 3 == 0);
        chain.protocol = head[0];
        chain.at += len;
    }
}

/// End of the datagram by the jumbo payload option (RFC 2675 section 2) of the hop-by-hop
/// header at `at`, if it has one. The option's length counts from the end of the fixed header.
fn jumbo_end(bytes: &[u8], at: usize) -> Option<usize> {
    let len = (*bytes.get(at + 1)? as usize + 1) * 8;
    let mut options = bytes.get(at + 2..at + len)?;
    while let Some((&kind, rest)) = options.split_first() {
        if kind == 0 {
            options = rest; // Pad1, the one option without a length
            continue;
        }
        let (&size, data) = rest.split_first()?;
        if kind == JUMBO_PAYLOAD && size == 4 {
            let length = u32::from_be_bytes(*data.first_chunk::<4>()?);
            return Some(at + length as usize);
        }
        options = data.get(size as usize..)?;
    }
    None
}
