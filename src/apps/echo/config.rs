//! `[app.echo]`: addresses and ports as they are written.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Keys of `[app.echo]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EchoConfig {
    /// The addresses it answers for, with the length of their prefix: `"10.9.0.1/24"`, `"fd09::1/64"`. Without one it
    /// stands alone.
    pub addresses: Vec<Prefix>,
    /// Its Ethernet address; the port's own unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// UDP ports that send back what they get.
    pub udp_ports: Vec<u16>,
    /// UDP ports at which sockperf's messages are answered as its server answers them: not as they came, and not all.
    pub sockperf_ports: Vec<u16>,
    /// What becomes of packets that are not for it.
    pub others: Others,
}

impl Default for EchoConfig {
    fn default() -> EchoConfig {
        // 7 is the echo service's (RFC 862), 11111 what sockperf talks to unless told otherwise.
        EchoConfig {
            addresses: Vec::new(),
            mac: None,
            udp_ports: vec![7, 11_111],
            sockperf_ports: vec![11_111],
            others: Others::Pass,
        }
    }
}

/// What becomes of packets that are not for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Others {
    /// They are left to the next application of the chain, untouched.
    Pass,
    /// They are dropped, as `not-for-us`.
    Drop,
}

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

/// An Ethernet address of one station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac([u8; 6]);

impl Mac {
    /// Its six bytes.
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Mac, String> {
        let expected = || format!("{text:?} is no Ethernet address; expected one like \"02:00:00:00:00:01\"");
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2 && !part.starts_with('+'));
            *byte = part.and_then(|part| u8::from_str_radix(part, 16).ok()).ok_or_else(expected)?;
        }
        if parts.next().is_some() {
            return Err(expected());
        }
        if bytes[0] & 1 != 0 || bytes == [0; 6] {
            return Err(format!(
                "{text:?} is no address of one station: the first byte is even, and not all are 0"
            ));
        }
        Ok(Mac(bytes))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl TryFrom<String> for Mac {
    type Error = String;

    fn try_from(text: String) -> Result<Mac, String> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
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
        assert_eq!("02-AB-00-00-00-01".parse::<Mac>().unwrap().to_string(), "02:ab:00:00:00:01");
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
        for text in ["02:00:00:00:00", "02:00:00:00:00:01:02", "2:0:0:0:0:1", "+2:00:00:00:00:01", "x", ""] {
            assert!(text.parse::<Mac>().unwrap_err().contains("expected one like"), "{text}");
        }
        for text in ["00:00:00:00:00:00", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff"] {
            assert!(text.parse::<Mac>().unwrap_err().contains("one station"), "{text}");
        }
    }
}
