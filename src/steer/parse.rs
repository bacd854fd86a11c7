//! Parses the headers of a packet, once: from the first byte to the transport header, every
//! length checked.
//!
//! The outer IP header is looked for, and tunnels are not entered. What is found fits the four
//! bytes of [`Layers`]; what cannot be followed is marked [`Malformed`], and everything that is
//! known of it up to there is kept.
//!
//! The way is `link` (Ethernet and its tags, cooked captures, raw IP) → `ip` (IPv4, IPv6 and its
//! extension headers) → `transport` (ports within the packet, lengths that add up).

mod ip;
mod link;
mod transport;

use crate::packet::extent::whole;
use crate::packet::layers::{Layers, LinkClass, Malformed, Network, Transport};

/// Where the link layer led.
#[derive(Clone, Copy, Debug)]
enum Payload {
    /// A header that was announced as IPv4.
    Ipv4,
    /// A header that was announced as IPv6.
    Ipv6,
    /// Something that is not IP.
    Other,
    /// Nothing: the link layer is not sound.
    Broken(Malformed),
}

/// The link layer of one packet, followed to its end.
#[derive(Clone, Copy, Debug)]
struct Link {
    payload: Payload,
    /// Bytes from the start of the packet to the payload, at most 255.
    offset: usize,
    /// A VLAN tag was looked through.
    vlan: bool,
}

/// Bytes of an Ethernet header without tags.
const ETHERNET: usize = 14;
/// The same and an IPv4 header without options: where TCP or UDP starts.
const PLAIN: usize = ETHERNET + 20;

/// Parses `bytes`, what there is of a packet that was `wire_len` bytes long on the wire.
///
/// A packet may have been cut by whoever captured it (`bytes.len() < wire_len`): it keeps its
/// ports if they are there. A `wire_len` below `bytes.len()` counts as `bytes.len()`.
///
/// Promises, for any input: no panic; offsets lie within `bytes`; `Network::Ipv4` has 20 bytes
/// of header there (all of it, unless `BadHeaderLength`), `Network::Ipv6` has 40; TCP, UDP and
/// SCTP have both port fields there, within the datagram too. The transport offset of an IP
/// packet is the first byte after the network headers even where the transport is `None`.
#[inline]
pub fn parse(link: LinkClass, bytes: &[u8], wire_len: u32) -> Layers {
    let whole = whole(bytes, wire_len);
    if link == LinkClass::Ethernet
        && let Some(layers) = plain(bytes, whole)
    {
        return layers;
    }
    general(link, bytes, whole)
}

/// Ethernet, IPv4 without options, not a fragment, TCP or UDP, nothing wrong: most packets.
#[inline]
fn plain(bytes: &[u8], whole: usize) -> Option<Layers> {
    let head = bytes.first_chunk::<{ PLAIN + 8 }>()?;
    let fragment = u16::from_be_bytes([head[20], head[21]]) & 0x3fff;
    if head[12] != 0x08 || head[13] != 0x00 || head[14] != 0x45 || fragment != 0 {
        return None;
    }
    let total = u16::from_be_bytes([head[16], head[17]]) as usize;
    let segment = total.checked_sub(20)?;
    if ETHERNET + total > whole {
        return None;
    }
    let layers = Layers::new(Network::Ipv4, ETHERNET as u8);
    match head[23] {
        6 => {
            let header = (*bytes.first_chunk::<{ PLAIN + 20 }>()?.get(PLAIN + 12)? >> 4) as usize * 4;
            (header >= 20 && header <= segment).then_some(layers.with_transport(Transport::Tcp, 5))
        }
        17 => {
            let length = u16::from_be_bytes([head[38], head[39]]) as usize;
            (length >= 8 && length <= segment).then_some(layers.with_transport(Transport::Udp, 5))
        }
        _ => None,
    }
}

/// Every packet, the plain ones too.
fn general(link: LinkClass, bytes: &[u8], whole: usize) -> Layers {
    let link = link::follow(link, bytes);
    let layers = match link.payload {
        Payload::Ipv4 => ip::ipv4(bytes, link.offset, whole),
        Payload::Ipv6 => ip::ipv6(bytes, link.offset, whole),
        Payload::Other => other(bytes, link.offset),
        Payload::Broken(kind) => other(bytes, link.offset).with_malformed(kind),
    };
    if link.vlan { layers.with_vlan() } else { layers }
}

/// Layers of a packet without an IP header, its payload (as far as known) at `offset`.
fn other(bytes: &[u8], offset: usize) -> Layers {
    let within = offset.min(bytes.len()).min(u8::MAX as usize);
    Layers::new(Network::Other, within as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The short way and the long way are the same way.
        #[test]
        fn plain_agrees_with_general(
            body in proptest::collection::vec(any::<u8>(), 42..80),
            udp: bool,
            total in 0u16..80,
            length in 0u16..60,
            extra in 0usize..4,
        ) {
            let mut bytes = body;
            bytes[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
            bytes[16..18].copy_from_slice(&total.to_be_bytes());
            bytes[20..22].fill(0);
            bytes[23] = if udp { 17 } else { 6 };
            bytes[38..40].copy_from_slice(&length.to_be_bytes());
            let whole = bytes.len() + extra;
            if let Some(layers) = plain(&bytes, whole) {
                prop_assert_eq!(layers, general(LinkClass::Ethernet, &bytes, whole));
                prop_assert_eq!(layers.malformed(), None);
            }
        }
    }
}
