//! The account of packets.

use crate::packet::Reason;

/// What became of the packets one core (or, merged, all cores) took in:
/// received + originated = forwarded + consumed + dropped by reason + held, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    /// Packets ports handed over.
    pub received: u64,
    /// Packets that tasks of applications made themselves.
    pub originated: u64,
    /// Packets ports took.
    pub forwarded: u64,
    /// Packets applications consumed.
    pub consumed: u64,
    /// Packets dropped, by the number of the reason.
    pub dropped: [u64; Reason::LIMIT],
    /// Packets somebody still has.
    pub held: u64,
}

impl Default for Books {
    fn default() -> Self {
        Books { received: 0, originated: 0, forwarded: 0, consumed: 0, dropped: [0; Reason::LIMIT], held: 0 }
    }
}

impl Books {
    /// Packets dropped for all reasons.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Packets whose fate is known.
    pub fn accounted(&self) -> u64 {
        self.forwarded + self.consumed + self.dropped_total() + self.held
    }

    /// Received and originated less accounted for; 0, or something is wrong with mnvkd.
    pub fn unaccounted(&self) -> i64 {
        (self.received + self.originated) as i64 - self.accounted() as i64
    }

    /// Counts packets as dropped.
    #[inline]
    pub fn drop_packets(&mut self, reason: Reason, packets: u64) {
        self.dropped[reason.index()] += packets;
    }

    /// Adds another core's.
    pub fn merge(&mut self, other: &Books) {
        self.received += other.received;
        self.originated += other.originated;
        self.forwarded += other.forwarded;
        self.consumed += other.consumed;
        self.held += other.held;
        for (mine, theirs) in self.dropped.iter_mut().zip(&other.dropped) {
            *mine += theirs;
        }
    }
}
