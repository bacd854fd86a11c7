//! What is counted of every packet, flow or not: flat arrays, summed up to something readable once.

use std::ops::AddAssign;

use serde::Serialize;

use crate::packet::Packet;
use crate::packet::checksum::{ChecksumState, states};
use crate::packet::layers::{Layers, Malformed, Network, Transport};

/// Packets and their bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

impl Count {
    #[inline]
    pub(super) fn add(&mut self, bytes: u32) {
        self.packets += 1;
        self.bytes += u64::from(bytes);
    }
}

/// What a packet is, as far as its headers say: a number that one counter each is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class(usize);

impl Class {
    const COUNT: usize = 128;

    #[inline]
    fn of(layers: Layers) -> Class {
        let flags = usize::from(layers.is_fragment()) << 5 | usize::from(layers.has_vlan()) << 6;
        Class(layers.network() as usize | (layers.transport() as usize) << 2 | flags)
    }

    pub(super) fn network(self) -> Network {
        const NETWORKS: [Network; 4] = [Network::Unparsed, Network::Ipv4, Network::Ipv6, Network::Other];
        NETWORKS[self.0 & 3]
    }

    pub(super) fn is_ip(self) -> bool {
        matches!(self.network(), Network::Ipv4 | Network::Ipv6)
    }

    pub(super) fn is_transport(self, transport: Transport) -> bool {
        self.0 >> 2 & 7 == transport as usize
    }

    pub(super) fn is_fragment(self) -> bool {
        self.0 & 1 << 5 != 0
    }

    pub(super) fn has_vlan(self) -> bool {
        self.0 & 1 << 6 != 0
    }
}

/// Checksums by state.
pub(super) type States = [u64; ChecksumState::ALL.len()];

/// The counters of one core, or of several added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counters {
    classes: [Count; Class::COUNT],
    /// Packets a capture cut.
    pub(super) snapped: u64,
    /// Bytes that are here.
    pub(super) captured_bytes: u64,
    /// By code of [`Malformed`].
    malformed: [u64; Malformed::ALL.len() + 1],
    /// Is anybody looking at checksums? If not, none was seen and that says nothing.
    pub(super) verifies: bool,
    pub(super) ipv4: States,
    pub(super) tcp: States,
    pub(super) udp: States,
    /// Packets of flows that found no room in the table.
    pub(super) full: Count,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            classes: [Count::default(); Class::COUNT],
            snapped: 0,
            captured_bytes: 0,
            malformed: [0; Malformed::ALL.len() + 1],
            verifies: false,
            ipv4: States::default(),
            tcp: States::default(),
            udp: States::default(),
            full: Count::default(),
        }
    }
}

impl Counters {
    pub(super) fn new(verifies: bool) -> Counters {
        Counters { verifies, ..Counters::default() }
    }

    /// Takes in a packet that was `bytes` long on the wire.
    #[inline]
    pub(super) fn count(&mut self, packet: &Packet, bytes: u32) {
        let (data, layers) = (packet.data(), packet.layers());
        self.classes[Class::of(layers).0].add(bytes);
        self.captured_bytes += data.len() as u64;
        self.snapped += u64::from(data.len() < bytes as usize);
        if let Some(kind) = layers.malformed() {
            self.malformed[kind as usize] += 1;
        }
        if self.verifies {
            self.verify(data, layers, bytes);
        }
    }

    #[inline]
    fn verify(&mut self, data: &[u8], layers: Layers, wire_len: u32) {
        let (ipv4, transport) = states(data, layers, wire_len);
        if let Some(state) = ipv4 {
            self.ipv4[state as usize] += 1;
        }
        let by_state = match layers.transport() {
            Transport::Tcp => &mut self.tcp,
            Transport::Udp => &mut self.udp,
            _ => return,
        };
        if let Some(state) = transport {
            by_state[state as usize] += 1;
        }
    }

    pub(super) fn merge(&mut self, other: &Counters) {
        for (to, from) in self.classes.iter_mut().zip(other.classes) {
            *to += from;
        }
        add(&mut self.malformed, &other.malformed);
        add(&mut self.ipv4, &other.ipv4);
        add(&mut self.tcp, &other.tcp);
        add(&mut self.udp, &other.udp);
        self.snapped += other.snapped;
        self.captured_bytes += other.captured_bytes;
        self.verifies |= other.verifies;
        self.full += other.full;
    }

    /// Packets of all classes that `which` wants.
    pub(super) fn total(&self, which: impl Fn(Class) -> bool) -> Count {
        let mut total = Count::default();
        for (number, count) in self.classes.iter().enumerate() {
            if which(Class(number)) {
                total += *count;
            }
        }
        total
    }

    /// Malformed packets of every kind.
    pub(super) fn malformed(&self) -> impl Iterator<Item = (Malformed, u64)> + '_ {
        Malformed::ALL.into_iter().map(|kind| (kind, self.malformed[kind as usize]))
    }
}

fn add(to: &mut [u64], from: &[u64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}
