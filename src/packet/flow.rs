//! The flow key: what both directions of a conversation have in common.

mod end;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use zerocopy::{FromZeros, Immutable, IntoBytes, KnownLayout};

use super::layers::{Layers, Network, Transport};
use end::{End, ipv4, ipv6, key};

/// Which way a packet goes within its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the lower endpoint to the higher: the packet's source is `a`. Also where both
    /// endpoints are the same.
    AToB,
    /// From the higher endpoint to the lower: the packet's source is `b`.
    BToA,
}

impl Direction {
    /// 0 for `AToB`, 1 for `BToA`: an index into counters per direction.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A conversation: two endpoints (address and port) and a protocol. `a` is the lower endpoint, so
/// both directions have the same key.
///
/// Forty bytes without padding, the same on every machine: version, protocol, port of `a`, port
/// of `b`, two zeros, address of `a`, address of `b`. Addresses and ports are in network order; an
/// IPv4 address is IPv4-mapped (`::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2), and the version tells
/// it from the IPv6 address that looks alike. All zeros is no flow's key.
///
/// It is kept as five words, because words are what comparing, hashing and copying it is fast on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FlowKey {
    /// Each is `u64::from_ne_bytes` of its eight bytes.
    words: [u64; 5],
}

const _: () = assert!(size_of::<FlowKey>() == 40);

impl FlowKey {
    /// The flow of a packet and the packet's direction in it; `None` where there are no ports:
    /// other protocols, fragments, what is not IP, what is cut off before them.
    ///
    /// `layers` is what the parser said of these bytes.
    #[inline]
    pub fn of(bytes: &[u8], layers: Layers) -> Option<(FlowKey, Direction)> {
        let protocol = match layers.transport() {
            Transport::Tcp => 6,
            Transport::Udp => 17,
            Transport::Sctp => 132,
            _ => return None,
        };
        let ports = *bytes.get(layers.transport_offset()..)?.first_chunk::<4>()?;
        let header = bytes.get(layers.network_offset()..)?;
        match layers.network() {
            Network::Ipv4 => Some(ipv4(header.first_chunk()?, ports, protocol)),
            Network::Ipv6 => Some(ipv6(header.first_chunk()?, ports, protocol)),
            _ => None,
        }
    }

    /// The key of a conversation between two endpoints, in either order, under this protocol
    /// number; and whether `source` is `a`. `None` if one is IPv4 and the other IPv6.
    pub fn between(
        source: SocketAddr,
        destination: SocketAddr,
        protocol: u8,
    ) -> Option<(FlowKey, Direction)> {
        let version = match (source.ip(), destination.ip()) {
            (IpAddr::V4(_), IpAddr::V4(_)) => 4,
            (IpAddr::V6(_), IpAddr::V6(_)) => 6,
            _ => return None,
        };
        let (from, to) = (End::new(source), End::new(destination));
        Some(key(version, protocol, from, to, from.rank() <= to.rank()))
    }

    /// Two bytes of the first word, as a number in network order.
    fn port(&self, at: usize) -> u16 {
        let head = self.words[0].to_ne_bytes();
        u16::from_be_bytes([head[at], head[at + 1]])
    }

    /// Address in the words from `at` on.
    fn address(&self, at: usize) -> u128 {
        u128::from(u64::from_be(self.words[at])) << 64 | u128::from(u64::from_be(self.words[at + 1]))
    }

    fn endpoint(&self, address: u128, port: u16) -> SocketAddr {
        let ip = match self.version() {
            4 => IpAddr::V4(Ipv4Addr::from_bits(address as u32)),
            _ => IpAddr::V6(Ipv6Addr::from_bits(address)),
        };
        SocketAddr::new(ip, port)
    }

    /// The lower endpoint.
    pub fn a(&self) -> SocketAddr {
        self.endpoint(self.address(1), self.port(2))
    }

    /// The higher endpoint.
    pub fn b(&self) -> SocketAddr {
        self.endpoint(self.address(3), self.port(4))
    }

