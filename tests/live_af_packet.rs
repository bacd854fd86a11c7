//! `af_packet` on veth pairs between namespaces.

mod live_rig;

use std::collections::HashMap;
use std::fs::File;
use std::time::Duration;

use live_rig::{Lab, Report};

/// A dataplane of so many cores with one port on a device.
fn config(cores: usize, device: &str, keys: &str, stages: &str) -> String {
    format!(
        "[dataplane]\ncores = {cores}\npages = \"never\"\nidle = \"adaptive\"\n\
         [[port]]\nname = \"wire\"\ndriver = \"af_packet\"\ndevice = \"{device}\"\n{keys}\n\
         [[pipeline]]\nname = \"all\"\nfrom = [\"wire\"]\nstages = {stages}\n"
    )
}

/// Generated traffic to a device, or where `wire` says otherwise; with what comes back in `back`.
fn load(keys: &str, wire: &str, back: Option<&str>) -> String {
    let mut text = format!(
        "[dataplane]\ncores = 1\npages = \"never\"\nidle = \"adaptive\"\n\
         [[port]]\nname = \"load\"\ndriver = \"generator\"\n{keys}\n\
         [[port]]\nname = \"wire\"\n{wire}\n\
         [[pipeline]]\nname = \"out\"\nfrom = [\"load\"]\nto = [\"wire\"]\nstages = [\"forward\"]\n"
    );
    if let Some(file) = back {
        text.push_str(&format!(
            "[[port]]\nname = \"back\"\ndriver = \"capture\"\nout = \"{file}\"\n\
             [[pipeline]]\nname = \"in\"\nfrom = [\"wire\"]\nto = [\"back\"]\nstages = [\"forward\"]\n"
        ));
    }
    text
}

fn on(device: &str) -> String {
    format!("driver = \"af_packet\"\ndevice = \"{device}\"\nreceive-slots = 32768\n")
}

/// The packets of a capture.
fn packets(path: &std::path::Path) -> Vec<Vec<u8>> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut reader = pcap_file::pcap::PcapReader::new(file).expect("a capture");
    let mut all = Vec::new();
    while let Some(packet) = reader.next_packet() {
        all.push(packet.expect("a packet").data().to_vec());
    }
    all
}

/// What is sent comes back with its addresses swapped and nothing else changed: tags, sizes, order.
fn mac_swap_returns(ring: &str, mtu: &str, traffic: &str, count: usize) {
    let Some(lab) = Lab::new(&["gen", "dut"]) else { return };
    lab.veth(("gen", "g0"), ("dut", "d0"), mtu);
    let (sent, back) = (lab.path("sent.pcap"), lab.path("back.pcap"));
    let traffic = format!("{traffic}\ncount = {count}\nrate = \"20kpps\"\n");
    let to_file = format!("driver = \"capture\"\nout = \"{}\"\n", sent.display());
    lab.mnvkd("gen", &load(&traffic, &to_file, None)).report();

    let mut dut = lab.mnvkd(
        "dut",
        &config(1, "d0", &format!("ring = \"{ring}\"\nreceive-slots = 32768"), "[\"mac-swap\"]"),
    );
    lab.await_sockets("dut", 1, &mut dut);
    let mut gen_ = lab.mnvkd("gen", &load(&traffic, &on("g0"), back.to_str()));
    lab.await_sockets("gen", 1, &mut gen_);
    gen_.await_true("all packets sent", || {
        lab.sent("gen", "g0") >= count as u64 && lab.sent("dut", "d0") >= count as u64
    });
    std::thread::sleep(Duration::from_millis(200));
    let (gen_, dut) = (gen_.stop(), dut.stop());
    assert_eq!(
        (dut.received("wire"), dut.transmitted("wire"), dut.lost_in("wire")),
        (count as u64, count as u64, 0)
    );
    assert_eq!((gen_.received("wire"), gen_.lost_in("wire")), (count as u64, 0));

    let (sent, mut back) = (packets(&sent), packets(&back));
    assert_eq!((sent.len(), back.len()), (count, count));
    for (number, (sent, back)) in sent.iter().zip(&mut back).enumerate() {
        let (to, from) = back[..12].split_at_mut(6);
        to.swap_with_slice(from);
        assert!(sent == back, "packet {number} of {count} came back as another");
    }
}

#[test]
fn mac_swap_returns_frames_and_their_tags_intact() {
    for ring in ["v2", "v3"] {
        mac_swap_returns(
            ring,
            "1500",
            "size = \"imix\"\nvlan-share = 0.5\nipv6-share = 0.3\nflows = 300",
            8000,
        );
    }
}

