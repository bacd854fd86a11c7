//! One packet of each kind, and one for each thing that can be wrong with it.

use mnvkd::packet::checksum::{ChecksumState, states};
use mnvkd::packet::flow::FlowKey;
use mnvkd::packet::layers::{Layers, LinkClass, Malformed, Network, Transport};
use mnvkd::steer::parse::parse;

/// UDP from port 4660 to 53 with 4 bytes of payload.
const UDP: [u8; 12] = [0x12, 0x34, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4];

fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len()) as u16;
    let mut bytes = vec![0x45, 0];
    bytes.extend(total.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend(payload);
    bytes
}

fn ipv6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend([protocol, 64]);
    bytes.extend(1u128.to_be_bytes());
    bytes.extend(2u128.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// `header` in hexadecimal, then `payload`.
fn after(header: &str, payload: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = header.bytes().filter(|byte| *byte != b' ').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).chain(payload.iter().copied()).collect()
}

const MACS: &str = "020000000001 020000000002";

fn ethernet(rest: &str, payload: &[u8]) -> Vec<u8> {
    after(&format!("{MACS} {rest}"), payload)
}

fn raw(bytes: &[u8]) -> Layers {
    parse(LinkClass::RawIp, bytes, 0)
}

#[track_caller]
fn leads_to(link: LinkClass, bytes: &[u8], network: Network, offset: usize) -> Layers {
    let layers = parse(link, bytes, 0);
    assert_eq!(layers.malformed(), None);
    assert_eq!((layers.network(), layers.network_offset()), (network, offset));
    if network != Network::Other {
        assert_eq!(layers.transport(), Transport::Udp);
        let (key, direction) = FlowKey::of(bytes, layers).unwrap();
        assert_eq!((key.ends(direction).0.port(), key.ends(direction).1.port()), (0x1234, 53));
    }
    layers
}

#[test]
fn every_link_layer() {
    use LinkClass::*;
    let (four, six) = (ipv4(17, &UDP), ipv6(17, &UDP));
    leads_to(Ethernet, &ethernet("0800", &four), Network::Ipv4, 14);
    leads_to(Ethernet, &ethernet("86dd", &six), Network::Ipv6, 14);
    leads_to(Ethernet, &ethernet("0806", &[0; 28]), Network::Other, 14);
    leads_to(Ethernet, &ethernet("001c aaaa03 000000 0800", &four), Network::Ipv4, 22);
    leads_to(Ethernet, &ethernet("0026 424203", &[0; 35]), Network::Other, 14);
    leads_to(RawIp, &four, Network::Ipv4, 0);
    leads_to(RawIp, &six, Network::Ipv6, 0);
    leads_to(LinuxSll, &after("0000 0001 0006 020000000001 0000 0800", &four), Network::Ipv4, 16);
    leads_to(LinuxSll, &after("0000 0001 0006 020000000001 0000 8100 0001 86dd", &six), Network::Ipv6, 20);
    leads_to(LinuxSll2, &after("86dd 0000 00000001 0001 00 06 0200000000010000", &six), Network::Ipv6, 20);
    for family in ["02000000", "00000002"] {
        leads_to(Null, &after(family, &four), Network::Ipv4, 4);
    }
    for family in ["18000000", "0000001c", "1e000000", "0000000a"] {
        leads_to(Null, &after(family, &six), Network::Ipv6, 4);
    }
    leads_to(Null, &after("07000000", &six), Network::Other, 4);
    leads_to(Opaque, &four, Network::Other, 0);
}

#[test]
fn tags_labels_and_sessions_are_looked_through() {
    let (four, six) = (ipv4(17, &UDP), ipv6(17, &UDP));
    let eth = LinkClass::Ethernet;
    for kind in ["8100", "88a8", "9100", "9200"] {
        let tagged = leads_to(eth, &ethernet(&format!("{kind} 0064 86dd"), &six), Network::Ipv6, 18);
        assert!(tagged.has_vlan());
    }
    assert!(leads_to(eth, &ethernet("88a8 0001 8100 0002 0800", &four), Network::Ipv4, 22).has_vlan());
    assert!(leads_to(eth, &ethernet("8100 0001 0806", &[0; 28]), Network::Other, 18).has_vlan());
    assert!(!leads_to(eth, &ethernet("8847 00010040 000201ff", &four), Network::Ipv4, 22).has_vlan());
    leads_to(eth, &ethernet("8848 000101ff", &six), Network::Ipv6, 18);
    leads_to(eth, &ethernet("8847 000101ff", &[0x10; 40]), Network::Other, 18);
    leads_to(eth, &ethernet("8864 11000001 0022 0021", &four), Network::Ipv4, 22);
    leads_to(eth, &ethernet("8100 0005 8864 11000001 0022 0057", &six), Network::Ipv6, 26);
    leads_to(eth, &ethernet("8864 11000001 0008 c021", &[0; 6]), Network::Other, 22);
    // A pseudowire with a control word, and one whose frame is not IP.
    let wire = format!("8847 000101ff 00000000 {MACS}");
    assert!(leads_to(eth, &ethernet(&format!("{wire} 8100 0001 0800"), &four), Network::Ipv4, 40).has_vlan());
    leads_to(eth, &ethernet(&format!("{wire} 0806"), &[0; 28]), Network::Other, 18);
}

