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
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Ipv4Addr {}
    impl Sealed for super::Ipv6Addr {}
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
