//! The program itself: what it prints where, and its exit codes.

mod cli_support;

use cli_support::{Ran, mnvkd, scratch};
use serde_json::Value;

#[test]
fn usage_errors_are_one_and_help_is_none() {
    let ran = mnvkd(&["run", "--bogus"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.starts_with("error: unexpected argument '--bogus'"), "{}", ran.err);
    assert_eq!(mnvkd(&[]).code, 1);
    assert_eq!(mnvkd(&["replay", "a.pcap"]).code, 1);

    let ran = mnvkd(&["--help"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    for part in ["Examples:", "Exit codes:", "  2  done, but an input file was damaged"] {
        assert!(ran.out.contains(part), "{part:?} in {}", ran.out);
    }
    assert_eq!(mnvkd(&["--version"]).out, concat!("mnvkd ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn under_json_an_error_is_an_object_and_words_on_stderr() {
    for args in
        [&["run", "--bogus", "--json"][..], &["--json", "run", "/no/such/file"], &["replay", "--json"]]
    {
        let ran = mnvkd(args);
        assert_eq!(ran.code, 1, "{args:?}");
        let error = ran.json()["error"].as_str().unwrap().to_owned();
        assert!(ran.err.starts_with(&format!("error: {}", error.lines().next().unwrap())), "{}", ran.err);
    }
}

#[test]
fn faults_of_a_configuration_are_objects_too() {
    let file = scratch("faults.toml", "[dataplane]\nbrust = 3\ncores = 0\n");
    let ran = mnvkd(&["check", &file, "--json"]);
    assert_eq!(ran.code, 1);
    let json = ran.json();
    assert_eq!(json["errors"].as_array().unwrap().len(), 2);
    assert_eq!(json["errors"][0]["line"], 2);
    assert_eq!(json["errors"][1]["column"], 9);
    assert!(ran.err.starts_with("error: 2 faults in the configuration\n"), "{}", ran.err);
    assert!(
        ran.err.contains(":2:1: unknown key \"brust\" in [dataplane]; did you mean \"burst\"?"),
        "{}",
        ran.err
    );
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let ran = mnvkd(&["run", "/no/such/mnvkd.toml"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.starts_with("error: cannot read /no/such/mnvkd.toml: No such file"), "{}", ran.err);
    let file = scratch("latin1.toml", "");
    std::fs::write(&file, b"# a\n# \xe9\n").unwrap();
    let ran = mnvkd(&["check", &file]);
    assert!(ran.err.contains("latin1.toml:2: not UTF-8 at byte 6"), "{}", ran.err);
}

#[test]
fn applications_and_drivers_are_listed_with_their_keys() {
    let ran = mnvkd(&["ports"]);
    assert!(ran.out.contains("\nnull  endless packets"), "{}", ran.out);
    assert!(ran.out.contains("\n    size    = 64\n"), "{}", ran.out);
    let json = mnvkd(&["ports", "--json"]).json();
    let names: Vec<&str> =
        json["drivers"].as_array().unwrap().iter().filter_map(|d| d["name"].as_str()).collect();
    assert_eq!(names, ["af_packet", "af_xdp", "auto", "capture", "generator", "null", "tap"]);
    let capture = &json["drivers"][3]["keys"];
    let keys: Vec<&str> = capture.as_array().unwrap().iter().filter_map(|key| key["name"].as_str()).collect();
    assert_eq!(keys, ["file", "out", "format", "drop-comments", "loop", "preload", "queues"]);
    assert_eq!((&capture[0]["default"], &capture[4]["default"]), (&Value::Null, &Value::from("1")));

    let ran = mnvkd(&["apps"]);
    assert!(ran.out.contains("mac-swap  exchanges"), "{}", ran.out);
    let json = mnvkd(&["apps", "--json"]).json();
    let sink = json["apps"].as_array().unwrap().iter().find(|app| app["name"] == "sink").unwrap();
    assert_eq!((&sink["decides"], &sink["reads"]), (&Value::Bool(true), &Value::from("nothing")));
}

#[test]
fn the_embedded_configuration_can_be_saved_checked_and_shown() {
    let default = mnvkd(&["config", "default"]);
    assert_eq!(default.out, mnvkd::config::DEFAULT);
    assert_eq!(mnvkd(&["config", "default", "--json"]).json()["toml"], mnvkd::config::DEFAULT);
    let file = scratch("saved.toml", &default.out);
    let ran = mnvkd(&["check", &file, "--cores", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("flow-meter ─▶ mac-swap"), "{}", ran.out);
    assert_eq!(
        mnvkd(&["check", &file, "--cores", "3", "--json"]).json()["cores"].as_array().unwrap().len(),
        3
    );
    let shown =
        mnvkd(&["config", "show", &file, "--set", "dataplane.seed=5", "--cores", "2", "--json"]).json();
    assert_eq!(
        (&shown["dataplane"]["seed"], &shown["dataplane"]["cores"]),
        (&Value::from(5), &Value::from(2))
    );
}

#[test]
fn completions_and_manual_pages() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = mnvkd(&["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("hugepages") && ran.out.contains("doctor"), "{shell}");
        let json = mnvkd(&["completions", shell, "--json"]).json();
        assert_eq!((json["shell"].as_str(), json["script"].as_str()), (Some(shell), Some(ran.out.as_str())));
    }
    let ran = mnvkd(&["man"]);
    assert!(
        [".TH mnvkd 1", ".TH mnvkd-hugepages-reserve 1", ".TH mnvkd-doctor 1"]
            .iter()
            .all(|page| ran.out.contains(page)),
        "{}",
        ran.out
    );
    let dir = scratch("man", "");
    std::fs::remove_file(&dir).unwrap();
    let files = mnvkd(&["man", "--dir", &dir, "--json"]).json();
    let files = files["files"].as_array().unwrap();
    assert!(files.iter().any(|file| file.as_str().unwrap().ends_with("mnvkd-run.1")), "{files:?}");
    assert!(std::fs::read_to_string(files[0].as_str().unwrap()).unwrap().contains(".SH SYNOPSIS"));
}

#[test]
fn hugepages_are_shown_and_only_pools_can_be_reserved() {
    let ran = mnvkd(&["hugepages"]);
    assert!(
        ran.code == 0 && ran.out.contains("\nholders\n") && ran.out.contains("memlock limit"),
        "{}",
        ran.out
    );
    let json = mnvkd(&["hugepages", "show", "--json"]).json();
    assert!(json["pools"].is_array() && json["holders"].is_array());
    let ran = mnvkd(&["hugepages", "reserve", "4K", "1"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("pages that can be reserved are 2M or 1G"), "{}", ran.err);
    let Ran { code, err, .. } = mnvkd(&["hugepages", "reserve", "2M", "1", "--node", "4000"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("error: no pool of 2M pages: /sys/devices/system/node/node4000"), "{err}");
}

#[test]
fn the_doctor_looks_at_the_machine_and_says_what_matters() {
    let ran = mnvkd(&["doctor", "--json"]);
    let json = ran.json();
    let findings = json["findings"].as_array().unwrap();
    let matters = findings.iter().any(|one| ["warning", "fault"].contains(&one["level"].as_str().unwrap()));
    assert_eq!(ran.code, if matters { 3 } else { 0 }, "{}", ran.out);
    assert!(findings.len() > 10 && json["changes"].as_array().unwrap().is_empty());
    assert_eq!((&json["configuration"], json["cpus"].as_array().unwrap().is_empty()), (&Value::Null, false));
    let text = mnvkd(&["doctor"]).out;
    assert!(
        text.starts_with("Linux ")
            && text.contains(" hugepages ")
            // A line about what --fix would mend may follow: it depends on the machine.
            && text.lines().any(|line| line.contains(" faults, ") && line.ends_with(" well")),
        "{text}"
    );
}

#[test]
fn the_doctor_examines_for_a_configuration() {
    let cpu = *ffi::affinity::allowed_cpus().unwrap().last().unwrap();
    let file = scratch(
        "doctor.toml",
        "[[port]]\nname = 'in'\ndriver = 'null'\n[[pipeline]]\nname = 'p'\nfrom = 'in'\nstages = 'sink'\n",
    );
    let json = mnvkd(&["doctor", &file, "--cores", &format!("{cpu},"), "--json"]).json();
    assert_eq!(
        (&json["polling"], &json["configuration"]),
        (&serde_json::json!([cpu]), &Value::from(file.as_str()))
    );
    let of = |check: &str| {
        let found = json["findings"].as_array().unwrap().iter().find(|one| one["check"] == check);
        found.map(|one| one["what"].as_str().unwrap().to_owned())
    };
    assert_eq!(of("configuration"), Some(format!("{file}: can be wired")));
    assert_eq!(of("privileges").as_deref(), Some("its ports need none"));
    // Without a file, what is changed is the embedded configuration.
    let json = mnvkd(&["doctor", "--cores", &format!("{cpu},"), "--json"]).json();
    assert_eq!(json["configuration"], "(embedded configuration)");

    let ran = mnvkd(&["doctor", &file, "--set", "port.in.size=0", "--json"]);
    let faults: Vec<Value> = ran.json()["findings"].as_array().unwrap().clone();
    let fault = faults.iter().find(|one| one["level"] == "fault").unwrap();
    assert!(ran.code == 3 && fault["what"].as_str().unwrap().contains("size = 0"), "{fault}");
    assert_eq!(mnvkd(&["doctor", "/no/such/file"]).code, 1);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for args in ["man", "ports --json", "--help", "config default"] {
        let script = format!("{} {args} | true; echo ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_mnvkd"));
        let ran = cli_support::bash(&script);
        assert_eq!((ran.out.as_str(), ran.err.as_str()), ("0\n", ""), "{args}");
    }
}

#[test]
fn a_full_disk_is_a_failure() {
    let ran = cli_support::bash(&format!("{} ports > /dev/full", env!("CARGO_BIN_EXE_mnvkd")));
    assert_eq!(ran.code, 1);
    assert!(ran.err.starts_with("error: cannot write to stdout: No space left"), "{}", ran.err);
}
