//! Clients nobody here wrote, against the daemon on live devices.

mod live_lab;

use std::time::Duration;

use live_lab::{Daemon, Driver, Flow, Lab, accounted, ping, quietly, sockperf, turn};

for_each_driver!(
    pings_of_every_size_come_back,
    a_flood_of_pings_comes_back,
    options_and_groups_are_answered,
    arping_finds_the_address,
    nping_is_answered,
    sockperf_plays_ping_pong,
    sockperf_loads,
    iperf3_and_flow_meter_count_the_same,
    captures_replayed_into_the_port_are_accounted_for,
);

/// What a run's echo answered, by kind.
fn answered(ended: &live_lab::Ended, kind: &str) -> u64 {
    ended.count(&format!("/tallies/echo/answered/{kind}"))
}

fn pings_of_every_size_come_back(driver: Driver) {
    let Some(_turn) = turn(&["ping"]) else { return };
    let lab = Lab::up(&["--mtu", "9000"]);
    let daemon = Daemon::start(&lab, &driver.echo(2));
    let sizes = [56usize, 57, 512, 1472, 1473, 3000, 4054, 4055, 8000];
    for address in ["10.9.0.1", "fd09::1"] {
        for size in sizes {
            let size = size.to_string();
            let counts = ping(&lab, &["-c", "5", "-i", "0.01", "-W", "2", "-s", &size, address]);
            assert_eq!(counts, (5, 5), "{driver:?} {address} {size}");
        }
    }
    let ended = daemon.stop();
    accounted(&ended);
    let each = 5 * sizes.len() as u64;
    assert_eq!((answered(&ended, "icmp"), answered(&ended, "icmpv6")), (each, each), "{:#}", ended.report);
    assert!(answered(&ended, "arp") > 0 && answered(&ended, "neighbour") > 0, "{:#}", ended.report);
    assert_eq!(ended.lost("port0") + ended.unsent("port0"), 0, "{:#}", ended.report);
}

fn a_flood_of_pings_comes_back(driver: Driver) {
    let Some(_turn) = turn(&["ping"]) else { return };
    let lab = Lab::up(&[]);
    let daemon = Daemon::start(&lab, &driver.echo(1));
    for address in ["10.9.0.1", "fd09::1"] {
        // The first one waits for the address to be resolved; a flood would not.
        assert_eq!(ping(&lab, &["-c", "1", "-W", "2", address]), (1, 1));
        let (sent, received) = ping(&lab, &["-f", "-c", "20000", address]);
        assert_eq!((sent, received), (20_000, 20_000), "{driver:?} {address}");
    }
    let ended = daemon.stop();
    accounted(&ended);
    assert_eq!((answered(&ended, "icmp"), answered(&ended, "icmpv6")), (20_001, 20_001));
}

fn options_and_groups_are_answered(driver: Driver) {
    let Some(_turn) = turn(&["ping"]) else { return };
    let lab = Lab::up(&[]);
    let daemon = Daemon::start(&lab, &driver.echo(1));
    let route = lab.client(&["ping", "-R", "-c", "1", "-W", "2", "10.9.0.1"]).good();
    assert!(route.out.contains("RR:") && route.out.matches("\t10.9.0.1").count() == 1, "{}", route.out);
    let times = lab.client(&["ping", "-T", "tsandaddr", "-c", "1", "-W", "2", "10.9.0.1"]).good();
    assert!(times.out.contains("TS:") && times.out.contains("not-standard"), "{}", times.out);
    let all = lab.client(&["ping", "-c", "2", "-i", "0.1", "-W", "2", "ff02::1%eth0"]);
    assert!(all.out.contains("from fd09::1"), "{}", all.out);
    let ended = daemon.stop();
    accounted(&ended);
    assert_eq!((answered(&ended, "icmp"), answered(&ended, "icmpv6")), (2, 2), "{:#}", ended.report);
}

