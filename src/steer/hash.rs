//! The flow hash: which packets belong together, in 32 bits.
//!
//! Built from folded multiplies (64 × 64 → 128 bits, the halves xored), the mixing step of wyhash
//! and foldhash: two or three per packet, and every bit of the input reaches every bit of the
//! output. Symmetric keys order their two endpoints first, so both directions hash alike. The
//! same seed gives the same hash on every machine; only the seed protects from packets made to
//! collide.

use std::net::{IpAddr, SocketAddr};

use super::key::PartitionKey;
use crate::packet::layers::{Layers, LinkClass, Network, Transport};

/// Odd 64-bit constants with half of their bits set (digits of π and e), one per role.
const ENDPOINT_LOW: u64 = 0x243f_6a88_85a3_08d3;
const ENDPOINT_HIGH: u64 = 0x1319_8a2e_0370_7345;
const FINISH: u64 = 0xa409_3822_299f_31d1;
const ADDRESS: u64 = 0xb7e1_5162_8aed_2a6b;

/// Multiplies and folds: both halves of the 128-bit product.
#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

/// One address, or one end of a conversation, as a number that only equal ones share (IPv4, MAC)
/// or practically so (IPv6).
type End = u64;

/// What a packet has to tell its two ends apart from other ends.
#[derive(Clone, Copy)]
struct Ends {
    source: End,
    destination: End,
    /// Tells kinds of traffic apart: ports or none, and which protocol they belong to.
    kind: u64,
}

/// Hash of a packet under `key`: equal for all packets that share state under that key.
///
/// `layers` is what [`super::parse::parse`] said of these bytes; if they do not belong together
/// the hash means nothing, but nothing else goes wrong. Under `FiveTuple` (and under `None`,
/// where it merely spreads the load) a fragment or a packet without ports is hashed by its address
/// pair. What is not IP is hashed by its Ethernet addresses where it has them, and is 0 otherwise.
/// `Everything` is always 0.
#[inline]
pub fn flow_hash(link: LinkClass, bytes: &[u8], layers: Layers, key: PartitionKey, seed: u64) -> u32 {
    if key == PartitionKey::Everything {
        return 0;
    }
    let ports = matches!(key, PartitionKey::FiveTuple | PartitionKey::None);
    if ports
        && layers.is_plain_ipv4()
        && let Some(ends) = plain(bytes, layers)
    {
        return finish(ends, PartitionKey::FiveTuple, seed);
    }
    let ends = match layers.network() {
        Network::Ipv4 => ipv4(bytes, layers, ports),
        Network::Ipv6 => ipv6(bytes, layers, ports, seed),
        _ => stations(link, bytes),
    };
    match ends {
        Some(ends) => finish(ends, key, seed),
        None => 0,
    }
}

/// What [`flow_hash`] says of the unfragmented packets that `remote` sends to `local` under this protocol number (6, 17 or 132),
/// before there is one. `None` where one is IPv4 and the other IPv6, or the protocol has no ports.
pub fn conversation_hash(
    remote: SocketAddr,
    local: SocketAddr,
    protocol: u8,
    key: PartitionKey,
    seed: u64,
) -> Option<u32> {
    let transport = match protocol {
        6 => Transport::Tcp,
        17 => Transport::Udp,
        132 => Transport::Sctp,
        _ => return None,
    };
    if remote.is_ipv4() != local.is_ipv4() {
        return None;
    }
    if key == PartitionKey::Everything {
        return Some(0);
    }
    let ports = matches!(key, PartitionKey::FiveTuple | PartitionKey::None);
    let end = |end: SocketAddr| {
        let port = if ports { u64::from(u16::from_le_bytes(end.port().to_be_bytes())) } else { 0 };
        match end.ip() {
            IpAddr::V4(address) => u64::from(u32::from_le_bytes(address.octets())) << 16 | port,
            IpAddr::V6(address) => {
                // As two words read in little-endian order: the first eight bytes are the low half of this number.
                let both = u128::from_le_bytes(address.octets());
                address_end(both as u64, (both >> 64) as u64, seed).wrapping_add(port)
            }
        }
    };
    let kind = if ports { transport as u64 } else { 0 };
    Some(finish(Ends { source: end(remote), destination: end(local), kind }, key, seed))
}