#[test]
fn mac_swap_returns_frames_of_9000_bytes_intact() {
    for ring in ["v2", "v3"] {
        mac_swap_returns(ring, "9000", "size = 9014\nflows = 40", 2000);
    }
}

/// Whatever the sender's kernel sent was received or is counted as lost.
fn flood(ring: &str, slots: u32, cores: usize, stage: &str) -> Report {
    let lab = Lab::new(&["gen", "dut"]).expect("checked by the caller");
    lab.veth(("gen", "g0"), ("dut", "d0"), "1500");
    let keys = format!("ring = \"{ring}\"\nreceive-slots = {slots}");
    let mut dut = lab.mnvkd("dut", &config(cores, "d0", &keys, &format!("[{stage:?}]")));
    lab.await_sockets("dut", cores, &mut dut);
    let before = lab.sent("gen", "g0");
    let gen_ = lab.mnvkd("gen", &load("count = 300000\nflows = 64", &on("g0"), None)).report();
    std::thread::sleep(Duration::from_millis(200));
    let sent = lab.sent("gen", "g0") - before;
    let dut = dut.stop();
    assert_eq!(gen_.transmitted("wire"), 300_000);
    assert_eq!(sent, 300_000, "the kernel sent what it took");
    assert_eq!(dut.received("wire") + dut.lost_in("wire"), sent, "{:#}", dut.value["ports"]);
    dut
}

#[test]
fn a_flood_into_tiny_rings_is_received_or_counted_as_lost() {
    if Lab::new(&[]).is_none() {
        return;
    }
    for ring in ["v2", "v3"] {
        let dut = flood(ring, 4, 1, "sink");
        assert!(dut.lost("wire", "ring-full") > 0, "{:#}", dut.value["ports"]);
        assert!(dut.notes().contains("receive-slots"), "{}", dut.notes());
    }
    assert!(flood("v3", 64, 1, "sink").notes().contains("a millisecond"));
    // What the port itself sends is not received again, by no queue of a group.
    flood("v2", 8, 2, "mac-swap");
    flood("v3", 8, 2, "mac-swap");
}

#[test]
fn what_is_larger_than_a_frame_is_counted_and_explained() {
    let Some(lab) = Lab::new(&["gen", "dut"]) else { return };
    lab.veth(("gen", "g0"), ("dut", "d0"), "1500");
    lab.inside("gen", &["ip", "addr", "add", "10.9.0.1/24", "dev", "g0"]);
    lab.inside("dut", &["ip", "addr", "add", "10.9.0.2/24", "dev", "d0"]);
    let before = lab.sent("gen", "g0");
    let mut dut = lab.mnvkd("dut", &config(1, "d0", "receive-slots = 8192", "[\"sink\"]"));
    lab.await_sockets("dut", 1, &mut dut);
    // TCP between the kernels: on a veth its segments are never cut.
    let mut server = lab.program("dut", "iperf3", &["-s", "-1"].map(str::to_owned));
    std::thread::sleep(Duration::from_millis(300));
    lab.inside("gen", &["iperf3", "-c", "10.9.0.2", "-n", "5M"]);
    server.wait();
    std::thread::sleep(Duration::from_millis(200));
    let sent = lab.sent("gen", "g0") - before;
    let dut = dut.stop();
    assert!(dut.lost("wire", "larger-than-frame") > 0, "{:#}", dut.value["ports"]);
    assert!(dut.notes().contains("ethtool -K d0 gro off"), "{}", dut.notes());
    assert_eq!(dut.received("wire") + dut.lost_in("wire"), sent);
}

#[test]
fn checksums_left_to_the_card_are_marked_and_completed() {
    checksums_are_completed("af_packet");
}

#[test]
fn checksums_left_to_the_card_are_marked_and_completed_by_an_xdp_port_too() {
    checksums_are_completed("af_xdp");
}

