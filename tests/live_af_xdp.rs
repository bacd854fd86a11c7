//! The `af_xdp` port on veth pairs: every frame comes back, every frame that does not is counted.
//!
//! Live: skipped where there is no root, which is a failure with `MNVKD_CI_LIVE=1`. Needs `ip`, `python3`, `ping`, `ethtool`, `iperf3`,
//! `setpriv`, `prlimit`.

mod xdp_lab;

use xdp_lab::{Lab, Mnvkd, config};

/// Modes a veth can do.
const MODES: [&str; 2] = ["copy", "generic"];

fn mode(mode: &str) -> String {
    format!("mode = \"{mode}\"")
}

#[test]
fn every_frame_comes_back_with_its_addresses_swapped() {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 1500, 1);
    for mode_name in MODES {
        let run = lab.start(&config(&mode(mode_name), "mac-swap"), &["dut0"]);
        let mut sent = 0;
        for size in [60, 61, 1000, 1513, 1514] {
            let peer = lab.peer(0, &format!("echo 3000 {size}"));
            assert_eq!(
                (peer["back"].as_u64(), peer["wrong"].as_u64()),
                (Some(3000), Some(0)),
                "{size}: {peer}"
            );
            sent += 3000;
        }
        let outcome = run.stop();
        assert_eq!((outcome.received("wan"), outcome.lost("wan")), (sent, 0), "{}", outcome.shown());
        assert_eq!(outcome.number("ports.wan.transmitted"), sent);
        assert!(outcome.notes().contains(&format!("{mode_name} mode")), "{}", outcome.notes());
    }
}

#[test]
fn large_frames_lie_in_several_chunks_and_arrive_whole() {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 9000, 1);
    for mode_name in MODES {
        let run = lab.start(&config(&mode(mode_name), "mac-swap"), &["dut0"]);
        // Around the ends of the first, second and third chunk (4096 - 64 - 256 = 3776 bytes of a packet each).
        for size in [60, 3775, 3776, 3777, 4096, 7551, 7552, 7553, 9013, 9014] {
            let peer = lab.peer(0, &format!("echo 1000 {size}"));
            assert_eq!(
                (peer["back"].as_u64(), peer["wrong"].as_u64()),
                (Some(1000), Some(0)),
                "{size}: {peer}"
            );
        }
        let outcome = run.stop();
        assert_eq!((outcome.received("wan"), outcome.lost("wan")), (10_000, 0), "{}", outcome.shown());
    }
}

#[test]
fn what_is_sent_is_received_or_lost_to_the_packet() {
    let Some(lab) = Lab::new() else { return };
    for (number, mtu, size) in [(0, 1500, 100), (0, 9000, 9000)] {
        lab.join(number, mtu, 1);
        for mode_name in MODES {
            let before = lab.counter("gen0", "tx_packets");
            let run = lab.start(&config(&format!("{}\nring = 512", mode(mode_name)), "sink"), &["dut0"]);
            lab.peer(0, &format!("blast 2000 {size}"));
            // A process that does not run cannot receive: the rings run over.
            run.process.signal("STOP");
            lab.peer(0, &format!("blast 5000 {size}"));
            run.process.signal("CONT");
            lab.peer(0, &format!("blast 2000 {size}"));
            let outcome = run.stop();
            let sent = lab.counter("gen0", "tx_packets") - before;
            let (received, lost) = (outcome.received("wan"), outcome.lost("wan"));
            assert!(lost > 1000 && received > 0, "{}", outcome.shown());
            assert_eq!(received + lost, sent, "{mode_name}, {size} bytes: {}", outcome.shown());
        }
        lab.here("ip link del dut0");
    }
}

#[test]
fn small_rings_go_round_and_round_and_nothing_leaks() {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 1500, 1);
    let before = lab.counter("gen0", "tx_packets");
    let tight = config("ring = 128", "mac-swap").replace("cores = 1", "cores = 1\nframes = 256");
    let run = lab.start(&tight, &["dut0"]);
    for size in [60, 800, 1514] {
        lab.peer(0, &format!("blast 60000 {size}"));
    }
    let outcome = run.stop();
    let sent = lab.counter("gen0", "tx_packets") - before;
    assert_eq!(outcome.received("wan") + outcome.lost("wan"), sent, "{}", outcome.shown());
    let (out, full) = (outcome.number("books.forwarded"), outcome.number("books.dropped.transmit-full"));
    assert_eq!(out + full, outcome.received("wan"), "{}", outcome.shown());
    let on_wire = lab.counter("dut0", "tx_packets") + outcome.number("ports.wan.lost.tx-device-dropped");
    assert_eq!(out, on_wire + outcome.number("ports.wan.lost.tx-unsent"), "{}", outcome.shown());
}

