//! What people do to a program: the wrong file, the same file, no room, the wrong moment.

mod cli_support;

use std::fs;

use cli_support::{Ran, bash, capture, mnvkd, scratch};

const BIN: &str = env!("CARGO_BIN_EXE_mnvkd");

/// A path in the scratch folder where nothing is.
fn nothing(name: &str) -> String {
    let path = scratch(name, "");
    fs::remove_file(&path).expect("it was just made");
    path
}

fn config(name: &str, text: &str) -> String {
    scratch(name, &format!("[dataplane]\ncores = 2\npages = 'never'\n{text}"))
}

/// Two capture ports that send to each other.
fn crossed(name: &str, a: &str, b: &str) -> String {
    let port = |name: &str, keys: &str| format!("[[port]]\nname = '{name}'\ndriver = 'capture'\n{keys}\n");
    let pipeline = |from: &str, to: &str| {
        format!("[[pipeline]]\nname = 'from-{from}'\nfrom = '{from}'\nto = '{to}'\nstages = 'forward'\n")
    };
    config(name, &[port("a", a), port("b", b), pipeline("a", "b"), pipeline("b", "a")].concat())
}

/// It did not start, said this, and left the files as they were.
fn refused(ran: &Ran, words: &str, untouched: &[&str]) {
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains(words) && !ran.err.contains("panicked"), "{}", ran.err);
    for file in untouched {
        assert_eq!(fs::metadata(file).unwrap().len(), 24 + 5 * 76, "{file}");
    }
}

#[test]
fn a_file_that_is_read_is_never_written_whatever_it_is_called() {
    let file = capture("read.pcap", 5, 0);
    let (hard, soft) = (nothing("hard.pcap"), nothing("soft.pcap"));
    fs::hard_link(&file, &hard).unwrap();
    std::os::unix::fs::symlink(&file, &soft).unwrap();
    for out in [&file, &hard, &soft] {
        let ran = mnvkd(&["replay", &file, "--stages", "forward", "--out", out]);
        refused(&ran, "is read by port \"capture\" and written by port \"capture\"", &[&file]);
        let export = format!("app.flow-meter.export={out}");
        let ran = mnvkd(&["replay", &file, "--stages", "flow-meter,sink", "--set", &export]);
        refused(&ran, "written by application \"flow-meter\"", &[&file]);
    }
    let other = capture("other.pcap", 5, 0);
    let (a, b) = (format!("file = '{file}'\nout = '{other}'"), format!("file = '{other}'"));
    let ran = mnvkd(&["check", &crossed("others.toml", &a, &b)]);
    refused(&ran, "is written by port \"a\" and read by port \"b\"", &[&file, &other]);
}

#[test]
fn a_file_is_written_by_one_only() {
    let (file, out) = (capture("one.pcap", 5, 0), nothing("both.pcap"));
    let dir = std::path::Path::new(&out).parent().unwrap().display().to_string();
    let (a, b) =
        (format!("file = '{file}'\nout = '{out}'"), format!("file = '{file}'\nout = '{dir}/./both.pcap'"));
    refused(
        &mnvkd(&["run", &crossed("both.toml", &a, &b)]),
        "is written by port \"a\" and written by port \"b\"",
        &[&file],
    );
    assert!(!fs::exists(&out).unwrap());
    let export = format!("app.flow-meter.export={out}");
    let ran = mnvkd(&["replay", &file, "--stages", "flow-meter,mac-swap", "--out", &out, "--set", &export]);
    refused(&ran, "written by application \"flow-meter\"", &[&file]);
    // But anybody may write to nowhere.
    let (a, b) =
        (format!("file = '{file}'\nout = '/dev/null'"), format!("file = '{file}'\nout = '/dev/null'"));
    assert_eq!(mnvkd(&["run", &crossed("null.toml", &a, &b)]).code, 0);
}

#[test]
fn an_output_that_cannot_be_written_leaves_what_was_there() {
    let (file, out) = (capture("eth.pcap", 5, 0), capture("keep.pcap", 5, 0));
    let raw = capture("raw.pcap", 5, 0);
    let mut bytes = fs::read(&raw).unwrap();
    bytes[20] = 101;
    fs::write(&raw, bytes).unwrap();
    let ran = mnvkd(&["replay", &file, &raw, "--stages", "forward", "--out", &out]);
    refused(&ran, "pcap holds one link type", &[&out]);
}

