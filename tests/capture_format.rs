//! The capture readers against 80 real files: what the manifest, tshark and a second parser say.
//!
//! The files stay outside the project (`../shared/captures`); where they are missing the tests say so
//! and pass.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mnvkd::port::capture::{Format, LinkType, Reader, Record, Refusal, Survey};
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::{Block, PcapNgReader};

fn captures() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    match dir.is_dir() {
        true => Some(dir),
        false => {
            println!("skipped: no captures at {}", dir.display());
            None
        }
    }
}

/// The rows of a tab-separated file with a heading, each as column name to value.
fn rows(path: &Path) -> Vec<HashMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let heading: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let row = |line: &str| {
        heading.iter().map(ToString::to_string).zip(line.split('\t').map(str::to_owned)).collect()
    };
    lines.map(row).collect()
}

struct Capture {
    name: String,
    bytes: Vec<u8>,
    row: HashMap<String, String>,
}

impl Capture {
    fn number(&self, column: &str) -> u64 {
        self.row[column].parse().unwrap()
    }

    fn records(&self) -> Vec<Record<'_>> {
        Reader::open(&self.bytes).map(|reader| reader.flatten().collect()).unwrap_or_default()
    }
}

fn manifest() -> Vec<Capture> {
    let Some(dir) = captures() else { return Vec::new() };
    let load = |row: HashMap<String, String>| {
        let name = row["file"].clone();
        Capture { bytes: std::fs::read(dir.join(&name)).unwrap(), name, row }
    };
    let files: Vec<_> = rows(&dir.join("MANIFEST.tsv")).into_iter().map(load).collect();
    assert_eq!(files.len(), 80);
    files
}

/// Files of which an ideal reader says something else than the scan behind `packets_scan`:
/// packets delivered, class of the damage or the refusal.
fn deviations() -> HashMap<&'static str, (u64, &'static str)> {
    HashMap::from([
        ("libpcap__pcap-invalid-version-1.pcap", (0, "unsupported-version")),
        ("libpcap__pcapng-invalid-vers-1.pcapng", (0, "unsupported-version")),
        ("libpcap__linktype-reserved-field-not-zero.pcap", (0, "reserved-link-bits")),
        ("libpcap__shb-option-too-long.pcapng", (0, "blen-mismatch")),
        // Version 2.0: the lengths are swapped, so one packet fits; the two bytes after it do not.
        ("ndpi__fuzz-2021-10-13.pcap", (1, "trunc-rechdr")),
    ])
}

#[test]
fn every_file_gives_its_packets_and_its_damage() {
    let deviations = deviations();
    for capture in manifest() {
        let says = (capture.number("packets_scan"), capture.row["reader_error_class"].as_str());
        let (packets, class) = deviations.get(capture.name.as_str()).copied().unwrap_or(says);
        let found = match Survey::of(&capture.bytes) {
            Ok(survey) => (survey.packets, survey.damage.map_or("", |damage| damage.class())),
            Err(refusal) => (0, refusal.class()),
        };
        assert_eq!(found, (packets, class), "{}", capture.name);
    }
}

#[test]
fn sizes_interfaces_and_snapping_are_those_of_the_manifest() {
    let deviations = deviations();
    // Not those where tshark counts something else: a link type it has no name for, custom blocks.
    let same = |c: &Capture| c.row["packets_tshark"] == c.row["packets_scan"];
    for capture in manifest().iter().filter(|c| same(c) && !deviations.contains_key(c.name.as_str())) {
        let survey = Survey::of(&capture.bytes).unwrap();
        let records = capture.records();
        // tshark, and the manifest with it, clamps a length to 2^31 - 1 and looks for a minimum below 10^9.
        let clamped = || records.iter().map(|record| u64::from(record.wire_len.min(i32::MAX as u32)));
        let found = [
            clamped().sum(),
            survey.snapped,
            clamped().min().unwrap_or(0).min(1_000_000_000),
            clamped().max().unwrap_or(0),
            u64::from(survey.interfaces),
        ];
        let columns = ["bytes_wire", "snapped_frames", "min_len", "max_len", "interfaces"];
        let says = columns.map(|column| capture.number(column));
        assert_eq!(found, says, "{} {columns:?}", capture.name);
    }
}

