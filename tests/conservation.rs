//! Nothing is lost: whatever is too small, full, broken or stopped, every packet is accounted for by name
//! and every frame comes home. ([`rig::assert_accounts`] is what holds after every run here.)

use std::path::Path;

use mnvkd::port::capture::FileFormat;
use mnvkd::reduce::Report;
use proptest::prelude::*;

mod rig;

use rig::apps::{Fuse, Slow, Stray, Waverer};
use rig::ports::moody;
use rig::{How, Rec, Scratch, Setup, captures, dropped, output, records, udp, write_capture};

const REPLAYS: [How; 2] = [How::Simulated, How::Threads];

/// A generator that ends, in front of these stages.
fn load(cores: usize, keys: &str, stages: &[&str]) -> Setup {
    Setup::new(cores).port("load", "generator", keys).pipeline("main", &["load"], &[], stages)
}

/// So many packets of so many flows in a file, in bunches that arrive together.
fn made(scratch: &Scratch, name: &str, flows: u16, packets: u32) -> std::path::PathBuf {
    let path = scratch.path(name);
    let times = |n: u32| 1_000_000_000 + u64::from(n / 7) * 9_000;
    let records: Vec<Rec> =
        (0..packets).map(|n| udp(n.wrapping_mul(7919) as u16 % flows, n, times(n))).collect();
    write_capture(&path, FileFormat::PcapNanos, &records);
    path
}