#[test]
fn an_export_that_cannot_be_written_is_known_before_the_run() {
    let file = capture("export.pcap", 5, 0);
    for path in ["/no/such/folder/flows.csv", "/tmp", ""] {
        let export = format!("app.flow-meter.export={path}");
        let ran = mnvkd(&["replay", &file, "--stages", "flow-meter,sink", "--set", &export]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{path}");
        assert!(ran.err.contains(&format!("cannot write flows to {path}: ")), "{}", ran.err);
    }
    let old = scratch("old.csv", "what was there");
    let export = format!("app.flow-meter.export={old}");
    let ran = mnvkd(&["replay", "/no/such.pcap", "--stages", "flow-meter,sink", "--set", &export]);
    assert_eq!((ran.code, fs::read_to_string(&old).unwrap().as_str()), (1, "what was there"));
}

#[test]
fn what_has_no_end_and_is_no_capture_is_not_read() {
    for file in ["/dev/zero", "/dev/urandom"] {
        let ran = bash(&format!("timeout -s KILL 20 {BIN} replay {file} --stages sink"));
        assert!(ran.code == 1 && ran.err.contains("not a capture file"), "{file}: {} {}", ran.code, ran.err);
    }
    let file = capture("pipe.pcap", 500, 0);
    let ran = bash(&format!("cat {file} | {BIN} replay /dev/stdin --stages sink --json"));
    assert_eq!(ran.json()["books"]["consumed"], 500);
    assert_eq!(mnvkd(&["replay", "/dev/null", "--stages", "sink"]).code, 2);
}

#[test]
fn numbers_too_large_to_mean_anything_are_refused() {
    let null = "[[port]]\nname = 'in'\ndriver = 'null'\ncount = 10\nqueues = 100000000\n";
    let rest = "[[pipeline]]\nname = 'p'\nfrom = 'in'\nstages = ['flow-meter', 'sink']\n";
    refused(&mnvkd(&["check", &config("queues.toml", &[null, rest].concat())]), "expected 1 to 1024", &[]);
    let null = null.replace("queues = 100000000", "");
    for (key, words) in [
        (
            "app.flow-meter.capacity=9223372036854775807",
            "capacity: expected a number of flows from 1 to 1073741824",
        ),
        ("app.flow-meter.capacity=0", "capacity: expected a number of flows from 1 to 1073741824"),
        ("dataplane.frames=4294967295", "a core's memory does not fit"),
        ("pipeline.p.stages=drop", ""),
    ] {
        let file = config("large.toml", &[&null, rest].concat());
        let ran = mnvkd(&["check", &file, "--set", key]);
        if words.is_empty() {
            assert_eq!(ran.code, 0, "{}", ran.err);
        } else {
            refused(&ran, words, &[]);
        }
    }
    for share in ["nan", "inf", "-0.1", "1.5"] {
        let file = config("share.toml", &[&null, rest].concat());
        let share = format!("app.drop.share={share}");
        let ran = mnvkd(&["check", &file, "--set", "pipeline.p.stages=drop", "--set", &share]);
        refused(&ran, "--set:1:16: share: expected a share of 0.0 to 1.0", &[]);
    }
}

/// A pcapng file of empty Ethernet packets of 14 bytes at these times.
fn pcapng(name: &str, times: &[u64]) -> String {
    let mut file: Vec<u8> = Vec::new();
    let mut put = |words: &[u32]| words.iter().for_each(|word| file.extend(word.to_le_bytes()));
    put(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28]);
    put(&[1, 32, 1, 65536, 1 << 16 | 9, 9, 0, 32]);
    for time in times {
        put(&[6, 48, 0, (time >> 32) as u32, *time as u32, 14, 14, 0, 0, 0, 0, 48]);
    }
    let path = scratch(name, "");
    fs::write(&path, file).expect("the target folder can be written to");
    path
}

#[test]
fn times_to_the_end_of_time_are_replayed_again_and_again() {
    for times in [&[0, u64::MAX][..], &[u64::MAX, 0], &[u64::MAX], &[1 << 63, 5]] {
        let file = pcapng("times.pcapng", times);
        for more in ["port.capture.preload=false", "port.capture.preload=true"] {
            let ran =
                mnvkd(&["replay", &file, "--stages", "mac-swap", "--loop", "5", "--json", "--set", more]);
            assert_eq!(ran.code, 0, "{}", ran.err);
            assert_eq!(ran.json()["books"]["forwarded"], 5 * times.len());
        }
    }
}

