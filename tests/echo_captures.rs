//! `echo` over real captures: everything has a fate, the result is the same on any number of cores, and a host of a
//! capture is answered for as the host itself answered.

use std::collections::HashMap;
use std::path::Path;

use mnvkd::packet::checksum::{ChecksumState, states};
use mnvkd::packet::layers::{LinkClass, Transport};
use mnvkd::steer::parse::parse;

mod rig;

use rig::{How, Rec, Scratch, Setup, captures, records, rows};

/// A host of a capture, and the Ethernet address packets for it went to.
#[derive(Clone, Copy)]
struct Host {
    address: [u8; 4],
    mac: &'static str,
}

/// One that is asked for by ARP, and to which a tunnel sends pings without a checksum.
const TUNNELLED: Host = Host { address: [192, 168, 154, 132], mac: "00:0c:29:cb:e3:82" };

/// Replays a capture through echo for a host, and what echo passes on into a sink.
fn replaying(host: Host, cores: usize, path: &Path, keys: &str) -> Setup {
    let [a, b, c, d] = host.address;
    Setup::new(cores)
        .capture("file", path, keys)
        .pipeline("main", &["file"], &[], &["echo", "sink"])
        .set(format!("app.echo.mac={:?}", host.mac))
        .set(format!("app.echo.addresses=[\"{a}.{b}.{c}.{d}/24\", \"fd09::1/64\"]"))
}

#[test]
fn every_capture_has_one_result_on_any_number_of_cores() {
    let Some(dir) = captures() else { return };
    let (mut replayed, mut answered) = (0, 0);
    for row in rows(&dir.join("MANIFEST.tsv")) {
        let path = dir.join(&row["file"]);
        // Some are refused: unknown versions, link types nobody parses. Their own tests say which.
        let Ok(one) = replaying(TUNNELLED, 1, &path, "").attempt(How::Simulated) else { continue };
        let three = replaying(TUNNELLED, 3, &path, "").run(How::Simulated);
        rig::assert_accounts(&one, &row["file"]);
        assert_eq!(one.digest.output, three.digest.output, "{}", row["file"]);
        assert_eq!(one.digest.tally, three.digest.tally, "{}", row["file"]);
        let tally = &one.tallies["echo"];
        let kinds = tally["answered"].as_object().expect("counts by kind");
        let sum: u64 = kinds.values().map(|count| count.as_u64().expect("a count")).sum();
        assert_eq!(one.books.forwarded, sum, "{}", row["file"]);
        assert_eq!(one.books.consumed, tally["others"], "{}", row["file"]);
        if row["file"] == "large_ndpi_interleaved.pcap" {
            assert_eq!((kinds["arp"].as_u64(), sum), (Some(24), 24));
            assert_eq!(rig::dropped(&one, "bad-checksum"), 448);
        }
        (replayed, answered) = (replayed + 1, answered + sum);
    }
    assert!(replayed > 60 && answered >= 24, "{replayed} captures, {answered} answers");
}

/// An ICMP echo message of this kind: from whom, to whom, the message; VLAN tags are looked through.
fn echo_message(record: &Rec, kind: u8) -> Option<([u8; 4], [u8; 4], &[u8])> {
    let layers = parse(LinkClass::Ethernet, &record.data, record.wire_len);
    let header =
        record.data.get(layers.network_offset()..).filter(|_| layers.transport() == Transport::Icmp)?;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let message = header.get(20..total).filter(|message| message[0] == kind)?;
    let address = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
    Some((address(12), address(16), message))
}

fn assert_good(record: &Rec) {
    let layers = parse(LinkClass::Ethernet, &record.data, record.wire_len);
    assert_eq!(layers.malformed(), None);
    assert_eq!(states(&record.data, layers, record.wire_len), (Some(ChecksumState::Good), None));
}

#[test]
fn a_host_is_answered_for_as_it_answered_itself() {
    let Some(dir) = captures() else { return };
    let path = dir.join("large_pcapplusplus_chrono.pcap");
    let before = records(&path);
    // The second one in a VLAN.
    for (host, pings) in [
        (Host { address: [8, 8, 8, 8], mac: "30:46:9a:23:fb:fa" }, 40),
        (Host { address: [10, 118, 10, 2], mac: "00:1b:d4:1b:a4:d8" }, 5),
    ] {
        let mut replies: HashMap<_, u32> = HashMap::new();
        for reply in before.iter().filter_map(|record| echo_message(record, 0)) {
            *replies.entry(reply).or_default() += 1;
        }
        let scratch = Scratch::new();
        let out = scratch.path("answers.pcap");
        let report = replaying(host, 2, &path, &format!("out = {out:?}")).run(How::Simulated);
        assert_eq!(report.tallies["echo"]["answered"]["icmp"], pings);
        let answers = records(&out);
        assert_eq!(answers.len(), pings);
        for answer in &answers {
            assert_good(answer);
            let message = echo_message(answer, 0).expect("a reply");
            assert_eq!(message.0, host.address);
            let real =
                replies.get_mut(&message).expect("the host's own reply is in the capture, bit for bit");
            *real = real.checked_sub(1).expect("one for each request");
        }
    }
}