#[test]
fn link_types_are_those_of_the_manifest() {
    let mut compared = 0;
    for capture in manifest() {
        let Ok(survey) = Survey::of(&capture.bytes) else { continue };
        let column = &capture.row["linktypes"];
        let says: Vec<u32> =
            column.split(',').map(|l| l.split('(').next().unwrap().parse().unwrap()).collect();
        assert!(survey.links.iter().all(|(link, _)| says.contains(&link.0)), "{}", capture.name);
        compared += 1;
    }
    println!("{compared} files");
}

#[test]
fn times_run_backwards_where_the_manifest_says_so() {
    // Two files mix interfaces of microseconds and nanoseconds; the manifest's 7 and 1 do not follow from
    // the times stored in them.
    let says = |capture: &Capture| match capture.name.as_str() {
        "ndpi__sites.pcapng" => 2,
        "ndpi__stun.pcap" => 0,
        _ => capture.number("nonmonotonic_ts"),
    };
    for capture in manifest() {
        let Ok(survey) = Survey::of(&capture.bytes) else { continue };
        if survey.absent_times == 0 && capture.number("packets_scan") == survey.packets {
            assert_eq!(survey.nonmonotonic, says(&capture), "{}", capture.name);
        }
    }
}

#[test]
fn tshark_counts_the_same_frames_and_bytes() {
    let Some(dir) = captures() else { return };
    let mut compared = 0;
    for capture in manifest() {
        let path = dir.join(format!("truth/small/dev__{}.summary.tsv", capture.name));
        let (Ok(survey), true) = (Survey::of(&capture.bytes), path.exists()) else { continue };
        let truth: HashMap<_, _> =
            rows(&path).into_iter().map(|row| (row["metric"].clone(), row["value"].clone())).collect();
        let number = |metric: &str| truth.get(metric).and_then(|value| value.parse::<u64>().ok());
        // tshark has no name for link type 281 and shows custom blocks as packets.
        if number("frames").unwrap_or(0) != survey.packets {
            assert_ne!(capture.row["packets_tshark"], capture.row["packets_scan"], "{}", capture.name);
            continue;
        }
        let clamped: u64 = capture.records().iter().map(|r| u64::from(r.wire_len.min(i32::MAX as u32))).sum();
        assert_eq!(number("bytes").unwrap_or(0), clamped, "{}", capture.name);
        assert_eq!(number("cap_bytes").unwrap_or(0), survey.bytes_captured, "{}", capture.name);
        compared += 1;
    }
    println!("{compared} files agree with tshark");
    assert!(compared >= 70);
}

/// What the second parser says of a packet: time, wire length, bytes.
type Told = (Duration, u32, Vec<u8>);

fn second_opinion(bytes: &[u8], format: Format) -> (Vec<Told>, bool) {
    match format {
        Format::Pcapng => second_opinion_pcapng(bytes),
        _ => second_opinion_pcap(bytes),
    }
}

fn second_opinion_pcap(bytes: &[u8]) -> (Vec<Told>, bool) {
    let mut told = Vec::new();
    let Ok(mut reader) = PcapReader::with_capacity(bytes, 1 << 20) else { return (told, false) };
    while let Some(step) = reader.next_packet() {
        let Ok(packet) = step else { return (told, false) };
        told.push((packet.timestamp(), packet.orig_len(), packet.data().to_vec()));
    }
    (told, true)
}

fn second_opinion_pcapng(bytes: &[u8]) -> (Vec<Told>, bool) {
    let mut told = Vec::new();
    let Ok(mut reader) = PcapNgReader::with_capacity(bytes, 1 << 20) else { return (told, false) };
    while let Some(step) = reader.next_block() {
        match step {
            Ok((Block::EnhancedPacket(p), _)) => told.push((p.timestamp, p.original_len, p.data.to_vec())),
            Ok((Block::Packet(p), _)) => told.push((p.timestamp, p.original_len, p.data.to_vec())),
            Ok((Block::SimplePacket(p), _)) => told.push((Duration::ZERO, p.original_len, p.data.to_vec())),
            Ok(_) => {}
            Err(_) => return (told, false),
        }
    }
    (told, true)
}

