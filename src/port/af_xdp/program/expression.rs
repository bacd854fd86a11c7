//! What a filter says.

use std::net::IpAddr;

/// A filter, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    /// Both.
    And(Box<Expression>, Box<Expression>),
    /// At least one.
    Or(Box<Expression>, Box<Expression>),
    /// Not so.
    Not(Box<Expression>),
    /// A question to the packet.
    Test(Test),
}

/// Which end of a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Where it comes from.
    Source,
    /// Where it goes to.
    Destination,
    /// Either.
    Either,
}

/// Addresses with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// One of them; the rest of its bits are 0.
    pub(crate) address: IpAddr,
    /// How many bits are the same.
    pub(crate) bits: u8,
}

/// A question to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// Its EtherType, behind VLAN tags.
    EtherType(u16),
    /// A VLAN tag; with this id, if given.
    Vlan(Option<u16>),
    /// An IP address.
    Address(Side, Prefix),
    /// Its IP protocol: behind the extension headers, for IPv6.
    Protocol(u8),
    /// A port of TCP, UDP or SCTP, first to last.
    Port(Side, u16, u16),
}

/// EtherTypes and protocols with names of their own (IANA's registries).
pub(crate) mod number {
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const ARP: u16 = 0x0806;
    pub(crate) const IPV6: u16 = 0x86dd;
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const ICMP6: u8 = 58;
    pub(crate) const SCTP: u8 = 132;
}

impl Prefix {
    /// The address as 32-bit words in the order they are sent, and which bits of each count: one for IPv4, four for
    /// IPv6.
    pub(crate) fn words(&self) -> Vec<(u32, u32)> {
        let bytes = match self.address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let mut left = u32::from(self.bits);
        let words =
            bytes.chunks_exact(4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
        words
            .map(|word| {
                let bits = left.min(32);
                left -= bits;
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                (word & mask, mask)
            })
            .collect()
    }
}

impl Expression {
    /// Calls `each` with every question of it.
    pub(crate) fn tests(&self, each: &mut impl FnMut(&Test)) {
        match self {
            Expression::And(left, right) | Expression::Or(left, right) => {
                left.tests(each);
                right.tests(each);
            }
            Expression::Not(inner) => inner.tests(each),
            Expression::Test(test) => each(test),
        }
    }
}