#[test]
fn what_does_not_match_goes_on_to_the_kernel() {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 1500, 1);
    let run =
        lab.start(&config("match = \"ether proto 0x88b5 or (udp and dst port 7)\"", "mac-swap"), &["dut0"]);
    let traffic = lab.start_peer(0, "echo 20000 200");
    let ping = lab.there("ping -q -c 200 -i 0.005 -s 1000 10.0.0.1");
    assert!(ping.contains(" 0% packet loss"), "{ping}");
    let peer = traffic.json();
    assert_eq!((peer["back"].as_u64(), peer["wrong"].as_u64()), (Some(20_000), Some(0)), "{peer}");
    let outcome = run.stop();
    assert_eq!((outcome.received("wan"), outcome.lost("wan")), (20_000, 0), "{}", outcome.shown());
}

#[test]
fn a_killed_process_leaves_nothing_and_a_restart_binds_at_once() {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 1500, 1);
    let traffic = lab.start_peer(0, "blast 300000 200");
    for _ in 0..3 {
        let run = lab.start(&config("", "mac-swap"), &["dut0"]);
        std::thread::sleep(std::time::Duration::from_millis(200));
        run.process.signal("KILL");
        drop(run.process.wait());
    }
    let run = lab.start(&config("", "mac-swap"), &["dut0"]);
    drop(traffic);
    lab.settle(0);
    let peer = lab.peer(0, "echo 1000 100");
    assert_eq!(peer["wrong"], 0, "{peer}");
    assert!(run.stop().received("wan") >= 1000);
    assert!(!lab.here("ip link show dut0").contains("xdp"), "a program was left behind");
}

#[test]
fn queues_spread_over_cores_and_packets_leave_by_other_cores_ports() {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 1500, 2);
    lab.join(1, 1500, 1);
    // Two queues on two cores; all that comes leaves by the one queue of the other device, which core 0 has.
    let text = "[dataplane]\ncores = 2\nidle = \"yield\"\n\
                [[port]]\nname = \"in\"\ndriver = \"af_xdp\"\ndevice = \"dut0\"\n\
                [[port]]\nname = \"out\"\ndriver = \"af_xdp\"\ndevice = \"dut1\"\n\
                [[pipeline]]\nname = \"main\"\nfrom = [\"in\"]\nto = \"out\"\nstages = [\"forward\"]\n";
    lab.there("ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:09 dev gen0");
    let run = lab.start(text, &["dut0", "dut1"]);
    let before = lab.counter("gen1", "rx_packets");
    lab.peer(0, "flows 19200 100 64");
    let outcome = run.stop();
    let received = outcome.received("in");
    assert_eq!(received + outcome.lost("in"), 64 * 300, "{}", outcome.shown());
    assert_eq!(outcome.number("ports.out.transmitted"), outcome.number("books.forwarded"));
    let arrived = lab.counter("gen1", "rx_packets") - before;
    let dropped =
        outcome.number("ports.out.lost.tx-device-dropped") + outcome.number("ports.out.lost.tx-unsent");
    assert_eq!(arrived + dropped, outcome.number("books.forwarded"), "{}", outcome.shown());
    assert!(outcome.notes().contains("copied into a frame"), "no packet crossed cores: {}", outcome.shown());
}

#[test]
fn busy_polling_is_set_and_put_back_where_the_kernel_can_poll_and_else_interrupts_go_on() {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 1500, 1);
    let settings =
        || lab.here("cat /sys/class/net/dut0/napi_defer_hard_irqs /sys/class/net/dut0/gro_flush_timeout");
    let before = settings();
    let run = lab.start(&config("busy_poll = 32", "mac-swap"), &["dut0"]);
    let peer = lab.peer(0, "echo 5000 200");
    assert_eq!((peer["back"].as_u64(), peer["wrong"].as_u64()), (Some(5000), Some(0)), "{peer}");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let during = settings();
    let outcome = run.stop();
    let notes = outcome.notes();
    // Up to Linux 6.12 it can once a packet came, later of a veth it cannot: either way what is said is what was done.
    if notes.contains("busy polling: napi_defer_hard_irqs = 2 (was 0)") {
        assert_ne!(during, before);
    } else {
        assert!(notes.contains("no busy polling yet"), "{notes}");
        assert_eq!(during, before, "interrupts are put off, and nobody polls");
    }
    assert_eq!(settings(), before);
}