#[test]
fn stacks_without_a_bottom_end() {
    let eth = LinkClass::Ethernet;
    let tags = ethernet(&format!("8100 {}", "0001 8100 ".repeat(100)), &[]);
    let labels = ethernet(&format!("8847 {}", "00010000 ".repeat(100)), &[]);
    for bytes in [tags, labels] {
        let layers = parse(eth, &bytes, 0);
        assert_eq!((layers.network(), layers.malformed()), (Network::Other, Some(Malformed::LinkTruncated)));
    }
    let wires =
        ethernet(&format!("8847 {}", "000101ff 00000000 000000000000 000000000000 8847 ".repeat(99)), &[]);
    assert_eq!(parse(eth, &wires, 0).network(), Network::Other);
}

#[test]
fn extension_headers() {
    // Hop-by-hop, routing, destination, AH, then UDP: 8 + 16 + 8 + 12 bytes.
    let mut chain = after("2b 00 000000000000", &[]);
    chain.extend(after("3c 01 0000 000000000000000000000000", &[]));
    chain.extend(after("33 00 000000000000", &[]));
    chain.extend(after("11 01 0000 00000001 00000001", &UDP));
    let bytes = ipv6(0, &chain);
    let layers = leads_to(LinkClass::RawIp, &bytes, Network::Ipv6, 0);
    assert_eq!(layers.transport_offset(), 40 + 44);
    // IPv4 through AH.
    let bytes = ipv4(51, &after("11 01 0000 00000001 00000001", &UDP));
    assert_eq!(leads_to(LinkClass::RawIp, &bytes, Network::Ipv4, 0).transport_offset(), 32);

    let none = raw(&ipv6(59, &[]));
    assert_eq!((none.transport(), none.malformed()), (Transport::None, None));
    let esp = raw(&ipv6(50, &[0; 20]));
    assert_eq!((esp.transport(), esp.malformed()), (Transport::Other, None));

    let long = [after("00 3f", &[0; 510]), after("11 3f", &[0; 510]), UDP.to_vec()].concat();
    let layers = raw(&ipv6(0, &long));
    assert_eq!((layers.network(), layers.malformed()), (Network::Ipv6, Some(Malformed::ExtensionLimit)));
    let cut = raw(&ipv6(0, &after("11 02", &[0; 14])));
    assert_eq!(cut.malformed(), Some(Malformed::ExtensionTruncated));
}

#[test]
fn fragments() {
    let mut bytes = ipv4(17, &UDP);
    for (field, first) in [([0x20, 0x00], true), ([0x20, 0x01], false), ([0x00, 0x01], false)] {
        bytes[6..8].copy_from_slice(&field);
        let layers = raw(&bytes);
        assert_eq!((layers.is_fragment(), layers.is_first_fragment()), (true, first));
        assert_eq!((layers.transport(), layers.malformed()), (Transport::None, None));
        assert_eq!(FlowKey::of(&bytes, layers), None);
    }
    bytes[6..8].copy_from_slice(&[0x40, 0]);
    assert!(!raw(&bytes).is_fragment());
    let atomic = raw(&ipv6(44, &after("11 00 0000 00000001", &UDP)));
    assert!(atomic.is_first_fragment() && atomic.transport() == Transport::None);
    let cut = raw(&ipv6(44, &[17, 0, 0]));
    assert_eq!((cut.is_fragment(), cut.malformed()), (true, Some(Malformed::ExtensionTruncated)));
}