    /// IP version, 4 or 6 (0 in a zeroed key).
    #[inline]
    pub const fn version(&self) -> u8 {
        self.words[0].to_ne_bytes()[0]
    }

    /// IANA protocol number.
    #[inline]
    pub const fn protocol(&self) -> u8 {
        self.words[0].to_ne_bytes()[1]
    }

    /// The protocol's name, lowercase: `tcp`, `udp`, `sctp`; `other` for a number that is none.
    pub const fn protocol_name(&self) -> &'static str {
        match self.protocol() {
            6 => "tcp",
            17 => "udp",
            132 => "sctp",
            _ => "other",
        }
    }

    /// Source and destination of a packet that goes this way.
    pub fn ends(&self, direction: Direction) -> (SocketAddr, SocketAddr) {
        match direction {
            Direction::AToB => (self.a(), self.b()),
            Direction::BToA => (self.b(), self.a()),
        }
    }
}

/// Five words, the same on every machine.
impl Hash for FlowKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        for word in self.words {
            state.write_u64(u64::from_le(word));
        }
    }
}

/// IPv4 before IPv6, then by `a` (address, port), `b` (address, port), protocol; all numeric.
impl Ord for FlowKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |key: &FlowKey| {
            let ends = (key.address(1), key.port(2), key.address(3), key.port(4));
            (key.version(), ends, key.protocol())
        };
        rank(self).cmp(&rank(other))
    }
}

impl PartialOrd for FlowKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `tcp 10.0.0.1:443 10.0.0.2:51812`; IPv6 by RFC 5952 in brackets.
impl fmt::Display for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.protocol_name(), self.a(), self.b())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn between(source: &str, destination: &str) -> (FlowKey, Direction) {
        FlowKey::between(source.parse().unwrap(), destination.parse().unwrap(), 6).unwrap()
    }

    #[test]
    fn bytes_are_as_documented() {
        let (key, direction) = between("10.0.0.2:443", "10.0.0.1:4660");
        assert_eq!(direction, Direction::BToA);
        let mut bytes = vec![4, 6, 0x12, 0x34, 0x01, 0xbb, 0, 0];
        for last in [1, 2] {
            bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last]);
        }
        assert_eq!(key.as_bytes(), bytes);
        assert_eq!(FlowKey::new_zeroed().version(), 0);
    }

    #[test]
    fn text() {
        let (key, _) = between("10.0.0.2:443", "9.255.0.1:51812");
        assert_eq!(key.to_string(), "tcp 9.255.0.1:51812 10.0.0.2:443");
        let (key, _) = between("[2001:db8:0:0:1:0:0:1]:1", "[::ffff:1.2.3.4]:2");
        assert_eq!(key.to_string(), "tcp [::ffff:1.2.3.4]:2 [2001:db8::1:0:0:1]:1");
    }

    #[test]
    fn versions_do_not_mix() {
        let (four, _) = between("1.2.3.4:1", "1.2.3.4:2");
        let (six, _) = between("[::ffff:1.2.3.4]:1", "[::ffff:1.2.3.4]:2");
        assert_ne!(four, six);
        assert!(four < six);
        let mixed = FlowKey::between("1.2.3.4:1".parse().unwrap(), "[::1]:1".parse().unwrap(), 6);
        assert_eq!(mixed, None);
    }

    proptest! {
        #[test]
        fn order_is_that_of_the_endpoints(a: (u32, u16), b: (u32, u16), c: (u32, u16), d: (u32, u16)) {
            let end = |(address, port)| SocketAddr::new(Ipv4Addr::from_bits(address).into(), port);
            let (one, way) = FlowKey::between(end(a), end(b), 6).unwrap();
            let (two, _) = FlowKey::between(end(c), end(d), 6).unwrap();
            prop_assert_eq!(way == Direction::AToB, end(a) <= end(b));
            prop_assert_eq!(one.ends(way), (end(a), end(b)));
            prop_assert_eq!(one.cmp(&two), (one.a(), one.b()).cmp(&(two.a(), two.b())));
        }
    }
}