/// Traffic that goes round while `change` happens to the device, and after it.
fn goes_on_after(change: impl FnOnce(&Lab, &Mnvkd), says: &[&str]) {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 1500, 1);
    let run = lab.start(&config("", "mac-swap"), &["dut0"]);
    let traffic = lab.start_peer(0, "echo 1000000 200");
    xdp_lab::wait("traffic", || lab.counter("gen0", "rx_packets") > 500);
    change(&lab, &run);
    drop(traffic);
    lab.wait_for_program("dut0");
    lab.settle(0);
    let peer = lab.peer(0, "echo 3000 200");
    assert_eq!((peer["back"].as_u64(), peer["wrong"].as_u64()), (Some(3000), Some(0)), "{peer}");
    let outcome = run.stop();
    let notes = outcome.notes();
    for line in says {
        assert!(notes.contains(line) && outcome.said.contains(line), "{line}: {notes}\n{}", outcome.said);
    }
    assert!(outcome.received("wan") > 3000, "{}", outcome.shown());
}

#[test]
fn a_device_that_goes_down_and_up_carries_on() {
    goes_on_after(
        |lab, run| {
            lab.here("ip link set dut0 down");
            run.wait_to_say("dut0 went down");
            lab.here("ip link set dut0 up");
            run.wait_to_say("dut0 is up again");
        },
        &["dut0 went down", "dut0 is up again"],
    );
}

#[test]
fn a_device_that_is_deleted_and_made_again_carries_on() {
    goes_on_after(
        |lab, run| {
            lab.here("ip link del dut0");
            run.wait_to_say("dut0 is gone");
            lab.join(0, 1500, 1);
            run.wait_to_say("dut0 is back");
        },
        &["dut0 is gone", "dut0 is back: copy mode"],
    );
}

#[test]
fn a_peer_that_disappears_takes_the_device_and_both_can_come_back() {
    goes_on_after(
        |lab, run| {
            lab.there("ip link del gen0");
            run.wait_to_say("dut0 is gone");
            lab.join(0, 1500, 1);
            run.wait_to_say("dut0 is back");
        },
        &["dut0 is gone", "dut0 is back"],
    );
}

#[test]
fn a_peer_that_loses_its_carrier_is_told() {
    goes_on_after(
        |lab, run| {
            lab.there("ip link set gen0 down");
            run.wait_to_say("dut0 lost its carrier");
            lab.there("ip link set gen0 up");
            run.wait_to_say("dut0 has its carrier back");
        },
        &["dut0 lost its carrier", "dut0 has its carrier back"],
    );
}

#[test]
fn a_device_that_stays_away_leaves_books_that_balance() {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 1500, 1);
    let run = lab.start(&config("", "mac-swap"), &["dut0"]);
    lab.peer(0, "echo 1000 200");
    lab.there("ip link del gen0");
    run.wait_to_say("dut0 is gone");
    let outcome = run.stop();
    assert_eq!(outcome.received("wan"), 1000, "{}", outcome.shown());
    assert!(outcome.notes().contains("dut0 is gone"));
}

#[test]
fn a_change_of_mtu_or_queues_is_told() {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 1500, 4);
    lab.here("ethtool -L dut0 rx 2 tx 2");
    lab.there("ethtool -L gen0 rx 2 tx 2");
    let run = lab.start(&config("mode = \"generic\"", "mac-swap"), &["dut0"]);
    lab.here("ip link set dut0 mtu 1400");
    run.wait_to_say("is 1400 now");
    lab.here("ip link set dut0 mtu 3000");
    run.wait_to_say("is 3000 now");
    lab.here("ethtool -L dut0 rx 4");
    run.wait_to_say("on 4 queues now");
    let notes = run.stop().notes();
    for line in [
        "the MTU of dut0 is 1400 now, it was 1500",
        "the MTU of dut0 is 3000 now, it was 1400; packets longer than 1728 bytes will be lost",
        "dut0 receives on 4 queues now, it was 2; what arrives on 2 of them goes to the kernel",
    ] {
        assert!(notes.contains(line), "{line}: {notes}");
    }
}

