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
mod plain;
mod transport;

use crate::packet::extent::whole;
use crate::packet::layers::{Layers, LinkClass, Malformed, Network};

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
        && let Some(layers) = plain::plain(bytes, whole)
    {
        return layers;
    }
    general(link, bytes, whole)
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