#[test]
fn drops_are_written_down_once_with_the_link_type_they_have() {
    let (eth, raw, out) = (capture("d.pcap", 5, 0), capture("d-raw.pcap", 5, 0), nothing("d.pcapng"));
    let mut bytes = fs::read(&raw).unwrap();
    bytes[20] = 101;
    fs::write(&raw, bytes).unwrap();
    let text = |more: &str| {
        format!(
            "[[port]]\nname = 'a'\ndriver = 'capture'\nfile = '{eth}'\nout = '{out}'\ndrop-comments = true\n\
             [[port]]\nname = 'b'\ndriver = 'capture'\nfile = '{raw}'\n{more}\n\
             [[pipeline]]\nname = 'p'\nfrom = 'a'\nstages = 'mac-swap'\n\
             [[pipeline]]\nname = 'q'\nfrom = 'b'\nstages = 'drop'\n"
        )
    };
    let ran = mnvkd(&["run", &config("drops.toml", &text(""))]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let bytes = fs::read(&out).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (mut at, mut links, mut packets) = (0, Vec::new(), [0; 2]);
    while at < bytes.len() {
        match word(at) {
            1 => links.push(word(at + 8)),
            6 => packets[word(at + 8) as usize] += 1,
            _ => {}
        }
        at += word(at + 4) as usize;
    }
    assert_eq!((links, packets), (vec![1, 101], [5, 5]));

    let second = format!("out = '{}'\ndrop-comments = true", nothing("e.pcapng"));
    let ran = mnvkd(&["check", &config("drops.toml", &text(&second))]);
    refused(&ran, "ports \"a\" and \"b\" both have drop-comments", &[]);
}

#[test]
fn a_report_nobody_reads_can_be_broken_off() {
    // Stdout is a pipe that is full: the run is over, printing waits.
    let file = capture("stuck.pcap", 5, 0);
    let pipe = nothing("pipe");
    let script = format!(
        "mkfifo {pipe}; exec 3<>{pipe}; head -c 65536 /dev/zero >&3
         timeout -s INT -k 20 2 {BIN} replay {file} --stages sink >&3; echo $?"
    );
    assert_eq!(bash(&script).out, "124\n", "interrupted, not killed");
}

#[test]
fn a_limit_on_file_sizes_is_a_write_that_failed() {
    let (file, out) = (capture("limit.pcap", 2000, 0), nothing("limited.pcap"));
    let ran = bash(&format!("ulimit -f 8; exec {BIN} replay {file} --stages mac-swap --json --out {out}"));
    assert_eq!(ran.code, 1, "{}", ran.err);
    let books = &ran.json()["books"];
    assert!(books["dropped"]["transmit-failed"].as_u64() > Some(0) && books["unaccounted"] == 0, "{books}");
    assert!(ran.err.contains("File too large"), "{}", ran.err);
}

#[test]
fn an_endless_replay_stops_on_a_signal_in_order() {
    let file = capture("endless.pcap", 50, 0);
    for (signal, more) in [("INT", ""), ("TERM", "--threads --cores 2"), ("INT", "--threads --cores 5")] {
        let script = format!(
            "timeout -s {signal} -k 20 1 {BIN} replay {file} --stages flow-meter,mac-swap --loop 0 --json {more}"
        );
        let ran = bash(&script);
        // 124 is timeout's own word for having sent the signal.
        assert_eq!(ran.code, 124, "{}", ran.err);
        let books = &ran.json()["books"];
        assert!(books["received"].as_u64() > Some(0) && books["unaccounted"] == 0, "{books}");
    }
}

#[test]
fn a_second_signal_ends_what_the_first_one_cannot() {
    // The output is a pipe nobody reads: the run cannot wind down.
    let (file, pipe) = (capture("second.pcap", 50, 0), nothing("second-pipe"));
    let script = format!(
        "mkfifo {pipe}; exec 3<>{pipe}
         {BIN} replay {file} --stages mac-swap --loop 0 --out {pipe} & sleep 1; kill -TERM $!; sleep 1
         kill -0 $! && kill -TERM $!; wait $!; echo $?"
    );
    assert_eq!(bash(&script).out, "1\n");
}
