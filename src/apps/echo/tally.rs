//! What was answered.

use serde::Serialize;

use super::fate::Kind;
use crate::reduce::Tally;

/// What this application did; its drops are in the books, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EchoTally {
    /// Answers by what they answer.
    pub answered: Answered,
    /// Messages of sockperf that wanted no answer; they are consumed.
    pub heard: u64,
    /// Packets that were none of its business.
    pub others: u64,
}

/// Answers by what they answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// ARP requests.
    pub arp: u64,
    /// IPv6 neighbour solicitations.
    pub neighbour: u64,
    /// ICMP echo requests.
    pub icmp: u64,
    /// ICMPv6 echo requests.
    pub icmpv6: u64,
    /// UDP datagrams.
    pub udp: u64,
}

impl Answered {
    #[inline]
    pub(super) fn add(&mut self, kind: Kind) {
        *match kind {
            Kind::Arp => &mut self.arp,
            Kind::Neighbour => &mut self.neighbour,
            Kind::Icmp => &mut self.icmp,
            Kind::Icmpv6 => &mut self.icmpv6,
            Kind::Udp => &mut self.udp,
        } += 1;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.arp + self.neighbour + self.icmp + self.icmpv6 + self.udp
    }
}

impl Tally for EchoTally {
    fn merge(&mut self, other: EchoTally) {
        self.answered.arp += other.answered.arp;
        self.answered.neighbour += other.answered.neighbour;
        self.answered.icmp += other.answered.icmp;
        self.answered.icmpv6 += other.answered.icmpv6;
        self.answered.udp += other.answered.udp;
        self.heard += other.heard;
        self.others += other.others;
    }
}