#[test]
fn a_second_parser_reads_the_same_times_lengths_and_bytes() {
    let (mut whole, mut files) = (0, 0);
    for capture in manifest() {
        let Ok(reader) = Reader::open(&capture.bytes) else { continue };
        // It knows neither the longer headers nor the swapped lengths of versions before 2.3.
        if reader.format() == Format::PcapModified
            || ["2.0", "2.1"].contains(&&*capture.row["version_or_sections"])
        {
            continue;
        }
        let (told, complete) = second_opinion(&capture.bytes, reader.format());
        let records = capture.records();
        files += 1;
        whole += usize::from(complete);
        assert!(!complete || told.len() == records.len(), "{}", capture.name);
        for (record, (time, wire_len, data)) in records.iter().zip(&told) {
            let ours = (Duration::from_nanos(record.time_ns), record.wire_len, record.data);
            let representable = (*time).min(Duration::from_nanos(u64::MAX));
            assert_eq!(
                ours,
                (representable, *wire_len, data.as_slice()),
                "{} {}",
                capture.name,
                record.offset
            );
        }
    }
    println!("{whole} of {files} files read to the end by both");
    assert!(files == 0 || whole >= 60, "{whole} of {files}");
}

#[test]
fn records_lie_in_the_file_in_order_and_do_not_overlap() {
    for capture in manifest() {
        let base = capture.bytes.as_ptr() as usize;
        let mut free_from = 0;
        for record in capture.records() {
            let start = record.data.as_ptr() as usize - base;
            assert!(record.offset as usize >= free_from && start >= record.offset as usize + 12);
            free_from = start + record.data.len();
            assert!(free_from <= capture.bytes.len(), "{}", capture.name);
        }
    }
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let Some(dir) = captures() else { return };
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    let refusal = |name: &str| Reader::open(&read(name)).unwrap_err().to_string();
    assert_eq!(refusal("libpcap__pcap-invalid-version-1.pcap"), "unsupported pcap version 1.4");
    assert_eq!(refusal("libpcap__pcapng-invalid-vers-1.pcapng"), "unsupported pcapng version 0.1");
    let reserved = "link-type reserved field not zero (0x00300000)";
    assert_eq!(refusal("libpcap__linktype-reserved-field-not-zero.pcap"), reserved);
    let damage = |name: &str| Survey::of(&read(name)).unwrap().damage.unwrap().to_string();
    assert_eq!(damage("dpkt__truncated_dns_2.pcap"), "truncated record header: 7 of 16 bytes at offset 240");
    assert_eq!(
        damage("pcapplusplus__crash-pcapng-epb-unbounded-length.pcapng"),
        "captured length 65536 overruns a packet block with room for 0 at offset 48"
    );
    assert_eq!(Reader::open(b"GIF89a").unwrap_err(), Refusal::UnknownMagic(*b"GIF8"));
}

#[test]
fn a_position_restarts_the_walk_and_clones_go_their_own_way() {
    for capture in manifest().iter().filter(|capture| capture.bytes.len() < 50_000) {
        let Ok(mut reader) = Reader::open(&capture.bytes) else { continue };
        let start = reader.position();
        let first: Vec<_> = reader.by_ref().collect();
        assert!(reader.next_record().is_none() && reader.next_record().is_none());
        reader.seek(&start);
        let mut middles = Vec::new();
        for expected in &first {
            middles.push(reader.position());
            assert_eq!(reader.clone().next_record().as_ref(), Some(expected));
            assert_eq!(reader.next_record().as_ref(), Some(expected));
        }
        for (middle, expected) in middles.iter().zip(&first).rev() {
            reader.seek(middle);
            assert_eq!(reader.next_record().as_ref(), Some(expected), "{}", capture.name);
        }
    }
}

#[test]
fn odd_files_read_as_their_notes_say() {
    let Some(dir) = captures() else { return };
    let survey = |name: &str| Survey::of(&std::fs::read(dir.join(name)).unwrap()).unwrap();
    assert_eq!(survey("tcpdump__timestamp_invalid_nano.pcap").out_of_range_times, 2);
    assert_eq!(survey("tcpdump__timestamp_invalid_micro.pcap").out_of_range_times, 2);
    assert_eq!(survey("pcapplusplus__too_many_interfaces.pcapng").interfaces, 95);
    assert!(survey("tcpdump__bgp_vpn_rt-oobr.pcap").empty_records > 0);
    assert_eq!(survey("tcpdump__bigtcp-ipv4-vxlan-ipv4.pcap").largest_record, 80_116);
    assert_eq!(survey("libpcap__brcm-tag-stp.pcap").links, [(LinkType(281), 4)]);
}
