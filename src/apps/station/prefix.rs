//! An address of a host and its network, as it is written: `10.9.0.1/24`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address of ours and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    /// The address.
    pub address: IpAddr,
    /// Bits that all hosts of its network share.
    pub len: u8,
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Prefix, String> {
        let (address, len) = text.split_once('/').map_or((text, None), |(address, len)| (address, Some(len)));
        let expected =
            || format!("{text:?} is no address; expected one like \"10.9.0.1/24\" or \"fd09::1/64\"");
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let len = match len.map(str::parse::<u32>) {
            None => bits,
            Some(Ok(len)) => u8::try_from(len).unwrap_or(u8::MAX),
            Some(Err(_)) => return Err(expected()),
        };
        if len > bits || len == 0 {
            return Err(format!("{text:?}: the length of its prefix is no number from 1 to {bits}"));
        }
        let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
        if broadcast || address.is_multicast() || address.is_unspecified() || address.is_loopback() {
            return Err(format!("{text:?} is no address a host on a network can have"));
        }
        Ok(Prefix { address, len })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Prefix, String> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> String {
        prefix.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in ["10.9.0.1/24", "fd09::1/64", "192.0.2.1/32", "fe80::1/128"] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
        assert_eq!("10.9.0.1".parse::<Prefix>().unwrap().len, 32);
        assert_eq!("fd09::1".parse::<Prefix>().unwrap().len, 128);
    }

    #[test]
    fn what_no_host_can_have_is_refused() {
        for text in ["10.9.0.1/33", "fd09::1/129", "10.9.0.1/0", "fd09::1/640"] {
            assert!(text.parse::<Prefix>().unwrap_err().contains("the length of its prefix"), "{text}");
        }
        for text in ["10.9.0.1/", "10.9.0", "/24", "a/24", "10.9.0.1/24/24", ""] {
            assert!(text.parse::<Prefix>().unwrap_err().contains("expected one like"), "{text}");
        }
        for text in [
            "0.0.0.0/8",
            "127.0.0.1/8",
            "224.0.0.1/4",
            "255.255.255.255/32",
            "::/64",
            "::1/128",
            "ff02::1/64",
        ] {
            assert!(text.parse::<Prefix>().unwrap_err().contains("no address a host"), "{text}");
        }
    }
}
