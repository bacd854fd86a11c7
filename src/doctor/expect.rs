//! What the machine is to carry: a configuration's cores, memory, devices and privileges, or a dataplane in general.

use hugepages::PagePolicy;

use crate::config::Config;
use crate::pipeline::Registry;
use crate::port::Privilege;
use crate::topology::{self, Plan};

/// Memory of a core where no configuration says otherwise, bytes: the embedded configuration's arena.
const USUAL_BYTES: u64 = 64 << 20;

/// A port on a device of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePort {
    /// The port's name.
    pub port: String,
    /// Its driver.
    pub driver: String,
    /// Its device.
    pub device: String,
    /// Queues it takes, where the configuration says.
    pub queues: Option<usize>,
    /// Does it poll the kernel's own receive path, so that interrupts wait for it?
    pub busy_poll: bool,
}

impl DevicePort {
    /// Does it run an XDP program on the device?
    pub fn is_xdp(&self) -> bool {
        matches!(self.driver.as_str(), "af_xdp" | "auto")
    }
}

/// What the machine is to carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The configuration's name; `None` for a dataplane in general.
    pub configuration: Option<String>,
    /// CPUs that poll, ascending; empty where none is chosen.
    pub polling: Vec<usize>,
    /// Polling cores; 0 where that is not known.
    pub cores: usize,
    /// Memory of each, bytes.
    pub core_bytes: u64,
    /// Pages it is to lie on.
    pub pages: PagePolicy,
    /// Ports on devices.
    pub ports: Vec<DevicePort>,
    /// What ports need, each with its port's name.
    pub privileges: Vec<(String, Privilege)>,
    /// Why the configuration would not start.
    pub refused: Option<String>,
}

impl Default for Expectation {
    fn default() -> Expectation {
        Expectation {
            configuration: None,
            polling: Vec::new(),
            cores: 0,
            core_bytes: USUAL_BYTES,
            pages: PagePolicy::default(),
            ports: Vec::new(),
            privileges: Vec::new(),
            refused: None,
        }
    }
}

impl Expectation {
    /// What a configuration expects. One that would not start is looked at as far as it goes.
    pub fn of(config: Config, name: &str, registry: &Registry) -> Expectation {
        let mut expected = Expectation {
            configuration: Some(name.to_owned()),
            pages: config.dataplane.pages,
            ports: ports(&config.to_json()),
            ..Expectation::default()
        };
        match topology::core_seats(&config) {
            Ok(seats) => {
                expected.cores = seats.len();
                expected.polling = seats.iter().filter_map(|seat| seat.cpu).collect();
                expected.polling.sort_unstable();
            }
            Err(error) => expected.refused = Some(format!("{error:#}")),
        }
        expected.core_bytes = config.dataplane.arena_bytes;
        match Plan::of(config, registry) {
            Ok(plan) => {
                expected.core_bytes = plan.budget.total() as u64;
                let of = |seat: &topology::PortSeat| {
                    let name = seat.name.clone();
                    seat.port.privileges().into_iter().map(move |privilege| (name.clone(), privilege))
                };
                expected.privileges = plan.wiring.ports.iter().flat_map(of).collect();
            }
            Err(error) => expected.refused = Some(format!("{error:#}")),
        }
        expected
    }

    /// The ports on a device.
    pub fn ports_on(&self, device: &str) -> impl Iterator<Item = &DevicePort> {
        self.ports.iter().filter(move |port| port.device == device)
    }
}

/// The ports whose driver has a `device`.
fn ports(config: &serde_json::Value) -> Vec<DevicePort> {
    let text = |port: &serde_json::Value, key: &str| port.get(key)?.as_str().map(str::to_owned);
    let one = |port: &serde_json::Value| {
        let queues = port.get("queues").and_then(|queues| match queues {
            serde_json::Value::Array(list) => Some(list.len()),
            number => number.as_u64().map(|number| number as usize),
        });
        let off = |value: &serde_json::Value| {
            matches!(value, serde_json::Value::Null | serde_json::Value::Bool(false))
                || value.as_u64() == Some(0)
                || matches!(value.as_str(), Some("never" | "no" | "off"))
        };
        let busy_poll =
            ["busy_poll", "busy-poll"].iter().filter_map(|key| port.get(key)).any(|value| !off(value));
        Some(DevicePort {
            port: text(port, "name")?,
            driver: text(port, "driver")?,
            device: text(port, "device")?,
            queues,
            busy_poll,
        })
    };
    config.get("port").and_then(|ports| ports.as_array()).into_iter().flatten().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_with_a_device_are_found_whatever_their_keys_are() {
        let config = serde_json::json!({ "port": [
            { "name": "a", "driver": "af_xdp", "device": "eth0", "queues": [0, 2], "busy_poll": true },
            { "name": "b", "driver": "af_packet", "device": "eth1", "queues": 3, "busy_poll": "never" },
            { "name": "c", "driver": "null" },
            { "name": "d", "driver": "tap", "device": 7 },
        ]});
        let found = ports(&config);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].queues, found[0].busy_poll, found[0].is_xdp()), (Some(2), true, true));
        assert_eq!((found[1].queues, found[1].busy_poll, found[1].is_xdp()), (Some(3), false, false));
        assert_eq!(ports(&serde_json::json!({})), []);
    }
}
