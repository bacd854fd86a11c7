//! The keys of a `tap` port.

use std::net::IpAddr;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::port::MacAddress;

/// What the device's packets start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// An Ethernet header.
    Tap,
    /// The IP header.
    Tun,
}

/// Keys of a `tap` port.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TapConfig {
    /// Name of the device.
    pub device: String,
    /// Addresses of the kernel's end, each with its prefix: `"10.9.0.1/24"`, `"fd09::1/64"`.
    pub address: Vec<String>,
    /// Ethernet frames or IP packets.
    pub mode: Mode,
    /// The device's MTU, 68 to 65521 bytes.
    pub mtu: u32,
    /// Ethernet address of the kernel's end; derived from the device's name unless given.
    pub mac: Option<String>,
    /// Bring the device up.
    pub up: bool,
    /// Queues; one a core unless given. 1 to 256.
    pub queues: Option<usize>,
}

impl Default for TapConfig {
    fn default() -> Self {
        TapConfig {
            device: String::new(),
            address: Vec::new(),
            mode: Mode::Tap,
            mtu: 1500,
            mac: None,
            up: true,
            queues: None,
        }
    }
}

/// The most queues of a device (`MAX_TAP_QUEUES` in drivers/net/tun.c).
const MOST_QUEUES: usize = 256;
/// The least MTU of IPv4 (RFC 791), and the most a tap device has (65535 less its header).
const MTU: std::ops::RangeInclusive<u32> = 68..=65_521;

/// An address and its prefix.
pub(super) type Prefix = (IpAddr, u8);

impl TapConfig {
    /// Are the values in their ranges? What addresses mean.
    pub(super) fn check(&self) -> anyhow::Result<Vec<Prefix>> {
        anyhow::ensure!(
            !self.device.is_empty(),
            "a tap port needs `device`, the name of the device it makes, as in device = \"mnvkd0\""
        );
        anyhow::ensure!(
            MTU.contains(&self.mtu),
            "mtu = {}: expected {} to {} bytes",
            self.mtu,
            MTU.start(),
            MTU.end()
        );
        if let Some(queues) = self.queues {
            anyhow::ensure!(
                (1..=MOST_QUEUES).contains(&queues),
                "queues = {queues}: expected 1 to {MOST_QUEUES}, the most a tap device has"
            );
        }
        anyhow::ensure!(
            self.mac.is_none() || self.mode == Mode::Tap,
            "mac: a tun device has no Ethernet address; leave the key out, or set mode = \"tap\""
        );
        self.address.iter().map(|text| prefix(text)).collect()
    }

    /// The Ethernet address of the kernel's end.
    pub(super) fn kernel_mac(&self) -> anyhow::Result<Option<MacAddress>> {
        match (self.mode, &self.mac) {
            (Mode::Tun, _) => Ok(None),
            (Mode::Tap, Some(text)) => mac(text).map(Some),
            (Mode::Tap, None) => Ok(Some(derived_mac(&self.device))),
        }
    }
}

/// An address with its prefix.
fn prefix(text: &str) -> anyhow::Result<Prefix> {
    let expected = || {
        format!("address {text:?}: expected an address and a prefix, as in \"10.9.0.1/24\" or \"fd09::1/64\"")
    };
    let (address, prefix) = text.split_once('/').with_context(expected)?;
    let address: IpAddr = address.parse().with_context(expected)?;
    let prefix: u8 = prefix.parse().with_context(expected)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    anyhow::ensure!(prefix <= most, "address {text:?}: the prefix is at most {most}");
    Ok((address, prefix))
}

/// A unicast Ethernet address.
fn mac(text: &str) -> anyhow::Result<MacAddress> {
    let expected = || format!("mac = {text:?}: expected six bytes, as in \"02:00:00:00:00:01\"");
    let mut address = MacAddress::default();
    let mut parts = text.split(':');
    for byte in &mut address {
        let part = parts.next().filter(|part| part.len() == 2).with_context(expected)?;
        *byte = u8::from_str_radix(part, 16).with_context(expected)?;
    }
    anyhow::ensure!(parts.next().is_none(), "{}", expected());
    anyhow::ensure!(
        address[0] & 1 == 0,
        "mac = {text:?}: that is a group's address; the first byte must be even"
    );
    Ok(address)
}

/// An address of our own making ("locally administered") for a device of this name: the same in every run. Its last bit
/// is 0; our end has it with a 1.
fn derived_mac(device: &str) -> MacAddress {
    // FNV-1a, 64 bits.
    let hash = device.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let bytes = hash.to_be_bytes();
    [0x02, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4] & 0xfe]
}

/// The address of our end of the device.
pub(super) fn our_mac(mut kernel: MacAddress) -> MacAddress {
    kernel[5] ^= 1;
    kernel
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(change: impl FnOnce(&mut TapConfig)) -> TapConfig {
        let mut config = TapConfig { device: "mnvkd0".to_owned(), ..TapConfig::default() };
        change(&mut config);
        config
    }

    #[test]
    fn what_is_out_of_range_is_refused_with_the_range() {
        let complaint = |change: fn(&mut TapConfig)| config(change).check().unwrap_err().to_string();
        assert!(complaint(|config| config.device.clear()).contains("`device`"));
        assert!(complaint(|config| config.mtu = 67).contains("mtu = 67: expected 68 to 65521"));
        assert!(complaint(|config| config.queues = Some(300)).contains("1 to 256"));
        assert!(complaint(|config| config.address = vec!["10.9.0.1".to_owned()]).contains("a prefix"));
        assert!(complaint(|config| config.address = vec!["10.9.0.1/33".to_owned()]).contains("at most 32"));
        assert!(complaint(|config| config.address = vec!["nine/8".to_owned()]).contains("10.9.0.1/24"));
        assert!(
            complaint(|config| (config.mode, config.mac) = (Mode::Tun, Some(String::new())))
                .contains("mode = \"tap\"")
        );
    }

    #[test]
    fn addresses_are_read() {
        let both = config(|config| config.address = vec!["10.9.0.1/24".to_owned(), "fd09::1/64".to_owned()]);
        let prefixes = both.check().unwrap();
        assert_eq!(prefixes, [("10.9.0.1".parse().unwrap(), 24), ("fd09::1".parse().unwrap(), 64)]);
    }

    #[test]
    fn both_ends_have_an_address_of_their_own() {
        let given =
            config(|config| config.mac = Some("02:00:00:00:AB:cd".to_owned())).kernel_mac().unwrap().unwrap();
        assert_eq!((given, our_mac(given)), ([2, 0, 0, 0, 0xab, 0xcd], [2, 0, 0, 0, 0xab, 0xcc]));
        let derived =
            |name: &str| config(|config| config.device = name.to_owned()).kernel_mac().unwrap().unwrap();
        assert_eq!(derived("mnvkd0"), derived("mnvkd0"));
        assert!(derived("mnvkd0") != derived("mnvkd1") && derived("mnvkd0")[0] == 2);
        assert_ne!(our_mac(derived("mnvkd0")), derived("mnvkd0"));
        for wrong in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:1",
            "02:00:00:00:00:01:02",
            "zz:00:00:00:00:01",
            "03:00:00:00:00:01",
        ] {
            assert!(config(|config| config.mac = Some(wrong.to_owned())).kernel_mac().is_err(), "{wrong:?}");
        }
        assert_eq!(config(|config| config.mode = Mode::Tun).kernel_mac().unwrap(), None);
    }
}