fn arping_finds_the_address(driver: Driver) {
    let Some(_turn) = turn(&["arping"]) else { return };
    let lab = Lab::up(&[]);
    let daemon = Daemon::start(&lab, &driver.echo(1));
    let found = lab.client(&["arping", "-c", "2", "-w", "5", "-I", "eth0", "10.9.0.1"]).good();
    assert!(found.out.contains("Received 2 response(s)"), "{}", found.out);
    // Is it free? It is not: somebody answers a probe.
    let probe = lab.client(&["arping", "-D", "-c", "2", "-w", "3", "-I", "eth0", "10.9.0.1"]);
    assert_eq!(probe.code, 1, "{}", probe.out);
    let nobody = lab.client(&["arping", "-c", "1", "-w", "1", "-I", "eth0", "10.9.0.77"]);
    assert!(nobody.out.contains("Received 0 response(s)"), "{}", nobody.out);
    let ended = daemon.stop();
    accounted(&ended);
    assert!(answered(&ended, "arp") >= 3 && ended.dropped("not-for-us") >= 1, "{:#}", ended.report);
}

fn nping_is_answered(driver: Driver) {
    let Some(_turn) = turn(&["nping"]) else { return };
    let lab = Lab::up(&[]);
    let daemon = Daemon::start(&lab, &driver.echo(1));
    let ask = |options: &[&str]| {
        let words = [&["nping", "-c", "5", "--delay", "20ms"], options].concat();
        let ran = lab.client(&words).good();
        assert!(ran.out.contains("Lost: 0 (0.00%)"), "{options:?}\n{}", ran.out);
    };
    ask(&["--icmp", "10.9.0.1"]);
    ask(&["--arp", "10.9.0.1"]);
    ask(&["--udp", "-p", "7", "-g", "40000", "--data-length", "100", "10.9.0.1"]);
    // Two echo services would go on for ever.
    let looped =
        lab.client(&["nping", "-c", "3", "--delay", "20ms", "--udp", "-p", "7", "-g", "7", "10.9.0.1"]);
    assert!(looped.out.contains("Rcvd: 0"), "{}", looped.out);
    let bad = ["nping", "-c", "3", "--delay", "20ms", "--udp", "-p", "7", "--badsum", "10.9.0.1"];
    assert!(lab.client(&bad).out.contains("Rcvd: 0"));
    let ended = daemon.stop();
    accounted(&ended);
    assert_eq!((answered(&ended, "icmp"), answered(&ended, "udp")), (5, 5), "{:#}", ended.report);
    assert_eq!((ended.dropped("echo-loop"), ended.dropped("bad-checksum")), (3, 3), "{:#}", ended.report);
}

fn sockperf_plays_ping_pong(driver: Driver) {
    let Some(_turn) = turn(&["sockperf"]) else { return };
    let lab = Lab::up(&[]);
    let daemon = Daemon::start(&lab, &driver.echo(1));
    for size in ["14", "1472"] {
        let (sent, received, _) = sockperf(&lab, "ping-pong", &["-t", "1", "-m", size]);
        assert!(received + 1 >= sent && received > 500, "{driver:?} {size}: {received} of {sent}");
    }
    let ended = daemon.stop();
    accounted(&ended);
    assert!(answered(&ended, "udp") > 1000, "{:#}", ended.report);
}

fn sockperf_loads(driver: Driver) {
    let Some(_turn) = turn(&["sockperf"]) else { return };
    let lab = Lab::up(&[]);
    let daemon = Daemon::start(&lab, &driver.echo(1));
    let options = ["-t", "2", "--mps", "10000", "--reply-every", "10", "-m", "64"];
    let (sent, received, _) = sockperf(&lab, "under-load", &options);
    let ended = daemon.stop();
    accounted(&ended);
    let (heard, answers) = (ended.count("/tallies/echo/heard"), answered(&ended, "udp"));
    let lost = ended.lost("port0") + ended.unsent("port0");
    // Warming up is heard too, and not counted as sent.
    assert!(heard + answers + lost >= sent, "{sent} sent, {received} received: {:#}", ended.report);
    assert!(
        received <= answers && received + lost + 10 >= sent / 10,
        "{received} of {sent}: {:#}",
        ended.report
    );
}

