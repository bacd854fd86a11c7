//! The parser, the flow key, the checksums and the hash against etherparse: what it builds, we
//! read as it does; what is damaged, we survive.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    IpAuthHeader, IpFragOffset, IpHeaders, IpNumber, Ipv4Extensions, Ipv4Header, Ipv4Options, Ipv6Extensions,
    Ipv6FragmentHeader, Ipv6Header, Ipv6RawExtHeader, Ipv6RoutingExtensions, PacketBuilder, SlicedPacket,
    TransportSlice, VlanId,
};
use mnvkd::packet::checksum::{ChecksumState, fill_ipv4, fill_transport, states};
use mnvkd::packet::flow::FlowKey;
use mnvkd::packet::layers::{Layers, LinkClass, Network, Transport};
use mnvkd::steer::hash::flow_hash;
use mnvkd::steer::key::PartitionKey;
use mnvkd::steer::parse::parse;
use proptest::prelude::*;

/// A packet as proptest draws it.
#[derive(Clone, Debug)]
struct Recipe {
    tags: u8,
    ip: IpHeaders,
    transport: Transport,
    ports: (u16, u16),
    payload: Vec<u8>,
}

fn ipv4() -> impl Strategy<Value = IpHeaders> {
    let auth = proptest::option::of((0usize..5).prop_map(|words| vec![7; words * 4]));
    let fields = (any::<[u8; 4]>(), any::<[u8; 4]>(), 0usize..=10, any::<u8>(), any::<u16>());
    (fields, auth).prop_map(|((source, destination, options, ttl, identification), auth)| {
        let header = Ipv4Header {
            source,
            destination,
            time_to_live: ttl,
            identification,
            options: Ipv4Options::try_from(&vec![1; options * 4][..]).unwrap(),
            ..Default::default()
        };
        let auth = auth.map(|icv| IpAuthHeader::new(IpNumber(0), 1, 2, &icv).unwrap());
        IpHeaders::Ipv4(header, Ipv4Extensions { auth })
    })
}

fn raw(units: usize) -> Ipv6RawExtHeader {
    // Filled with Pad1 options; in a routing header that means no segments left.
    Ipv6RawExtHeader::new_raw(IpNumber(0), &vec![0; 6 + units * 8]).unwrap()
}

fn ipv6() -> impl Strategy<Value = IpHeaders> {
    let extension = || proptest::option::of((0usize..4).prop_map(raw));
    let auth = proptest::option::of((0usize..3).prop_map(|words| vec![7; words * 8 + 4]));
    let routing = (extension(), extension());
    (any::<[u8; 16]>(), any::<[u8; 16]>(), extension(), extension(), routing, auth, any::<u32>()).prop_map(
        |(source, destination, hop_by_hop_options, destination_options, routing, auth, label)| {
            let header = Ipv6Header {
                source,
                destination,
                flow_label: (label & 0xf_ffff).try_into().unwrap(),
                ..Default::default()
            };
            let (routing, final_destination_options) = routing;
            let routing = routing.map(|routing| Ipv6RoutingExtensions { routing, final_destination_options });
            let auth = auth.map(|icv| IpAuthHeader::new(IpNumber(0), 1, 2, &icv).unwrap());
            let extensions =
                Ipv6Extensions { hop_by_hop_options, destination_options, routing, fragment: None, auth };
            IpHeaders::Ipv6(header, extensions)
        },
    )
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let ip = prop_oneof![ipv4(), ipv6()];
    let transport = prop_oneof![Just(Transport::Tcp), Just(Transport::Udp), Just(Transport::Icmp)];
    let payload = proptest::collection::vec(any::<u8>(), 0..200);
    (0u8..3, ip, transport, any::<(u16, u16)>(), payload).prop_map(|(tags, ip, transport, ports, payload)| {
        let transport = match (&ip, transport) {
            (IpHeaders::Ipv6(..), Transport::Icmp) => Transport::Icmpv6,
            _ => transport,
        };
        Recipe { tags, ip, transport, ports, payload }
    })
}

impl Recipe {
    fn build(&self) -> Vec<u8> {
        let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let id = VlanId::try_new(100).unwrap();
        let ip = match self.tags {
            0 => link.ip(self.ip.clone()),
            1 => link.single_vlan(id).ip(self.ip.clone()),
            _ => link.double_vlan(id, id).ip(self.ip.clone()),
        };
        let (source, destination) = self.ports;
        let mut bytes = Vec::new();
        match self.transport {
            Transport::Tcp => {
                ip.tcp(source, destination, 1, 1000).ack(9).write(&mut bytes, &self.payload).unwrap()
            }
            Transport::Udp => ip.udp(source, destination).write(&mut bytes, &self.payload).unwrap(),
            Transport::Icmp => ip.icmpv4_echo_request(1, 2).write(&mut bytes, &self.payload).unwrap(),
            _ => ip.icmpv6_echo_request(1, 2).write(&mut bytes, &self.payload).unwrap(),
        }
        bytes
    }

