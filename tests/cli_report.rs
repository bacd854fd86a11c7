//! The JSON report: every key there is, and what kind of value it holds. What README documents is what is pinned
//! here; a key that comes, goes or changes its type fails.

mod cli_support;

use std::collections::BTreeMap;

use cli_support::{capture, mnvkd, scratch};
use serde_json::Value;

/// Every value of a report under its path: `a.b`, `a[].b` for all of a list. What names things rather than being a
/// key (ports, applications) is `*`.
fn kinds(report: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(report, String::new(), &mut found);
    found
}

fn walk(value: &Value, path: String, found: &mut BTreeMap<String, String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_u64() => "count",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(items) => {
            items.iter().for_each(|item| walk(item, format!("{path}[]"), found));
            "list"
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                let key = if ["ports", "tallies"].contains(&path.as_str()) { "*" } else { key };
                let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                walk(value, path, found);
            }
            "object"
        }
    };
    if !path.is_empty() {
        let known = found.entry(path).or_insert_with(|| kind.to_owned());
        if known != kind {
            *known = "several".to_owned();
        }
    }
}

/// The keys README's table names, but for what applications put into their tallies.
const KEYS: &[(&str, &str)] = &[
    ("books", "object"),
    ("books.consumed", "count"),
    ("books.dropped", "object"),
    ("books.dropped.total", "count"),
    ("books.forwarded", "count"),
    ("books.held", "count"),
    ("books.originated", "count"),
    ("books.received", "count"),
    ("books.unaccounted", "count"),
    ("containers", "list"),
    ("cores", "count"),
    ("digest", "object"),
    ("digest.output", "text"),
    ("digest.tally", "text"),
    ("errors", "list"),
    ("input", "object"),
    ("input.damaged", "bool"),
    ("input.error", "null"),
    ("input.offset", "null"),
    ("input.packets", "count"),
    ("mode", "text"),
    ("notes", "list"),
    ("pages", "object"),
    ("pages.obtained", "text"),
    ("pages.policy", "text"),
    ("pages.reason", "null"),
    ("per_core", "list"),
    ("per_core[]", "object"),
    ("per_core[].core", "count"),
    ("per_core[].cpu", "null"),
    ("per_core[].packets", "count"),
    ("per_core[].preempted", "null"),
    ("per_core[].regimes", "object"),
    ("per_core[].regimes.housekeeping", "number"),
    ("per_core[].regimes.idle", "number"),
    ("per_core[].regimes.pipeline", "number"),
    ("per_core[].regimes.receive", "number"),
    ("per_core[].regimes.steer", "number"),
    ("per_core[].regimes.tasks", "number"),
    ("per_core[].regimes.transmit", "number"),
    ("per_core[].waited_seconds", "null"),
    ("ports", "object"),
    ("ports.*", "object"),
    ("ports.*.lost", "object"),
    ("ports.*.received", "count"),
    ("ports.*.received_bytes", "count"),
    ("ports.*.transmitted", "count"),
    ("ports.*.transmitted_bytes", "count"),
    ("rate", "object"),
    ("rate.bits_per_second", "number"),
    ("rate.cycles_per_packet", "number"),
    ("rate.packets_per_second", "number"),
    ("rate.seconds", "number"),
    ("seed", "count"),
    ("stages", "list"),
    ("stages[]", "object"),
    ("stages[].burst_cycles_max", "count"),
    ("stages[].burst_cycles_p50", "count"),
    ("stages[].burst_cycles_p99", "count"),
    ("stages[].cycles_per_packet", "number"),
    ("stages[].packets_measured", "count"),
    ("stages[].pipeline", "text"),
    ("stages[].stage", "text"),
    ("tallies", "object"),
    ("tallies.*", "null"),
    ("tasks", "null"),
    ("virtual_time", "bool"),
];

/// The keys with some of them of another kind, or more of them.
fn expected(but: &[(&str, &str)]) -> BTreeMap<String, String> {
    KEYS.iter().chain(but).map(|(key, kind)| ((*key).to_owned(), (*kind).to_owned())).collect()
}

/// A replay of 100 packets by two simulated cores, on pages that every machine has.
fn replay(cut: usize, more: &[&str]) -> (i32, Value) {
    let file = capture(&format!("report-{cut}.pcap"), 100, cut);
    let args = ["replay", &file, "--cores", "2", "--json", "--set", "dataplane.pages=never", "--stages"];
    let ran = mnvkd(&[&args[..], more].concat());
    (ran.code, ran.json())
}