#[test]
fn pools_of_a_few_frames_slow_a_run_down_and_lose_nothing() {
    let scratch = Scratch::new();
    let file = made(&scratch, "in.pcap", 50, 1500);
    let out = scratch.path("out.pcap");
    let mut digests = Vec::new();
    for frames in [1, 2, 3, 7, 64] {
        for cores in [1, 2, 4] {
            for how in REPLAYS {
                let report = Setup::new(cores)
                    .with("frames", frames)
                    .capture("file", &file, &format!("out = {out:?}"))
                    .pipeline("main", &["file"], &[], &["flow-meter", "forward"])
                    .run(how);
                assert_eq!(report.books.forwarded, 1500);
                let (mut sent, mut given) = (records(&out), records(&file));
                if frames == 64 && how == How::Simulated {
                    assert_eq!(sent, given, "{cores} cores keep the file's order");
                }
                sent.sort();
                given.sort();
                assert!(sent == given, "{frames} {cores} {how:?}");
                digests.push((output(&report).to_owned(), report.digest.tally));
            }
        }
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[test]
fn a_tiny_arena_gets_fewer_frames_or_is_refused_with_the_numbers() {
    let keys = "count = 3000\nflows = 40";
    let stages = ["flow-meter", "mac-swap"];
    for how in REPLAYS {
        let report = load(3, keys, &stages).with("arena", "2MiB").set("app.flow-meter.capacity=64").run(how);
        assert_eq!(report.books.forwarded, 3000);
        let refused = load(3, keys, &stages).with("arena", "256KiB").attempt(how).unwrap_err();
        let text = format!("{refused:#}");
        assert!(text.contains("256.0 KiB allowed") && text.contains("frames of"), "{text}");
        assert!(
            text.contains("flow-meter in pipeline main") && text.contains("set dataplane.arena"),
            "{text}"
        );
    }
}

#[test]
fn a_full_flow_table_counts_what_it_cannot_hold() {
    for (cores, how) in [(1, How::Simulated), (3, How::Simulated), (2, How::Threads)] {
        let report = load(cores, "count = 5000\nflows = 500", &["flow-meter", "sink"])
            .set("app.flow-meter.capacity=8")
            .run(how);
        assert_eq!(report.books.consumed, 5000);
        let tally = &report.tallies["flow-meter"];
        let number = |path: &str| tally.pointer(path).and_then(serde_json::Value::as_u64).unwrap();
        assert_eq!(number("/packets"), 5000);
        assert_eq!(number("/flows"), 8 * cores as u64, "every core's table is full");
        // Each of the 500 flows has 10 packets.
        assert_eq!(number("/table/full_packets"), 5000 - 10 * 8 * cores as u64);
        assert!(
            report.notes.iter().any(|note| note.starts_with("flow-meter: flow table full")),
            "{:?}",
            report.notes
        );
    }
}

#[test]
fn one_queue_feeds_many_cores_through_lanes_that_fill() {
    let setup = |cores| {
        load(cores, "count = 40000\nflows = 300\nqueues = 1", &["slow", "flow-meter", "mac-swap"])
            .with("frames", 4096)
            .daemon(|daemon| daemon.register::<Slow>("slow"))
    };
    let report = setup(4).run(How::Threads);
    assert_eq!(report.books.forwarded, 40_000);
    assert!(report.per_core.iter().all(|core| core.packets > 0), "{:?}", report.per_core);
    let simulated = setup(4).run(How::Simulated);
    assert_eq!(simulated.books.forwarded, 40_000);
    assert_eq!(report.digest.tally.len(), simulated.digest.tally.len());
    let spread = |report: &Report| report.per_core.iter().map(|core| core.packets).collect::<Vec<_>>();
    assert_eq!(spread(&report), spread(&simulated), "a flow is on the same core either way");
}

#[test]
fn more_queues_than_cores_and_fewer_change_nothing_but_who_does_it() {
    let scratch = Scratch::new();
    let file = made(&scratch, "in.pcap", 60, 3000);
    let mut digests = Vec::new();
    for (cores, queues) in [(1, 1), (1, 5), (2, 1), (2, 3), (3, 2), (3, 7), (4, 3), (5, 5)] {
        for how in REPLAYS {
            for keys in ["", "preload = true\n"] {
                let report = Setup::new(cores)
                    .capture("file", &file, &format!("{keys}queues = {queues}"))
                    .pipeline("main", &["file"], &[], &["flow-meter", "forward"])
                    .run(how);
                assert_eq!(report.books.forwarded, 3000, "{cores} {queues}");
                digests.push((output(&report).to_owned(), report.digest.tally));
            }
        }
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

fn into_moody(cores: usize, moods: &str) -> Setup {
    Setup::new(cores)
        .daemon(moody)
        .port("load", "generator", "count = 6000\nflows = 64")
        .port("out", "moody", moods)
        .pipeline("main", &["load"], &["out"], &["forward"])
}

#[test]
fn a_transmit_queue_that_is_full_now_and_then() {
    let moods = [
        "takes = 5\nrefuses = 3",
        "takes = 1\nrefuses = 0",
        "takes = 64\nrefuses = 100",
        "takes = 3\nrefuses = 1\nqueues = 3",
    ];
    for mood in moods {
        for cores in [1, 3] {
            for how in REPLAYS {
                let report = into_moody(cores, mood).run(how);
                let (sent, full) = (report.books.forwarded, dropped(&report, "transmit-full"));
                assert_eq!(sent + full, 6000, "{mood} {cores} {how:?} {:?}", report.books);
                assert!(sent > 0, "{mood} {cores} {how:?} {:?}", report.books);
                assert_eq!(report.ports["out"].transmitted, sent);
            }
        }
    }
}

#[test]
fn a_transmit_queue_that_will_never_carry_some() {
    for cores in [1, 2, 4] {
        for how in REPLAYS {
            let report = into_moody(cores, "never = 10").run(how);
            assert_eq!((report.books.forwarded, dropped(&report, "transmit-failed")), (5400, 600));
        }
    }
}

#[test]
fn a_transmit_queue_that_is_full_for_ever() {
    let full = format!("refuses = {}", u32::MAX);
    for cores in [1, 3] {
        for how in REPLAYS {
            let report = into_moody(cores, &full).run(how);
            assert_eq!(report.books.forwarded, 0);
            let (full, stopped) = (dropped(&report, "transmit-full"), dropped(&report, "stopped"));
            assert_eq!(full + stopped, 6000, "{:?}", report.books);
            // What no longer fits is dropped at once; what waits, at most a burst, when the run ends.
            assert!((1..=64).contains(&stopped), "{cores} {how:?} {:?}", report.books);
        }
    }
}

#[test]
fn a_replay_that_cannot_go_on_says_so_instead_of_going_on_for_ever() {
    let full = format!("refuses = {}", u32::MAX);
    for cores in [1, 3] {
        // All frames wait for the queue; there is none left to receive into.
        let report = into_moody(cores, &full).with("frames", 8).accounted(How::Simulated);
        assert_eq!(report.exit_code(), 1);
        assert!(report.errors[0].contains("not all of the input was replayed"), "{:?}", report.errors);
        let stopped = dropped(&report, "stopped");
        assert_eq!((report.books.received, report.books.forwarded), (stopped, 0), "{:?}", report.books);
        assert!((8..=8 * cores as u64).contains(&stopped), "{:?}", report.books);
    }
}

#[test]
fn an_output_on_a_full_disk_is_an_error_and_its_packets_are_dropped_by_name() {
    let scratch = Scratch::new();
    // More than the writer holds back, so that it fails on the way; and less, so that it fails at the end.
    for packets in [20_000, 100] {
        let file = made(&scratch, "in.pcap", 60, packets);
        for cores in [1, 3] {
            for how in REPLAYS {
                for format in ["pcap", "pcapng"] {
                    let report = Setup::new(cores)
                        .capture("file", &file, &format!("out = \"/dev/full\"\nformat = \"{format}\""))
                        .pipeline("main", &["file"], &[], &["forward"])
                        .accounted(how);
                    assert_eq!(report.exit_code(), 1);
                    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
                    assert!(report.errors[0].contains("/dev/full: writing"), "{:?}", report.errors);
                    let failed = dropped(&report, "transmit-failed");
                    assert_eq!(report.books.forwarded + failed, u64::from(packets));
                    assert_eq!(failed > 0, packets == 20_000, "{:?}", report.books);
                }
            }
        }
    }
}

#[test]
fn a_stop_in_mid_flight_lets_what_is_in_flight_land() {
    let endless = [
        ("null", ""),
        ("generator", "flows = 300"),
        ("generator", "queues = 1\nflows = 300"),
        ("null", "queues = 1"),
    ];
    for (driver, keys) in endless {
        for cores in 1..=4 {
            for stages in [&["mac-swap"][..], &["flow-meter", "mac-swap"], &["sink"]] {
                let report = Setup::new(cores)
                    .port("load", driver, keys)
                    .pipeline("main", &["load"], &[], stages)
                    .run(How::RunFor(30));
                assert!(report.books.received > 0, "{driver} {keys} {cores}");
                assert_eq!(
                    report.books.forwarded
                        + report.books.consumed
                        + dropped(&report, "transmit-full")
                        + dropped(&report, "malformed"),
                    report.books.received,
                    "{:?}",
                    report.books
                );
                assert_eq!(report.digest.output, None);
            }
        }
    }
}

#[test]
fn more_cores_than_cpus_work_and_say_so() {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = cpus + 3;
    for keys in ["", "queues = 1"] {
        let report =
            load(cores, &format!("flows = 500\n{keys}"), &["flow-meter", "mac-swap"]).run(How::RunFor(60));
        assert_eq!(report.cores, cores);
        assert!(report.books.received > 0);
        assert!(report.notes.iter().any(|note| note.contains("more cores than CPUs")), "{:?}", report.notes);
        assert!(report.per_core.iter().all(|core| core.cpu.is_none()));
    }
}

#[test]
fn an_application_that_panics_takes_no_other_packets_with_it() {
    for (cores, blown) in [(1, 0), (2, 1), (3, 0)] {
        for how in REPLAYS {
            let report = load(cores, "count = 20000\nflows = 200", &["flow-meter", "fuse", "mac-swap"])
                .daemon(|daemon| daemon.register::<Fuse>("fuse"))
                .set(format!("app.fuse.core={blown}"))
                .set("app.fuse.after=1000")
                .accounted(how);
            let what = format!("{cores} {how:?} {:?}", report.books);
            assert_eq!(report.exit_code(), 1, "{what}");
            assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
            assert!(
                report.errors[0].starts_with(&format!("core {blown}: an application panicked")),
                "{:?}",
                report.errors
            );
            // The burst it was in, whole, and what came to its core after that.
            assert!(dropped(&report, "panicked") > 0, "{what}");
            assert!(report.books.forwarded <= 20_000 - dropped(&report, "panicked"), "{what}");
            assert!(report.per_core[blown].packets >= 1000, "{what}");
            let others = report.per_core.iter().filter(|core| core.core != blown).map(|core| core.packets);
            assert!(report.books.forwarded >= others.sum::<u64>(), "{what}");
        }
    }
}

#[test]
fn packets_nobody_decides_about_are_dropped_by_that_name() {
    for (cores, how) in [(1, How::Simulated), (3, How::Simulated), (2, How::Threads)] {
        let report = load(cores, "count = 5000", &["flow-meter"]).run(how);
        assert_eq!((dropped(&report, "no-verdict"), report.books.dropped["total"]), (5000, 5000));
        assert!(
            report.notes.iter().any(|note| note.contains("may leave packets undecided")),
            "{:?}",
            report.notes
        );
        let wavering = |daemon: mnvkd::Daemon| daemon.register::<Waverer>("waverer");
        let report = load(cores, "count = 5000", &["waverer"]).daemon(wavering).run(how);
        assert_eq!(report.books.consumed + dropped(&report, "no-verdict"), 5000);
        assert!(report.books.consumed.abs_diff(2500) <= cores as u64, "{:?}", report.books);
        let report = load(cores, "count = 5000", &["stray"])
            .daemon(|daemon| daemon.register::<Stray>("stray"))
            .run(how);
        assert_eq!(dropped(&report, "no-route"), 5000);
    }
}

#[test]
fn the_same_share_is_dropped_on_any_number_of_cores() {
    let scratch = Scratch::new();
    let file = made(&scratch, "in.pcapng", 80, 4000);
    let run = |cores: usize, seed: u64, how: How, out: &Path| {
        let report = Setup::new(cores)
            .with("seed", seed)
            .set("app.drop.share=0.3")
            .capture("file", &file, &format!("out = {out:?}"))
            .pipeline("main", &["file"], &[], &["drop", "forward"])
            .run(how);
        (report.books.forwarded, dropped(&report, "policy"), output(&report).to_owned())
    };
    let out = scratch.path("out.pcap");
    let first = run(1, 1, How::Simulated, &out);
    let bytes = std::fs::read(&out).unwrap();
    assert_eq!(first.0 + first.1, 4000);
    assert!((1000..1400).contains(&first.1), "0.3 of 4000, more or less: {first:?}");
    for cores in [1, 2, 3, 8] {
        assert_eq!(run(cores, 1, How::Simulated, &out), first, "{cores}");
        assert!(std::fs::read(&out).unwrap() == bytes, "{cores}: the same file, byte for byte");
        assert_eq!(run(cores.min(4), 1, How::Threads, &out), first, "{cores}");
    }
    assert_ne!(run(2, 2, How::Simulated, &out).2, first.2, "another seed drops others");
    // A generator's packets have an order in virtual time, too.
    let shares = [1, 2, 3, 8].map(|cores| {
        let report =
            load(cores, "count = 4000", &["drop", "mac-swap"]).set("app.drop.share=0.3").run(How::Simulated);
        (dropped(&report, "policy"), output(&report).to_owned())
    });
    assert!(shares.iter().all(|share| *share == shares[0]), "{shares:?}");
    for share in [0.0, 1.0] {
        let report = load(2, "count = 500", &["drop", "sink"])
            .set(format!("app.drop.share={share}"))
            .run(How::Threads);
        assert_eq!(dropped(&report, "policy"), (500.0 * share) as u64);
    }
}

#[test]
fn two_pipelines_forward_across_and_keep_their_packets_apart() {
    let scratch = Scratch::new();
    let files = [made(&scratch, "a.pcap", 40, 2000), made(&scratch, "b.pcap", 30, 1500)];
    let outs = [scratch.path("a.out.pcap"), scratch.path("b.out.pcapng")];
    let mut digests = Vec::new();
    for cores in [1, 2, 3, 5] {
        for how in REPLAYS {
            let report = Setup::new(cores)
                .capture("a", &files[0], &format!("out = {:?}", outs[0]))
                .capture("b", &files[1], &format!("out = {:?}\nqueues = 1", outs[1]))
                .pipeline("there", &["a"], &["b"], &["flow-meter", "forward"])
                .pipeline("back", &["b"], &["a"], &["forward"])
                .run(how);
            let ports = &report.ports;
            assert_eq!((ports["a"].received, ports["b"].received), (2000, 1500));
            assert_eq!((ports["a"].transmitted, ports["b"].transmitted), (1500, 2000));
            assert_eq!(report.tallies["flow-meter"]["packets"], 2000);
            for (out, file) in [(&outs[0], &files[1]), (&outs[1], &files[0])] {
                let (mut sent, mut given) = (records(out), records(file));
                if how == How::Threads {
                    sent.sort();
                    given.sort();
                }
                assert!(sent == given, "{} {cores} {how:?}", out.display());
            }
            digests.push((output(&report).to_owned(), report.digest.tally));
        }
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[test]
fn a_port_never_writes_packets_of_another_link_type_as_its_own() {
    let Some(dir) = captures() else { return };
    let scratch = Scratch::new();
    let (raw, ether) = (dir.join("pcapplusplus__raw_ip.pcap"), made(&scratch, "ether.pcap", 3, 50));
    let (hdlc, relay) = (dir.join("tcpdump__HDLC.pcap"), dir.join("tcpdump__OSPFv3_NBMA_adjacencies.pcap"));
    for (a, b) in [(&raw, &ether), (&hdlc, &relay)] {
        for (cores, how) in [(1, How::Simulated), (3, How::Simulated), (2, How::Threads)] {
            // pcapng holds all that are forwarded to it; each comes out as what it is.
            let outs = [scratch.path("a.out.pcapng"), scratch.path("b.out.pcapng")];
            let report = Setup::new(cores)
                .capture("a", a, &format!("out = {:?}", outs[0]))
                .capture("b", b, &format!("out = {:?}", outs[1]))
                .pipeline("across", &["a", "b"], &[], &["forward"])
                .run(how);
            assert_eq!(report.books.forwarded, report.books.received, "{cores} {how:?}");
            for (out, file) in [(&outs[0], b), (&outs[1], a)] {
                let (mut sent, mut given) = (records(out), records(file));
                sent.sort();
                given.sort();
                assert!(sent == given, "{cores} {how:?}: {} as {:?}", file.display(), sent.first());
            }
        }
    }
}

#[test]
fn files_read_in_loops_go_on_in_time() {
    let scratch = Scratch::new();
    let file = made(&scratch, "in.pcap", 20, 300);
    let given = records(&file);
    let out = scratch.path("out.pcap");
    let mut digests = Vec::new();
    for (cores, keys) in
        [(1, ""), (1, "preload = true\n"), (3, ""), (3, "preload = true\n"), (2, "queues = 3\n")]
    {
        let report = Setup::new(cores)
            .capture("file", &file, &format!("{keys}loop = 3\nout = {out:?}"))
            .pipeline("main", &["file"], &[], &["flow-meter", "forward"])
            .run(How::Simulated);
        assert_eq!((report.input.packets, report.books.received, report.books.forwarded), (300, 900, 900));
        let sent = records(&out);
        let period = sent[300].time_ns - sent[0].time_ns;
        assert!(period > given[299].time_ns - given[0].time_ns);
        for (number, record) in sent.iter().enumerate() {
            let mut expected = given[number % 300].clone();
            expected.time_ns += period * (number as u64 / 300);
            assert_eq!(*record, expected, "{cores} {keys} {number}");
        }
        digests.push((output(&report).to_owned(), report.digest.tally));
    }
    for keys in ["", "preload = true\n"] {
        let report = Setup::new(2)
            .capture("file", &file, &format!("{keys}loop = 3"))
            .pipeline("main", &["file"], &[], &["flow-meter", "forward"])
            .run(How::Threads);
        digests.push((output(&report).to_owned(), report.digest.tally));
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[test]
fn an_endless_loop_ends_when_told_even_where_a_queue_has_no_packet() {
    let scratch = Scratch::new();
    // One flow: of several queues, all but one have nothing to bring.
    let file = made(&scratch, "in.pcap", 1, 10);
    for cores in 1..=3 {
        for keys in ["loop = 0", "loop = 0\npreload = true"] {
            let report = Setup::new(cores)
                .capture("file", &file, keys)
                .pipeline("main", &["file"], &[], &["flow-meter", "sink"])
                .run(How::RunFor(30));
            assert!(report.books.consumed > 10);
        }
    }
}

#[test]
fn several_files_are_merged_by_time_and_ties_go_to_the_first() {
    let scratch = Scratch::new();
    let paths: Vec<_> = ["1.pcap", "2.pcapng", "3.pcap"].iter().map(|name| scratch.path(name)).collect();
    let times: [&[u64]; 3] = [&[10, 20, 20, 15, 50_000], &[10, 20, 60_000, 70_000], &[5, 5, 20, 49_999]];
    let formats = [FileFormat::PcapNanos, FileFormat::Pcapng, FileFormat::PcapNanos];
    let mut heads = Vec::new();
    for (file, times) in times.iter().enumerate() {
        let number = |n: usize| (file * 10 + n) as u32;
        let made: Vec<Rec> =
            times.iter().enumerate().map(|(n, time)| udp(number(n) as u16, number(n), *time)).collect();
        write_capture(&paths[file], formats[file], &made);
        heads.push(made.into_iter().peekable());
    }
    let mut expected = Vec::new();
    loop {
        let due = |head: &mut std::iter::Peekable<std::vec::IntoIter<Rec>>| {
            head.peek().map(|record| record.time_ns)
        };
        let first = (0..heads.len()).filter(|i| due(&mut heads[*i]).is_some()).collect::<Vec<_>>();
        let Some(first) = first.into_iter().min_by_key(|i| due(&mut heads[*i])) else { break };
        expected.extend(heads[first].next());
    }
    assert_eq!(expected.len(), 13);
    let out = scratch.path("out.pcapng");
    for cores in [1, 2, 3] {
        for preload in [false, true] {
            let keys = format!("file = {paths:?}\nout = {out:?}\npreload = {preload}");
            let report = Setup::new(cores)
                .port("files", "capture", &keys)
                .pipeline("main", &["files"], &[], &["forward"])
                .run(How::Simulated);
            assert_eq!(report.input.packets, 13);
            assert_eq!(records(&out), expected, "{cores} {preload}");
        }
    }
}

#[test]
fn dropped_packets_are_written_down_with_the_reason() {
    let scratch = Scratch::new();
    let file = made(&scratch, "in.pcap", 50, 5000);
    let out = scratch.path("out.pcapng");
    for (share, last) in [(0.3, "forward"), (1.0, "forward"), (0.5, "flow-meter")] {
        for (cores, how) in [
            (1, How::Simulated),
            (3, How::Simulated),
            (1, How::Threads),
            (2, How::Threads),
            (4, How::Threads),
        ] {
            let report = Setup::new(cores)
                .with("frames", 4096)
                .set(format!("app.drop.share={share}"))
                .capture("file", &file, &format!("out = {out:?}\ndrop-comments = true"))
                .pipeline("main", &["file"], &[], &["drop", last])
                .run(how);
            let what = format!("{share} {cores} {how:?} {:?}", report.books);
            let mut found = records(&out);
            let with = |comment: Option<&str>| {
                found.iter().filter(|record| record.comment.as_deref() == comment).count() as u64
            };
            assert_eq!(with(None), report.books.forwarded, "{what}");
            assert_eq!(with(Some("policy")), dropped(&report, "policy"), "{what}");
            assert_eq!(with(Some("no-verdict")), dropped(&report, "no-verdict"), "{what}");
            assert_eq!(dropped(&report, "no-verdict") > 0, last == "flow-meter", "{what}");
            let mut given = records(&file);
            found.iter_mut().for_each(|record| record.comment = None);
            if how == How::Threads {
                given.sort();
                found.sort();
            }
            assert!(found == given, "{what}");
        }
    }
}

#[test]
fn dropped_packets_are_all_written_down_before_the_run_is_over() {
    // The core that writes has next to nothing to do of its own, and takes its time: what another core
    // dropped is still on its way when there is nothing else left to do.
    let scratch = Scratch::new();
    let file = scratch.path("in.pcap");
    let reading = |how| {
        let setup = Setup::new(2).capture("file", &file, "");
        setup.pipeline("main", &["file"], &[], &["sink"]).run(how)
    };
    let of_core = |core: usize| {
        (0..100u16).find(|flow| {
            write_capture(&file, FileFormat::PcapNanos, &[udp(*flow, 0, 0)]);
            reading(How::Simulated).per_core[core].packets == 1
        })
    };
    let (its, other) = (of_core(0).unwrap(), of_core(1).unwrap());
    let flow = |number: u32| if number < 10 { its } else { other };
    let made: Vec<Rec> = (0..4000).map(|number| udp(flow(number), number, u64::from(number))).collect();
    write_capture(&file, FileFormat::PcapNanos, &made);
    assert_eq!(reading(How::Simulated).per_core[1].packets, 3990);

    let report = Setup::new(2)
        .daemon(moody)
        .with("frames", 4096)
        .with("burst", 1)
        .capture("file", &file, "")
        .port("out", "moody", "records = true")
        .pipeline("main", &["file"], &["out"], &["drop", "forward"])
        .run(How::Threads);
    assert_eq!(dropped(&report, "policy"), 4000);
    assert!(report.notes.iter().any(|note| note.ends_with("4000 drops written down")), "{:?}", report.notes);
}

#[test]
fn a_null_port_in_virtual_time_can_be_interrupted() {
    use mnvkd::topology::{RunKind, build};
    let setup = Setup::new(2).port("zero", "null", "").pipeline("main", &["zero"], &[], &["sink"]);
    let (done, wait) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut plan = setup.daemon.plan(setup.config()).unwrap();
        let kind = RunKind { clock: mnvkd::clock::Clock::manual(), digest: true, measure_every: 16 };
        let mut built = build(&mut plan.wiring, &plan.budget, &kind).unwrap();
        let mut steps = 0;
        mnvkd::replay::simulate(&mut built.workers, || {
            steps += 1;
            steps > 100
        });
        let results: Vec<_> = built.workers.into_iter().map(mnvkd::worker::Worker::finish).collect();
        done.send(()).unwrap();
        results.iter().map(|result| result.books.consumed).collect::<Vec<_>>()
    });
    wait.recv_timeout(std::time::Duration::from_secs(20)).expect("a step of virtual time ends");
    let consumed = thread.join().unwrap();
    assert!(consumed.iter().all(|packets| *packets > 0), "{consumed:?}");
}

#[test]
fn dropped_packets_that_cannot_be_written_down_are_dropped_all_the_same() {
    let scratch = Scratch::new();
    let file = made(&scratch, "in.pcap", 50, 5000);
    for (cores, how) in [(1, How::Simulated), (3, How::Simulated), (2, How::Threads)] {
        let report = Setup::new(cores)
            .set("app.drop.share=0.5")
            .capture("file", &file, "out = \"/dev/full\"\nformat = \"pcapng\"\ndrop-comments = true")
            .pipeline("main", &["file"], &[], &["drop", "forward"])
            .accounted(how);
        assert_eq!(report.exit_code(), 1);
        assert!(report.errors[0].contains("/dev/full"), "{:?}", report.errors);
        assert!(
            dropped(&report, "policy") > 2000 && dropped(&report, "transmit-failed") > 0,
            "{:?}",
            report.books
        );
    }
}

#[test]
fn a_null_port_in_virtual_time_ends_with_its_count() {
    let scratch = Scratch::new();
    let file = made(&scratch, "in.pcap", 5, 100);
    for cores in [1, 3] {
        let report = Setup::new(cores)
            .port("zero", "null", "count = 1000")
            .capture("file", &file, "")
            .pipeline("main", &["zero", "file"], &["zero"], &["forward"])
            .run(How::Simulated);
        assert_eq!((report.ports["zero"].received, report.books.forwarded), (1000, 1100));
    }
}

fn chain() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::select(vec![
        vec!["sink"],
        vec!["forward"],
        vec!["mac-swap"],
        vec!["flow-meter"],
        vec!["flow-meter", "mac-swap"],
        vec!["drop", "forward"],
        vec!["drop", "flow-meter", "mac-swap"],
        vec!["flow-meter", "drop", "forward"],
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_configuration_accounts_for_everything_and_repeats_itself(
        cores in 1usize..=5,
        queues in prop::option::of(1usize..=6),
        frames in prop::sample::select(vec![1u32, 2, 5, 16, 64, 256, 1000]),
        burst in 1usize..=64,
        stages in chain(),
        seed in 0u64..1000,
        count in 1u64..3000,
        flows in 1u32..300,
        vlan in 0.0f64..=1.0,
        ipv6 in 0.0f64..=1.0,
    ) {
        let setup = |cores: usize, frames: u32, burst: usize| {
            let queues = queues.map_or(String::new(), |queues| format!("queues = {queues}\n"));
            let traffic = format!(
                "{queues}count = {count}\nflows = {flows}\nsize = \"imix\"\nvlan-share = {vlan:.3}\nipv6-share = {ipv6:.3}"
            );
            let setup = load(cores, &traffic, &stages).with("seed", seed).with("frames", frames).with("burst", burst);
            setup.set("app.drop.share=0.4").set("app.flow-meter.capacity=512")
        };
        let digests = |report: &Report| (output(report).to_owned(), report.digest.tally.clone());
        let first = setup(cores, frames, burst).run(How::Simulated);
        prop_assert_eq!(first.books.received, count);
        let second = setup(cores, frames, burst).run(How::Simulated);
        prop_assert_eq!(digests(&first), digests(&second));
        let plain = setup(1, 1000, 32).run(How::Simulated);
        prop_assert_eq!(digests(&first), digests(&plain), "one core or many, the result is the same");
        prop_assert_eq!(serde_json::to_string(&first.books).unwrap(), serde_json::to_string(&plain.books).unwrap());
        let polled = setup(cores, frames, burst).run(How::Threads);
        prop_assert_eq!(polled.books.received, count);
        prop_assert_eq!(polled.books.dropped.contains_key("stopped"), false);
    }
}

#[test]
fn an_application_cannot_be_in_a_chain_twice() {
    let setup = Setup::new(1).port("zero", "null", "count = 1").pipeline(
        "main",
        &["zero"],
        &[],
        &["flow-meter", "drop", "flow-meter"],
    );
    let error = setup.daemon.plan(setup.config()).err().expect("a refusal").to_string();
    assert!(
        error.contains("\"main\"") && error.contains("\"flow-meter\"") && error.contains("twice"),
        "{error}"
    );
}
