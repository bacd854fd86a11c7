//! The flow meter, driven by hand: packets in bursts, on as many instances as there were cores.

mod captures;
mod exporting;
mod merging;
mod rig;

use serde_json::json;

use super::*;
use crate::pipeline::Registry;
use rig::{Core, Sample, metered, udp};

fn capacity(capacity: usize) -> Config {
    Config { capacity, ..Config::default() }
}

#[test]
fn registers_with_its_defaults() {
    let mut registry = Registry::default();
    registry.register::<FlowMeter>("flow-meter");
    let entry = registry.get("flow-meter").expect("registered");
    assert_eq!((entry.decides, entry.key, entry.reads), (false, PartitionKey::FiveTuple, Reads::Headers));
    assert_eq!((entry.defaults)(), "capacity = 65536\nchecksums = true\n");
    let config: Config = toml::from_str("export = 'flows.csv'").expect("parses");
    assert_eq!(config, Config { export: Some("flows.csv".into()), ..Config::default() });
    assert!(toml::from_str::<Config>("exports = 'flows.csv'").is_err());
}

#[test]
fn a_capacity_of_nothing_is_refused() {
    let refusal = Core::try_new(&capacity(0)).err().expect("refused").to_string();
    assert!(refusal.starts_with("capacity = 0: "), "{refusal}");
    assert_eq!(FlowMeter::arena_bytes(&capacity(usize::MAX)), usize::MAX);
}

#[test]
fn report_of_a_few_packets() {
    let samples =
        [udp(1, 2, 100), udp(2, 1, 60), Sample { time_ns: 5, ..udp(1, 2, 80) }, Sample::of(&[0; 20])];
    let tally = metered(&samples, &capacity(16), 1);
    let [(_, flow)] = tally.flows() else { panic!("{:?}", tally.flows()) };
    assert_eq!((flow.packets, flow.bytes, flow.first_ns, flow.last_ns), ([2, 1], [180, 60], 5, 200));
    let none = json!({"packets": 0, "bytes": 0});
    let unseen = json!({"good": 0, "bad": 0, "offload_partial": 0, "absent": 0, "unverifiable": 0});
    let expected = json!({
        "flows": 1, "directional_flows": 2, "packets": 4, "bytes": 260, "captured_bytes": 260,
        "snapped": 0, "vlan": 0,
        "protocols": {
            "tcp": none, "udp": {"packets": 3, "bytes": 240}, "sctp": none, "icmp": none, "icmpv6": none,
            "other": none, "fragment": none, "unreached": none, "non_ip": {"packets": 1, "bytes": 20},
        },
        "fragments": {"ipv4": 0, "ipv6": 0},
        "malformed": {},
        "checksums": {
            "ipv4": {"good": 0, "bad": 0, "offload_partial": 3, "absent": 0, "unverifiable": 0},
            "tcp": unseen,
            "udp": {"good": 0, "bad": 0, "offload_partial": 0, "absent": 3, "unverifiable": 0},
        },
        "table": {"occupancy": 1, "full_packets": 0, "full_bytes": 0},
    });
    assert_eq!(serde_json::to_value(&tally).expect("serializes"), expected);
}

#[test]
fn checksums_not_looked_at_are_not_reported() {
    let config = Config { checksums: false, ..capacity(16) };
    assert_eq!(metered(&[udp(1, 2, 60)], &config, 1).summary().checksums, None);
}

#[test]
fn a_snapped_packet_counts_as_it_was_on_the_wire() {
    let sample = Sample { wire_len: 1000, ..udp(1, 2, 60) };
    let summary = metered(&[sample], &capacity(16), 1).summary();
    assert_eq!((summary.snapped, summary.bytes, summary.captured_bytes), (1, 1000, 60));
}

#[test]
fn what_a_full_table_refuses_is_in_the_totals() {
    let samples: Vec<Sample> = (0..600u16).map(|n| udp(n % 100 + 1, 1000, 60)).collect();
    let tally = metered(&samples, &capacity(16), 1);
    let summary = tally.summary();
    assert_eq!((summary.packets, summary.bytes, summary.flows), (600, 36_000, 16));
    assert_eq!(summary.table, Table { occupancy: 16, full_packets: 504, full_bytes: 504 * 60 });
    let metered: u64 = tally.flows().iter().map(|(_, flow)| flow.packets[0] + flow.packets[1]).sum();
    assert_eq!(metered + summary.table.full_packets, 600);
    let lines = FlowMeter::finish(&tally, &capacity(16)).expect("nothing to write");
    assert!(lines[0].starts_with("flow table full: 504 packets (30240 bytes)"), "{lines:?}");
}
