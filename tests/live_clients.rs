//! Clients nobody here wrote, against the daemon on live devices.

mod live_lab;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mnvkd::port::capture::Reader;

use live_lab::{Daemon, Driver, Flow, TAP, Traffic, accounted, ping, quietly, sockperf, turn, within};

for_driver!(
    tap,
    crate::live_lab::TAP,
    pings_of_every_size_come_back,
    a_flood_of_pings_comes_back,
    options_and_groups_are_answered,
    an_address_in_use_is_found_to_be,
    arping_finds_the_address,
    nping_is_answered,
    tagged_requests_are_answered_with_their_tags,
    sockperf_plays_ping_pong,
    sockperf_loads,
    captures_replayed_into_the_port_are_accounted_for
);
for_each_driver!(
    pings_of_every_size_come_back,
    a_flood_of_pings_comes_back,
    sockperf_loads,
    iperf3_and_flow_meter_count_the_same,
    captures_replayed_into_the_port_are_accounted_for,
);
// What depends on the way packets come in, but not on how many: once for each kind of socket.
for_driver!(
    packet_sockets,
    crate::live_lab::AF_PACKET,
    options_and_groups_are_answered,
    an_address_in_use_is_found_to_be,
    arping_finds_the_address,
    nping_is_answered,
    tagged_requests_are_answered_with_their_tags,
    sockperf_plays_ping_pong
);
for_driver!(
    xdp_sockets,
    crate::live_lab::AF_XDP,
    options_and_groups_are_answered,
    an_address_in_use_is_found_to_be,
    arping_finds_the_address,
    nping_is_answered,
    tagged_requests_are_answered_with_their_tags,
    sockperf_plays_ping_pong
);

/// What a run's echo answered, by kind.
fn answered(ended: &live_lab::Ended, kind: &str) -> u64 {
    ended.count(&format!("/tallies/echo/answered/{kind}"))
}

fn pings_of_every_size_come_back(driver: Driver) {
    let Some(_turn) = turn(&["ping"]) else { return };
    let lab = driver.lab(&["--mtu", "9000"]);
    let daemon = Daemon::start(&lab, &driver.echo(2));
    let sizes = [56usize, 57, 512, 1472, 1473, 3000, 4054, 4055, 8000];
    let mut missing = Vec::new();
    for address in ["10.9.0.1", "fd09::1"] {
        for size in sizes {
            let size = size.to_string();
            let counts = ping(&lab, 5, &["-s", &size, address]);
            if counts != (5, 5) {
                missing.push(format!("{address} {size}: {counts:?}"));
            }
        }
    }
    let traffic = lab.traffic("client", "eth0");
    let ended = daemon.stop();
    assert!(missing.is_empty(), "{driver:?}: {missing:?} {traffic:?}\n{:#}", ended.report);
    accounted(&ended);
    let each = 5 * sizes.len() as u64;
    assert_eq!((answered(&ended, "icmp"), answered(&ended, "icmpv6")), (each, each), "{:#}", ended.report);
    assert!(answered(&ended, "arp") > 0 && answered(&ended, "neighbour") > 0, "{:#}", ended.report);
    let late = ended.came_too_late("port0");
    assert_eq!(ended.lost("port0") + ended.unsent("port0"), late, "{:#}", ended.report);
    assert!(late <= 2, "{:#}", ended.report);
}

fn a_flood_of_pings_comes_back(driver: Driver) {
    let Some(_turn) = turn(&["ping"]) else { return };
    let lab = driver.lab(&[]);
    let daemon = Daemon::start(&lab, &driver.echo(1));
    let mut floods = Vec::new();
    for address in ["10.9.0.1", "fd09::1"] {
        // The first one waits for the address to be resolved; a flood would not.
        assert_eq!(ping(&lab, 1, &[address]), (1, 1));
        let before = lab.traffic("client", "eth0").received;
        let flood = lab.client(&["ping", "-q", "-f", "-c", "20000", address]);
        let sent = live_lab::pings(&flood.out).0;
        // A flooding ping does not wait for the last ones; its device does.
        let back = || lab.traffic("client", "eth0").received - before;
        floods.push((sent, within(Duration::from_secs(5), || back() >= sent), back()));
    }
    let ended = daemon.stop();
    accounted(&ended);
    for (sent, all, back) in floods {
        assert!(sent >= 20_000 && all, "{driver:?}: {back} of {sent} came back: {:#}", ended.report);
    }
    assert!(answered(&ended, "icmp") > 20_000 && answered(&ended, "icmpv6") > 20_000, "{:#}", ended.report);
}