    /// Its two ends, source first.
    fn ends(&self) -> (SocketAddr, SocketAddr) {
        let (from, to): (IpAddr, IpAddr) = match &self.ip {
            IpHeaders::Ipv4(header, _) => (header.source.into(), header.destination.into()),
            IpHeaders::Ipv6(header, _) => (header.source.into(), header.destination.into()),
        };
        (SocketAddr::new(from, self.ports.0), SocketAddr::new(to, self.ports.1))
    }

    /// The answer to this packet: addresses and ports swapped.
    fn answer(&self) -> Recipe {
        let mut answer = self.clone();
        match &mut answer.ip {
            IpHeaders::Ipv4(header, _) => std::mem::swap(&mut header.source, &mut header.destination),
            IpHeaders::Ipv6(header, _) => std::mem::swap(&mut header.source, &mut header.destination),
        }
        answer.ports = (self.ports.1, self.ports.0);
        answer
    }
}

fn start_of(slice: &[u8], bytes: &[u8]) -> usize {
    slice.as_ptr() as usize - bytes.as_ptr() as usize
}

fn ported(layers: Layers) -> bool {
    matches!(layers.transport(), Transport::Tcp | Transport::Udp | Transport::Sctp)
}

/// What the parser promises of any bytes at all.
fn promises(link: LinkClass, bytes: &[u8], wire_len: u32) -> Result<Layers, TestCaseError> {
    let layers = parse(link, bytes, wire_len);
    let network = layers.network_offset();
    prop_assert!(layers.is_parsed());
    prop_assert!(network <= bytes.len() && layers.transport_offset() <= bytes.len());
    match layers.network() {
        Network::Ipv4 => prop_assert!(network + 20 <= bytes.len() && bytes[network] >> 4 == 4),
        Network::Ipv6 => prop_assert!(network + 40 <= bytes.len() && bytes[network] >> 4 == 6),
        _ => prop_assert_eq!(layers.transport(), Transport::None),
    }
    if ported(layers) {
        prop_assert!(layers.transport_offset() + 4 <= bytes.len());
    }
    if layers.is_fragment() {
        prop_assert_eq!(layers.transport(), Transport::None);
    }
    prop_assert_eq!(FlowKey::of(bytes, layers).is_some(), ported(layers));
    Ok(layers)
}