#[test]
fn lengths_of_nothing_and_of_everything() {
    // Segmentation offload: the total length is 0, the datagram is as long as the packet.
    let mut tso = ipv4(17, &UDP);
    tso[2..4].fill(0);
    leads_to(LinkClass::RawIp, &tso, Network::Ipv4, 0);
    // A jumbogram; its UDP length is 0 too.
    let payload_len = 8 + 8 + 70_000u32;
    let mut jumbo = ipv6(0, &[]);
    jumbo.extend([17, 0, 0xc2, 4]);
    jumbo.extend(payload_len.to_be_bytes());
    jumbo.extend([0x12, 0x34, 0, 53, 0, 0, 0, 0]);
    jumbo.resize(40 + payload_len as usize, 0);
    leads_to(LinkClass::RawIp, &jumbo, Network::Ipv6, 0);
    // Without the option there is no room for a header.
    jumbo[42] = 1;
    assert_eq!(raw(&jumbo).malformed(), Some(Malformed::ExtensionTruncated));
}

#[track_caller]
fn broken(layers: Layers, network: Network, transport: Transport, kind: Malformed) {
    assert_eq!((layers.network(), layers.transport(), layers.malformed()), (network, transport, Some(kind)));
}

#[test]
fn every_kind_of_malformed() {
    use Network::{Ipv4, Ipv6, Other};
    let four = ipv4(17, &UDP);
    let patched = |at: usize, value: u8| {
        let mut bytes = four.clone();
        bytes[at] = value;
        raw(&bytes)
    };
    broken(parse(LinkClass::Ethernet, &[0; 13], 60), Other, Transport::None, Malformed::LinkTruncated);
    broken(parse(LinkClass::Null, &[2, 0, 0], 60), Other, Transport::None, Malformed::LinkTruncated);
    broken(raw(&four[..19]), Other, Transport::None, Malformed::NetworkTruncated);
    broken(raw(&ipv6(17, &[])[..39]), Other, Transport::None, Malformed::NetworkTruncated);
    broken(patched(0, 0x4f), Other, Transport::None, Malformed::NetworkTruncated);
    broken(patched(0, 0x55), Other, Transport::None, Malformed::BadVersion);
    let mismatch = parse(LinkClass::Ethernet, &ethernet("0800", &ipv6(17, &UDP)), 0);
    broken(mismatch, Other, Transport::None, Malformed::BadVersion);
    broken(patched(0, 0x44), Ipv4, Transport::None, Malformed::BadHeaderLength);
    broken(patched(3, 19), Ipv4, Transport::None, Malformed::BadTotalLength);
    broken(patched(3, 23), Ipv4, Transport::None, Malformed::TransportTruncated);
    broken(patched(3, 27), Ipv4, Transport::Udp, Malformed::TransportTruncated);
    broken(patched(3, 33), Ipv4, Transport::Udp, Malformed::LengthBeyondPacket);
    broken(patched(25, 7), Ipv4, Transport::Udp, Malformed::BadUdpLength);
    broken(patched(25, 13), Ipv4, Transport::Udp, Malformed::BadUdpLength);
    let mut tcp = [0; 20];
    for (offset, header) in [(0x40, 20), (0x60, 20)] {
        tcp[12] = offset;
        broken(raw(&ipv6(6, &tcp[..header])), Ipv6, Transport::Tcp, Malformed::BadTcpOffset);
    }
    broken(raw(&ipv4(132, &[0; 11])), Ipv4, Transport::Sctp, Malformed::TransportTruncated);
    broken(raw(&ipv4(1, &[8, 0])), Ipv4, Transport::Icmp, Malformed::TransportTruncated);
    broken(raw(&ipv6(58, &[128])), Ipv6, Transport::Icmpv6, Malformed::TransportTruncated);
}

#[test]
fn cut_by_the_capture_is_not_malformed() {
    let bytes = ipv4(17, &UDP);
    let layers = parse(LinkClass::RawIp, &bytes[..28], bytes.len() as u32);
    assert_eq!((layers.transport(), layers.malformed()), (Transport::Udp, None));
    assert!(FlowKey::of(&bytes[..28], layers).is_some());
    let mut summed = bytes.clone();
    summed[26] = 1;
    let state = states(&summed[..28], layers, bytes.len() as u32);
    assert_eq!(state, (Some(ChecksumState::OffloadPartial), Some(ChecksumState::Unverifiable)));
}

#[test]
fn a_routing_header_with_segments_left_hides_the_destination() {
    for (left, state) in [(0, ChecksumState::Bad), (1, ChecksumState::Unverifiable)] {
        let mut udp = UDP;
        udp[6] = 1;
        let bytes = ipv6(43, &[&[17, 2, 0, left][..], &[0; 20], &udp].concat());
        assert_eq!(states(&bytes, raw(&bytes), 0), (None, Some(state)));
    }
}