#[test]
fn what_cannot_be_opened_says_why_and_what_to_do() {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 1500, 1);
    let refused = |prefix: &str, keys: &str, says: &[&str]| {
        let error = lab.refused(prefix, &config(keys, "mac-swap"));
        for words in says {
            assert!(error.contains(words), "{words}: {error}");
        }
    };
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    refused(nobody, "", &["not permitted", "CAP_BPF", "to attach the XDP program", "setcap"]);
    refused("", "mode = \"zero-copy\"", &["EOPNOTSUPP", "veth has no zero-copy", "use mode = \\\"copy\\\""]);
    refused("", "queues = 3", &["receives on 1 queue", "ethtool -L dut0 combined 3"]);
    refused("", "match = \"udp or prt 7\"", &["column 8"]);
    let locked = "prlimit --memlock=65536:65536 setpriv --bounding-set=-ipc_lock,-sys_resource";
    refused(locked, "", &["ENOBUFS", "RLIMIT_MEMLOCK (64 KiB) is less than", "ulimit -l"]);
    let other = config("", "mac-swap").replace("dut0", "dut9");
    let error = lab.refused("", &other);
    assert!(error.contains("device \\\"dut9\\\" is not there; there are lo, dut0"), "{error}");

    // Checking a configuration needs no privilege.
    let checked = lab.check(nobody, &config("", "mac-swap"));
    assert!(checked.contains("dut0 (veth, MTU 1500), 1 queue"), "{checked}");

    let _first = lab.start(&config("", "mac-swap"), &["dut0"]);
    refused("", "", &["EBUSY", "another AF_XDP socket has the queue"]);
    lab.join(1, 1500, 1);
    let other = config("queues = [0]", "mac-swap").replace("dut0", "dut1");
    let _second = lab.start(&other, &["dut1"]);
}

#[test]
fn a_port_that_only_transmits_leaves_what_comes_to_the_kernel() {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 1500, 1);
    let text = "[dataplane]\ncores = 1\n\
                [[port]]\nname = \"load\"\ndriver = \"generator\"\ncount = 50000\nsize = \"imix\"\nrate = \"50kpps\"\n\
                [[port]]\nname = \"wan\"\ndriver = \"af_xdp\"\ndevice = \"dut0\"\n\
                [[pipeline]]\nname = \"main\"\nfrom = [\"load\"]\nto = \"wan\"\nstages = [\"forward\"]\n";
    let before = lab.counter("gen0", "rx_packets");
    let pinged = lab.counter("dut0", "rx_packets");
    let run = lab.start(text, &["dut0"]);
    let ping = lab.there("ping -q -c 50 -i 0.005 10.0.0.1");
    assert!(ping.contains(" 0% packet loss"), "{ping}");
    let output = run.process.wait();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ports"]["wan"]["transmitted"], 50_000, "{report}");
    assert_eq!((&report["errors"], &report["ports"]["wan"]["received"]), (&serde_json::json!([]), &0.into()));
    let dropped = report["ports"]["wan"]["lost"]["tx-device-dropped"].as_u64().unwrap();
    let answers = lab.counter("dut0", "rx_packets") - pinged;
    let arrived = lab.counter("gen0", "rx_packets") - before;
    assert!(answers >= 50, "the pings came");
    assert!(
        (50_000..=50_000 + answers).contains(&(arrived + dropped)),
        "{arrived} arrived, {dropped} dropped: {report}"
    );
}

