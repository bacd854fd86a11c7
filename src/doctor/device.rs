//! Network devices: whether they are there, their queues, offloads, NUMA nodes.

use ffi::device::Device;
use ffi::offloads::Feature;
use ffi::xdp_support::XdpSupport;

use super::expect::DevicePort;
use super::finding::Finding;
use super::fix::Fix;
use super::scene::Scene;
use crate::host::{Host, cpus, show_list};

/// What is known of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceFacts {
    /// The device.
    pub device: Device,
    /// Its features; empty where they cannot be had.
    pub features: Vec<Feature>,
    /// What its driver can do, in the kernel's own words.
    pub support: Option<XdpSupport>,
}

impl DeviceFacts {
    /// Asks the kernel; `None` where there is no such device.
    pub fn of(name: &str) -> Option<DeviceFacts> {
        let device = ffi::device::by_name(name).ok().flatten()?;
        let features = ffi::offloads::features(name).unwrap_or_default();
        let support = ffi::xdp_support::of_device(device.index).ok().flatten();
        Some(DeviceFacts { device, features, support })
    }

    /// All devices of this network namespace that carry packets of others: not the loopback device.
    pub fn all() -> Vec<DeviceFacts> {
        let names = ffi::device::names().unwrap_or_default();
        let found = names.iter().filter_map(|name| DeviceFacts::of(name));
        found.filter(|facts| facts.device.name != "lo" && facts.device.ethernet).collect()
    }

    /// Its driver's name; empty where it has none.
    pub(super) fn driver(&self) -> &str {
        self.device.driver.as_ref().map_or("", |driver| driver.name.as_str())
    }
}

/// Are the devices of the configuration there and up?
pub(super) fn there(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "device";
    let mut found = Vec::new();
    for port in &scene.expect.ports {
        let device =
            scene.devices.iter().map(|facts| &facts.device).find(|device| device.name == port.device);
        found.push(
            match device {
                None => Finding::fault(CHECK, format!("there is none of this name for port {:?}", port.port))
                    .because("the port cannot open")
                    .mended_by("ip link   (those there are, in this network namespace)"),
                Some(device) if !device.up => Finding::warning(CHECK, "down")
                    .because("nothing comes in")
                    .mended_by(format!("sudo ip link set {} up", device.name)),
                Some(device) if !device.running => Finding::warning(CHECK, "up, but without a carrier")
                    .because("nothing comes in: no cable, no peer, or the peer is down"),
                Some(device) => Finding::well(CHECK, format!("up, MTU {}", device.mtu)),
            }
            .about(&port.device),
        );
    }
    found
}

/// Are there as many queues as cores?
pub(super) fn queues(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "queues";
    let mut found = Vec::new();
    for port in &scene.expect.ports {
        let Some(facts) = scene.devices.iter().find(|facts| facts.device.name == port.device) else {
            continue;
        };
        let (queues, cores) = (facts.device.queues, scene.expect.cores);
        let (has, most) = (queues.receive as usize, queues.receive_most as usize);
        // Unless it says otherwise a port takes all queues.
        let wanted = port.queues.unwrap_or(has);
        let set = |number: usize| {
            format!("sudo ethtool -L {} combined {number}   (or rx {number} tx {number})", port.device)
        };
        let taken = if wanted == has { "all".to_owned() } else { wanted.to_string() };
        let what = format!("{has} in use, {taken} taken; cores: {cores}");
        let finding = if has < wanted {
            let finding = Finding::fault(CHECK, what)
                .because(format!("port {:?} is to take queues that are not there", port.port));
            if most >= wanted {
                finding.mended_by(set(wanted))
            } else {
                finding.mended_by(format!("queues = {most} for the port: it can have no more"))
            }
        } else if has > wanted && port.is_xdp() {
            Finding::warning(CHECK, what)
                .because("what the card puts into queues nobody polls goes to the kernel, not to mnvkd")
                .mended_by(set(wanted))
        } else if has < cores {
            let finding = Finding::note(CHECK, what)
                .because("cores without a queue get their packets through lanes: some ten cycles each");
            if most >= cores { finding.mended_by(set(cores)) } else { finding }
        } else {
            Finding::well(CHECK, what)
        };
        found.push(finding.about(&port.device));
    }
    found
}

/// Offloads that change what a port sees: the feature, is it for XDP alone, why it hurts.
const HURTFUL: [(&str, bool, &str); 3] = [
    ("rx-lro", false, "the card joins segments into packets nobody sent; most drivers refuse XDP with it"),
    ("rx-gro-hw", false, "the card joins segments into packets nobody sent; most drivers refuse XDP with it"),
    (
        "rx-vlan-hw-parse",
        true,
        "the card takes VLAN tags out of packets and XDP does not see them: packets come untagged",
    ),
];

/// Does the card change packets on their way?
pub(super) fn offloads(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "offloads";
    let mut found = Vec::new();
    for facts in scene.devices {
        let name = &facts.device.name;
        let expected = scene.expect.ports_on(name).next().is_some();
        let xdp = scene.expect.ports_on(name).any(DevicePort::is_xdp);
        let active = |feature: &str| facts.features.iter().find(|one| one.name == feature && one.active);
        let mut hurts = false;
        for (feature, xdp_alone, why) in HURTFUL {
            let Some(feature_facts) = active(feature) else { continue };
            hurts = true;
            let matters = expected && (xdp || !xdp_alone);
            let finding = if matters { Finding::warning } else { Finding::note };
            let finding = finding(CHECK, format!("{feature} is on")).because(why).about(name);
            // Devices nobody configured are somebody else's.
            found.push(match (feature_facts.changeable, matters) {
                (true, true) => finding.fixed_by(Fix::SwitchOff { device: name.clone(), feature }),
                (true, false) => finding.mended_by(format!("sudo ethtool -K {name} {feature} off")),
                (false, _) => finding,
            });
        }
        if !hurts && !facts.features.is_empty() {
            found.push(Finding::well(CHECK, "none that hurts").about(name));
        }
    }
    found
}

/// Do devices sit on the node of the cores?
pub(super) fn nodes(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "numa";
    let mut found = Vec::new();
    for facts in scene.devices {
        let Some(node) = node_of(scene.host, &facts.device.name) else { continue };
        let far: Vec<usize> = scene
            .polling
            .iter()
            .copied()
            .filter(|cpu| cpus::node(scene.host, *cpu).is_some_and(|of| of != node))
            .collect();
        let finding = if far.is_empty() {
            if scene.polling.is_empty() {
                continue;
            }
            Finding::well(CHECK, format!("node {node}, as the polling CPUs"))
        } else {
            let local =
                scene.host.cpus(format!("devices/system/node/node{node}/cpulist")).unwrap_or_default();
            let finding = Finding::warning(
                CHECK,
                format!("on node {node}, polling CPUs {} are not", show_list(&far)),
            )
            .because(
                "each packet crosses from one socket to the other: 100 ns and more, and half the bandwidth",
            );
            if local.is_empty() {
                finding
            } else {
                finding.mended_by(format!("cores of node {node}: CPUs {}", show_list(&local)))
            }
        };
        found.push(finding.about(&facts.device.name));
    }
    found
}

/// The NUMA node a device sits on; `None` where it sits on none, or the machine has but one (the kernel says -1).
fn node_of(host: &Host, device: &str) -> Option<u32> {
    host.sys(format!("class/net/{device}/device/numa_node"))?.parse().ok()
}
