//! Whole replays of real captures: every file gives its packets and its damage, goes out as it came in, and
//! may be cut anywhere.

use std::path::{Path, PathBuf};

use mnvkd::port::capture::{LinkType, Survey};

mod rig;

use rig::{How, Rec, Scratch, Setup, captures, dropped, records, rows};

/// A file of the manifest.
struct Entry {
    name: String,
    path: PathBuf,
    /// Packets a replay delivers, and the class of the damage or the refusal after them.
    packets: u64,
    class: String,
}

/// Files of which an ideal reader says something else than the scan behind `packets_scan`; the reasons are
/// those of `capture_format.rs`.
const DEVIATIONS: [(&str, u64, &str); 5] = [
    ("libpcap__pcap-invalid-version-1.pcap", 0, "unsupported-version"),
    ("libpcap__pcapng-invalid-vers-1.pcapng", 0, "unsupported-version"),
    ("libpcap__linktype-reserved-field-not-zero.pcap", 0, "reserved-link-bits"),
    ("libpcap__shb-option-too-long.pcapng", 0, "blen-mismatch"),
    // Version 2.0: the lengths are swapped, so one packet fits; the two bytes after it do not.
    ("ndpi__fuzz-2021-10-13.pcap", 1, "trunc-rechdr"),
];

/// Files with a link type nobody parses, by number and name.
const OPAQUE: [(&str, &str); 7] = [
    ("libpcap__Network_Join_Nokia_Mobile.pcap", "105 (IEEE802_11)"),
    ("libpcap__brcm-tag-stp.pcap", "281 (DSA_TAG_BRCM)"),
    ("libpcap__ieee802.11_exthdr.pcap", "127 (IEEE802_11_RADIOTAP)"),
    ("ndpi__someip_sd_sample.pcap", "192 (PPI)"),
    ("tcpdump__HDLC.pcap", "104 (C_HDLC)"),
    ("tcpdump__OSPFv3_NBMA_adjacencies.pcap", "107 (FRELAY)"),
    ("tcpdump__mpls-traceroute.pcap", "9 (PPP)"),
];

const REFUSALS: [&str; 2] = ["unsupported-version", "reserved-link-bits"];

fn manifest() -> Vec<Entry> {
    let Some(dir) = captures() else { return Vec::new() };
    let entry = |row: std::collections::HashMap<String, String>| {
        let name = row["file"].clone();
        let says = (row["packets_scan"].parse().expect("a number"), row["reader_error_class"].as_str());
        let deviation = DEVIATIONS.iter().find(|(file, ..)| *file == name);
        let (packets, class) = deviation.map_or(says, |(_, packets, class)| (*packets, class));
        Entry { path: dir.join(&name), class: class.to_owned(), name, packets }
    };
    let entries: Vec<Entry> = rows(&dir.join("MANIFEST.tsv")).into_iter().map(entry).collect();
    assert_eq!(entries.len(), 80);
    entries
}

/// Those that can be read, if only in part.
fn readable() -> Vec<Entry> {
    manifest().into_iter().filter(|entry| !REFUSALS.contains(&&*entry.class)).collect()
}

fn small(cores: usize) -> Setup {
    Setup::new(cores).with("frames", 256)
}

fn reading(cores: usize, path: &Path, stages: &[&str]) -> Setup {
    small(cores).capture("file", path, "").pipeline("main", &["file"], &[], stages)
}

#[test]
fn every_file_gives_its_packets_its_damage_and_its_exit_code() {
    for entry in readable() {
        let survey = Survey::of(&std::fs::read(&entry.path).unwrap()).unwrap();
        for (cores, how) in [(1, How::Simulated), (3, How::Simulated), (2, How::Threads)] {
            let report = reading(cores, &entry.path, &["sink"]).run(how);
            let (name, input) = (&entry.name, &report.input);
            assert_eq!(input.packets, entry.packets, "{name}");
            assert_eq!(report.books.received, entry.packets, "{name}");
            assert_eq!(report.books.consumed, entry.packets, "{name}");
            assert_eq!(report.ports["file"].received_bytes, survey.bytes_captured, "{name}");
            assert_eq!(input.damaged, !entry.class.is_empty(), "{name}");
            assert_eq!(report.exit_code(), if input.damaged { 2 } else { 0 }, "{name}");
            let damage = survey.damage;
            assert_eq!(damage.map_or("", |damage| damage.class()), entry.class, "{name}");
            assert_eq!(input.offset, damage.map(|damage| damage.offset), "{name}");
            let says = damage.map(|damage| format!("{}: {damage}", entry.path.display()));
            assert_eq!(input.error, says, "{name}");
            let json = serde_json::to_value(&report).unwrap();
            assert_eq!(json["books"]["unaccounted"], 0, "{name}");
        }
    }
}

