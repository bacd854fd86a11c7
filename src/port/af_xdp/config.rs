//! Keys of an `af_xdp` port.

use serde::{Deserialize, Serialize};

/// Most entries of a ring; the kernel takes more, but nobody wants to wait for so many packets.
const MOST_RING: u32 = 1 << 16;
/// Fewest entries of a ring: two bursts.
const LEAST_RING: u32 = 128;
/// Packets a busy poll takes at most, unless given; the most an unprivileged process may set.
const USUAL_BUDGET: u32 = 64;

/// Which queues of the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum QueueChoice {
    /// The first so many.
    First(usize),
    /// These.
    These(Vec<u32>),
}

/// How packets come from the device into our memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The best of the others that the device can do.
    #[default]
    Auto,
    /// The driver writes them there itself.
    ZeroCopy,
    /// The kernel copies them, in the driver, before it makes a socket buffer.
    Copy,
    /// The kernel copies them behind the driver, from a socket buffer: any device can do that.
    Generic,
}

/// Who polls the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum BusyPollChoice {
    /// Our own calls, or interrupts as usual.
    Switch(bool),
    /// Our own calls, each taking so many packets at most.
    Budget(u32),
}

/// Keys of an `af_xdp` port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AfXdpConfig {
    /// The device's name, as `ip link` shows it.
    pub device: String,
    /// Its queues to take: a number (the first so many) or a list; all it has, unless given.
    pub queues: Option<QueueChoice>,
    /// "auto", "zero-copy", "copy" or "generic". One that is named is never replaced by another.
    pub mode: Mode,
    /// What comes to us, as in `udp and dst port 7`; everything else goes on to the kernel. Everything comes to us
    /// where it is not given.
    #[serde(rename = "match")]
    pub matches: Option<String>,
    /// Poll the device by our own calls (`true`, or the packets a call takes at most) instead of its interrupts.
    #[serde(rename = "busy_poll")]
    pub busy_poll: BusyPollChoice,
    /// Entries of each ring, a power of two: packets a queue can hold while its core is busy elsewhere.
    pub ring: u32,
}

impl Default for AfXdpConfig {
    fn default() -> Self {
        AfXdpConfig {
            device: String::new(),
            queues: None,
            mode: Mode::Auto,
            matches: None,
            busy_poll: BusyPollChoice::Switch(false),
            ring: 2048,
        }
    }
}

impl AfXdpConfig {
    /// Checks what can be checked without the device.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.device.is_empty(),
            "device is missing: the name of a network device, as `ip link` shows it"
        );
        anyhow::ensure!(
            self.ring.is_power_of_two() && (LEAST_RING..=MOST_RING).contains(&self.ring),
            "ring = {}: expected a power of two from {LEAST_RING} to {MOST_RING}",
            self.ring
        );
        match &self.queues {
            Some(QueueChoice::First(0)) => anyhow::bail!("queues = 0: a port has at least one queue"),
            Some(QueueChoice::These(list)) if list.is_empty() => {
                anyhow::bail!("queues = []: a port has at least one queue")
            }
            Some(QueueChoice::These(list)) => {
                let twice = (1..list.len()).find(|i| list[..*i].contains(&list[*i]));
                if let Some(twice) = twice {
                    anyhow::bail!("queues: {} is in the list twice", list[twice]);
                }
            }
            _ => {}
        }
        anyhow::ensure!(self.busy_poll != BusyPollChoice::Budget(0), "busy_poll = 0: false turns it off");
        Ok(())
    }

    /// Packets a busy poll takes at most, if there is to be any.
    pub(super) fn busy_poll_budget(&self) -> Option<u32> {
        match self.busy_poll {
            BusyPollChoice::Switch(false) => None,
            BusyPollChoice::Switch(true) => Some(USUAL_BUDGET),
            BusyPollChoice::Budget(packets) => Some(packets),
        }
    }

    /// The device's queues by the port's queue number, of `there` that it has.
    pub(super) fn queue_numbers(&self, there: u32) -> anyhow::Result<Vec<u32>> {
        let device = &self.device;
        let numbers = match &self.queues {
            None => (0..there).collect(),
            Some(QueueChoice::First(count)) => (0..u32::try_from(*count).unwrap_or(u32::MAX)).collect(),
            Some(QueueChoice::These(list)) => list.clone(),
        };
        if let Some(most) = numbers.iter().max().filter(|most| **most >= there) {
            anyhow::bail!(
                "device {device:?} receives on {there} queue{}, 0 to {}; queue {most} is not there: \
                 `ethtool -L {device} combined {}` makes more where the device can, or take fewer with `queues`",
                if there == 1 { "" } else { "s" },
                there.saturating_sub(1),
                most + 1
            );
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AfXdpConfig, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn keys_are_read_as_people_write_them() {
        let config = read(
            "device = \"dut0\"\nqueues = [0, 2]\nmode = \"zero-copy\"\nmatch = \"arp\"\nbusy_poll = 32\nring = 512",
        )
        .unwrap();
        assert_eq!(config.queues, Some(QueueChoice::These(vec![0, 2])));
        assert_eq!((config.mode, config.matches.as_deref()), (Mode::ZeroCopy, Some("arp")));
        assert_eq!((config.busy_poll_budget(), config.ring), (Some(32), 512));
        assert_eq!(read("device = \"x\"\nbusy_poll = true").unwrap().busy_poll_budget(), Some(USUAL_BUDGET));
        assert!(read("devise = \"x\"").is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_key() {
        for (text, key) in [
            ("", "device"),
            ("device = \"x\"\nring = 1000", "ring = 1000"),
            ("device = \"x\"\nring = 64", "ring = 64"),
            ("device = \"x\"\nqueues = 0", "queues = 0"),
            ("device = \"x\"\nqueues = [1, 0, 1]", "1 is in the list twice"),
            ("device = \"x\"\nbusy_poll = 0", "busy_poll = 0"),
        ] {
            let error = read(text).unwrap().check().unwrap_err().to_string();
            assert!(error.contains(key), "{text}: {error}");
        }
    }

    #[test]
    fn queues_that_are_not_there_are_refused_with_the_command_that_makes_them() {
        let config =
            AfXdpConfig { queues: Some(QueueChoice::First(4)), device: "d0".into(), ..Default::default() };
        let error = config.queue_numbers(2).unwrap_err().to_string();
        assert!(error.contains("2 queues") && error.contains("ethtool -L d0 combined 4"), "{error}");
        assert_eq!(config.queue_numbers(4).unwrap(), [0, 1, 2, 3]);
        assert_eq!(AfXdpConfig::default().queue_numbers(2).unwrap(), [0, 1]);
    }
}
