//! Our addresses, and which other ones nobody can be answered at.

use std::net::IpAddr;

use super::prefix::Prefix;

/// All nodes on the link (RFC 4291, 2.7.1).
pub(in crate::apps) const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// What every solicited-node group begins with, ff02::1:ff00:0/104 (RFC 4291, 2.7.1).
const SOLICITED_NODE: [u8; 13] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff];
/// No address yet, ::.
pub(in crate::apps) const UNSPECIFIED: [u8; 16] = [0; 16];
/// IPv4 addresses written as IPv6 ones, ::ffff:0:0/96 (RFC 4291, 2.5.5.2): never on the wire.
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// The addresses that were configured.
#[derive(Debug)]
pub(in crate::apps) struct Addresses {
    ipv4: Vec<Ipv4>,
    ipv6: Vec<Ipv6>,
}

#[derive(Clone, Copy, Debug)]
struct Ipv4 {
    address: u32,
    /// The bits of its network.
    mask: u32,
}

#[derive(Clone, Copy, Debug)]
struct Ipv6 {
    address: [u8; 16],
    mask: u128,
}

impl Addresses {
    /// The addresses, each with its prefix.
    pub(in crate::apps) fn new(prefixes: &[Prefix]) -> Addresses {
        let mut addresses = Addresses { ipv4: Vec::new(), ipv6: Vec::new() };
        for prefix in prefixes {
            match prefix.address {
                IpAddr::V4(address) => {
                    let mask = u32::MAX << (32 - prefix.len.clamp(1, 32));
                    addresses.ipv4.push(Ipv4 { address: address.to_bits(), mask });
                }
                IpAddr::V6(address) => {
                    let mask = u128::MAX << (128 - prefix.len.clamp(1, 128));
                    addresses.ipv6.push(Ipv6 { address: address.octets(), mask });
                }
            }
        }
        addresses
    }

    /// Is this IPv4 address ours?
    #[inline]
    pub(in crate::apps) fn has_ipv4(&self, address: [u8; 4]) -> bool {
        let address = u32::from_be_bytes(address);
        self.ipv4.iter().any(|own| own.address == address)
    }

    /// Is this IPv6 address ours?
    #[inline]
    pub(in crate::apps) fn has_ipv6(&self, address: &[u8; 16]) -> bool {
        self.ipv6.iter().any(|own| own.address == *address)
    }

    /// Could a host on an IPv4 network have this address (RFC 1122, 3.2.1.3)? Not "this network", loopback,
    /// multicast, broadcast, nor the first and last address of a network of ours.
    #[inline]
    pub(in crate::apps) fn is_host_ipv4(&self, address: [u8; 4]) -> bool {
        let value = u32::from_be_bytes(address);
        let special = matches!(address[0], 0 | 127 | 224..=239) || value == u32::MAX;
        // Networks of one and two addresses have no broadcast address (RFC 3021).
        let edge = |own: &Ipv4| {
            let host = !own.mask;
            host > 1 && (value ^ own.address) & own.mask == 0 && (value & host == 0 || value & host == host)
        };
        !special && !self.ipv4.iter().any(edge)
    }

    /// The address to answer from, where a request went to an IPv6 group we are in (RFC 4443, 4.2): ours whose
    /// solicited-node group it is; for all nodes the one in the asker's network, or else the first. `None` where
    /// we are not in that group.
    pub(in crate::apps) fn for_group(&self, group: &[u8; 16], source: &[u8; 16]) -> Option<[u8; 16]> {
        if *group == ALL_NODES {
            let source = u128::from_be_bytes(*source);
            let near = |own: &&Ipv6| (u128::from_be_bytes(own.address) ^ source) & own.mask == 0;
            return self.ipv6.iter().find(near).or(self.ipv6.first()).map(|own| own.address);
        }
        self.ipv6.iter().find(|own| solicited_node(&own.address) == *group).map(|own| own.address)
    }
}

/// The group that hosts with this address listen to (RFC 4291, 2.7.1).
pub(in crate::apps) fn solicited_node(address: &[u8; 16]) -> [u8; 16] {
    let mut group = ALL_NODES;
    group[..13].copy_from_slice(&SOLICITED_NODE);
    group[13..].copy_from_slice(&address[13..]);
    group
}

/// Could a host have this IPv6 address? Not ::, loopback, multicast, nor a mapped IPv4 one.
#[inline]
pub(in crate::apps) fn is_host_ipv6(address: &[u8; 16]) -> bool {
    let value = u128::from_be_bytes(*address);
    value > 1 && address[0] != 0xff && !address.starts_with(&MAPPED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Addresses {
        Addresses::new(&list.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
    }

    fn ipv6(text: &str) -> [u8; 16] {
        text.parse::<std::net::Ipv6Addr>().unwrap().octets()
    }

    #[test]
    fn hosts_are_told_from_what_is_none() {
        let own = addresses(&["10.9.0.1/24", "192.0.2.0/31", "198.51.100.1/32"]);
        for host in
            [[10, 9, 0, 2], [10, 9, 0, 254], [10, 9, 1, 0], [192, 0, 2, 1], [198, 51, 100, 1], [240, 0, 0, 1]]
        {
            assert!(own.is_host_ipv4(host), "{host:?}");
        }
        for none in [
            [10, 9, 0, 0],
            [10, 9, 0, 255],
            [0, 0, 0, 0],
            [0, 1, 2, 3],
            [127, 0, 0, 1],
            [224, 0, 0, 1],
            [239, 1, 1, 1],
            [255; 4],
        ] {
            assert!(!own.is_host_ipv4(none), "{none:?}");
        }
        for host in ["fd09::2", "fe80::1", "2001:db8::1", "::2"] {
            assert!(is_host_ipv6(&ipv6(host)), "{host}");
        }
        for none in ["::", "::1", "ff02::1", "::ffff:10.9.0.2"] {
            assert!(!is_host_ipv6(&ipv6(none)), "{none}");
        }
    }

    #[test]
    fn a_group_is_answered_from_the_nearest_address() {
        let own = addresses(&["fd09::1/64", "fe80::1:2/64"]);
        let of = |group: &str, source: &str| own.for_group(&ipv6(group), &ipv6(source));
        assert_eq!(of("ff02::1", "fe80::9"), Some(ipv6("fe80::1:2")));
        assert_eq!(of("ff02::1", "2001:db8::9"), Some(ipv6("fd09::1")));
        assert_eq!(of("ff02::1:ff01:2", "fd09::9"), Some(ipv6("fe80::1:2")));
        assert_eq!(of("ff02::1:ff01:3", "fd09::9"), None);
        assert_eq!(of("ff02::2", "fd09::9"), None);
        assert_eq!(addresses(&["10.9.0.1/24"]).for_group(&ALL_NODES, &ipv6("fd09::9")), None);
    }
}
