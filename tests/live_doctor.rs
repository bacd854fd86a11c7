//! The doctor on devices that are there: pairs of veth in a network namespace of its own. Needs root and iproute2.

use std::process::Command;

use mnvkd::Daemon;
use mnvkd::config::Config;
use mnvkd::doctor::{DeviceFacts, Expectation, Finding, Level, Sample, Scene, examine};
use mnvkd::host::Host;
use mnvkd::packet::Frames;
use mnvkd::port::{Opening, Port, Queue};
use serde::{Deserialize, Serialize};

/// Says that this process runs inside the namespace.
const INSIDE: &str = "MNVKD_LIVE_DOCTOR_INSIDE";

/// A network namespace, gone with this.
struct Namespace(String);

impl Namespace {
    fn new() -> Namespace {
        let namespace = Namespace(format!("mnvkd-doctor-{}", std::process::id()));
        ip(&["netns", "add", &namespace.0]);
        namespace
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn ip(args: &[&str]) {
    let status = Command::new("ip").args(args).status().expect("iproute2 is needed");
    assert!(status.success(), "ip {args:?}");
}

/// A port on a device that is never opened, under the name the checks know XDP ports by.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OnDevice {
    device: String,
}

impl Port for OnDevice {
    fn driver(&self) -> &'static str {
        "af_xdp"
    }

    fn queues(&self, _: usize) -> usize {
        1
    }

    fn largest_packet(&self) -> usize {
        1514
    }

    fn describe(&self) -> String {
        self.device.clone()
    }

    fn open(&mut self, opening: &mut Opening<'_>) -> anyhow::Result<Vec<Queue>> {
        let _: &mut Frames = opening.frames_of(0);
        anyhow::bail!("never opened")
    }
}

/// What the doctor finds for a port on this device.
fn findings(device: &str) -> Vec<Finding> {
    let daemon = Daemon::new().driver("af_xdp", "stands in", |config: OnDevice| Ok(config));
    let text = format!(
        "[dataplane]\ncores = 1\n[[port]]\nname = 'in'\ndriver = 'af_xdp'\ndevice = '{device}'\n\
         [[pipeline]]\nname = 'p'\nfrom = 'in'\nstages = 'sink'\n"
    );
    let config = Config::load(&text, "live.toml", &[], daemon.registry(), daemon.drivers()).unwrap();
    let expect = Expectation::of(config, "live.toml", daemon.registry());
    let devices: Vec<DeviceFacts> = DeviceFacts::of(device).into_iter().collect();
    let (host, sample) = (Host::here(), Sample::default());
    let all = examine(&Scene::of(&host, &expect, &devices, &sample));
    all.into_iter().filter(|finding| finding.about.as_deref() == Some(device)).collect()
}

#[track_caller]
fn one<'f>(findings: &'f [Finding], check: &str) -> &'f Finding {
    let of: Vec<&Finding> = findings.iter().filter(|finding| finding.check == check).collect();
    assert_eq!(of.len(), 1, "{check}: {findings:#?}");
    of[0]
}

fn inside() {
    let found = findings("vplain");
    assert_eq!(one(&found, "device").level, Level::Well, "{found:#?}");
    let xdp = one(&found, "xdp");
    assert_eq!((xdp.level, xdp.what.as_str()), (Level::Note, "driver veth: native, by copy"));
    assert_eq!(one(&found, "queues").what, "1 in use, all taken; cores: 1");

    // A veth whose peer has more transmit queues than it receives on runs no programs: the kernel says so.
    let found = findings("vnarrow");
    let xdp = one(&found, "xdp");
    assert_eq!(xdp.what, "driver veth: none of its own, as it is set; generic only");
    assert_eq!(xdp.level, Level::Warning);

    let found = findings("vdown");
    assert_eq!((one(&found, "device").what.as_str(), one(&found, "device").level), ("down", Level::Warning));
    assert_eq!(one(&findings("vgone"), "device").level, Level::Fault);

    // A veth keeps VLAN tags beside packets by default.
    let found = findings("vplain");
    let ill = one(&found, "offloads");
    assert_eq!((ill.level, ill.what.as_str()), (Level::Warning, "rx-vlan-hw-parse is on"));
    let change = ill.fix.as_ref().expect("it can be switched").carry_out(&Host::here());
    assert_eq!(
        (change.error.as_deref(), change.undo.as_str()),
        (None, "sudo ethtool -K vplain rx-vlan-hw-parse on")
    );
    assert_eq!(one(&findings("vplain"), "offloads").level, Level::Well);
    // What the printed command does.
    ffi::offloads::switch("vplain", "rx-vlan-hw-parse", true).unwrap();
    assert_eq!(one(&findings("vplain"), "offloads").level, Level::Warning);
    let refused = ffi::offloads::switch("vplain", "rx-gro-hw", true).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::Unsupported, "{refused}");
}

#[test]
fn devices_are_examined_and_mended() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    if ffi::process::effective_uid() != 0 {
        assert_ne!(std::env::var("MNVKD_CI_LIVE").as_deref(), Ok("1"), "live test cannot run: not root");
        println!("skipped: not root");
        return;
    }
    let namespace = Namespace::new();
    let within = |words: &str| {
        ip(&["-n", namespace.0.as_str()].into_iter().chain(words.split(' ')).collect::<Vec<_>>());
    };
    within("link add vplain type veth peer name vpeer");
    within(
        "link add vnarrow numrxqueues 1 numtxqueues 1 type veth peer name vwide numrxqueues 2 numtxqueues 2",
    );
    within("link add vdown type veth peer name vdownpeer");
    for device in ["vplain", "vpeer", "vnarrow", "vwide"] {
        within(&format!("link set {device} up"));
    }
    let status = Command::new("ip")
        .args(["netns", "exec", &namespace.0])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "devices_are_examined_and_mended", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "inside the namespace");
}