#[test]
fn a_file_that_is_refused_is_refused_with_its_name_and_the_reason() {
    let words = [
        ("libpcap__pcap-invalid-version-1.pcap", "unsupported pcap version 1.4"),
        ("libpcap__pcapng-invalid-vers-1.pcapng", "unsupported pcapng version 0.1"),
        ("libpcap__linktype-reserved-field-not-zero.pcap", "link-type reserved field not zero (0x00300000)"),
    ];
    let refused: Vec<Entry> =
        manifest().into_iter().filter(|entry| REFUSALS.contains(&&*entry.class)).collect();
    assert!(refused.is_empty() || refused.len() == words.len());
    for entry in refused {
        let error = reading(1, &entry.path, &["sink"]).attempt(How::Simulated).unwrap_err();
        let text = format!("{error:#}");
        let reason = words.iter().find(|(name, _)| *name == entry.name).unwrap().1;
        assert!(text.contains(&entry.name) && text.contains(reason), "{text}");
        assert!(text.contains("test.toml:"), "{text}");
    }
}

#[test]
fn opaque_link_types_are_refused_by_number_and_name_where_headers_are_read() {
    for entry in readable() {
        let stages = ["flow-meter", "sink"];
        let known = OPAQUE.iter().find(|(name, _)| *name == entry.name).map(|(_, link)| *link);
        match (reading(2, &entry.path, &stages).attempt(How::Simulated), known) {
            (Err(error), Some(link)) => {
                let text = format!("{error:#}");
                let names = [format!("link type {link};"), "\"flow-meter\"".into(), "\"file\"".into()];
                assert!(names.iter().all(|name| text.contains(name)), "{text}");
            }
            (Ok(report), None) => assert_ne!(report.exit_code(), 1, "{}", entry.name),
            (outcome, _) => panic!("{}: {outcome:?}", entry.name),
        }
        let mac_swap = reading(2, &entry.path, &["mac-swap"]).attempt(How::Simulated);
        let links = links(&entry.path);
        assert_eq!(mac_swap.is_err(), links.iter().any(|link| *link != 1), "{} {links:?}", entry.name);
    }
}

/// Distinct link types of a file's packets.
fn links(path: &Path) -> Vec<u32> {
    let mut links: Vec<u32> = records(path).iter().map(|record| record.link).collect();
    links.sort_unstable();
    links.dedup();
    links
}

/// What goes out of what comes in: everything but records without a byte.
fn carried(mut records: Vec<Rec>) -> (Vec<Rec>, u64) {
    let all = records.len();
    records.retain(|record| !record.data.is_empty());
    records.iter_mut().for_each(|record| record.comment = None);
    let empty = (all - records.len()) as u64;
    (records, empty)
}

/// The latest time a pcap file holds, nanoseconds.
const PCAP_END: u64 = u32::MAX as u64 * 1_000_000_000 + 999_999_999;

#[test]
fn forwarded_records_come_out_as_they_came_in_and_in_their_order() {
    let scratch = Scratch::new();
    for entry in readable() {
        let (expected, empty) = carried(records(&entry.path));
        for (extension, cores) in [("pcapng", 1), ("pcapng", 3), ("pcap", 1), ("pcap", 3)] {
            let out = scratch.path(&format!("out.{extension}"));
            let setup = small(cores).capture("file", &entry.path, &format!("out = {out:?}")).pipeline(
                "main",
                &["file"],
                &[],
                &["forward"],
            );
            let links = links(&entry.path);
            if extension == "pcap" && links.len() > 1 {
                let text = format!("{:#}", setup.attempt(How::Simulated).unwrap_err());
                let named = links.iter().all(|link| text.contains(&LinkType(*link).to_string()));
                assert!(named && text.contains("use pcapng"), "{text}");
                continue;
            }
            let report = setup.run(How::Simulated);
            let name = format!("{} {extension} {cores}", entry.name);
            let mut expected = expected.clone();
            if extension == "pcap" {
                expected.iter_mut().for_each(|record| record.time_ns = record.time_ns.min(PCAP_END));
            }
            assert_eq!(report.books.forwarded, expected.len() as u64, "{name}");
            assert_eq!(dropped(&report, "empty"), empty, "{name}");
            let found = records(&out);
            let differs = found.iter().zip(&expected).position(|(found, expected)| found != expected);
            assert_eq!((found.len(), differs), (expected.len(), None), "{name}");
        }
    }
}

