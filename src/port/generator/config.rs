//! The keys of a generator port, and what may stand there.

use serde::{Deserialize, Serialize};

use super::units::{Rate, Size, Span};

/// Keys of a generator port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GeneratorConfig {
    /// Conversations, 1 to 4194304 (192 bytes of memory each). No two have the same addresses and ports.
    pub flows: u32,
    /// Bytes of each packet from the Ethernet header on, without the frame check sequence: 60 to 9018, or
    /// `"imix"`. Where that has no room for the headers (IPv6 with TCP or a VLAN tag) and two bytes of data,
    /// packets are as long as these, and the report says so.
    pub size: Size,
    /// Packets a second over all queues: an integer, or a string such as `"500k"` or `"1.5Mpps"`. As fast as
    /// they are taken unless given; in virtual time, 1 million.
    pub rate: Option<Rate>,
    /// Packets in all, over all queues; endless unless given.
    pub count: Option<u64>,
    /// How long, by the run's clock, from the first time packets are asked for: `"10s"`. Endless unless given.
    pub duration: Option<Span>,
    /// Share of the flows that are IPv6, 0 to 1; the rest are IPv4.
    pub ipv6_share: f64,
    /// Share of the flows that are TCP, 0 to 1; the rest are UDP.
    pub tcp_share: f64,
    /// Share of the flows that carry a VLAN tag, 0 to 1.
    pub vlan_share: f64,
    /// Do both ends of a flow speak, each about as often as the other? Only the client does otherwise.
    pub bidirectional: bool,
    /// Queues; one a core unless given.
    pub queues: Option<usize>,
}

impl Default for GeneratorConfig {
    fn default() -> Self {
        GeneratorConfig {
            flows: 1024,
            size: Size::Bytes(64),
            rate: None,
            count: None,
            duration: None,
            ipv6_share: 0.0,
            tcp_share: 0.5,
            vlan_share: 0.0,
            bidirectional: true,
            queues: None,
        }
    }
}

/// The most flows of a port.
const MAX_FLOWS: u32 = 1 << 22;
/// The shortest frame of Ethernet without its check sequence (IEEE 802.3 clause 4.4.2).
const MIN_SIZE: u32 = 60;
/// The longest: 9000 bytes of IP, an Ethernet header and a VLAN tag.
pub(super) const MAX_SIZE: u32 = 9018;
/// The highest rate: 1000 packets a nanosecond.
const MAX_RATE: u64 = 1_000_000_000_000;

impl GeneratorConfig {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// The key, what stands there and what was expected.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            (1..=MAX_FLOWS).contains(&self.flows),
            "flows = {}: expected 1 to {MAX_FLOWS}",
            self.flows
        );
        if let Size::Bytes(bytes) = self.size {
            anyhow::ensure!(
                (MIN_SIZE..=MAX_SIZE).contains(&bytes),
                "size = {bytes}: expected {MIN_SIZE} to {MAX_SIZE} bytes (without the frame check sequence), or \"imix\""
            );
        }
        if let Some(Rate(rate)) = self.rate {
            anyhow::ensure!(
                (1..=MAX_RATE).contains(&rate),
                "rate = {rate}: expected 1 to {MAX_RATE} packets/s; without the key there is no limit"
            );
        }
        anyhow::ensure!(
            self.count != Some(0),
            "count = 0: expected at least 1; without the key there is no end"
        );
        anyhow::ensure!(
            self.duration.is_none_or(|span| span.ns > 0),
            "duration = \"0s\": expected a time; without the key there is no end"
        );
        anyhow::ensure!(self.queues != Some(0), "queues = 0: a port has at least one queue");
        for (key, share) in
            [("ipv6-share", self.ipv6_share), ("tcp-share", self.tcp_share), ("vlan-share", self.vlan_share)]
        {
            anyhow::ensure!((0.0..=1.0).contains(&share), "{key} = {share}: expected 0.0 to 1.0");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<GeneratorConfig, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn the_default_is_sound_and_survives_a_round_trip() {
        let config = GeneratorConfig::default();
        config.check().unwrap();
        assert_eq!(read(&toml::to_string(&config).unwrap()).unwrap(), config);
        let full = "flows = 7\nsize = \"imix\"\nrate = \"1Mpps\"\ncount = 5\nduration = \"10s\"\nipv6-share = 1\n\
                    tcp-share = 0.25\nvlan-share = 0.5\nbidirectional = false\nqueues = 3\n";
        let config = read(full).unwrap();
        assert_eq!((config.size, config.rate, config.ipv6_share), (Size::Imix, Some(Rate(1_000_000)), 1.0));
        assert_eq!(read(&toml::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, message) in [
            ("flows = 0", "flows = 0: expected 1 to"),
            ("flows = 4194305", "flows = 4194305: expected 1 to"),
            ("size = 20", "size = 20: expected 60 to 9018 bytes"),
            ("size = 59", "size = 59: expected 60 to 9018 bytes"),
            ("size = 9019", "size = 9019: expected 60 to 9018 bytes"),
            ("rate = 0", "rate = 0: expected 1 to"),
            ("rate = \"2000G\"", "rate = 2000000000000: expected 1 to"),
            ("count = 0", "count = 0: expected at least 1"),
            ("duration = \"0s\"", "duration = \"0s\": expected a time"),
            ("queues = 0", "queues = 0: a port has at least one queue"),
            ("ipv6-share = 1.5", "ipv6-share = 1.5: expected 0.0 to 1.0"),
            ("tcp-share = -0.1", "tcp-share = -0.1: expected 0.0 to 1.0"),
            ("vlan-share = nan", "vlan-share = NaN: expected 0.0 to 1.0"),
            ("vlan-share = inf", "vlan-share = inf: expected 0.0 to 1.0"),
        ] {
            let error = read(text).unwrap().check().unwrap_err().to_string();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_too() {
        for (text, message) in [
            ("size = \"big\"", "expected a number of bytes, or \"imix\""),
            ("size = -1", "expected a number of bytes, or \"imix\""),
            ("rate = \"fast\"", "expected packets a second: an integer, or a string such as"),
            ("duration = 10", "expected a time with its unit"),
            ("speed = 1", "unknown field `speed`"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
