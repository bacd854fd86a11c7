//! Is the flow hash a good one, and the same one everywhere?

use mnvkd::packet::layers::{Layers, LinkClass, Network};
use mnvkd::steer::hash::{conversation_hash, flow_hash};
use mnvkd::steer::key::PartitionKey;
use mnvkd::steer::parse::parse;

const SEED: u64 = 42;

/// A TCP packet over IPv4 between 10.`a` and 10.`b`.
fn ipv4(a: u32, b: u32, from: u16, to: u16) -> Vec<u8> {
    let mut bytes = vec![0; 12];
    bytes.extend([0x08, 0x00, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0]);
    bytes.extend((10 << 24 | a).to_be_bytes());
    bytes.extend((10 << 24 | b).to_be_bytes());
    bytes.extend(from.to_be_bytes());
    bytes.extend(to.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

/// A TCP packet over IPv6 between 2001:db8::`a` and 2001:db8::`b`.
fn ipv6(a: u32, b: u32, from: u16, to: u16) -> Vec<u8> {
    let mut bytes = vec![0; 12];
    bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64]);
    for end in [a, b] {
        bytes.extend(((0x2001_0db8_u128 << 96) | u128::from(end)).to_be_bytes());
    }
    bytes.extend(&ipv4(0, 0, from, to)[34..]);
    bytes
}

fn hash(bytes: &[u8], key: PartitionKey) -> u32 {
    let layers = parse(LinkClass::Ethernet, bytes, 0);
    assert_eq!(layers.malformed(), None);
    flow_hash(LinkClass::Ethernet, bytes, layers, key, SEED)
}

/// Chi-squared of counts that should be alike, per degree of freedom: 1 for a random function.
fn unevenness(counts: &[u32]) -> f64 {
    let mean = counts.iter().sum::<u32>() as f64 / counts.len() as f64;
    let chi: f64 = counts.iter().map(|count| (f64::from(*count) - mean).powi(2) / mean).sum();
    chi / (counts.len() - 1) as f64
}

#[test]
fn low_and_high_bits_spread_regular_traffic_evenly() {
    type Build = fn(u32, u32, u16, u16) -> Vec<u8>;
    type Series<'a> = (&'a str, &'a dyn Fn(u32) -> Vec<u8>);
    let builds: [(&str, Build); 2] = [("ipv4", ipv4), ("ipv6", ipv6)];
    for (name, build) in builds {
        let clients = |n: u32| build(n, 1 << 20, 40_000, 443);
        let ports = |n: u32| build(1, 2, n as u16, 443);
        let both = |n: u32| build(n & 0xff, 2, (n >> 8) as u16 + 1024, 80);
        let series: [Series; 3] = [("clients", &clients), ("ports", &ports), ("both", &both)];
        for (what, packet) in series {
            let (mut low, mut high) = ([0; 1024], [0; 1024]);
            for n in 0..65_536 {
                let hash = hash(&packet(n), PartitionKey::FiveTuple);
                low[hash as usize & 1023] += 1;
                high[hash as usize >> 22] += 1;
            }
            let (low, high) = (unevenness(&low), unevenness(&high));
            println!("{name} {what}: low bits {low:.3}, high bits {high:.3}");
            assert!(low < 1.25 && high < 1.25, "{name} {what}: {low} {high}");
        }
    }
}

#[test]
fn every_input_bit_flips_every_output_bit_half_the_time() {
    const ROUNDS: u32 = 2000;
    // Bits of the addresses and ports of ipv4(): bytes 26 to 38.
    for bit in 26 * 8..38 * 8 {
        let mut flips = [0u32; 32];
        for round in 0..ROUNDS {
            let step = round.wrapping_mul(0x9e37_79b9);
            let bytes = ipv4(step & 0xff_ffff, step >> 7 & 0xff_ffff, step as u16, (step >> 16) as u16);
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 0x80 >> (bit % 8);
            let difference = hash(&bytes, PartitionKey::FiveTuple) ^ hash(&flipped, PartitionKey::FiveTuple);
            for (out, count) in flips.iter_mut().enumerate() {
                *count += difference >> out & 1;
            }
        }
        for (out, count) in flips.iter().enumerate() {
            let share = f64::from(*count) / f64::from(ROUNDS);
            assert!((0.42..0.58).contains(&share), "input bit {bit} flips output bit {out} with {share}");
        }
    }
}