#[test]
fn forwarded_by_polling_cores_every_record_comes_out_in_some_order() {
    let scratch = Scratch::new();
    for entry in readable() {
        let out = scratch.path("out.pcapng");
        let report = small(2)
            .capture("file", &entry.path, &format!("out = {out:?}"))
            .pipeline("main", &["file"], &[], &["forward"])
            .run(How::Threads);
        let (mut expected, empty) = carried(records(&entry.path));
        let mut found = records(&out);
        expected.sort();
        found.sort();
        assert!(found == expected, "{}: {} of {}", entry.name, found.len(), expected.len());
        assert_eq!(dropped(&report, "empty"), empty, "{}", entry.name);
    }
}

/// Where blocks or records start and end, and whether each is a packet; found without mnvkd.
fn pieces(bytes: &[u8]) -> Vec<(usize, usize, bool)> {
    let mut big = false;
    let word = |at: usize, big: bool| {
        let field: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
        if big { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) }
    };
    let mut found = Vec::new();
    let mut at = 0;
    if word(0, false) == 0x0a0d_0d0a {
        while at < bytes.len() {
            if word(at, false) == 0x0a0d_0d0a {
                big = word(at + 8, false) != 0x1a2b_3c4d;
            }
            let end = at + word(at + 4, big).next_multiple_of(4) as usize;
            found.push((at, end, [2, 3, 6].contains(&word(at, big))));
            at = end;
        }
        return found;
    }
    big = bytes[0] == 0xa1;
    let header = if word(0, big) == 0xa1b2_cd34 { 24 } else { 16 };
    found.push((0, 24, false));
    at = 24;
    while at < bytes.len() {
        let end = at + header + word(at + 8, big) as usize;
        found.push((at, end, true));
        at = end;
    }
    found
}

#[test]
fn a_file_cut_at_any_byte_gives_its_whole_packets_and_then_the_offset() {
    let Some(dir) = captures() else { return };
    let scratch = Scratch::new();
    // Every byte of the small ones, a sample of the others.
    let files = [
        ("tcpdump__tcp-handshake-nano.pcap", 1),
        ("pcap-parser__modified-format.pcap", 1),
        ("libpcap__brcm-tag-stp.pcap", 3),
        ("pcapngtest__le_test202.pcapng", 13),
        ("pcapngtest__be_test008.pcapng", 17),
        ("libtrace__100_packetsns.pcap", 211),
    ];
    let mut cuts = 0;
    for (name, stride) in files {
        let bytes = std::fs::read(dir.join(name)).unwrap();
        let pieces = pieces(&bytes);
        assert_eq!(pieces.last().unwrap().1, bytes.len(), "{name}");
        let edges = pieces.iter().take(40).flat_map(|(start, end, _)| [*start, start + 1, end - 1, *end]);
        let mut offsets: Vec<usize> = (0..bytes.len()).step_by(stride).chain(edges).collect();
        offsets.sort_unstable();
        offsets.dedup();
        for cut in offsets {
            let path = scratch.path("cut");
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let whole = pieces.iter().filter(|(_, end, packet)| *packet && *end <= cut).count() as u64;
            let broken = match cut {
                // An empty file has no header, and that is damage too.
                0 => Some(0),
                _ => pieces
                    .iter()
                    .find(|(start, end, _)| *start < cut && cut < *end)
                    .map(|(start, ..)| *start as u64),
            };
            let report = small(1 + cut % 3)
                .capture("file", &path, "")
                .pipeline("main", &["file"], &[], &["sink"])
                .run(How::Simulated);
            let found =
                (report.books.consumed, report.input.packets, report.input.offset, report.exit_code());
            let code = if broken.is_some() { 2 } else { 0 };
            assert_eq!(found, (whole, whole, broken, code), "{name} cut at {cut}: {:?}", report.input.error);
            if let Some(broken) = broken {
                let error = report.input.error.unwrap();
                assert!(error.ends_with(&format!("at offset {broken}")), "{name} cut at {cut}: {error}");
                assert!(error.contains("truncated"), "{name} cut at {cut}: {error}");
            }
            cuts += 1;
        }
    }
    println!("{cuts} cuts");
}
