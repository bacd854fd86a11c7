//! `tap`: devices of our own between namespaces.

mod live_rig;

use std::time::Duration;

use live_rig::{Lab, Running, run};

/// A dataplane that forwards between two ports.
fn between(cores: usize, one: &str, other: &str) -> String {
    format!(
        "[dataplane]\ncores = {cores}\npages = \"never\"\nidle = \"adaptive\"\n\
         [[port]]\nname = \"one\"\n{one}\n[[port]]\nname = \"other\"\n{other}\n\
         [[pipeline]]\nname = \"through\"\nfrom = [\"one\", \"other\"]\nto = [\"other\", \"one\"]\nstages = [\"forward\"]\n"
    )
}

/// A dataplane that takes what comes from one tap device.
fn alone(keys: &str, stages: &str) -> String {
    format!(
        "[dataplane]\ncores = 1\npages = \"never\"\nidle = \"adaptive\"\n\
         [[port]]\nname = \"one\"\n{}\n{keys}\n[[pipeline]]\nname = \"all\"\nfrom = [\"one\"]\nstages = {stages}\n",
        tap("t0", "")
    )
}

fn tap(device: &str, keys: &str) -> String {
    format!("driver = \"tap\"\ndevice = \"{device}\"\n{keys}")
}

/// Is the device there and up?
fn is_up(lab: &Lab, name: &str, device: &str) -> bool {
    let text = lab.inside(name, &["ip", "-o", "link", "show"]);
    text.lines().any(|line| line.contains(&format!(" {device}: ")) && line.contains(",UP"))
}

/// Moves a device from the hub's namespace into another and gives it an address there.
fn move_to(lab: &Lab, device: &str, name: &str, address: &str, mtu: &str) {
    lab.inside("hub", &["ip", "link", "set", device, "netns", &lab.full(name)]);
    lab.inside(name, &["ip", "addr", "add", address, "dev", device]);
    lab.inside(name, &["ip", "link", "set", device, "mtu", mtu, "up"]);
}

fn ping(lab: &Lab, from: &str, to: &str, size: &str) {
    let text =
        lab.inside(from, &["ping", "-q", "-c", "20", "-i", "0.01", "-W", "5", "-s", size, "-M", "do", to]);
    assert!(text.contains("20 received"), "{text}");
}

/// Two kernels that see each other through mnvkd; TCP between them, which takes no bad checksum.
fn two_hosts(mode: &str, cores: usize) {
    let Some(lab) = Lab::new(&["hub", "a", "b"]) else { return };
    let keys = format!("mode = \"{mode}\"\nmtu = 9000\nqueues = {cores}");
    let mut hub = lab.mnvkd("hub", &between(cores, &tap("t0", &keys), &tap("t1", &keys)));
    hub.await_true("tap devices", || is_up(&lab, "hub", "t0") && is_up(&lab, "hub", "t1"));
    move_to(&lab, "t0", "a", "10.9.0.1/24", "9000");
    move_to(&lab, "t1", "b", "10.9.0.2/24", "9000");
    for size in ["56", "1472", "8972"] {
        ping(&lab, "a", "10.9.0.2", size);
    }
    let mut server = lab.program("b", "iperf3", &["-s", "-1"].map(str::to_owned));
    std::thread::sleep(Duration::from_millis(300));
    lab.inside("a", &["iperf3", "-c", "10.9.0.2", "-n", "20M"]);
    server.wait();
    hub.await_said("not in this network namespace any more");
    let hub = hub.stop();
    assert!(hub.received("one") > 60 && hub.received("other") > 60);
    assert_eq!(hub.number("/books/forwarded"), hub.number("/books/received"));
}

#[test]
fn two_hosts_reach_each_other_through_two_taps() {
    two_hosts("tap", 1);
}

#[test]
fn two_hosts_reach_each_other_through_two_tuns_of_two_queues() {
    two_hosts("tun", 2);
}