fn options_and_groups_are_answered(driver: Driver) {
    let Some(_turn) = turn(&["ping"]) else { return };
    let lab = driver.lab(&[]);
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

/// Duplicate address detection (RFC 4862): the client may not take the address that is answered for.
fn an_address_in_use_is_found_to_be(driver: Driver) {
    let Some(_turn) = turn(&["ping"]) else { return };
    let lab = driver.lab(&[]);
    let daemon = Daemon::start(&lab, &driver.echo(1));
    lab.client(&["sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_dad"]).good();
    for (address, free) in [("fd09::1", false), ("fd09::77", true)] {
        lab.client(&["ip", "addr", "add", &format!("{address}/64"), "dev", "eth0"]).good();
        let mut state = String::new();
        let tried = live_lab::within(Duration::from_secs(5), || {
            state = lab.client(&["ip", "-6", "addr", "show", "dev", "eth0", "to", address]).good().out;
            state.contains("dadfailed") || !state.contains("tentative")
        });
        assert!(tried && state.contains("dadfailed") != free, "{driver:?} {address}: {state}");
    }
    let ended = daemon.stop();
    accounted(&ended);
    assert_eq!(answered(&ended, "neighbour"), 1, "{:#}", ended.report);
}

/// Two hosts of a capture, each in a VLAN within a VLAN, with the Ethernet address its packets go to.
const TAGGED: [(&str, &str); 2] =
    [("10.118.10.2/24", "00:1b:d4:1b:a4:d8"), ("10.209.20.4/24", "00:21:55:c8:f1:3c")];

/// Tags come back as they came, whatever the kernel and its offloads make of them on the way: what comes back is what the
/// hosts of the capture sent back.
fn tagged_requests_are_answered_with_their_tags(driver: Driver) {
    let Some(_turn) = turn(&["tcpreplay", "tcpdump"]) else { return };
    let Some(dir) = captures() else { return };
    let capture = dir.join("pcapplusplus__VlanPackets.pcap");
    let real = tagged_replies(&std::fs::read(&capture).expect("it is there"));
    assert_eq!(real.len(), 10);
    for (address, mac) in TAGGED {
        let lab = driver.lab(&[]);
        let config =
            driver.echo_at(1, &[address]).replace("[app.echo]\n", &format!("[app.echo]\nmac = {mac:?}\n"));
        let daemon = Daemon::start(&lab, &config);
        let file = std::env::temp_dir().join(format!("mnvkd-tagged-{}.pcap", std::process::id()));
        let path = file.to_str().expect("an UTF-8 path");
        // What it sends itself has the capture's own addresses: what comes in is told by ours.
        let words = ["-i", "eth0", "-Q", "in", "-U", "-w", path, "ether", "src", mac];
        let listener = quietly(lab.command("client", "tcpdump").args(words));
        std::thread::sleep(Duration::from_millis(700));
        lab.client(&["tcpreplay", "-q", "--pps", "1000", "-i", "eth0", capture.to_str().expect("a path")])
            .good();
        let ended = within(Duration::from_secs(5), || {
            std::fs::metadata(&file).is_ok_and(|file| file.len() > 24 + 5 * 80)
        });
        std::thread::sleep(Duration::from_millis(200));
        drop(listener);
        let bytes = std::fs::read(&file).unwrap_or_default();
        let _ = std::fs::remove_file(&file);
        let stopped = daemon.stop();
        accounted(&stopped);
        assert!(ended && answered(&stopped, "icmp") == 5, "{driver:?} {address}: {:#}", stopped.report);
        let replies = tagged_replies(&bytes);
        assert_eq!(replies.len(), 5, "{driver:?} {address}");
        for reply in replies {
            assert!(real.contains(&reply), "{driver:?} {address}: {reply:02x?} is not what the host sent");
        }
    }
}

/// Both tags, addresses and ICMP messages of the echo replies in a capture.
fn tagged_replies(bytes: &[u8]) -> Vec<Vec<u8>> {
    let records = Reader::open(bytes).expect("a capture").map_while(Result::ok);
    let reply = |data: &[u8]| {
        let tagged = [(12, [0x81, 0]), (16, [0x81, 0]), (20, [8, 0])];
        let tagged = tagged.iter().all(|(at, kind)| data.get(*at..at + 2) == Some(kind));
        let header =
            data.get(22..42).filter(|header| tagged && header[9] == 1 && data.get(42) == Some(&0))?;
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        Some([&data[12..22], &header[12..20], data.get(42..22 + total)?].concat())
    };
    records.filter_map(|record| reply(record.data)).collect()
}

fn arping_finds_the_address(driver: Driver) {
    let Some(_turn) = turn(&["arping"]) else { return };
    let lab = driver.lab(&[]);
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
    let lab = driver.lab(&[]);
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
    let lab = driver.lab(&[]);
    let daemon = Daemon::start(&lab, &driver.echo(1));
    let mut answers = 0;
    for size in ["14", "1472"] {
        let (sent, received, _) = sockperf(&lab, "ping-pong", &["-t", "1", "-m", size]);
        // How many is a matter of who else wants the CPUs; the one under way at the end may be lost.
        assert!(received + 1 >= sent && received > 20, "{driver:?} {size}: {received} of {sent}");
        answers += received;
    }
    let ended = daemon.stop();
    accounted(&ended);
    assert!(answered(&ended, "udp") >= answers, "{:#}", ended.report);
}

fn sockperf_loads(driver: Driver) {
    let Some(_turn) = turn(&["sockperf"]) else { return };
    let lab = driver.lab(&[]);
    let daemon = Daemon::start(&lab, &driver.echo(1));
    let before = lab.traffic("client", "eth0");
    let options = ["-t", "2", "--mps", "10000", "--reply-every", "10", "-m", "64"];
    let (sent, received, _) = sockperf(&lab, "under-load", &options);
    let after = lab.traffic("client", "eth0");
    let ended = daemon.stop();
    accounted(&ended);
    let (heard, answers) = (ended.count("/tallies/echo/heard"), answered(&ended, "udp"));
    // What the client's device dropped, or its socket had no room for, is nobody's here.
    let lost = ended.lost("port0") + ended.unsent("port0") + after.unsent - before.unsent;
    // Warming up is heard too, and not counted as sent.
    assert!(heard + answers + lost >= sent, "{sent} sent, {received} received: {:#}", ended.report);
    assert!(
        answers + lost + 10 >= sent / 10 && received <= answers,
        "{received} of {sent}: {:#}",
        ended.report
    );
    assert!(after.received - before.received + lost >= answers, "{after:?}: {:#}", ended.report);
}

/// iperf3 needs a server, so there is one at a second port, and the dataplane is the wire between.
fn iperf3_and_flow_meter_count_the_same(driver: Driver) {
    let Some(_turn) = turn(&["iperf3"]) else { return };
    let lab = driver.lab(&["--ports", "2", "--no-offload"]);
    let export = std::env::temp_dir().join(format!("mnvkd-flows-{}.csv", std::process::id()));
    let more = format!("[app.flow-meter]\nexport = {export:?}\n");
    let daemon = Daemon::start(&lab, &driver.config(1, 2, &["flow-meter", "forward"], &more));
    let server = quietly(lab.command("client1", "iperf3").args(["-s", "-1"]));
    std::thread::sleep(Duration::from_millis(300));
    let words = ["iperf3", "-u", "-c", "10.9.0.3", "-b", "40M", "-l", "1000", "-t", "2", "-J"];
    let client = lab.client(&words);
    let full = lab.udp_errors("client1");
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
    // What iperf3's server missed its socket had no room for, or it was lost for a reason that is told.
    let told = lost + ended.unsent("port1") + ended.dropped("transmit-full") + full;
    assert!(missed <= told, "{missed} missed, {told} of them told: {said:#}\n{:#}", ended.report);
}

/// What the flow's bytes leave for the datagram that opens it: 46 to 60, as it is padded or not.
fn bytes_of_opening(bytes: u64, packets: u64) -> u64 {
    let rest = bytes - (packets - 1) * 1042;
    assert!((46..=60).contains(&rest), "{rest}");
    rest
}

/// The folder of real captures; where it is missing that is said, and is a failure where it was promised.
fn captures() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    if dir.is_dir() {
        return Some(dir);
    }
    assert_ne!(std::env::var("CI_REQUIRE_SHARED").as_deref(), Ok("1"), "no captures at {}", dir.display());
    println!("skipped: no captures at {}", dir.display());
    None
}

