//! Addresses and their prefixes, of both versions of IP.

use std::fmt::{self, Debug, Display};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use zerocopy::FromZeros;

/// An IPv4 or an IPv6 address.
pub trait Address: Copy + Eq + Ord + Debug + Display + FromStr + sealed::Sealed + 'static {
    /// Its octets, in the order of the network.
    type Octets: Copy + Eq + Debug + AsRef<[u8]> + AsMut<[u8]> + FromZeros + 'static;

    /// Its bits, 32 or 128.
    const BITS: u8;

    /// Its octets.
    fn octets(self) -> Self::Octets;

    /// The address of these octets.
    fn from_octets(octets: Self::Octets) -> Self;

    /// Its first 18 bits: its node of a table's root.
    fn root_node(self) -> usize;

    /// Its slot in a node of this level: the six bits that follow the first 18 and six for each level before; behind its last bit
    /// are zeros.
    fn slot(self, level: u32) -> u32;

    /// The same address but for its slot in a node of this level.
    fn with_slot(self, level: u32, slot: u32) -> Self;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Ipv4Addr {}
    impl Sealed for super::Ipv6Addr {}
}

/// The lowest bit of a slot of a node of level 0, in an address of `bits` bits.
const fn lowest(bits: u32) -> u32 {
    bits - 18 - 6
}

impl Address for Ipv4Addr {
    type Octets = [u8; 4];
    const BITS: u8 = 32;

    #[inline(always)]
    fn octets(self) -> [u8; 4] {
        Ipv4Addr::octets(&self)
    }

    #[inline(always)]
    fn from_octets(octets: [u8; 4]) -> Self {
        octets.into()
    }

    #[inline(always)]
    fn root_node(self) -> usize {
        (self.to_bits() >> 14) as usize
    }

    #[inline(always)]
    fn slot(self, level: u32) -> u32 {
        // With zeros behind, as the last node has more bits than the address.
        (u64::from(self.to_bits()) << 32 >> (lowest(64) - 6 * level)) as u32 % 64
    }

    fn with_slot(self, level: u32, slot: u32) -> Self {
        let shift = lowest(64) - 6 * level;
        let others = u64::from(self.to_bits()) << 32 & !(63 << shift);
        Ipv4Addr::from_bits(((others | u64::from(slot) << shift) >> 32) as u32)
    }
}

impl Address for Ipv6Addr {
    type Octets = [u8; 16];
    const BITS: u8 = 128;

    #[inline(always)]
    fn octets(self) -> [u8; 16] {
        Ipv6Addr::octets(&self)
    }

    #[inline(always)]
    fn from_octets(octets: [u8; 16]) -> Self {
        octets.into()
    }

    #[inline(always)]
    fn root_node(self) -> usize {
        (self.to_bits() >> 110) as usize
    }

    #[inline(always)]
    fn slot(self, level: u32) -> u32 {
        // The last node has four bits more than the address: zeros.
        let bits = match lowest(128).checked_sub(6 * level) {
            Some(shift) => self.to_bits() >> shift,
            None => self.to_bits() << 4,
        };
        bits as u32 % 64
    }

    fn with_slot(self, level: u32, slot: u32) -> Self {
        let (mask, slot) = match lowest(128).checked_sub(6 * level) {
            Some(shift) => (63 << shift, u128::from(slot) << shift),
            None => (3, u128::from(slot) >> 4),
        };
        Ipv6Addr::from_bits(self.to_bits() & !mask | slot)
    }
}

/// Addresses that begin with the same bits, and no bit set behind these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix<A> {
    address: A,
    len: u8,
}

/// Why something is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Longer than the address.
    #[error(
        "prefix {address}/{len}: an address of this version has {bits} bits; write a length from 0 to {bits}"
    )]
    TooLong {
        /// The address.
        address: String,
        /// The length.
        len: u8,
        /// Bits of the address.
        bits: u8,
    },
    /// Bits are set that the length leaves out.
    #[error("prefix {address}/{len} has bits set behind its length; meant is {meant}/{len}, or a longer one")]
    HostBits {
        /// The address.
        address: String,
        /// The length.
        len: u8,
        /// The address without these bits.
        meant: String,
    },
    /// Not of the form ADDRESS/LENGTH.
    #[error("prefix {0:?}: expected ADDRESS/LENGTH, as in 192.0.2.0/24 or 2001:db8::/32")]
    Form(String),
}

impl<A: Address> Prefix<A> {
    /// The prefix of `len` bits that `address` is the first address of.
    ///
    /// # Errors
    /// The length exceeds the address, or bits are set behind it.
    pub fn new(address: A, len: u8) -> Result<Self, PrefixError> {
        if len > A::BITS {
            return Err(PrefixError::TooLong { address: address.to_string(), len, bits: A::BITS });
        }
        let prefix = Prefix::of(address, len);
        if prefix.address != address {
            let (address, meant) = (address.to_string(), prefix.address.to_string());
            return Err(PrefixError::HostBits { address, len, meant });
        }
        Ok(prefix)
    }

    /// The prefix of `len` bits, all of them at most, that `address` is in.
    pub fn of(address: A, len: u8) -> Self {
        let len = len.min(A::BITS);
        let mut octets = address.octets();
        for (nth, octet) in octets.as_mut().iter_mut().enumerate() {
            let kept = len.saturating_sub(nth as u8 * 8).min(8);
            *octet &= (0xff00u16 >> kept) as u8;
        }
        Prefix { address: A::from_octets(octets), len }
    }

    /// Its first address.
    pub fn address(&self) -> A {
        self.address
    }

    /// Its length in bits.
    pub fn len(&self) -> u8 {
        self.len
    }

    /// Is it the prefix of all addresses, of length 0?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Is this address in it?
    pub fn contains(&self, address: A) -> bool {
        Prefix::of(address, self.len) == *self
    }
}

impl<A: Address> Display for Prefix<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

impl<A: Address> FromStr for Prefix<A> {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let form = || PrefixError::Form(text.to_owned());
        let (address, len) = text.split_once('/').ok_or_else(form)?;
        let address: A = address.parse().map_err(|_| form())?;
        Prefix::new(address, len.parse().map_err(|_| form())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_knows_its_addresses() {
        let net: Prefix<Ipv4Addr> = "192.0.2.128/25".parse().expect("a prefix");
        assert!(net.contains(Ipv4Addr::new(192, 0, 2, 200)) && !net.contains(Ipv4Addr::new(192, 0, 2, 100)));
        let all: Prefix<Ipv6Addr> = "::/0".parse().expect("a prefix");
        assert!(all.is_empty() && all.contains(Ipv6Addr::LOCALHOST));
        let one: Prefix<Ipv6Addr> = "::1/128".parse().expect("a prefix");
        assert!(one.contains(Ipv6Addr::LOCALHOST) && !one.contains(Ipv6Addr::UNSPECIFIED));
        assert_eq!(one.to_string(), "::1/128");
    }

    #[test]
    fn what_is_no_prefix_is_refused_with_what_to_write() {
        let error = |text: &str| text.parse::<Prefix<Ipv4Addr>>().expect_err(text).to_string();
        assert!(error("10.0.0.1/8").contains("meant is 10.0.0.0/8"));
        assert!(error("10.0.0.0/33").contains("from 0 to 32"));
        for text in ["10.0.0.0", "10.0.0/8", "10.0.0.0/x", "::/0"] {
            assert!(error(text).contains("expected ADDRESS/LENGTH"), "{text}");
        }
    }
}
