//! The tally as it appears in reports.

use std::collections::BTreeMap;

use serde::Serialize;

use super::counters::{Class, Count, Counters, States};
use super::flow::Flow;
use crate::packet::flow::FlowKey;
use crate::packet::layers::{Network, Transport};

/// All that the flow meter says in a report: the flows themselves are in its export. Nothing of it
/// depends on how many cores there were, unless a table was full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Conversations.
    pub flows: u64,
    /// Directions of conversations in which there was a packet.
    pub directional_flows: u64,
    /// Packets, all of them.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Their bytes that are here: fewer where a capture cut packets.
    pub captured_bytes: u64,
    /// Packets a capture cut.
    pub snapped: u64,
    /// Packets with a VLAN tag that was looked through.
    pub vlan: u64,
    /// Packets by protocol of the outer IP header; adds up to all packets.
    pub protocols: Protocols,
    /// Fragments by IP version.
    pub fragments: Fragments,
    /// Malformed packets by kind, the kinds that occurred.
    pub malformed: BTreeMap<&'static str, u64>,
    /// Checksums by state; `null` where they are not looked at.
    pub checksums: Option<Checksums>,
    /// The flow table.
    pub table: Table,
}

/// Packets by protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Protocols {
    /// TCP, with ports.
    pub tcp: Count,
    /// UDP, with ports.
    pub udp: Count,
    /// SCTP, with ports.
    pub sctp: Count,
    /// ICMP.
    pub icmp: Count,
    /// ICMPv6.
    pub icmpv6: Count,
    /// Any other protocol over IP.
    pub other: Count,
    /// Fragments, of whatever protocol.
    pub fragment: Count,
    /// IP whose transport header could not be reached: cut off, or malformed.
    pub unreached: Count,
    /// Not IP.
    pub non_ip: Count,
}

/// Fragments (IPv4 with MF or an offset, IPv6 with a fragment header).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fragments {
    /// Of IPv4 datagrams.
    pub ipv4: u64,
    /// Of IPv6 packets.
    pub ipv6: u64,
}

/// Checksums by header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Checksums {
    /// Outer IPv4 headers.
    pub ipv4: Verified,
    /// TCP in the outer IP header.
    pub tcp: Verified,
    /// UDP in the outer IP header.
    pub udp: Verified,
}

/// Checksums by state, see [`ChecksumState`](crate::packet::checksum::ChecksumState).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Right.
    pub good: u64,
    /// Wrong.
    pub bad: u64,
    /// Left to the network card of the sending host.
    pub offload_partial: u64,
    /// None.
    pub absent: u64,
    /// Cannot be told.
    pub unverifiable: u64,
}

/// The flow tables of all cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Places taken.
    pub occupancy: u64,
    /// Packets of flows that found no place: in all counts, but in no flow.
    pub full_packets: u64,
    /// Their bytes on the wire.
    pub full_bytes: u64,
}

impl Summary {
    pub(super) fn of(counters: &Counters, flows: &[(FlowKey, Flow)]) -> Summary {
        let all = counters.total(|_| true);
        let directions = |flow: &Flow| flow.packets.iter().filter(|packets| **packets > 0).count() as u64;
        Summary {
            flows: flows.len() as u64,
            directional_flows: flows.iter().map(|(_, flow)| directions(flow)).sum(),
            packets: all.packets,
            bytes: all.bytes,
            captured_bytes: counters.captured_bytes,
            snapped: counters.snapped,
            vlan: counters.total(Class::has_vlan).packets,
            protocols: Protocols::of(counters),
            fragments: Fragments {
                ipv4: counters.total(|class| class.is_fragment() && class.network() == Network::Ipv4).packets,
                ipv6: counters.total(|class| class.is_fragment() && class.network() == Network::Ipv6).packets,
            },
            malformed: counters
                .malformed()
                .filter(|(_, packets)| *packets > 0)
                .map(|(kind, packets)| (kind.name(), packets))
                .collect(),
            checksums: counters.verifies.then(|| Checksums {
                ipv4: Verified::of(counters.ipv4),
                tcp: Verified::of(counters.tcp),
                udp: Verified::of(counters.udp),
            }),
            table: Table {
                occupancy: flows.len() as u64,
                full_packets: counters.full.packets,
                full_bytes: counters.full.bytes,
            },
        }
    }
}

impl Protocols {
    fn of(counters: &Counters) -> Protocols {
        let carried = |transport| {
            counters.total(|class| class.is_ip() && !class.is_fragment() && class.is_transport(transport))
        };
        Protocols {
            tcp: carried(Transport::Tcp),
            udp: carried(Transport::Udp),
            sctp: carried(Transport::Sctp),
            icmp: carried(Transport::Icmp),
            icmpv6: carried(Transport::Icmpv6),
            other: carried(Transport::Other),
            fragment: counters.total(|class| class.is_ip() && class.is_fragment()),
            unreached: carried(Transport::None),
            non_ip: counters.total(|class| !class.is_ip()),
        }
    }
}

impl Verified {
    /// In the order of [`ChecksumState::ALL`](crate::packet::checksum::ChecksumState::ALL).
    fn of([good, bad, offload_partial, absent, unverifiable]: States) -> Verified {
        Verified { good, bad, offload_partial, absent, unverifiable }
    }
}