/// From a kernel that leaves checksums to its card, in by packet sockets, out by `far`, to a kernel that looks at them.
fn checksums_are_completed(far: &str) {
    let Some(lab) = Lab::new(&["a", "mid", "b"]) else { return };
    lab.veth(("a", "a0"), ("mid", "m0"), "1500");
    lab.veth(("mid", "m1"), ("b", "b0"), "1500");
    lab.inside("a", &["ip", "addr", "add", "10.9.0.1/24", "dev", "a0"]);
    lab.inside("b", &["ip", "addr", "add", "10.9.0.2/24", "dev", "b0"]);
    let through = config(1, "m0", "", "[\"flow-meter\", \"forward\"]")
        .replace("from = [\"wire\"]", "from = [\"wire\", \"far\"]\nto = [\"far\", \"wire\"]")
        + &format!("[[port]]\nname = \"far\"\ndriver = {far:?}\ndevice = \"m1\"\n");
    if far == "af_xdp" {
        // Of what comes back this way nobody could say that its checksum is not there yet.
        lab.inside("b", &["ethtool", "-K", "b0", "tx", "off"]);
    }
    let mut mid = lab.mnvkd("mid", &through);
    lab.await_sockets("mid", if far == "af_xdp" { 1 } else { 2 }, &mut mid);
    let mut b = lab.mnvkd("b", &config(1, "b0", "", "[\"flow-meter\", \"sink\"]"));
    lab.await_sockets("b", 1, &mut b);
    // The kernels answer each other's ARP through mnvkd; TCP is accepted by the far kernel only with a good checksum.
    for device in [("a", "a0"), ("b", "b0")] {
        lab.inside(device.0, &["ethtool", "-K", device.1, "tso", "off", "gso", "off"]);
    }
    let mut server = lab.program("b", "iperf3", &["-s", "-1"].map(str::to_owned));
    std::thread::sleep(Duration::from_millis(300));
    lab.inside("a", &["iperf3", "-c", "10.9.0.2", "-n", "300K"]);
    server.wait();
    lab.inside(
        "a",
        &["bash", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo odd$i > /dev/udp/10.9.0.2/9; sleep 0.01; done"],
    );
    std::thread::sleep(Duration::from_millis(200));
    let (mid, b) = (mid.stop(), b.stop());
    let count = |report: &Report, protocol: &str, state: &str| {
        report.number(&format!("/tallies/flow-meter/checksums/{protocol}/{state}"))
    };
    for protocol in ["tcp", "udp"] {
        assert!(count(&mid, protocol, "offload_partial") >= 9, "{protocol}: {:#}", mid.value["tallies"]);
        assert!(count(&b, protocol, "good") >= 9, "{protocol}: {:#}", b.value["tallies"]);
        assert_eq!(
            (count(&b, protocol, "bad"), count(&b, protocol, "offload_partial")),
            (0, 0),
            "{protocol}"
        );
    }
    assert_eq!((mid.lost_in("wire"), mid.lost_in("far")), (0, 0));
}

#[test]
fn a_device_that_goes_down_and_up_is_reported_and_traffic_goes_on() {
    let Some(lab) = Lab::new(&["gen", "dut"]) else { return };
    lab.veth(("gen", "g0"), ("dut", "d0"), "1500");
    lab.inside("dut", &["ip", "link", "set", "d0", "down"]);
    let mut dut = lab.mnvkd("dut", &config(1, "d0", "", "[\"mac-swap\"]"));
    dut.await_said("\"d0\" is down");
    let mut gen_ = lab.mnvkd("gen", &load("rate = \"3kpps\"", &on("g0"), None));
    gen_.await_said("no carrier");
    for _ in 0..2 {
        lab.inside("dut", &["ip", "link", "set", "d0", "up"]);
        let (before, again) = (lab.sent("dut", "d0"), lab.counter("gen", "g0", "rx", "packets"));
        dut.await_true("packets there and back", || {
            lab.sent("dut", "d0") > before + 300 && lab.counter("gen", "g0", "rx", "packets") > again + 300
        });
        lab.inside("dut", &["ip", "link", "set", "d0", "down"]);
        std::thread::sleep(Duration::from_millis(300));
    }
    // Under another name it is the same device.
    lab.inside("dut", &["ip", "link", "set", "d0", "name", "d9"]);
    dut.await_said("\"d0\" is called \"d9\" now");
    lab.inside("dut", &["ip", "link", "set", "d9", "up"]);
    let before = lab.sent("dut", "d9");
    dut.await_true("packets there and back", || lab.sent("dut", "d9") > before + 300);
    let (gen_, dut) = (gen_.stop(), dut.stop());
    assert!(
        dut.said.matches("is down").count() == 3 && dut.said.matches("is up").count() == 3,
        "{}",
        dut.said
    );
    assert!(gen_.number("/books/dropped/transmit-failed") > 0);
    assert!(dut.notes().contains("is up: traffic goes on"), "{}", dut.notes());
}

#[test]
fn a_device_that_is_deleted_and_made_again_is_taken_up_again() {
    let Some(lab) = Lab::new(&["gen", "dut"]) else { return };
    lab.veth(("gen", "g0"), ("dut", "d0"), "1500");
    // Two queues: the new sockets must form a group again.
    let mut dut = lab.mnvkd("dut", &config(2, "d0", "queues = 2", "[\"mac-swap\"]"));
    lab.await_sockets("dut", 2, &mut dut);
    let mut gen_ = lab.mnvkd("gen", &load("rate = \"3kpps\"", &on("g0"), None));
    for round in 1..=2 {
        gen_.await_true("packets there and back", || {
            lab.sent("dut", "d0") > 300 && lab.counter("gen", "g0", "rx", "packets") > 300
        });
        lab.inside("dut", &["ip", "link", "del", "d0"]);
        std::thread::sleep(Duration::from_millis(300));
        lab.veth(("gen", "g0"), ("dut", "d0"), "1500");
        let times = |text: String| text.matches("there again").count();
        let started = std::time::Instant::now();
        while times(dut.said()) < round || times(gen_.said()) < round {
            assert!(started.elapsed() < Duration::from_secs(10), "{}{}", dut.said(), gen_.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    gen_.await_true("packets there and back", || {
        lab.sent("dut", "d0") > 300 && lab.counter("gen", "g0", "rx", "packets") > 300
    });
    let (gen_, dut) = (gen_.stop(), dut.stop());
    assert_eq!(dut.said.matches("no device \"d0\" any more").count(), 2, "{}", dut.said);
    let (sent, received) = (gen_.transmitted("wire"), dut.received("wire"));
    assert!(received > 900 && received <= sent, "{received} of {sent}");
    assert_eq!(gen_.lost_in("wire"), 0, "nobody reads there, so nothing is lost: {:#}", gen_.value["ports"]);
}

#[test]
fn the_far_namespace_is_deleted() {
    let Some(lab) = Lab::new(&["gen", "dut"]) else { return };
    lab.veth(("gen", "g0"), ("dut", "d0"), "1500");
    let mut dut = lab.mnvkd("dut", &config(1, "d0", "", "[\"mac-swap\"]"));
    lab.await_sockets("dut", 1, &mut dut);
    lab.mnvkd("gen", &load("count = 500\nrate = \"5kpps\"", &on("g0"), None)).report();
    live_rig::run(&["ip", "netns", "del", &lab.full("gen")]);
    dut.await_said("no device \"d0\" any more");
    let dut = dut.stop();
    assert_eq!(dut.received("wire") + dut.lost_in("wire"), 500);
}

#[test]
fn a_larger_mtu_is_reported_and_what_does_not_fit_counted() {
    let Some(lab) = Lab::new(&["gen", "dut"]) else { return };
    lab.veth(("gen", "g0"), ("dut", "d0"), "1500");
    let mut dut = lab.mnvkd("dut", &config(1, "d0", "", "[\"sink\"]"));
    lab.await_sockets("dut", 1, &mut dut);
    let large = "count = 100\nsize = 3000\nrate = \"5kpps\"";
    let refused = lab.mnvkd("gen", &load(large, &on("g0"), None)).report();
    assert_eq!((refused.number("/books/dropped/size"), refused.transmitted("wire")), (100, 0));
    for (name, device) in [("gen", "g0"), ("dut", "d0")] {
        lab.inside(name, &["ip", "link", "set", device, "mtu", "4000"]);
    }
    dut.await_said("was 1500 and is 4000");
    lab.mnvkd("gen", &load(large, &on("g0"), None)).report();
    std::thread::sleep(Duration::from_millis(200));
    let dut = dut.stop();
    assert_eq!((dut.received("wire"), dut.lost("wire", "larger-than-frame")), (0, 100));
}

#[test]
fn refusals_say_what_to_do() {
    let Some(lab) = Lab::new(&["dut"]) else { return };
    let refused = |mut program: live_rig::Running| {
        assert_eq!(program.wait(), 1, "{}", program.said());
        program.said()
    };
    let said = refused(lab.mnvkd("dut", &config(1, "nope0", "", "[\"sink\"]")));
    assert!(said.contains("no device \"nope0\"") && said.contains("there are: lo"), "{said}");
    lab.mnvkd("dut", &config(1, "lo", "", "[\"sink\"]")); // leaves its configuration behind
    let path = lab.path("dut.toml").to_str().expect("UTF-8").to_owned();
    let words = ["--bounding-set=-net_raw", "--inh-caps=-net_raw", env!("CARGO_BIN_EXE_mnvkd"), "run", &path];
    let said = refused(lab.program("dut", "setpriv", &words.map(str::to_owned)));
    assert!(said.contains("CAP_NET_RAW"), "{said}");
}

/// Runs this test program's `test` in a namespace, where it is told so by its environment.
fn inside(lab: &Lab, name: &str, test: &str) -> String {
    let program = std::env::current_exe().expect("this program has a path");
    lab.inside(
        name,
        &["env", "MNVKD_LIVE_INSIDE=1", program.to_str().expect("UTF-8"), "--exact", test, "--nocapture"],
    )
}

#[test]
fn a_flow_stays_on_its_queue() {
    if std::env::var_os("MNVKD_LIVE_INSIDE").is_some() {
        return flows_by_queue();
    }
    let Some(lab) = Lab::new(&["gen", "dut"]) else { return };
    lab.veth(("gen", "g0"), ("dut", "d0"), "1500");
    let traffic = "count = 12000\nflows = 100\nipv6-share = 0.5\nvlan-share = 0.3\nrate = \"2kpps\"";
    let gen_ = lab.mnvkd("gen", &load(traffic, &on("g0"), None));
    let text = inside(&lab, "dut", "a_flow_stays_on_its_queue");
    assert!(text.contains("1 passed"), "{text}");
    gen_.report();
}

/// Opens a port with two queues in this process and looks which flow comes to which.
fn flows_by_queue() {
    use hugepages::{Arena, PagePolicy, PoolShape};
    use mnvkd::packet::{BurstSize, Frames, Packets, PortId};
    use mnvkd::port::af_packet::{AfPacket, AfPacketConfig};
    use mnvkd::port::{Gate, Opening, Port};

    let shape = PoolShape { frame_room: 1920, headroom: 64, frames: 256, owner: 0, chunk: 64 };
    let mut arena = Arena::reserve(hugepages::arena::pool_bytes(&shape), &PagePolicy::Never, None).unwrap();
    let mut frames = [Frames::new(arena.carve_pool("frames", shape).unwrap(), 0)];
    let config = AfPacketConfig { device: "d0".to_owned(), ..AfPacketConfig::default() };
    let mut port = AfPacket::new(config).unwrap();
    let mut opening = Opening {
        id: PortId::new(0).unwrap(),
        cores: 1,
        queues: 2,
        seed: 1,
        name: "wire".to_owned(),
        pages: PagePolicy::Never,
        carries: Vec::new(),
        spread: std::sync::Arc::new(|_, _, _| 0),
        virtual_time: false,
        receives: true,
        reads: true,
        frames_per_queue: 0,
        frames: &mut frames,
    };
    let mut queues = port.open(&mut opening).unwrap();
    // Both directions of a flow are one: the two ends in order.
    let mut queue_of: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut count = [0u64; 2];
    let mut packets = Packets::new();
    let started = std::time::Instant::now();
    // As long as it takes: the machine may be busy with others.
    let enough = |flows: usize, count: [u64; 2]| flows > 90 && count[0] > 100 && count[1] > 100;
    while !enough(queue_of.len(), count) && started.elapsed() < Duration::from_secs(30) {
        for (number, queue) in queues.iter_mut().enumerate() {
            let receive = queue.receive.as_mut().unwrap();
            receive.receive(&mut frames[0], &mut packets, BurstSize::MAX, 0, Gate::OPEN);
            for packet in packets.drain(..) {
                count[number] += 1;
                let flow = flow_of(packet.data());
                let known = *queue_of.entry(flow.clone()).or_insert(number);
                assert_eq!(known, number, "flow {flow:?} came to both queues");
                frames[0].release(packet.into_frame());
            }
        }
    }
    assert!(enough(queue_of.len(), count), "{} flows, {count:?}", queue_of.len());
    for queue in &mut queues {
        queue.receive.as_mut().unwrap().close(&mut frames[0]).unwrap();
    }
    assert_eq!(frames[0].missing(), 0);
}

/// Addresses, ports and protocol of a packet, the lesser end first.
fn flow_of(bytes: &[u8]) -> Vec<u8> {
    let mut at = 12;
    if bytes[at..at + 2] == [0x81, 0] {
        at += 4;
    }
    let ip = &bytes[at + 2..];
    let (from, to, ports, protocol) = match ip[0] >> 4 {
        4 => (&ip[12..16], &ip[16..20], &ip[20..24], ip[9]),
        _ => (&ip[8..24], &ip[24..40], &ip[40..44], ip[6]),
    };
    let mut ends = [[from, &ports[..2]].concat(), [to, &ports[2..]].concat()];
    ends.sort();
    [ends.concat(), vec![protocol]].concat()
}
