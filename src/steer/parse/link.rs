//! From the first byte to the header that follows the link layer.

use super::{ETHERNET, Link, Payload};
use crate::packet::extent::be16;
use crate::packet::layers::{LinkClass, Malformed};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const MPLS_UNICAST: u16 = 0x8847;
const MPLS_MULTICAST: u16 = 0x8848;
const PPPOE_SESSION: u16 = 0x8864;
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
/// Largest value of an Ethernet type field that is a length (IEEE 802.3 section 3.2.6).
const LARGEST_LENGTH: u16 = 1500;
/// Farthest offset that fits a byte. A stack of tags or labels that is deeper is not followed.
const FARTHEST: usize = u8::MAX as usize;

/// Follows the link layer of a packet of this class.
pub(super) fn follow(link: LinkClass, bytes: &[u8]) -> Link {
    match link {
        LinkClass::Ethernet => typed(bytes, 12, ETHERNET),
        LinkClass::LinuxSll => typed(bytes, 14, 16),
        LinkClass::LinuxSll2 => typed(bytes, 0, 20),
        LinkClass::RawIp => by_nibble(bytes, 0, Payload::Broken(Malformed::BadVersion)),
        LinkClass::Null => null(bytes),
        LinkClass::Opaque => Link { payload: Payload::Other, offset: 0, vlan: false },
    }
}

fn broken(offset: usize, vlan: bool) -> Link {
    Link { payload: Payload::Broken(Malformed::LinkTruncated), offset, vlan }
}

/// Headers that end `len` bytes into the packet, the last one's Ethernet type at `at`.
fn typed(bytes: &[u8], at: usize, len: usize) -> Link {
    match be16(bytes, at) {
        Some(kind) if bytes.len() >= len => tags(bytes, kind, len),
        _ => broken(0, false),
    }
}

/// Looks through VLAN tags (IEEE 802.1Q, 802.1ad and the types used before it) from `offset` on,
/// which `kind` announced.
fn tags(bytes: &[u8], mut kind: u16, mut offset: usize) -> Link {
    let mut vlan = false;
    while matches!(kind, 0x8100 | 0x88a8 | 0x9100 | 0x9200) {
        vlan = true;
        match be16(bytes, offset + 2) {
            Some(next) if offset + 4 <= FARTHEST => (kind, offset) = (next, offset + 4),
            _ => return broken(offset, vlan),
        }
    }
    let link = untagged(bytes, kind, offset);
    Link { vlan: vlan | link.vlan, ..link }
}

/// What the Ethernet type `kind` announces at `offset`.
fn untagged(bytes: &[u8], kind: u16, offset: usize) -> Link {
    let found = |payload| Link { payload, offset, vlan: false };
    match kind {
        IPV4 => found(Payload::Ipv4),
        IPV6 => found(Payload::Ipv6),
        MPLS_UNICAST | MPLS_MULTICAST => labels(bytes, offset),
        PPPOE_SESSION => pppoe(bytes, offset),
        _ if kind <= LARGEST_LENGTH => snap(bytes, offset),
        _ => found(Payload::Other),
    }
}

/// IEEE 802.2 LLC with a SNAP header (RFC 1042) may hold IP; every other LLC frame is not ours.
fn snap(bytes: &[u8], offset: usize) -> Link {
    let other = Link { payload: Payload::Other, offset, vlan: false };
    match bytes.get(offset..).and_then(|rest| rest.first_chunk::<8>()) {
        Some([0xaa, 0xaa, 0x03, 0, 0, 0, high, low]) => {
            let payload = match u16::from_be_bytes([*high, *low]) {
                IPV4 => Payload::Ipv4,
                IPV6 => Payload::Ipv6,
                _ => return other,
            };
            Link { payload, offset: offset + 8, vlan: false }
        }
        _ => other,
    }
}

/// MPLS label stack (RFC 3032 section 2.1) up to the bottom-of-stack bit; what follows says what
/// it is only by its first nibble.
fn labels(bytes: &[u8], mut offset: usize) -> Link {
    loop {
        match bytes.get(offset + 2) {
            Some(byte) if offset + 4 <= FARTHEST.min(bytes.len()) => {
                offset += 4;
                if byte & 1 != 0 {
                    return beneath_labels(bytes, offset);
                }
            }
            _ => return broken(offset, false),
        }
    }
}

/// Below the last label: IP, or an Ethernet pseudowire with a control word (RFC 4448 section 4.6,
/// whose first nibble is 0), whose frame is looked through if it holds IP.
fn beneath_labels(bytes: &[u8], offset: usize) -> Link {
    let found = by_nibble(bytes, offset, Payload::Other);
    let wire = offset + 4;
    if bytes.get(offset).is_none_or(|byte| byte >> 4 != 0) || wire + ETHERNET > FARTHEST {
        return found;
    }
    let inner = typed(bytes, wire + 12, wire + ETHERNET);
    match (inner.payload, bytes.get(inner.offset).map(|byte| byte >> 4)) {
        (Payload::Ipv4, Some(4)) | (Payload::Ipv6, Some(6)) => inner,
        _ => found,
    }
}

/// PPPoE session stage (RFC 2516 section 4): six bytes, then the PPP protocol number.
fn pppoe(bytes: &[u8], offset: usize) -> Link {
    let payload = match be16(bytes, offset + 6) {
        Some(PPP_IPV4) => Payload::Ipv4,
        Some(PPP_IPV6) => Payload::Ipv6,
        Some(_) => Payload::Other,
        None => return broken(offset, false),
    };
    Link { payload, offset: offset + 8, vlan: false }
}

/// IP of whichever version the first nibble names, or else `otherwise`.
fn by_nibble(bytes: &[u8], offset: usize, otherwise: Payload) -> Link {
    let payload = match bytes.get(offset).map(|byte| byte >> 4) {
        Some(4) => Payload::Ipv4,
        Some(6) => Payload::Ipv6,
        Some(_) => otherwise,
        None => return broken(offset, false),
    };
    Link { payload, offset, vlan: false }
}

/// BSD loopback: the address family of the machine that captured, in its byte order (NULL) or
/// in network order (LOOP). AF_INET is 2 everywhere; AF_INET6 depends on the system.
fn null(bytes: &[u8]) -> Link {
    let Some(family) = bytes.first_chunk::<4>() else {
        return broken(0, false);
    };
    let family = u32::from_le_bytes(*family);
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    let payload = match family {
        2 => Payload::Ipv4,
        10 | 24 | 28 | 30 => Payload::Ipv6,
        _ => Payload::Other,
    };
    Link { payload, offset: 4, vlan: false }
}
