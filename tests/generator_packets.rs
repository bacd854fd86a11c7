//! What the generator's packets say, with etherparse as the judge.

mod generator_rig;

use std::collections::{HashMap, HashSet};

use etherparse::{NetSlice, SlicedPacket, TcpSlice, TransportSlice};
use generator_rig::{Received, packets};
use mnvkd::packet::checksum::{ChecksumState, states};
use mnvkd::packet::flow::{Direction, FlowKey};
use mnvkd::packet::layers::{Network, Transport};
use mnvkd::port::generator::{GeneratorConfig, Size};

fn mixed(size: Size) -> GeneratorConfig {
    GeneratorConfig {
        size,
        flows: 64,
        ipv6_share: 0.5,
        tcp_share: 0.5,
        vlan_share: 0.5,
        ..Default::default()
    }
}

/// Checks every length and checksum; returns what TCP says, if it does.
fn judge(bytes: &[u8]) -> Option<TcpSlice<'_>> {
    let sliced = SlicedPacket::from_ethernet(bytes).unwrap();
    let ethernet = sliced.link.as_ref().unwrap().to_header().unwrap().ethernet2().unwrap();
    assert!(
        ethernet.source[0] & 3 == 2 && ethernet.destination[0] & 3 == 2,
        "locally administered, one host"
    );
    match (sliced.net.as_ref().unwrap(), sliced.transport.as_ref().unwrap()) {
        (NetSlice::Ipv4(ip), transport) => {
            let header = ip.header();
            assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
            let (from, to) = (header.source(), header.destination());
            match transport {
                TransportSlice::Udp(udp) => {
                    let expected = udp.to_header().calc_checksum_ipv4_raw(from, to, udp.payload()).unwrap();
                    assert_eq!(udp.checksum(), expected);
                    assert_eq!(ip.payload().payload.len(), usize::from(udp.length()));
                }
                TransportSlice::Tcp(tcp) => {
                    assert_eq!(tcp.checksum(), tcp.calc_checksum_ipv4(from, to).unwrap())
                }
                other => panic!("{other:?}"),
            }
        }
        (NetSlice::Ipv6(ip), transport) => {
            let (from, to) = (ip.header().source(), ip.header().destination());
            match transport {
                TransportSlice::Udp(udp) => {
                    let expected = udp.to_header().calc_checksum_ipv6_raw(from, to, udp.payload()).unwrap();
                    assert_eq!(udp.checksum(), expected);
                    assert_eq!(ip.payload().payload.len(), usize::from(udp.length()));
                }
                TransportSlice::Tcp(tcp) => {
                    assert_eq!(tcp.checksum(), tcp.calc_checksum_ipv6(from, to).unwrap())
                }
                other => panic!("{other:?}"),
            }
        }
        (other, _) => panic!("{other:?}"),
    }
    match sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => Some(tcp),
        _ => None,
    }
}

fn key(packet: &Received) -> (FlowKey, Direction) {
    FlowKey::of(&packet.bytes, packet.layers()).unwrap()
}

#[test]
fn every_packet_parses_and_its_checksums_are_right() {
    for size in [60, 61, 64, 76, 77, 80, 81, 128, 1514, 9018].map(Size::Bytes).into_iter().chain([Size::Imix])
    {
        for packet in packets(mixed(size), 7, 64 * 40) {
            judge(&packet.bytes);
            let layers = packet.layers();
            assert_eq!(layers.malformed(), None);
            let (ip, transport) = states(&packet.bytes, layers, packet.bytes.len() as u32);
            assert!(matches!(ip, None | Some(ChecksumState::Good)), "{size}: {ip:?}");
            assert_eq!(transport, Some(ChecksumState::Good), "{size}");
        }
    }
}

#[test]
fn sizes_are_what_was_asked_for_or_what_the_headers_need() {
    for size in [60u32, 64, 76, 80, 1514] {
        for packet in packets(mixed(Size::Bytes(size)), 7, 2000) {
            let layers = packet.layers();
            let headers =
                layers.transport_offset() + if layers.transport() == Transport::Tcp { 20 } else { 8 };
            assert_eq!(packet.bytes.len(), (size as usize).max(headers + 2));
        }
    }
}