/// iperf3 needs a server, so there is one at a second port, and the dataplane is the wire between.
fn iperf3_and_flow_meter_count_the_same(driver: Driver) {
    let Some(_turn) = turn(&["iperf3"]) else { return };
    let lab = Lab::up(&["--ports", "2", "--no-offload"]);
    let export = std::env::temp_dir().join(format!("mnvkd-flows-{}.csv", std::process::id()));
    let more = format!("[app.flow-meter]\nexport = {export:?}\n");
    let daemon = Daemon::start(&lab, &driver.config(1, 2, &["flow-meter", "forward"], &more));
    let server = quietly(lab.command("client1", "iperf3").args(["-s", "-1"]));
    std::thread::sleep(Duration::from_millis(300));
    let words = ["iperf3", "-u", "-c", "10.9.0.3", "-b", "40M", "-l", "1000", "-t", "2", "-J"];
    let client = lab.client(&words);
    drop(server);
    let ended = daemon.stop();
    let text = std::fs::read_to_string(&export).unwrap_or_default();
    let _ = std::fs::remove_file(&export);
    accounted(&ended);
    let said = client.good().json();
    let sum = |key: &str| said["end"]["sum"][key].as_u64().unwrap_or_else(|| panic!("{said:#}"));
    let (sent, missed) = (sum("packets"), sum("lost_packets"));
    assert!(sent > 5000, "{said:#}");
    let flows = Flow::read(&text, "udp");
    let flow = flows
        .iter()
        .find(|flow| flow.ends.iter().any(|end| end.1 == 5201))
        .unwrap_or_else(|| panic!("{text}"));
    let (packets, bytes) = flow.from("10.9.0.2");
    let (back, _) = flow.from("10.9.0.3");
    // One datagram of 4 bytes opens the flow, and one answers it.
    let lost = ended.lost("port0");
    assert!(packets <= sent + 1 && packets + lost > sent, "{packets} counted, {sent} sent, {lost} lost");
    assert_eq!(back, 1, "{flow:?}");
    assert_eq!(bytes, (packets - 1) * (1000 + 42) + bytes_of_opening(bytes, packets), "{flow:?}");
    if lost + ended.unsent("port1") + ended.dropped("transmit-full") == 0 {
        assert_eq!((packets, missed), (sent + 1, 0), "{said:#}\n{:#}", ended.report);
    }
}

/// What the flow's bytes leave for the datagram that opens it: 46 to 60, as it is padded or not.
fn bytes_of_opening(bytes: u64, packets: u64) -> u64 {
    let rest = bytes - (packets - 1) * 1042;
    assert!((46..=60).contains(&rest), "{rest}");
    rest
}

/// Every packet the far end's kernel says it sent was received, or lost for a reason that is told.
fn captures_replayed_into_the_port_are_accounted_for(driver: Driver) {
    let Some(_turn) = turn(&["tcpreplay"]) else { return };
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    if !dir.is_dir() {
        assert_ne!(
            std::env::var("CI_REQUIRE_SHARED").as_deref(),
            Ok("1"),
            "no captures at {}",
            dir.display()
        );
        println!("skipped: no captures at {}", dir.display());
        return;
    }
    let lab = Lab::up(&["--mtu", "9000"]);
    lab.hush("client");
    // What was under way when it was hushed arrives.
    std::thread::sleep(Duration::from_millis(300));
    let mut files: Vec<_> =
        std::fs::read_dir(&dir).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.retain(|path| {
        path.extension().is_some_and(|kind| ["pcap", "pcapng", "cap"].iter().any(|known| kind == *known))
    });
    files.sort();
    let daemon = Daemon::start(&lab, &driver.config(2, 1, &["flow-meter", "sink"], ""));
    let before = lab.traffic("client", "eth0");
    let mut replayed = 0;
    for file in &files {
        let path = file.to_str().expect("an UTF-8 path");
        // Some are damaged, some of another link layer: tcpreplay sends what it can, and the kernel counts it.
        replayed += usize::from(lab.client(&["tcpreplay", "-q", "--topspeed", "-i", "eth0", path]).code == 0);
    }
    std::thread::sleep(Duration::from_millis(300));
    let sent = lab.traffic("client", "eth0").sent - before.sent;
    let ended = daemon.stop();
    accounted(&ended);
    assert!(replayed > 40 && sent > 50_000, "{replayed} captures, {sent} packets");
    let (received, lost) = (ended.received("port0"), ended.lost("port0"));
    assert_eq!(
        received + lost,
        sent,
        "{driver:?}: {received} received, {lost} lost\n{:#}",
        ended.report["ports"]
    );
    assert_eq!(ended.count("/tallies/flow-meter/packets"), received);
    assert!(received > sent / 2, "{:#}", ended.report["ports"]);
}