/// The seed is the whole secret, and the hash is part of a replay's result: it must not change
/// with the machine, and not by accident with the code.
#[test]
fn the_same_seed_gives_the_same_hash_everywhere() {
    let four = ipv4(1, 2, 1000, 443);
    let six = ipv6(1, 2, 1000, 443);
    let golden: Vec<u32> =
        [&four, &six].into_iter().flat_map(|bytes| PartitionKey::ALL.map(|key| hash(bytes, key))).collect();
    assert_eq!(golden, GOLDEN, "{golden:#010x?}");
    let layers = parse(LinkClass::Ethernet, &four, 0);
    let with = |seed| flow_hash(LinkClass::Ethernet, &four, layers, PartitionKey::FiveTuple, seed);
    assert_ne!(with(1), with(2));
}

/// Every key in order of declaration; computed once more by hand (a dozen lines of Python).
#[rustfmt::skip]
const GOLDEN: [u32; 12] = [
    0xb280_e0b4, 0xb280_e0b4, 0x2ab6_12e6, 0xe36a_e725, 0x0e01_7cb2, 0, // IPv4
    0xc321_4e7d, 0xc321_4e7d, 0x0acd_94ea, 0xffcc_93ef, 0x712a_4736, 0, // IPv6
];

#[test]
fn what_is_not_ip_goes_by_its_stations() {
    let arp = |a: u8, b: u8| {
        let mut bytes = vec![2, 0, 0, 0, 0, a, 2, 0, 0, 0, 0, b, 0x08, 0x06];
        bytes.resize(60, 0);
        bytes
    };
    let hash_of = |link, bytes: &[u8], key| flow_hash(link, bytes, parse(link, bytes, 0), key, SEED);
    let pair = PartitionKey::AddressPair;
    assert_eq!(
        hash_of(LinkClass::Ethernet, &arp(1, 2), pair),
        hash_of(LinkClass::Ethernet, &arp(2, 1), pair)
    );
    assert_ne!(
        hash_of(LinkClass::Ethernet, &arp(1, 2), pair),
        hash_of(LinkClass::Ethernet, &arp(1, 3), pair)
    );
    assert_eq!(
        hash_of(LinkClass::Ethernet, &arp(1, 2), PartitionKey::Source),
        hash_of(LinkClass::Ethernet, &arp(9, 2), PartitionKey::Source)
    );
    assert_eq!(hash_of(LinkClass::Opaque, &arp(1, 2), pair), 0);
    assert_eq!(hash_of(LinkClass::Ethernet, &arp(1, 2)[..11], pair), 0);
    let other = Layers::new(Network::Other, 0);
    assert_eq!(flow_hash(LinkClass::RawIp, &[0; 40], other, pair, SEED), 0);
}

#[test]
fn a_conversation_hashes_as_its_packets_will() {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
    let four = |last: u32| IpAddr::V4(Ipv4Addr::from_bits(10 << 24 | last));
    let six = |last: u32| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | u128::from(last)));
    for n in 0..500 {
        let (from, to) = (n as u16 * 131, 53 + n as u16);
        for key in PartitionKey::ALL {
            let of = |a: IpAddr, b: IpAddr| {
                conversation_hash(SocketAddr::new(a, from), SocketAddr::new(b, to), 6, key, SEED)
            };
            assert_eq!(of(four(n), four(9)), Some(hash(&ipv4(n, 9, from, to), key)), "{n} {key}");
            assert_eq!(of(six(n), six(9)), Some(hash(&ipv6(n, 9, from, to), key)), "{n} {key}");
        }
    }
    let (a, b) = (SocketAddr::new(four(1), 1), SocketAddr::new(six(1), 1));
    assert_eq!(conversation_hash(a, b, 6, PartitionKey::FiveTuple, SEED), None);
    assert_eq!(conversation_hash(a, a, 1, PartitionKey::FiveTuple, SEED), None);
}