#[test]
fn checksums_left_to_the_card_are_completed_for_the_local_kernel() {
    let Some(lab) = Lab::new(&["hub", "a"]) else { return };
    lab.veth(("a", "a0"), ("hub", "m0"), "1500");
    lab.inside("a", &["ip", "addr", "add", "10.9.0.1/24", "dev", "a0"]);
    lab.inside("a", &["ethtool", "-K", "a0", "tso", "off", "gso", "off"]);
    let wire = "driver = \"af_packet\"\ndevice = \"m0\"";
    let mut hub = lab.mnvkd("hub", &between(1, &tap("t0", "address = [\"10.9.0.2/24\"]"), wire));
    hub.await_true("a tap device", || is_up(&lab, "hub", "t0"));
    lab.await_sockets("hub", 1, &mut hub);
    let mut server = lab.program("hub", "iperf3", &["-s", "-1"].map(str::to_owned));
    std::thread::sleep(Duration::from_millis(300));
    lab.inside("a", &["iperf3", "-c", "10.9.0.2", "-n", "2M"]);
    server.wait();
    // Both wrote their output under the hub's name; what mnvkd said of its run is not needed here.
    drop(hub);
}

#[test]
fn the_device_is_what_was_configured() {
    let Some(lab) = Lab::new(&["hub"]) else { return };
    lab.inside(
        "hub",
        &["sh", "-c", "for f in all default; do echo 0 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done"],
    );
    let keys = "address = [\"10.9.0.1/24\", \"fd09::1/64\"]\nmtu = 4000\nmac = \"02:00:00:00:09:10\"";
    let mut hub = lab.mnvkd("hub", &alone(keys, "[\"sink\"]"));
    hub.await_true("a tap device", || is_up(&lab, "hub", "t0"));
    std::thread::sleep(Duration::from_millis(100));
    let text = lab.inside("hub", &["ip", "addr", "show", "dev", "t0"]);
    for part in ["mtu 4000", "link/ether 02:00:00:00:09:10", "inet 10.9.0.1/24", "inet6 fd09::1/64"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        !text.contains("tentative fd09") && !text.contains("fd09::1/64 scope global tentative"),
        "{text}"
    );
    hub.stop();
    assert!(!lab.inside("hub", &["ip", "link"]).contains("t0"), "the device is gone with the run");
}

#[test]
fn the_kernel_pings_an_application() {
    let Some(lab) = Lab::new(&["hub"]) else { return };
    lab.inside(
        "hub",
        &["sh", "-c", "for f in all default; do echo 0 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done"],
    );
    let config = alone("address = [\"10.9.0.1/24\", \"fd09::1/64\"]", "[\"echo\"]")
        + "[app.echo]\naddresses = [\"10.9.0.2/24\", \"fd09::2/64\"]\nothers = \"drop\"\n";
    let mut hub = lab.mnvkd("hub", &config);
    hub.await_true("a tap device", || is_up(&lab, "hub", "t0"));
    std::thread::sleep(Duration::from_millis(100));
    for to in ["10.9.0.2", "fd09::2"] {
        for size in ["56", "1452"] {
            ping(&lab, "hub", to, size);
        }
    }
    // The application answers for the address of our end of the device.
    let neighbours = lab.inside("hub", &["ip", "neigh", "show", "dev", "t0"]);
    let kernel = lab.inside("hub", &["cat", "/sys/class/net/t0/address"]);
    assert!(
        neighbours.contains("10.9.0.2 lladdr 02:") && !neighbours.contains(kernel.trim()),
        "{neighbours}"
    );
    hub.stop();
}

#[test]
fn what_the_kernel_sent_was_received_or_is_counted_as_lost() {
    let Some(lab) = Lab::new(&["hub"]) else { return };
    let mut hub = lab.mnvkd("hub", &alone("address = [\"10.9.0.1/24\"]", "[\"sink\"]"));
    hub.await_true("a tap device", || is_up(&lab, "hub", "t0"));
    std::thread::sleep(Duration::from_millis(100));
    let there = ["ip", "neigh", "add", "10.9.0.2", "lladdr", "02:00:00:00:00:99", "dev", "t0"];
    lab.inside("hub", &there);
    // No queueing discipline before the device's own queue, which holds what is sent in one go.
    lab.inside("hub", &["ip", "link", "set", "t0", "txqueuelen", "300"]);
    lab.inside("hub", &["tc", "qdisc", "replace", "dev", "t0", "root", "noqueue"]);
    let datagrams = "for i in $(seq 300); do echo $i > /dev/udp/10.9.0.2/9; done 2> /dev/null; true";
    let flood = || lab.inside("hub", &["bash", "-c", datagrams]);
    flood();
    std::thread::sleep(Duration::from_millis(200));
    // While nobody reads, it overflows.
    hub.signal("STOP");
    flood();
    flood();
    hub.signal("CONT");
    let count = |name: &str| lab.counter("hub", "t0", "tx", name);
    hub.await_true("packets read", || count("packets") >= 600);
    std::thread::sleep(Duration::from_millis(100));
    let (carried, dropped) = (count("packets"), count("dropped"));
    let hub = hub.stop();
    assert!(carried >= 600 && dropped > 200, "{carried} {dropped}");
    assert_eq!((hub.received("one"), hub.lost("one", "queue-full")), (carried, dropped));
    assert!(hub.notes().contains("txqueuelen"), "{}", hub.notes());
}

