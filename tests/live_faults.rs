//! What happens to devices while traffic flows: reported, nothing panics, books balance, and traffic goes on when the
//! device is back.

mod live_lab;

use std::time::Duration;

use live_lab::{Background, Daemon, Driver, Ended, Lab, accounted, ping, quietly, turn, within};

for_each_driver!(
    a_daemon_killed_in_mid_traffic_leaves_the_device_as_it_was,
    a_device_goes_down_and_up,
    the_mtu_changes,
    the_number_of_queues_changes,
    the_peer_disappears_and_a_new_device_takes_its_place,
    the_namespace_is_deleted,
);

/// A flood of pings in the background, ended with the test.
fn flood(lab: &Lab) -> Background {
    quietly(lab.command("client", "ping").args(["-f", "-q", "-w", "30", "10.9.0.1"]))
}

/// Does somebody answer at the address, within a while?
fn answers(lab: &Lab, address: &str) -> bool {
    within(Duration::from_secs(10), || ping(lab, 1, &[address]) == (1, 1))
}

/// Every one of these answers, once one does.
#[track_caller]
fn assert_flows(lab: &Lab, daemon: &Daemon, driver: Driver) {
    assert!(answers(lab, "10.9.0.1"), "{driver:?}: nobody answers\n{}", daemon.told());
    let counts = ping(lab, 50, &["10.9.0.1"]);
    assert_eq!(counts, (50, 50), "{driver:?}\n{}", daemon.told());
}

/// What it said is in the report too.
#[track_caller]
fn assert_noted(ended: &Ended, words: &[&str]) {
    let notes = ended.report["notes"].to_string();
    assert!(words.iter().any(|word| notes.contains(word)), "none of {words:?} in {notes}");
}

/// What is attached to a device: the kernel's own words for it.
fn link(lab: &Lab) -> String {
    lab.run("dut", &["ip", "-d", "link", "show", "dev", "port0"]).good().out
}

fn a_daemon_killed_in_mid_traffic_leaves_the_device_as_it_was(driver: Driver) {
    let Some(_turn) = turn(&["ping"]) else { return };
    // The kernel has an address there too: what it answers tells how the device is.
    let lab = Lab::up(&["--device-address", "10.9.0.9/24"]);
    assert!(answers(&lab, "10.9.0.9"));
    let config = driver.echo(2);
    for _ in 0..3 {
        let daemon = Daemon::start(&lab, &config);
        let traffic = flood(&lab);
        std::thread::sleep(Duration::from_millis(300));
        daemon.kill();
        let after = link(&lab);
        assert!(!after.contains("xdp"), "{driver:?}: a program is left behind: {after}");
        assert!(!after.contains("PROMISC") && after.contains("UP"), "{driver:?}: {after}");
        // At once: the kernel may not be through with the sockets of the one that was killed.
        let again = Daemon::start(&lab, &config);
        assert_flows(&lab, &again, driver);
        drop(traffic);
        accounted(&again.stop());
        assert!(answers(&lab, "10.9.0.9"), "{driver:?}: the kernel does not answer any more: {}", link(&lab));
    }
}

fn a_device_goes_down_and_up(driver: Driver) {
    let Some(_turn) = turn(&["ping"]) else { return };
    let lab = Lab::up(&[]);
    let daemon = Daemon::start(&lab, &driver.echo(2));
    let traffic = flood(&lab);
    let up = ["is up", "has its carrier back", "carrier"];
    for round in 1..=3 {
        std::thread::sleep(Duration::from_millis(200));
        lab.run("dut", &["ip", "link", "set", "port0", "down"]).good();
        let down = ["is down", "went down"];
        assert!(daemon.tells(&down, round), "{driver:?} {round}: {}", daemon.told());
        lab.run("dut", &["ip", "link", "set", "port0", "up"]).good();
        assert!(daemon.tells(&up[..1], round), "{driver:?} {round}: {}", daemon.told());
        assert_flows(&lab, &daemon, driver);
    }
    // The other end too: then there is no carrier.
    lab.client(&["ip", "link", "set", "eth0", "down"]).good();
    assert!(daemon.tells(&["carrier"], 1), "{driver:?}: {}", daemon.told());
    lab.client(&["ip", "link", "set", "eth0", "up"]).good();
    assert_flows(&lab, &daemon, driver);
    drop(traffic);
    let ended = daemon.stop();
    accounted(&ended);
    assert_noted(&ended, &["is down", "went down"]);
}

