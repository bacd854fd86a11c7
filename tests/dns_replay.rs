//! dns-cache in virtual time: an hour of clients, servers and expiring answers in a moment, the same on any number of
//! cores.

use std::collections::{BTreeMap, BTreeSet};

use mnvkd::reduce::Report;

mod dns_traffic;
mod rig;

use dns_traffic::{HERE, SECOND, capture, neighbours, parts, query, setup, traffic};
use rig::{How, Rec, Scratch, output, records};

fn told(report: &Report, what: &str) -> u64 {
    let value = report.tallies["dns-cache"].pointer(what);
    value
        .and_then(serde_json::Value::as_u64)
        .unwrap_or_else(|| panic!("{what}: {}", report.tallies["dns-cache"]))
}

/// Every client is told the truth, once, and no TTL is longer than the server's.
fn check_answers(out: &[Rec], all: &[Rec]) {
    let mut waiting: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for record in all {
        let Some((from, to, message)) = parts(record).filter(|(_, to, _)| *to == (HERE, 53)) else {
            continue;
        };
        waiting
            .entry((from, to, message[..2].to_vec(), message[12..30].to_vec()))
            .or_default()
            .push(record.time_ns);
    }
    for record in out {
        let Some((from, to, message)) = parts(record).filter(|(from, _, _)| *from == (HERE, 53)) else {
            continue;
        };
        let key = (to, from, message[..2].to_vec(), message[12..30].to_vec());
        let times = waiting.get_mut(&key).unwrap_or_else(|| panic!("nobody asked this: {message:02x?}"));
        let asked_ns = times.remove(0);
        if times.is_empty() {
            waiting.remove(&key);
        }
        assert!((asked_ns - 10_000..asked_ns + 4 * SECOND).contains(&record.time_ns));
        let number: u32 = std::str::from_utf8(&message[14..17]).unwrap().parse().unwrap();
        match message[3] & 15 {
            2 => assert!(number % 10 == 3, "only who answers too late has no answer"),
            3 => assert!(number.is_multiple_of(7)),
            rcode => {
                assert_eq!((rcode, message[7]), (0, 1));
                let ttl = u32::from_be_bytes(message[36..40].try_into().unwrap());
                assert!(ttl <= number * number / 2, "{number}: {ttl}");
                assert_eq!(message[42..46], [192, 0, 2, number as u8]);
            }
        }
    }
    assert!(waiting.is_empty(), "{} have no answer", waiting.len());
}

#[test]
fn an_hour_is_the_same_on_any_number_of_cores() {
    let scratch = Scratch::new();
    let out = scratch.path("out.pcap");
    let all = traffic(&scratch, &out);
    let file = capture(&scratch, all.clone());
    let mut results = Vec::new();
    for cores in [1, 2, 3, 8, 8, 1] {
        let report = setup(cores, &file, &out).run(How::Simulated);
        let written = std::fs::read(&out).unwrap();
        if results.is_empty() {
            check_answers(&records(&out), &all);
            check(&report);
        } else {
            let busy = report.per_core.iter().filter(|core| core.packets > 0).count();
            assert_eq!(busy, cores, "every core has its share");
        }
        let tally = report.tallies["dns-cache"].clone();
        results.push((tally, output(&report).to_owned(), report.digest.tally, written));
    }
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result.0, results[0].0, "{number}");
        assert!(*result == results[0], "run {number} sent something else");
    }
}

/// All that can happen did.
fn check(report: &Report) {
    let happened = [
        "/hits",
        "/misses",
        "/joined",
        "/answers/noerror",
        "/answers/nxdomain",
        "/answers/servfail",
        "/cache/expired",
        "/upstream/timeouts",
        "/ignored/wrong_id",
        "/ignored/wrong_source",
    ];
    for what in happened {
        assert!(told(report, what) > 0, "{what}: {:#}", report.tallies["dns-cache"]);
    }
    let sorts = ["/hits", "/misses", "/joined"].map(|what| told(report, what));
    assert_eq!(sorts.iter().sum::<u64>(), told(report, "/queries"), "{:#}", report.tallies["dns-cache"]);
    assert_eq!(told(report, "/upstream/unsent"), 0);
}

#[test]
fn another_seed_asks_with_other_ids_and_ports() {
    let scratch = Scratch::new();
    let out = scratch.path("out.pcap");
    let few: Vec<Rec> = (0..40).map(|n| query(n, n)).chain(neighbours()).collect();
    let file = capture(&scratch, few);
    let mut seen = BTreeSet::new();
    for seed in [1, 2, 3] {
        setup(2, &file, &out).with("seed", seed).run(How::Simulated);
        let sent = records(&out);
        let asked: Vec<_> = sent.iter().filter_map(parts).filter(|(_, to, _)| to.1 == 53).collect();
        assert!(asked.len() >= 40, "{}", asked.len());
        let drawn: BTreeSet<_> =
            asked.iter().map(|(from, _, message)| (from.1, message[..2].to_vec())).collect();
        assert_eq!(drawn.len(), asked.len(), "no two are alike");
        assert!(asked.iter().all(|(from, _, _)| from.1 >= 1 << 15));
        assert!(seen.insert(drawn));
    }
}
