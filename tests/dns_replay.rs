//! dns-cache in virtual time: an hour of clients, servers and expiring answers in a moment, the same on any number of
//! cores.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mnvkd::port::capture::FileFormat;
use mnvkd::reduce::Report;

mod rig;

use rig::{How, Rec, Scratch, Setup, output, records, write_capture};

const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
const CLIENT: [u8; 6] = [2, 0, 0, 0, 0, 2];
const SERVER: [u8; 6] = [2, 0, 0, 0, 0, 3];
const HERE: [u8; 4] = [10, 9, 0, 1];
const SERVERS: [[u8; 4]; 2] = [[10, 9, 0, 3], [10, 9, 0, 4]];

const START_NS: u64 = 1_700_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
/// Clients' queries, over a bit more than an hour.
const QUERIES: u64 = 5000;
const APART_NS: u64 = 730_000_000;

/// A frame of UDP over IPv4 with right checksums.
fn frame(macs: [[u8; 6]; 2], from: ([u8; 4], u16), to: ([u8; 4], u16), message: &[u8], time_ns: u64) -> Rec {
    let builder =
        etherparse::PacketBuilder::ethernet2(macs[0], macs[1]).ipv4(from.0, to.0, 64).udp(from.1, to.1);
    let mut data = Vec::new();
    builder.write(&mut data, message).unwrap();
    data.resize(data.len().max(60), 0);
    Rec { time_ns, wire_len: data.len() as u32, link: 1, data, comment: None }
}

/// A query for one of a hundred names; every seventh is for one that is not there.
fn query(n: u64, client: u64) -> Rec {
    let name = n.wrapping_mul(7919) >> 3 & 63;
    let letter = if client.is_multiple_of(2) { b'n' } else { b'N' };
    let label = [&[4, letter][..], format!("{name:03}").as_bytes()].concat();
    let edns = client.is_multiple_of(3);
    let mut message = ((n ^ client << 8) as u16).to_be_bytes().to_vec();
    message.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)]);
    message.extend_from_slice(&label);
    message.extend_from_slice(b"\x07example\0\0\x01\0\x01");
    if edns {
        message.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    }
    let address = [10, 9, 0, 100 + (client % 40) as u8];
    let port = 2000 + (client.wrapping_mul(31) % 500) as u16;
    // A microsecond apart at most: several may ask the same in one burst.
    let time_ns = START_NS + n * APART_NS + (client & 3) * 300;
    frame([CLIENT, OWN], (address, port), (HERE, 53), &message, time_ns)
}

/// What clients ask: many times one alone, sometimes twenty at once.
fn queries() -> Vec<Rec> {
    (0..QUERIES)
        .flat_map(|n| (0..if n % 20 == 3 { 20 } else { 1 }).map(move |more| query(n, n + more * 97)))
        .collect()
}

/// The next hops, telling their Ethernet addresses every 50 seconds without being asked.
fn neighbours() -> Vec<Rec> {
    let last_ns = START_NS + QUERIES * APART_NS;
    let times = (START_NS - SECOND..last_ns).step_by(50 * SECOND as usize);
    let reply = |time_ns, address: [u8; 4]| {
        let mut data =
            [&OWN[..], &SERVER, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2], &SERVER, &address, &OWN, &HERE].concat();
        data.resize(60, 0);
        Rec { time_ns, wire_len: 60, link: 1, data, comment: None }
    };
    times.flat_map(|time_ns| SERVERS.map(|address| reply(time_ns, address))).collect()
}

/// An IPv4 frame's ends and its message.
fn parts(record: &Rec) -> Option<(([u8; 4], u16), ([u8; 4], u16), &[u8])> {
    let data = &record.data;
    if data[12..14] != [8, 0] || data[23] != 17 {
        return None;
    }
    let address = |at: usize| [data[at], data[at + 1], data[at + 2], data[at + 3]];
    let word = |at: usize| u16::from_be_bytes([data[at], data[at + 1]]);
    let end = 34 + usize::from(word(38));
    Some(((address(26), word(34)), (address(30), word(36)), &data[42..end]))
}

/// What a server makes of what it was asked; what it never answers, it did not get.
fn answers(asked: &Rec) -> Vec<Rec> {
    let Some((from, to, message)) = parts(asked).filter(|(_, to, _)| to.1 == 53) else { return Vec::new() };
    let number: u32 = std::str::from_utf8(&message[14..17]).unwrap().parse().unwrap();
    let question = &message[12..message.len() - 11];
    let mut answer = [&message[..2], &[0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], question].concat();
    if number.is_multiple_of(7) {
        // No such name, for as long as the SOA record's last number says.
        answer[3] |= 3;
        (answer[7], answer[9]) = (0, 1);
        answer.extend_from_slice(&[0xc0, 17, 0, 6, 0, 1, 0, 0, 14, 16, 0, 22, 0, 0]);
        [1u32, 2, 3, 4, 20 + number].iter().for_each(|word| answer.extend_from_slice(&word.to_be_bytes()));
    } else {
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
        answer.extend_from_slice(&(number * number / 2).to_be_bytes());
        answer.extend_from_slice(&[0, 4, 192, 0, 2, number as u8]);
    }
    let at = |message: &[u8], later_ns| frame([SERVER, OWN], to, from, message, asked.time_ns + later_ns);
    let mut lie = answer.clone();
    lie[1] ^= 1;
    match number % 10 {
        // Too late, and never.
        3 => vec![at(&answer, 900_000_000)],
        4 if to.0 == SERVERS[0] => Vec::new(),
        5 => vec![at(&lie, 100_000), at(&answer, 200_000), at(&answer, 300_000)],
        _ => vec![at(&answer, 150_000 + u64::from(number) * 1000)],
    }
}

fn setup(cores: usize, file: &Path, out: &Path) -> Setup {
    let addresses = "[\"10.9.0.1/24\"]";
    let app = |key: &str, value: &str| format!("app.dns-cache.{key}={value}");
    Setup::new(cores)
        .capture("file", file, &format!("out = {out:?}"))
        .pipeline("main", &["file"], &["file"], &["dns-cache"])
        .set(app("addresses", addresses))
        .set(app("mac", "\"02:00:00:00:00:01\""))
        .set(app("upstreams", "[\"10.9.0.3:53\", \"10.9.0.4:53\"]"))
        .set(app("others", "\"drop\""))
}

fn capture(scratch: &Scratch, mut all: Vec<Rec>) -> std::path::PathBuf {
    all.sort_by(|a, b| (a.time_ns, &a.data).cmp(&(b.time_ns, &b.data)));
    let path = scratch.path("in.pcap");
    write_capture(&path, FileFormat::PcapNanos, &all);
    path
}

/// Everything that ever comes in, found by letting time pass until nothing new is asked: what is asked depends on nothing but
/// the query it is asked for.
fn traffic(scratch: &Scratch, out: &Path) -> Vec<Rec> {
    let mut known = BTreeMap::new();
    let base: Vec<Rec> = queries().into_iter().chain(neighbours()).collect();
    let mut before = BTreeSet::new();
    for _ in 0..60 {
        let all = base.iter().cloned().chain(known.values().flatten().cloned()).collect();
        setup(1, &capture(scratch, all), out).run(How::Simulated);
        let asked: BTreeSet<Rec> = records(out)
            .into_iter()
            .filter(|record| parts(record).is_some_and(|(_, to, _)| to.1 == 53))
            .collect();
        if asked == before {
            return base.into_iter().chain(known.into_values().flatten()).collect();
        }
        known = asked.iter().map(|record| (record.clone(), answers(record))).collect();
        before = asked;
    }
    panic!("it asks something new each time");
}

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