#[test]
fn small_and_large_frames_cross_from_one_port_to_the_other() {
    let Some(lab) = Lab::new() else { return };
    // One port of MTU 1500 and one of 9000: frames of both are made of the larger one's chunks.
    lab.join(0, 1500, 1);
    lab.join(1, 9000, 1);
    let text = "[dataplane]\ncores = 1\n\
                [[port]]\nname = \"in\"\ndriver = \"af_xdp\"\ndevice = \"dut1\"\n\
                [[port]]\nname = \"out\"\ndriver = \"af_xdp\"\ndevice = \"dut0\"\n\
                [[pipeline]]\nname = \"main\"\nfrom = [\"in\"]\nto = \"out\"\nstages = [\"forward\"]\n";
    let run = lab.start(text, &["dut0", "dut1"]);
    let before = lab.counter("gen0", "rx_packets");
    for size in [60, 1514, 4000, 9000] {
        lab.peer(1, &format!("blast 200 {size}"));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let outcome = run.stop();
    assert_eq!(outcome.received("in") + outcome.lost("in"), 800, "{}", outcome.shown());
    // What is longer than the other port carries is dropped with its reason.
    assert_eq!(outcome.number("books.dropped.size"), 400, "{}", outcome.shown());
    assert_eq!(lab.counter("gen0", "rx_packets") - before, 400, "{}", outcome.shown());
}

#[test]
fn what_arrives_on_queues_of_others_goes_to_the_kernel() {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 1500, 2);
    let own = lab.here("cat /sys/class/net/dut0/address");
    lab.there(&format!("ip neigh add 10.0.0.1 lladdr {} dev gen0", own.trim()));
    // The kernel answers what nobody takes; it must not have to ask where to.
    lab.here("ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev dut0");
    // Datagrams the kernel had no receiver for: column 2 of Udp in /proc/net/snmp.
    let kernels = || {
        let text = lab.here("cat /proc/net/snmp");
        let line = text.lines().filter(|line| line.starts_with("Udp:")).nth(1).unwrap().to_owned();
        line.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap()
    };
    let run = lab.start(&config("queues = [1]", "sink"), &["dut0"]);
    let before = kernels();
    lab.peer(0, "flows 6400 100 64");
    let (ours, theirs) = (run.stop(), kernels() - before);
    assert!(theirs > 500 && ours.received("wan") > 500, "{theirs} to the kernel, {}", ours.shown());
    assert_eq!(ours.received("wan") + ours.lost("wan") + theirs, 6400, "{}", ours.shown());
}

#[test]
fn what_cannot_leave_for_want_of_a_carrier_is_counted() {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 1500, 1);
    let text = "[dataplane]\ncores = 1\n\
                [[port]]\nname = \"load\"\ndriver = \"generator\"\ncount = 100000\nsize = 200\nrate = \"20kpps\"\n\
                [[port]]\nname = \"wan\"\ndriver = \"af_xdp\"\ndevice = \"dut0\"\n\
                [[pipeline]]\nname = \"main\"\nfrom = [\"load\"]\nto = \"wan\"\nstages = [\"forward\"]\n";
    let before = lab.counter("gen0", "rx_packets");
    let run = lab.start(text, &["dut0"]);
    lab.there("ip link set gen0 down");
    // The kernel acts on a carrier that is gone within a second.
    std::thread::sleep(std::time::Duration::from_millis(2000));
    lab.there("ip link set gen0 up");
    let output = run.process.wait();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of_port = |key: &str| report["ports"]["wan"]["lost"][key].as_u64().unwrap();
    let forwarded = report["books"]["forwarded"].as_u64().unwrap();
    let dropped = of_port("tx-device-dropped");
    assert!(dropped > 1000, "{report}");
    let arrived = lab.counter("gen0", "rx_packets") - before;
    assert_eq!(arrived + dropped + of_port("tx-unsent"), forwarded, "{report}");
    assert_eq!(report["errors"], serde_json::json!([]));
}

#[test]
fn tcp_goes_on_undisturbed_beside_a_match() {
    let Some(lab) = Lab::new() else { return };
    lab.join(0, 1500, 1);
    let run = lab.start(&config("match = \"udp and dst port 7\"", "sink"), &["dut0"]);
    let server = lab.start_here("iperf3 -s -1");
    xdp_lab::wait("the server", || lab.here("cat /proc/net/tcp6 /proc/net/tcp").contains(":1451 "));
    let client = lab.there("iperf3 -c 10.0.0.1 -t 1 -J");
    let result: serde_json::Value = serde_json::from_str(&client).unwrap();
    let moved = result["end"]["sum_received"]["bytes"].as_u64().unwrap();
    assert!(moved > 1 << 20, "{moved} bytes of TCP");
    drop(server);
    let outcome = run.stop();
    assert_eq!((outcome.received("wan"), outcome.lost("wan")), (0, 0), "{}", outcome.shown());
}
