//! `mnvkd run` and `mnvkd replay` from the command line.

mod cli_support;

use cli_support::{capture, mnvkd, scratch};
use serde_json::Value;

const NULL: &str = "[dataplane]\ncores = 1\n[[port]]\nname = 'in'\ndriver = 'null'\ncount = 1000\n\
                    [[pipeline]]\nname = 'p'\nfrom = 'in'\nstages = 'mac-swap'\n";

#[test]
fn run_ends_with_its_input_and_reports() {
    let file = scratch("null.toml", NULL);
    let ran = mnvkd(&["run", &file]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.starts_with("mnvkd run: 1 core, polling, seed 1\npages "), "{}", ran.out);
    assert!(ran.out.contains("  received     1,000\n  forwarded    1,000\n"), "{}", ran.out);
    let json =
        mnvkd(&["run", &file, "--json", "--set", "port.in.count=77", "--set", "dataplane.seed=3"]).json();
    assert_eq!((&json["mode"], &json["seed"]), (&Value::from("run"), &Value::from(3)));
    assert_eq!(
        (&json["books"]["received"], &json["books"]["unaccounted"]),
        (&Value::from(77), &Value::from(0))
    );
}

#[test]
fn run_ends_with_its_time() {
    let file = scratch("endless.toml", &NULL.replace("count = 1000\n", ""));
    let started = std::time::Instant::now();
    let ran = mnvkd(&["run", &file, "--for", "200ms", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(started.elapsed().as_millis() >= 200);
    assert_eq!(ran.json()["books"]["unaccounted"], 0);
    let ran = mnvkd(&["run", "--for", "10"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("expected a number and a unit"), "{}", ran.err);
}

#[test]
fn the_embedded_configuration_runs() {
    let ran = mnvkd(&["run", "--for", "200ms", "--cores", "1", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let json = ran.json();
    assert!(
        json["books"]["received"].as_u64().unwrap() > 0 && json["tallies"]["flow-meter"].is_object(),
        "{json:#}"
    );
}

#[test]
fn replay_hands_a_capture_through_its_stages() {
    let (file, out) = (capture("ten.pcap", 10, 0), scratch("out.pcap", ""));
    let ran = mnvkd(&["replay", &file, "--stages", "forward", "--out", &out, "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let json = ran.json();
    assert_eq!(
        (&json["mode"], &json["virtual_time"], &json["cores"]),
        (&"replay".into(), &true.into(), &1.into())
    );
    assert_eq!(
        (&json["books"]["forwarded"], &json["input"]["packets"]),
        (&Value::from(10), &Value::from(10))
    );
    let again = mnvkd(&["replay", &out, "--stages", "forward", "--cores", "3", "--json"]).json();
    assert_eq!(again["digest"]["output"], json["digest"]["output"]);
    let twice = mnvkd(&["replay", &file, "--stages", "sink", "--loop", "2", "--threads", "--json"]).json();
    assert_eq!(
        (&twice["books"]["consumed"], &twice["virtual_time"]),
        (&Value::from(20), &Value::from(false))
    );
}

#[test]
fn a_damaged_capture_is_read_to_its_damage_and_exits_with_two() {
    let file = capture("cut.pcap", 5, 1);
    let ran = mnvkd(&["replay", &file, "--stages", "sink"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.starts_with("damaged input: 4 packets, then error at offset "), "{}", ran.err);
    assert!(ran.out.contains("  consumed     4\n") && ran.out.contains("  damaged at byte "), "{}", ran.out);
}

#[test]
fn faults_of_a_replays_command_line_are_told_in_its_words() {
    let ran = mnvkd(&["replay", "a.pcap", "--stages", "mac-swop"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("stages: unknown application \"mac-swop\"; did you mean \"mac-swap\"?"),
        "{}",
        ran.err
    );
    let ran = mnvkd(&["replay", "/no/such.pcap", "--stages", "sink"]);
    assert!(ran.code == 1 && ran.err.contains("/no/such.pcap"), "{}", ran.err);
    let ran = mnvkd(&["replay", "a.pcap", "--stages", "sink", "--cores", "0-3"]);
    assert!(ran.err.contains("neither a number of cores"), "{}", ran.err);
}
