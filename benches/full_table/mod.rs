//! A routing table as large as the Internet's, made from a seed.
//!
//! IPv4: about 60 % of the prefixes are /24 (the share that `bgp.potaroo.net`, G. Huston, shows for today's table); the rest falls
//! off towards shorter ones as in the counts by length that DPDK's `app/test/test_lpm_perf.c` holds, taken from a router; a few
//! are longer than /24, as a router's own are. IPv6: /48 and /32 are most of it, then the lengths that are multiples of four (RIPE
//! Labs, "Visibility of IPv4 and IPv6 prefix lengths in 2019"); the mean length is 43, as in Huston's report on IPv6 (42.9 in
//! 2024), and the prefixes lie in the blocks of 16 bits that the registries have given out, about 57 % of them within others, as
//! there. Next hops: 256, at random, so that neighbours do not share theirs.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use mnvkd::state::routes::{Address, Prefix};

/// Prefixes for each length, of a thousand.
const IPV4: &[(u8, usize)] = &[
    (24, 602),
    (23, 101),
    (22, 112),
    (21, 50),
    (20, 45),
    (19, 26),
    (18, 14),
    (17, 8),
    (16, 14),
    (15, 2),
    (14, 2),
    (13, 1),
    (12, 1),
    (25, 3),
    (26, 4),
    (27, 3),
    (28, 3),
    (29, 4),
    (30, 3),
    (32, 2),
];
const IPV6: &[(u8, usize)] = &[
    (48, 458),
    (47, 31),
    (46, 35),
    (45, 22),
    (44, 92),
    (43, 9),
    (42, 19),
    (41, 7),
    (40, 85),
    (39, 4),
    (38, 9),
    (37, 3),
    (36, 46),
    (35, 5),
    (34, 9),
    (33, 13),
    (32, 116),
    (31, 2),
    (30, 4),
    (29, 24),
    (28, 3),
    (24, 1),
    (56, 1),
    (64, 2),
];

/// What the registries have given IPv6 addresses from: the first 16 bits, first and last.
const REGISTRIES: &[(u16, u16)] = &[
    (0x2001, 0x2001),
    (0x2003, 0x2003),
    (0x2400, 0x240f),
    (0x2600, 0x2610),
    (0x2620, 0x2620),
    (0x2800, 0x2806),
    (0x2a00, 0x2a14),
    (0x2c0e, 0x2c0f),
];

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }
}

/// The version of IP, as far as such a table depends on it.
pub trait Version: Address {
    const LENGTHS: &'static [(u8, usize)];
    /// Of a thousand prefixes with something above them, so many lie within a shorter one.
    const WITHIN: usize;

    /// Any address.
    fn any(random: &mut Random) -> Self;
    /// An address that somebody may have been given.
    fn given(random: &mut Random) -> Self;
    /// The first `len` bits of `self`, the others of `other`.
    fn with_tail(self, len: u8, other: Self) -> Self;
}

impl Version for Ipv4Addr {
    const LENGTHS: &'static [(u8, usize)] = IPV4;
    const WITHIN: usize = 550;

    fn any(random: &mut Random) -> Self {
        Ipv4Addr::from_bits(random.next() as u32)
    }

    /// Unicast: 1.0.0.0 to 223.255.255.255 without 10.0.0.0/8 and 127.0.0.0/8.
    fn given(random: &mut Random) -> Self {
        loop {
            let address = Self::any(random);
            if matches!(address.octets()[0], 1..=9 | 11..=126 | 128..=223) {
                return address;
            }
        }
    }

    fn with_tail(self, len: u8, other: Self) -> Self {
        let tail = u32::MAX.checked_shr(len.into()).unwrap_or(0);
        Ipv4Addr::from_bits(self.to_bits() & !tail | other.to_bits() & tail)
    }
}

impl Version for Ipv6Addr {
    const LENGTHS: &'static [(u8, usize)] = IPV6;
    const WITHIN: usize = 720;

    fn any(random: &mut Random) -> Self {
        Ipv6Addr::from_bits(u128::from(random.next()) << 64 | u128::from(random.next()))
    }

    fn given(random: &mut Random) -> Self {
        let blocks: usize = REGISTRIES.iter().map(|(first, last)| usize::from(last - first) + 1).sum();
        let mut nth = random.below(blocks);
        let mut start = 0;
        for (first, last) in REGISTRIES {
            let size = usize::from(last - first) + 1;
            if nth < size {
                start = first + nth as u16;
                break;
            }
            nth -= size;
        }
        Ipv6Addr::from_bits(u128::from(start) << 112).with_tail(16, Self::any(random))
    }

    fn with_tail(self, len: u8, other: Self) -> Self {
        let tail = u128::MAX.checked_shr(len.into()).unwrap_or(0);
        Ipv6Addr::from_bits(self.to_bits() & !tail | other.to_bits() & tail)
    }
}

/// `count` prefixes, all different, in an order that says nothing.
pub fn prefixes<A: Version>(count: usize, random: &mut Random) -> Vec<Prefix<A>> {
    let total: usize = A::LENGTHS.iter().map(|(_, share)| share).sum();
    let mut lengths: Vec<u8> = Vec::with_capacity(count);
    for (len, share) in A::LENGTHS {
        lengths.extend(std::iter::repeat_n(*len, count * share / total));
    }
    lengths.resize(count, A::LENGTHS[0].0);
    // The short ones first: the longer ones lie within them.
    lengths.sort_unstable();
    let mut all: Vec<Prefix<A>> = Vec::with_capacity(count);
    let mut seen = BTreeSet::new();
    let mut shorter = 0;
    for (nth, len) in lengths.iter().enumerate() {
        if nth > 0 && lengths[nth - 1] < *len {
            shorter = nth;
        }
        loop {
            let mut address = A::given(random);
            if shorter > 0 && random.below(1000) < A::WITHIN {
                let outer = all[random.below(shorter)];
                address = outer.address().with_tail(outer.len(), address);
            }
            let prefix = Prefix::of(address, *len);
            if seen.insert(prefix) {
                all.push(prefix);
                break;
            }
        }
    }
    for nth in (1..all.len()).rev() {
        all.swap(nth, random.below(nth + 1));
    }
    all
}

/// An address out of one of the prefixes, each as likely.
pub fn drawn<A: Version>(prefixes: &[Prefix<A>], random: &mut Random) -> A {
    let prefix = prefixes[random.below(prefixes.len())];
    prefix.address().with_tail(prefix.len(), A::any(random))
}