#[test]
fn a_replay_has_these_keys_and_no_others() {
    let (code, report) = replay(0, &["mac-swap"]);
    assert_eq!((code, kinds(&report)), (0, expected(&[])));
    assert_eq!((&report["mode"], &report["virtual_time"]), (&Value::from("replay"), &Value::from(true)));
    let digest = report["digest"]["tally"].as_str().unwrap();
    assert!(digest.len() == 32 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
}

#[test]
fn what_went_wrong_has_its_places() {
    let damaged = [("input.offset", "count"), ("input.error", "text")];
    let (code, report) = replay(1, &["mac-swap"]);
    assert_eq!((code, kinds(&report)), (2, expected(&damaged)));

    let failed = [
        ("errors[]", "text"),
        ("books.dropped.transmit-failed", "count"),
        ("input.offset", "null"),
        ("input.error", "null"),
    ];
    let (code, report) = replay(0, &["mac-swap", "--loop", "30", "--out", "/dev/full"]);
    assert_eq!((code, kinds(&report)), (1, expected(&failed)));

    let noted = [("notes[]", "text"), ("books.dropped.no-verdict", "count")];
    let (code, report) = replay(0, &["drop", "--set", "app.drop.share=0"]);
    assert_eq!((code, kinds(&report)), (0, expected(&noted)));
}

#[test]
fn a_run_has_the_same_keys() {
    let file = scratch(
        "report.toml",
        "[dataplane]\ncores = 1\npages = 'never'\n[[port]]\nname = 'in'\ndriver = 'null'\ncount = 100000\n\
         [[pipeline]]\nname = 'p'\nfrom = 'in'\nstages = 'mac-swap'\n",
    );
    let report = mnvkd(&["run", &file, "--json"]).json();
    let mut kinds = kinds(&report);
    // The machine decides what there is to say of memory and CPUs.
    kinds.remove("notes[]");
    let cpu = kinds["per_core[].cpu"].clone();
    assert!(["count", "null"].contains(&cpu.as_str()), "{cpu}");
    let waited = kinds["per_core[].waited_seconds"].clone();
    assert!(["number", "null"].contains(&waited.as_str()), "{waited}");
    let of_the_machine = [("per_core[].cpu", cpu.as_str()), ("per_core[].waited_seconds", &waited)];
    let of_a_run = [("digest.output", "null"), ("per_core[].preempted", "count")];
    assert_eq!(kinds, expected(&[of_the_machine, of_a_run].concat()));
    let shares = report["per_core"][0]["regimes"].as_object().unwrap().values();
    let sum: f64 = shares.filter_map(Value::as_f64).sum();
    assert!((sum - 1.0).abs() < 1e-6, "{sum}");
}

#[test]
fn a_flow_meters_tally_has_these_keys() {
    let (_, report) = replay(0, &["flow-meter,sink"]);
    let mut keys: Vec<String> = Vec::new();
    for (key, value) in report["tallies"]["flow-meter"].as_object().unwrap() {
        match value.as_object() {
            Some(inner) => keys.extend(inner.keys().map(|inner| format!("{key}.{inner}"))),
            None => keys.push(key.clone()),
        }
    }
    let protocols = ["tcp", "udp", "sctp", "icmp", "icmpv6", "other", "fragment", "unreached", "non_ip"];
    let mut known: Vec<String> = protocols.map(|name| format!("protocols.{name}")).to_vec();
    known.extend(
        [
            "bytes",
            "captured_bytes",
            "checksums.ipv4",
            "checksums.tcp",
            "checksums.udp",
            "directional_flows",
            "flows",
            "fragments.ipv4",
            "fragments.ipv6",
            "packets",
            "snapped",
            "table.full_bytes",
            "table.full_packets",
            "table.occupancy",
            "vlan",
        ]
        .map(str::to_owned),
    );
    keys.sort();
    known.sort();
    assert_eq!(keys, known);
    let states: Vec<&String> =
        report["tallies"]["flow-meter"]["checksums"]["tcp"].as_object().unwrap().keys().collect();
    assert_eq!(states, ["absent", "bad", "good", "offload_partial", "unverifiable"]);
}

#[test]
fn containers_tell_how_full_they_were() {
    let (_, report) = replay(0, &["flow-meter,sink", "--set", "app.flow-meter.capacity=64"]);
    let flows = report["tallies"]["flow-meter"]["flows"].as_u64().unwrap();
    let [container] = &report["containers"].as_array().unwrap()[..] else {
        panic!("one container: {report}")
    };
    let keys: Vec<&String> = container.as_object().unwrap().keys().collect();
    assert_eq!(keys, CONTAINER_KEYS);
    let count = |key: &str| container[key].as_u64().unwrap();
    assert_eq!((&container["application"], &container["name"]), (&"flow-meter".into(), &"flows".into()));
    // Two cores.
    assert_eq!(["capacity", "used", "peak", "evicted", "refused"].map(count), [128, flows, flows, 0, 0]);
    let fullest = container["fullest"].as_f64().unwrap();
    assert!(fullest >= flows as f64 / 128.0 && fullest <= 1.0, "{fullest}");
}

const CONTAINER_KEYS: [&str; 8] =
    ["application", "capacity", "evicted", "fullest", "name", "peak", "refused", "used"];

#[test]
fn readme_names_every_key() {
    let readme = include_str!("../README.md");
    let start = readme.find("## The report").expect("README has a part about the report");
    let section = readme[start..].split("\n## ").next().unwrap_or_default();
    for key in KEYS.iter().map(|(key, _)| *key).chain(CONTAINER_KEYS) {
        let last = key.rsplit(['.', ']']).next().unwrap_or_default();
        assert!(last == "*" || section.contains(last), "{key} is not in README");
    }
}
