//! What a filter says of a packet, found out in plain Rust: what the program is compared with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::expression::{Expression, Side, Test};

/// What is known of a packet.
#[derive(Debug, Default)]
pub(super) struct Known {
    ethertype: Option<u16>,
    vlans: Vec<u16>,
    addresses: Option<[IpAddr; 2]>,
    protocol: Option<u8>,
    ports: Option<[u16; 2]>,
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl Known {
    pub(super) fn of(packet: &[u8]) -> Known {
        let mut known = Known::default();
        let Some(mut kind) = number(packet, 12) else { return known };
        let mut rest = &packet[14..];
        while matches!(kind, 0x8100 | 0x88a8 | 0x9100) && known.vlans.len() < 2 && rest.len() >= 4 {
            known.vlans.push(number(rest, 0).unwrap() & 0xfff);
            kind = number(rest, 2).unwrap();
            rest = &rest[4..];
        }
        known.ethertype = Some(kind);
        // What is cut off is simply not known.
        let _ = match kind {
            0x0800 => known.ipv4(rest),
            0x86dd => known.ipv6(rest),
            _ => None,
        };
        known
    }

    fn ipv4(&mut self, packet: &[u8]) -> Option<()> {
        let header: &[u8; 20] = packet.first_chunk()?;
        if header[0] >> 4 != 4 || header[0] & 15 < 5 {
            return None;
        }
        let address = |at: usize| Ipv4Addr::from(*header[at..].first_chunk::<4>().unwrap()).into();
        self.addresses = Some([address(12), address(16)]);
        self.protocol = Some(header[9]);
        let fragment = number(packet, 6)? & 0x3fff != 0;
        if fragment { None } else { self.transport(packet.get(usize::from(header[0] & 15) * 4..)?) }
    }

    fn ipv6(&mut self, packet: &[u8]) -> Option<()> {
        let header: &[u8; 40] = packet.first_chunk()?;
        if header[0] >> 4 != 6 {
            return None;
        }
        let address = |at: usize| Ipv6Addr::from(*header[at..].first_chunk::<16>().unwrap()).into();
        self.addresses = Some([address(8), address(24)]);
        let mut rest = &packet[40..];
        self.protocol = Some(header[6]);
        for _ in 0..6 {
            let this = self.protocol?;
            if !matches!(this, 0 | 43 | 44 | 51 | 60 | 135) {
                break;
            }
            let extension: &[u8; 8] = rest.first_chunk()?;
            self.protocol = Some(extension[0]);
            let bytes = match this {
                44 if number(rest, 2)? & 0xfff9 != 0 => return None,
                44 => 8,
                51 => (usize::from(extension[1]) + 2) * 4,
                _ => (usize::from(extension[1]) + 1) * 8,
            };
            // Past the end nothing is known of the next one but its number.
            rest = rest.get(bytes..).unwrap_or_default();
        }
        self.transport(rest)
    }

    fn transport(&mut self, segment: &[u8]) -> Option<()> {
        if matches!(self.protocol, Some(6 | 17 | 132)) {
            self.ports = Some([number(segment, 0)?, number(segment, 2)?]);
        }
        Some(())
    }

    pub(super) fn satisfies(&self, expression: &Expression) -> bool {
        match expression {
            Expression::And(left, right) => self.satisfies(left) && self.satisfies(right),
            Expression::Or(left, right) => self.satisfies(left) || self.satisfies(right),
            Expression::Not(inner) => !self.satisfies(inner),
            Expression::Test(test) => self.passes(test),
        }
    }

    fn passes(&self, test: &Test) -> bool {
        match *test {
            Test::EtherType(kind) => self.ethertype == Some(kind),
            Test::Vlan(id) => self.vlans.iter().any(|vlan| id.is_none_or(|id| id == *vlan)),
            Test::Protocol(protocol) => self.protocol == Some(protocol),
            Test::Port(side, first, last) => {
                self.ports.is_some_and(|ports| ends(side, ports).any(|port| (first..=last).contains(&port)))
            }
            Test::Address(side, prefix) => self.addresses.is_some_and(|addresses| {
                ends(side, addresses).any(|address| shares(address, prefix.address, prefix.bits.into()))
            }),
        }
    }
}

fn ends<T: Copy>(side: Side, both: [T; 2]) -> impl Iterator<Item = T> {
    let (from, to) = match side {
        Side::Source => (0, 1),
        Side::Destination => (1, 2),
        Side::Either => (0, 2),
    };
    both.into_iter().take(to).skip(from)
}

/// Are the first bits the same?
fn shares(left: IpAddr, right: IpAddr, bits: u32) -> bool {
    match (left, right) {
        (IpAddr::V4(left), IpAddr::V4(right)) => {
            (left.to_bits() ^ right.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(left), IpAddr::V6(right)) => {
            (left.to_bits() ^ right.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}