#[test]
fn imix_is_seven_to_four_to_one() {
    let config = GeneratorConfig { size: Size::Imix, ..GeneratorConfig::default() };
    let mut seen = HashMap::new();
    for packet in packets(config, 3, 120_000) {
        *seen.entry(packet.bytes.len()).or_insert(0i64) += 1;
    }
    for (size, count) in [(60, 70_000), (590, 40_000), (1514, 10_000)] {
        assert!((seen[&size] - count).abs() < 1000, "{size}: {}", seen[&size]);
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn shares_are_exact_and_independent_and_flows_are_distinct() {
    let config = GeneratorConfig {
        flows: 8000,
        ipv6_share: 0.3,
        tcp_share: 0.75,
        vlan_share: 0.1,
        ..GeneratorConfig::default()
    };
    let first = packets(config, 5, 8000);
    let count = |what: fn(&Received) -> bool| first.iter().filter(|packet| what(packet)).count();
    assert_eq!(count(|packet| packet.layers().network() == Network::Ipv6), 2400);
    assert_eq!(count(|packet| packet.layers().transport() == Transport::Tcp), 6000);
    assert_eq!(count(|packet| packet.layers().has_vlan()), 800);
    let both = count(|packet| packet.layers().network() == Network::Ipv6 && packet.layers().has_vlan());
    assert!((190..290).contains(&both), "{both} of 240");
    assert_eq!(first.iter().map(|packet| key(packet).0).collect::<HashSet<_>>().len(), 8000);
}

#[test]
fn tcp_opens_and_then_counts_what_it_carries() {
    for bidirectional in [true, false] {
        let config =
            GeneratorConfig { flows: 4, ipv6_share: 0.5, tcp_share: 1.0, bidirectional, ..mixed(Size::Imix) };
        let all = packets(config, 11, 4 * 200);
        for flow in 0..4 {
            let own: Vec<&Received> = all.iter().skip(flow).step_by(4).collect();
            let client = key(own[0]).1;
            let opening = if bidirectional { &["S", "sa", "A"][..] } else { &["S", "A"] };
            let mut next: HashMap<bool, u32> = HashMap::new();
            let mut spoken = HashSet::new();
            for (number, packet) in own.iter().enumerate() {
                assert_eq!(key(packet).0, key(own[0]).0);
                let from_client = key(packet).1 == client;
                let tcp = judge(&packet.bytes).unwrap();
                let flags: String = [(tcp.syn(), "s"), (tcp.psh(), "p"), (tcp.ack(), "a")]
                    .map(|(set, name)| if set { name } else { "" })
                    .concat();
                let flags = if from_client { flags.to_uppercase() } else { flags };
                let data = if from_client { "PA" } else { "pa" };
                assert_eq!(flags, opening.get(number).copied().unwrap_or(data), "packet {number}");
                assert_eq!(tcp.payload().is_empty(), number < opening.len());
                let sequence = *next.entry(from_client).or_insert(tcp.sequence_number());
                assert_eq!(tcp.sequence_number(), sequence);
                if tcp.ack() {
                    let other = *next.entry(!from_client).or_insert(tcp.acknowledgment_number());
                    assert_eq!(tcp.acknowledgment_number(), other);
                }
                let counted = tcp.payload().len() as u32 + u32::from(tcp.syn());
                next.insert(from_client, sequence.wrapping_add(counted));
                spoken.insert(from_client);
            }
            assert_eq!(spoken.len(), if bidirectional { 2 } else { 1 });
        }
    }
}

#[test]
fn the_seed_decides() {
    let first = packets(mixed(Size::Imix), 1, 3000);
    assert_eq!(first, packets(mixed(Size::Imix), 1, 3000));
    let other = packets(mixed(Size::Imix), 2, 3000);
    let keys = |packets: &[Received]| packets.iter().map(|packet| key(packet).0).collect::<HashSet<_>>();
    assert!(keys(&first).is_disjoint(&keys(&other)));
}