#[test]
fn a_device_that_goes_down_or_is_deleted_comes_back() {
    let Some(lab) = Lab::new(&["hub"]) else { return };
    let mut hub = lab.mnvkd("hub", &alone("address = [\"10.9.0.1/24\"]", "[\"mac-swap\"]"));
    // Whatever is sent comes back with its addresses swapped.
    let there_and_back = |hub: &mut Running| {
        hub.await_true("a tap device", || is_up(&lab, "hub", "t0"));
        std::thread::sleep(Duration::from_millis(100));
        lab.inside(
            "hub",
            &["ip", "neigh", "replace", "10.9.0.2", "lladdr", "02:00:00:00:00:99", "dev", "t0"],
        );
        lab.inside("hub", &["sh", "-c", "ping -q -c 5 -i 0.01 -W 1 10.9.0.2; true"]);
        assert!(lab.counter("hub", "t0", "rx", "packets") >= 5);
    };
    there_and_back(&mut hub);
    lab.inside("hub", &["ip", "link", "set", "t0", "down"]);
    hub.await_said("\"t0\" is down");
    lab.inside("hub", &["ip", "link", "set", "t0", "up"]);
    hub.await_said("\"t0\" is up");
    there_and_back(&mut hub);
    for round in 1..=2 {
        lab.inside("hub", &["ip", "link", "del", "t0"]);
        hub.await_true("a new device", || true);
        let started = std::time::Instant::now();
        while hub.said().matches("is made again").count() < round {
            assert!(started.elapsed() < Duration::from_secs(10), "{}", hub.said());
            std::thread::sleep(Duration::from_millis(20));
        }
        there_and_back(&mut hub);
    }
    let hub = hub.stop();
    assert!(hub.received("one") >= 20, "{:#}", hub.value["ports"]);
}

#[test]
fn frames_do_not_go_into_a_device_of_ip_packets() {
    let Some(lab) = Lab::new(&["hub"]) else { return };
    let load = "driver = \"generator\"\ncount = 100";
    let hub = lab.mnvkd(
        "hub",
        &between(1, &tap("t0", "mode = \"tun\""), load)
            .replace("\"one\", \"other\"]\nto = [\"other\", \"one\"]", "\"other\"]\nto = [\"one\"]"),
    );
    let hub = hub.report();
    assert_eq!((hub.number("/books/dropped/link-type"), hub.transmitted("one")), (100, 0));
}

#[test]
fn refusals_say_what_to_do() {
    let Some(lab) = Lab::new(&["hub", "other"]) else { return };
    let refused = |mut program: Running| {
        assert_eq!(program.wait(), 1, "{}", program.said());
        program.said()
    };
    let config = alone("", "[\"sink\"]");
    lab.inside("other", &["ip", "link", "add", "t0", "type", "veth", "peer", "name", "t1"]);
    let said = refused(lab.mnvkd("other", &config));
    assert!(said.contains("none of this kind"), "{said}");
    let path = lab.path("other.toml").to_str().expect("UTF-8").to_owned();
    let words =
        ["--bounding-set=-net_admin", "--inh-caps=-net_admin", env!("CARGO_BIN_EXE_mnvkd"), "run", &path];
    let said = refused(lab.program("hub", "setpriv", &words.map(str::to_owned)));
    assert!(said.contains("CAP_NET_ADMIN"), "{said}");
    let mut hub = lab.mnvkd("hub", &config);
    hub.await_true("a tap device", || is_up(&lab, "hub", "t0"));
    std::thread::sleep(Duration::from_millis(100));
    let second = ["netns", "exec", &lab.full("hub"), env!("CARGO_BIN_EXE_mnvkd"), "run", &path];
    let output = std::process::Command::new("ip").args(second).output().expect("ip is there");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("another program has it"), "{said}");
    assert!(run(&["ip", "netns", "list"]).contains(&lab.full("hub")));
}
