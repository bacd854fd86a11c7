//! Both large captures against what tshark says of them. Flows and IPv4 checksums may not differ at all,
//! TCP and UDP checksums by up to 11, says `../shared/captures/README.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::super::{Config, FlowTally, Verified};
use super::merging::digest;
use super::rig::{Sample, metered};
use crate::packet::flow::Direction;
use crate::port::capture::Reader;

/// The file of this name; `None`, and said, where there are no captures.
fn read(name: &str) -> Option<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures").join(name);
    match fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            println!("skipped: {}: {error}", path.display());
            None
        }
    }
}

fn samples(file: &[u8]) -> Vec<Sample> {
    let records = Reader::open(file).expect("a capture").map(|record| record.expect("undamaged"));
    let sample = |record: crate::port::capture::Record<'_>| Sample {
        data: record.data.to_vec(),
        link: record.link.class(),
        wire_len: record.wire_len,
        time_ns: record.time_ns,
    };
    records.map(sample).collect()
}

/// Source, destination, protocol, ports; to packets and bytes.
type Rows = BTreeMap<(String, String, String, u16, u16), (u64, u64)>;

fn expected_rows(text: &str) -> Rows {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [source, destination, protocol, from, to, packets, bytes] = fields[..] else {
            panic!("{line:?}")
        };
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let key =
            (source.into(), destination.into(), protocol.into(), number(from) as u16, number(to) as u16);
        (key, (number(packets), number(bytes)))
    };
    text.lines().skip(1).map(row).collect()
}

fn rows(tally: &FlowTally) -> Rows {
    let mut rows = Rows::new();
    for (key, flow) in tally.flows() {
        for way in [Direction::AToB, Direction::BToA] {
            let (source, destination) = key.ends(way);
            let protocol = key.protocol_name().to_owned();
            let ends = (source.ip().to_string(), destination.ip().to_string());
            let key = (ends.0, ends.1, protocol, source.port(), destination.port());
            let seen = (flow.packets[way.index()], flow.bytes[way.index()]);
            if seen.0 > 0 {
                assert_eq!(rows.insert(key, seen), None);
            }
        }
    }
    rows
}

fn wrong(states: Verified) -> u64 {
    states.bad + states.offload_partial
}

fn agrees(name: &str) {
    let truth = |kind: &str| read(&format!("truth/dev_{name}.{kind}.tsv"));
    let (Some(file), Some(flows), Some(summary), Some(mix)) =
        (read(&format!("{name}.pcap")), truth("flows"), truth("summary"), truth("mix"))
    else {
        return;
    };
    let mix = String::from_utf8(mix).expect("text");
    let tagged =
        mix.lines().find_map(|line| line.strip_prefix("non-ip\tvlan\t")?.split('\t').next()?.parse().ok());
    let tagged: u64 = tagged.unwrap_or(0);
    let facts = String::from_utf8(summary).expect("text");
    let fact = |key: &str| {
        let value =
            facts.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('\t')?.parse::<u64>().ok());
        value.unwrap_or(0)
    };
    let samples = samples(&file);
    let tally = metered(&samples, &Config::default(), 1);
    assert_eq!(rows(&tally), expected_rows(&String::from_utf8(flows).expect("text")));

    let summary = tally.summary();
    let totals =
        [summary.packets, summary.bytes, summary.captured_bytes, summary.flows, summary.directional_flows];
    assert_eq!(totals, ["frames", "bytes", "cap_bytes", "biflows", "flows"].map(fact));
    let mix = summary.protocols;
    let kinds = [mix.tcp, mix.udp, mix.sctp, mix.non_ip].map(|count| count.packets);
    assert_eq!(kinds, ["tcp", "udp", "sctp", "non_ip"].map(fact));
    assert_eq!([summary.fragments.ipv4, summary.fragments.ipv6], ["frag4", "frag6"].map(fact));
    // Of tagged frames the truth counts those that lead to IP; the others are in its mix.
    assert_eq!([summary.snapped, summary.vlan - tagged], ["snapped", "vlan_frames"].map(fact));

    let sums = summary.checksums.expect("looked at");
    assert_eq!([sums.ipv4.good, wrong(sums.ipv4)], ["ip4_csum_good", "ip4_csum_bad"].map(fact));
    for (name, states) in [("tcp", sums.tcp), ("udp", sums.udp)] {
        let seen = [states.good, wrong(states), states.absent];
        let told = ["good", "bad", "not_present"].map(|state| fact(&format!("{name}_csum_{state}")));
        assert!(seen.iter().zip(told).all(|(a, b)| a.abs_diff(b) <= 11), "{name} {seen:?} {told:?}");
    }

    for cores in [2, 3, 8] {
        let spread = metered(&samples, &Config::default(), cores);
        assert_eq!(digest(&spread), digest(&tally), "{cores} cores");
        assert_eq!(spread, tally, "{cores} cores");
    }
}

#[test]
fn ndpi_agrees_with_tshark_on_any_number_of_cores() {
    agrees("large_ndpi_interleaved");
}

#[test]
fn pcapplusplus_agrees_with_tshark_on_any_number_of_cores() {
    agrees("large_pcapplusplus_chrono");
}
