//! Packets written down field by field, their checksums computed the plain way; and by etherparse, to compare.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::rig::{OWN, PEER, fold, words};

/// An Ethernet frame: to, from, the rest.
pub fn frame(to: [u8; 6], from: [u8; 6], rest: &[u8]) -> Vec<u8> {
    [&to[..], &from, rest].concat()
}

/// From the peer to us.
pub fn to_us(rest: &[u8]) -> Vec<u8> {
    frame(OWN, PEER, rest)
}

pub fn ip4(text: &str) -> [u8; 4] {
    text.parse::<Ipv4Addr>().unwrap().octets()
}

pub fn ip6(text: &str) -> [u8; 16] {
    text.parse::<Ipv6Addr>().unwrap().octets()
}

/// An IPv4 datagram.
#[derive(Clone)]
pub struct V4 {
    pub source: [u8; 4],
    pub destination: [u8; 4],
    pub tos: u8,
    /// Identification, flags and fragment offset.
    pub id: [u8; 4],
    pub ttl: u8,
    pub options: Vec<u8>,
}

impl Default for V4 {
    fn default() -> V4 {
        let (source, destination) = (ip4("10.9.0.2"), ip4("10.9.0.1"));
        V4 { source, destination, tos: 0, id: [0x12, 0x34, 0x40, 0], ttl: 63, options: Vec::new() }
    }
}

impl V4 {
    /// Its bytes behind the Ethernet addresses.
    pub fn holding(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let len = 20 + self.options.len();
        let total = ((len + payload.len()) as u16).to_be_bytes();
        let mut header = vec![0x40 | (len / 4) as u8, self.tos, total[0], total[1]];
        header.extend(self.id);
        header.extend([self.ttl, protocol, 0, 0]);
        header.extend(self.source);
        header.extend(self.destination);
        header.extend(&self.options);
        let sum = (!fold(words(&header))).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
        [&[8, 0][..], &header, payload].concat()
    }

    /// The datagram that answers it: addresses exchanged, TTL 64.
    pub fn back(&self) -> V4 {
        V4 { source: self.destination, destination: self.source, ttl: 64, ..self.clone() }
    }

    pub fn pseudo(&self, protocol: u8, len: usize) -> u32 {
        words(&self.source) + words(&self.destination) + u32::from(protocol) + len as u32
    }
}

/// An IPv6 packet.
#[derive(Clone)]
pub struct V6 {
    pub source: [u8; 16],
    pub destination: [u8; 16],
    /// Version, traffic class, flow label.
    pub head: [u8; 4],
    pub hops: u8,
    /// Extension headers; the first one's protocol number, if there are any.
    pub extensions: Vec<u8>,
    pub first: u8,
}

impl Default for V6 {
    fn default() -> V6 {
        let (source, destination) = (ip6("fd09::2"), ip6("fd09::1"));
        let head = [0x60, 0x0a, 0xbc, 0xde];
        V6 { source, destination, head, hops: 63, extensions: Vec::new(), first: 0 }
    }
}

impl V6 {
    /// Its bytes behind the Ethernet addresses.
    pub fn holding(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let len = ((self.extensions.len() + payload.len()) as u16).to_be_bytes();
        let first = if self.extensions.is_empty() { protocol } else { self.first };
        let mut bytes = vec![0x86, 0xdd];
        bytes.extend(self.head);
        bytes.extend([len[0], len[1], first, self.hops]);
        bytes.extend(self.source);
        bytes.extend(self.destination);
        bytes.extend(&self.extensions);
        bytes.extend(payload);
        bytes
    }

    /// The packet that answers it: addresses exchanged, hop limit 64, no extension headers.
    pub fn back(&self) -> V6 {
        let (source, destination) = (self.destination, self.source);
        V6 { source, destination, hops: 64, extensions: Vec::new(), ..self.clone() }
    }

    pub fn pseudo(&self, protocol: u8, len: usize) -> u32 {
        words(&self.source) + words(&self.destination) + u32::from(protocol) + len as u32
    }
}

/// Puts the checksum of `bytes` at `at`, `pseudo` being the sum of what else it covers.
pub fn summed(mut bytes: Vec<u8>, at: usize, pseudo: u32) -> Vec<u8> {
    bytes[at..at + 2].fill(0);
    let sum = (!fold(pseudo + words(&bytes))).to_be_bytes();
    bytes[at..at + 2].copy_from_slice(&sum);
    bytes
}

/// An ICMP echo message.
pub fn echo(kind: u8, payload: &[u8]) -> Vec<u8> {
    summed([&[kind, 0, 0, 0, 0x77, 0x01, 0, 9], payload].concat(), 2, 0)
}

/// An ICMPv6 echo message in this packet.
pub fn echo_v6(ip: &V6, kind: u8, payload: &[u8]) -> Vec<u8> {
    let bytes = [&[kind, 0, 0, 0, 0x77, 0x01, 0, 9], payload].concat();
    let pseudo = ip.pseudo(58, bytes.len());
    summed(bytes, 2, pseudo)
}

/// A UDP datagram whose pseudo-header has this sum (without the length).
pub fn udp(pseudo: u32, from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    let mut bytes = Vec::new();
    for field in [from, to, len, 0] {
        bytes.extend(field.to_be_bytes());
    }
    bytes.extend(payload);
    let bytes = summed(bytes, 6, pseudo + u32::from(len));
    if bytes[6..8] == [0, 0] { [&bytes[..6], &[0xff, 0xff], &bytes[8..]].concat() } else { bytes }
}

/// A neighbour solicitation for `target` in this packet.
pub fn solicitation(ip: &V6, target: [u8; 16], options: &[u8]) -> Vec<u8> {
    let bytes = [&[135, 0, 0, 0, 0, 0, 0, 0], &target[..], options].concat();
    let pseudo = ip.pseudo(58, bytes.len());
    summed(bytes, 2, pseudo)
}