/// Calls everything that reads bytes by way of layers; the point is that it returns.
fn exercise(link: LinkClass, bytes: &[u8], layers: Layers, wire_len: u32) {
    let _ = FlowKey::of(bytes, layers);
    let _ = states(bytes, layers, wire_len);
    for key in PartitionKey::ALL {
        let _ = flow_hash(link, bytes, layers, key, 7);
    }
    let mut copy = bytes.to_vec();
    let _ = (fill_ipv4(&mut copy, layers), fill_transport(&mut copy, layers));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn well_formed_packets_are_read_as_etherparse_reads_them(recipe in recipe()) {
        let bytes = recipe.build();
        let layers = promises(LinkClass::Ethernet, &bytes, bytes.len() as u32)?;
        let sliced = SlicedPacket::from_ethernet(&bytes).unwrap();
        let at = match sliced.transport.unwrap() {
            TransportSlice::Tcp(tcp) => start_of(tcp.slice(), &bytes),
            TransportSlice::Udp(udp) => start_of(udp.slice(), &bytes),
            TransportSlice::Icmpv4(icmp) => start_of(icmp.slice(), &bytes),
            TransportSlice::Icmpv6(icmp) => start_of(icmp.slice(), &bytes),
            TransportSlice::Igmp(_) => unreachable!("none was built"),
        };
        prop_assert_eq!(layers.malformed(), None);
        prop_assert_eq!(layers.transport(), recipe.transport);
        prop_assert_eq!(layers.transport_offset(), at);
        prop_assert_eq!(layers.network_offset(), 14 + 4 * recipe.tags as usize);
        prop_assert_eq!(layers.has_vlan(), recipe.tags > 0);

        let (source, destination) = recipe.ends();
        let key = FlowKey::of(&bytes, layers);
        prop_assert_eq!(key.map(|(key, direction)| key.ends(direction)), ported(layers).then_some((source, destination)));
        if let Some((key, direction)) = key {
            prop_assert!(key.a() <= key.b());
            prop_assert_eq!(FlowKey::between(source, destination, key.protocol()), Some((key, direction)));
        }
    }

    #[test]
    fn checksums_are_good_and_filled_alike(recipe in recipe()) {
        let bytes = recipe.build();
        let layers = parse(LinkClass::Ethernet, &bytes, 0);
        let good = Some(ChecksumState::Good);
        let is_ipv4 = layers.network() == Network::Ipv4;
        let expected = (good.filter(|_| is_ipv4), good.filter(|_| ported(layers)));
        prop_assert_eq!(states(&bytes, layers, 0), expected);
        let mut filled = bytes.clone();
        prop_assert_eq!(fill_ipv4(&mut filled, layers), is_ipv4);
        prop_assert_eq!(fill_transport(&mut filled, layers), ported(layers));
        prop_assert_eq!(filled, bytes);
    }

    #[test]
    fn both_directions_are_one_flow(recipe in recipe(), seed: u64) {
        let (there, back) = (recipe.build(), recipe.answer().build());
        let layers = parse(LinkClass::Ethernet, &there, 0);
        let key = |bytes: &[u8]| FlowKey::of(bytes, layers).map(|(key, _)| key);
        prop_assert_eq!(key(&there), key(&back));
        let hash = |bytes: &[u8], key| flow_hash(LinkClass::Ethernet, bytes, layers, key, seed);
        for key in [PartitionKey::None, PartitionKey::FiveTuple, PartitionKey::AddressPair, PartitionKey::Everything] {
            prop_assert_eq!(hash(&there, key), hash(&back, key));
        }
        prop_assert_eq!(hash(&there, PartitionKey::Source), hash(&back, PartitionKey::Destination));
    }

    #[test]
    fn fragments_go_by_address_pair(recipe in recipe(), seed: u64, offset in 0u16..100) {
        let mut recipe = recipe;
        let fragment_offset = IpFragOffset::try_new(offset).unwrap();
        match &mut recipe.ip {
            IpHeaders::Ipv4(header, _) => (header.more_fragments, header.fragment_offset) = (true, fragment_offset),
            IpHeaders::Ipv6(_, extensions) => {
                extensions.fragment = Some(Ipv6FragmentHeader::new(IpNumber(0), fragment_offset, true, 1));
            }
        }
        let bytes = recipe.build();
        let layers = promises(LinkClass::Ethernet, &bytes, 0)?;
        prop_assert!(layers.is_fragment());
        prop_assert_eq!(layers.is_first_fragment(), offset == 0);
        prop_assert_eq!(states(&bytes, layers, 0).1, Some(ChecksumState::Unverifiable));
        let hash = |key| flow_hash(LinkClass::Ethernet, &bytes, layers, key, seed);
        prop_assert_eq!(hash(PartitionKey::FiveTuple), hash(PartitionKey::AddressPair));
    }

    /// A packet cut short on capture keeps its flow as long as its ports are there.
    #[test]
    fn cut_short_it_keeps_its_flow(recipe in recipe(), keep in any::<prop::sample::Index>()) {
        let bytes = recipe.build();
        let layers = parse(LinkClass::Ethernet, &bytes, 0);
        let cut = &bytes[..keep.index(bytes.len() + 1)];
        let short = promises(LinkClass::Ethernet, cut, bytes.len() as u32)?;
        if cut.len() >= layers.transport_offset() + 4 {
            prop_assert_eq!(FlowKey::of(cut, short), FlowKey::of(&bytes, layers));
        } else {
            prop_assert_eq!(FlowKey::of(cut, short), None);
        }
        exercise(LinkClass::Ethernet, cut, layers, 0);
    }

    #[test]
    fn damage_is_survived(
        recipe in recipe(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        link in 0u8..6,
        wire_len: u32,
    ) {
        let mut bytes = recipe.build();
        for (at, value) in damage {
            let at = at.index(bytes.len().min(80));
            bytes[at] = value;
        }
        let layers = promises(LinkClass::Ethernet, &bytes, wire_len)?;
        exercise(LinkClass::Ethernet, &bytes, layers, wire_len);
        promises(LinkClass::from_code(link), &bytes, wire_len)?;
        promises(LinkClass::RawIp, &bytes[layers.network_offset()..], wire_len)?;
    }

    #[test]
    fn random_bytes_are_survived(
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
        other in proptest::collection::vec(any::<u8>(), 0..120),
        kind in prop::sample::select(vec![0x0800u16, 0x86dd, 0x8100, 0x88a8, 0x8847, 0x8864, 0x0040, 0xffff]),
        link in 0u8..6,
        wire_len: u32,
    ) {
        let mut bytes = bytes;
        if let Some(field) = bytes.get_mut(12..14) {
            field.copy_from_slice(&kind.to_be_bytes());
        }
        let link = LinkClass::from_code(link);
        let layers = promises(link, &bytes, wire_len)?;
        exercise(link, &bytes, layers, wire_len);
        exercise(link, &other, layers, wire_len);
    }
}