/// Every packet the far end's kernel says it sent was received, or lost for a reason that is told.
fn captures_replayed_into_the_port_are_accounted_for(driver: Driver) {
    let Some(_turn) = turn(&["tcpreplay"]) else { return };
    let Some(dir) = captures() else { return };
    let lab = driver.lab(&["--mtu", "9000"]);
    if driver != TAP {
        lab.hush("client");
        // What was under way when it was hushed arrives.
        std::thread::sleep(Duration::from_millis(300));
    }
    let mut files: Vec<_> =
        std::fs::read_dir(&dir).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.retain(|path| {
        path.extension().is_some_and(|kind| ["pcap", "pcapng", "cap"].iter().any(|known| kind == *known))
    });
    files.sort();
    let daemon = Daemon::start(&lab, &driver.config(2, 1, &["flow-meter", "sink"], ""));
    // A tap's counts begin with the daemon.
    let before = if driver == TAP { Traffic::default() } else { lab.traffic("client", "eth0") };
    let mut replayed = 0;
    for file in &files {
        let path = file.to_str().expect("an UTF-8 path");
        // Some are damaged, some of another link layer: tcpreplay sends what it can, and the kernel counts it.
        replayed += usize::from(lab.client(&["tcpreplay", "-q", "--topspeed", "-i", "eth0", path]).code == 0);
    }
    std::thread::sleep(Duration::from_millis(300));
    let sent = driver.sent(before, lab.traffic("client", "eth0"));
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