/// Combines the ends as the key asks.
#[inline]
fn finish(ends: Ends, key: PartitionKey, seed: u64) -> u32 {
    let (low, high) = match key {
        PartitionKey::Source => (ends.source, 0),
        PartitionKey::Destination => (ends.destination, 0),
        _ => (ends.source.min(ends.destination), ends.source.max(ends.destination)),
    };
    let mixed = fold(low ^ ENDPOINT_LOW ^ seed, high ^ ENDPOINT_HIGH);
    let mixed = fold(mixed ^ ends.kind ^ seed.rotate_left(32), FINISH);
    (mixed ^ (mixed >> 32)) as u32
}

/// The two ports and the kind of a packet that has them, and zeros otherwise.
///
/// Numbers are read in little-endian order here, ports and addresses alike: which of two ends is
/// the lower one does not matter, only that every machine says the same, and most need no swap.
#[inline]
fn ports(bytes: &[u8], layers: Layers, wanted: bool) -> (u64, u64, u64) {
    let transport = layers.transport();
    if !wanted || !matches!(transport, Transport::Tcp | Transport::Udp | Transport::Sctp) {
        return (0, 0, 0);
    }
    match bytes.get(layers.transport_offset()..).and_then(|rest| rest.first_chunk::<4>()) {
        Some(ports) => {
            let ports = u64::from(u32::from_le_bytes(*ports));
            (ports & 0xffff, ports >> 16, transport as u64)
        }
        None => (0, 0, 0),
    }
}

/// The ends of a packet whose addresses and ports lie side by side, in one read: the short way for most.
#[inline]
fn plain(bytes: &[u8], layers: Layers) -> Option<Ends> {
    let both = bytes.get(layers.network_offset() + 12..)?.first_chunk::<12>()?;
    let &[a, b, c, d, e, f, g, h, from_high, from_low, to_high, to_low] = both;
    let source = u64::from(u32::from_le_bytes([a, b, c, d])) << 16;
    let destination = u64::from(u32::from_le_bytes([e, f, g, h])) << 16;
    Some(Ends {
        source: source | u64::from(u16::from_le_bytes([from_high, from_low])),
        destination: destination | u64::from(u16::from_le_bytes([to_high, to_low])),
        kind: layers.transport() as u64,
    })
}

#[inline]
fn ipv4(bytes: &[u8], layers: Layers, wanted: bool) -> Option<Ends> {
    let header = bytes.get(layers.network_offset()..)?.first_chunk::<20>()?;
    let both = u64::from_le_bytes(*header.last_chunk::<8>()?);
    let (from, to, kind) = ports(bytes, layers, wanted);
    Some(Ends { source: (both & 0xffff_ffff) << 16 | from, destination: (both >> 32) << 16 | to, kind })
}

/// An IPv6 address does not fit an end; it is mixed down to one with the seed.
#[inline]
const fn address_end(high: u64, low: u64, seed: u64) -> End {
    fold(high ^ ADDRESS ^ seed, low ^ ENDPOINT_HIGH ^ seed.rotate_left(17))
}

#[inline]
fn ipv6(bytes: &[u8], layers: Layers, wanted: bool, seed: u64) -> Option<Ends> {
    let header = bytes.get(layers.network_offset()..)?.first_chunk::<40>()?;
    let (words, _) = header.as_chunks::<8>();
    let word = |index: usize| u64::from_le_bytes(words[index]);
    let mix = |high: u64, low: u64| address_end(high, low, seed);
    let (from, to, kind) = ports(bytes, layers, wanted);
    Some(Ends {
        source: mix(word(1), word(2)).wrapping_add(from),
        destination: mix(word(3), word(4)).wrapping_add(to),
        kind,
    })
}

/// The Ethernet addresses of a frame that has no IP header: ARP, spanning tree and the like stay
/// together by the pair of stations.
#[inline]
fn stations(link: LinkClass, bytes: &[u8]) -> Option<Ends> {
    if link != LinkClass::Ethernet {
        return None;
    }
    let &[a, b, c, d, e, f, g, h, i, j, k, l] = bytes.first_chunk::<12>()?;
    Some(Ends {
        destination: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
        source: u64::from_be_bytes([0, 0, g, h, i, j, k, l]),
        kind: 0xff,
    })
}
