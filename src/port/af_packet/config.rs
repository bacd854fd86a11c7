//! The keys of an `af_packet` port.

use ffi::packet_socket::RingVersion;
use serde::{Deserialize, Serialize};

/// Format of the receive ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RingFormat {
    /// A slot a packet, each visible at once.
    V2,
    /// Packets close together in blocks, handed over when full or after a millisecond.
    V3,
}

impl From<RingFormat> for RingVersion {
    fn from(format: RingFormat) -> RingVersion {
        match format {
            RingFormat::V2 => RingVersion::V2,
            RingFormat::V3 => RingVersion::V3,
        }
    }
}

/// Keys of an `af_packet` port.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AfPacketConfig {
    /// Name of the device.
    pub device: String,
    /// Queues; one a core unless given. 1 to 256.
    pub queues: Option<usize>,
    /// Format of the receive rings.
    pub ring: RingFormat,
    /// Packets of the largest size each queue's receive ring holds, 1 to 1048576.
    pub receive_slots: u32,
    /// Packets each queue's transmit ring holds, 1 to 65536.
    pub transmit_slots: u32,
    /// Take in packets for other addresses too.
    pub promiscuous: bool,
    /// Send past the device's queueing discipline, its filters (`tc`) and taps (`tcpdump` does not see what is sent), as
    /// af_xdp does. Saves a third of the cycles a packet; without a queueing discipline to wait in, packets stay in the ring
    /// while the device has no room.
    pub qdisc_bypass: bool,
}

impl Default for AfPacketConfig {
    fn default() -> Self {
        AfPacketConfig {
            device: String::new(),
            queues: None,
            ring: RingFormat::V2,
            receive_slots: 4096,
            transmit_slots: 512,
            promiscuous: true,
            qdisc_bypass: true,
        }
    }
}

/// The most sockets a group can have (`PACKET_FANOUT_MAX` as it was before Linux 5.10).
const MOST_QUEUES: usize = 256;
const MOST_RECEIVE_SLOTS: u32 = 1 << 20;
const MOST_TRANSMIT_SLOTS: u32 = 1 << 16;

impl AfPacketConfig {
    /// Are the numbers in their ranges?
    pub(super) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.device.is_empty(),
            "an af_packet port needs `device`, the name of a network device (`ip link` lists them)"
        );
        if let Some(queues) = self.queues {
            anyhow::ensure!(
                (1..=MOST_QUEUES).contains(&queues),
                "queues = {queues}: expected 1 to {MOST_QUEUES}, the most sockets the kernel spreads packets over"
            );
        }
        let slots = |key: &str, value: u32, most: u32| {
            anyhow::ensure!((1..=most).contains(&value), "{key} = {value}: expected 1 to {most} packets");
            Ok(())
        };
        slots("receive-slots", self.receive_slots, MOST_RECEIVE_SLOTS)?;
        slots("transmit-slots", self.transmit_slots, MOST_TRANSMIT_SLOTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(change: impl FnOnce(&mut AfPacketConfig)) -> String {
        let mut config = AfPacketConfig { device: "eth0".to_owned(), ..AfPacketConfig::default() };
        assert!(config.check().is_ok());
        change(&mut config);
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_the_range() {
        assert!(complaint(|config| config.device.clear()).contains("`device`"));
        assert!(complaint(|config| config.queues = Some(0)).contains("queues = 0: expected 1 to 256"));
        assert!(complaint(|config| config.queues = Some(257)).contains("queues = 257"));
        assert!(
            complaint(|config| config.receive_slots = 0).contains("receive-slots = 0: expected 1 to 1048576")
        );
        assert!(complaint(|config| config.transmit_slots = 65_537).contains("transmit-slots = 65537"));
    }

    #[test]
    fn keys_are_read_and_others_refused() {
        let text = "device = \"eth1\"\nring = \"v3\"\nqdisc-bypass = false\nreceive-slots = 16\n";
        let config: AfPacketConfig = toml::from_str(text).unwrap();
        assert_eq!((config.ring, config.qdisc_bypass, config.receive_slots), (RingFormat::V3, false, 16));
        assert!(config.promiscuous && config.queues.is_none());
        assert!(AfPacketConfig::default().qdisc_bypass);
        assert!(toml::from_str::<AfPacketConfig>("device = \"eth1\"\nqdisc_bypas = true").is_err());
        assert!(toml::from_str::<AfPacketConfig>("ring = \"v1\"").is_err());
    }
}