fn the_mtu_changes(driver: Driver) {
    let Some(_turn) = turn(&["ping"]) else { return };
    let lab = Lab::up(&["--mtu", "3000"]);
    let daemon = Daemon::start(&lab, &driver.echo(2));
    let traffic = flood(&lab);
    let set = |mtu: &str| {
        let port = lab.run("dut", &["ip", "link", "set", "port0", "mtu", mtu]);
        let host = lab.client(&["ip", "link", "set", "eth0", "mtu", mtu]);
        (port.code, host.code) == (0, 0)
    };
    assert!(set("1400"));
    assert!(daemon.tells(&["the MTU of"], 1), "{driver:?}: {}", daemon.told());
    assert_flows(&lab, &daemon, driver);
    assert!(set("3000"));
    assert!(daemon.tells(&["the MTU of"], 2), "{driver:?}: {}", daemon.told());
    assert_flows(&lab, &daemon, driver);
    let large = ping(&lab, 5, &["-s", "2900", "10.9.0.1"]);
    assert_eq!(large, (5, 5), "{driver:?}: as large as at the start");
    // Larger than frames were made for: a kernel that allows it has the daemon say what that costs.
    if set("9000") {
        assert!(daemon.tells(&["the MTU of"], 3), "{driver:?}: {}", daemon.told());
        ping(&lab, 5, &["-s", "8000", "10.9.0.1"]);
    }
    assert_flows(&lab, &daemon, driver);
    drop(traffic);
    let ended = daemon.stop();
    accounted(&ended);
    assert_noted(&ended, &["the MTU of"]);
}

fn the_number_of_queues_changes(driver: Driver) {
    let Some(_turn) = turn(&["ping"]) else { return };
    let lab = Lab::up(&["--queues", "4"]);
    let daemon = Daemon::start(&lab, &driver.echo(2));
    let traffic = flood(&lab);
    for queues in ["2", "1", "4", "3", "4"] {
        for (end, device) in [("dut", "port0"), ("client", "eth0")] {
            // A kernel may refuse, while a program is attached; then nothing has changed.
            lab.run(end, &["ethtool", "-L", device, "rx", queues, "tx", queues]);
        }
        std::thread::sleep(Duration::from_millis(300));
        if queues == "4" {
            assert_flows(&lab, &daemon, driver);
        } else {
            ping(&lab, 20, &["10.9.0.1"]);
        }
    }
    drop(traffic);
    accounted(&daemon.stop());
}

fn the_peer_disappears_and_a_new_device_takes_its_place(driver: Driver) {
    let Some(_turn) = turn(&["ping"]) else { return };
    let lab = Lab::up(&[]);
    let address = lab.mac("dut", "port0");
    let daemon = Daemon::start(&lab, &driver.echo(2));
    for round in 1..=2 {
        let traffic = flood(&lab);
        std::thread::sleep(Duration::from_millis(300));
        // One end of a veth goes, and the other with it.
        lab.client(&["ip", "link", "del", "eth0"]).good();
        drop(traffic);
        assert!(daemon.tells(&["is gone", "there is no device"], round), "{driver:?}: {}", daemon.told());
        lab.wire_again(&address);
        assert_flows(&lab, &daemon, driver);
    }
    let ended = daemon.stop();
    accounted(&ended);
    assert_noted(&ended, &["is gone", "there is no device"]);
}

fn the_namespace_is_deleted(driver: Driver) {
    let Some(_turn) = turn(&["ping"]) else { return };
    // The other side's: the device goes with it, for good.
    let lab = Lab::up(&[]);
    let daemon = Daemon::start(&lab, &driver.echo(2));
    let traffic = flood(&lab);
    std::thread::sleep(Duration::from_millis(300));
    drop(traffic);
    lab.delete("client");
    assert!(daemon.tells(&["is gone", "there is no device"], 1), "{driver:?}: {}", daemon.told());
    accounted(&daemon.stop());
    drop(lab);

    // Its own: it lives on in it, name or no name, and so does its device.
    let lab = Lab::up(&[]);
    let daemon = Daemon::start(&lab, &driver.echo(2));
    let traffic = flood(&lab);
    std::thread::sleep(Duration::from_millis(300));
    lab.delete("dut");
    assert_flows(&lab, &daemon, driver);
    drop(traffic);
    accounted(&daemon.stop());
}
