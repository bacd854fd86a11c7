//! `driver = "auto"`: the best way to drive a device that works on this machine.
//!
//! ```toml
//! [[port]]
//! name = "wan"
//! driver = "auto"              # zero-copy, then copy, then generic AF_XDP, then AF_PACKET
//! device = "eth0"
//! queues = 4
//! match = "udp and dst port 7" # leaves AF_PACKET out, which could not leave the rest to the kernel
//! ```

use serde::{Deserialize, Serialize};

use crate::port::Port;
use crate::port::af_packet::{AfPacket, AfPacketConfig};
use crate::port::af_xdp::{AfXdp, AfXdpConfig, Mode, QueueChoice};
use crate::port::ladder::{Ladder, Rung};

/// Keys of an `auto` port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutoConfig {
    /// The device's name, as `ip link` shows it.
    pub device: String,
    /// Its queues to take: a number (the first so many); all it has, unless given.
    pub queues: Option<usize>,
    /// What comes to us; everything else goes on to the kernel.
    #[serde(rename = "match")]
    pub matches: Option<String>,
}

/// A port that takes the best rung that bears.
///
/// # Errors
/// No such device, or keys that make no sense.
pub fn auto(config: AutoConfig) -> anyhow::Result<Ladder> {
    Ladder::new(rungs(&config))
}

/// The rungs for a device, best first.
pub fn rungs(config: &AutoConfig) -> Vec<Rung> {
    let xdp = |name, cost, mode| {
        let config = AfXdpConfig {
            device: config.device.clone(),
            queues: config.queues.map(QueueChoice::First),
            mode,
            matches: config.matches.clone(),
            ..AfXdpConfig::default()
        };
        Rung {
            name,
            cost,
            make: Box::new(move || Ok(Box::new(AfXdp::new(config.clone())?) as Box<dyn Port>)),
        }
    };
    let packet = config.clone();
    vec![
        xdp("af_xdp zero-copy", "no copy", Mode::ZeroCopy),
        xdp("af_xdp copy", "one copy a packet by the kernel, in the driver", Mode::Copy),
        xdp("af_xdp generic", "a socket buffer and one copy a packet by the kernel", Mode::Generic),
        Rung {
            name: "af_packet",
            cost: "a socket buffer and two copies a packet; the kernel's stack sees every packet too",
            make: Box::new(move || af_packet(&packet)),
        },
    ]
}

fn af_packet(config: &AutoConfig) -> anyhow::Result<Box<dyn Port>> {
    let keys = AfPacketConfig {
        device: config.device.clone(),
        queues: config.queues.or_else(|| queues_of_xdp(config)),
        ..AfPacketConfig::default()
    };
    let port = AfPacket::new(keys)?;
    anyhow::ensure!(
        config.matches.is_none(),
        "`match` needs AF_XDP: a packet socket gets copies, the kernel would go on with all packets"
    );
    Ok(Box::new(port))
}

/// As many queues as AF_XDP would have: whatever rung it is, cores and queues are wired alike.
fn queues_of_xdp(config: &AutoConfig) -> Option<usize> {
    let keys = AfXdpConfig { device: config.device.clone(), ..AfXdpConfig::default() };
    Some(AfXdp::new(keys).ok()?.queues(1))
}
