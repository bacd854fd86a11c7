//! What is known of one flow.

use zerocopy::FromZeros;

use crate::packet::flow::{Direction, FlowKey};

/// What was seen of one conversation. Pairs are by direction: `[a to b, b to a]`, `a` being the lower
/// endpoint of the flow's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
pub struct Flow {
    /// Packets.
    pub packets: [u64; 2],
    /// Bytes on the wire.
    pub bytes: [u64; 2],
    /// Time of the earliest packet, nanoseconds.
    pub first_ns: u64,
    /// Time of the latest packet, nanoseconds.
    pub last_ns: u64,
    /// All TCP flags seen, ored (RFC 9293 section 3.1: FIN is 1, CWR is 128); 0 where it is not TCP.
    pub flags: [u8; 2],
}

/// A flow nothing was seen of.
impl Default for Flow {
    fn default() -> Flow {
        Flow { packets: [0; 2], bytes: [0; 2], first_ns: u64::MAX, last_ns: 0, flags: [0; 2] }
    }
}

impl Flow {
    /// Takes in a packet.
    #[inline]
    pub(super) fn add(&mut self, sight: &Sight) {
        let way = sight.direction.index();
        self.packets[way] += 1;
        self.bytes[way] += u64::from(sight.bytes);
        self.flags[way] |= sight.flags;
        self.first_ns = self.first_ns.min(sight.time_ns);
        self.last_ns = self.last_ns.max(sight.time_ns);
    }

    /// Takes in what was seen of the same flow elsewhere.
    pub(super) fn merge(&mut self, other: &Flow) {
        for way in [0, 1] {
            self.packets[way] += other.packets[way];
            self.bytes[way] += other.bytes[way];
            self.flags[way] |= other.flags[way];
        }
        self.first_ns = self.first_ns.min(other.first_ns);
        self.last_ns = self.last_ns.max(other.last_ns);
    }

    /// All of it as bytes, the same on every machine.
    pub(super) fn to_bytes(self) -> [u8; 50] {
        let [p, q] = self.packets;
        let [r, s] = self.bytes;
        let mut bytes = [0; 50];
        let words = [p, q, r, s, self.first_ns, self.last_ns];
        for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        [bytes[48], bytes[49]] = self.flags;
        bytes
    }
}

/// One packet of a flow, as far as the flow is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub(super) key: FlowKey,
    pub(super) time_ns: u64,
    pub(super) bytes: u32,
    pub(super) direction: Direction,
    pub(super) flags: u8,
}
