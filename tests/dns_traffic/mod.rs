//! Clients of dns-cache, its servers, and their answers, over an hour; for whole runs in virtual time.
#![allow(dead_code, reason = "every test uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mnvkd::port::capture::FileFormat;

use crate::rig::{How, Rec, Scratch, Setup, records, write_capture};

const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
const CLIENT: [u8; 6] = [2, 0, 0, 0, 0, 2];
const SERVER: [u8; 6] = [2, 0, 0, 0, 0, 3];
pub const HERE: [u8; 4] = [10, 9, 0, 1];
const SERVERS: [[u8; 4]; 2] = [[10, 9, 0, 3], [10, 9, 0, 4]];

const START_NS: u64 = 1_700_000_000_000_000_000;
pub const SECOND: u64 = 1_000_000_000;
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
pub fn query(n: u64, client: u64) -> Rec {
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
pub fn neighbours() -> Vec<Rec> {
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

/// An address and a port.
type End = ([u8; 4], u16);

/// An IPv4 frame's ends and its message.
pub fn parts(record: &Rec) -> Option<(End, End, &[u8])> {
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

/// dns-cache over a capture, which it writes another of.
pub fn setup(cores: usize, file: &Path, out: &Path) -> Setup {
    let setup = Setup::new(cores).capture("file", file, &format!("out = {out:?}")).pipeline(
        "main",
        &["file"],
        &["file"],
        &["dns-cache"],
    );
    configured(setup)
}

/// The same setup with dns-cache's keys.
pub fn configured(setup: Setup) -> Setup {
    let addresses = "[\"10.9.0.1/24\"]";
    let app = |key: &str, value: &str| format!("app.dns-cache.{key}={value}");
    setup
        .set(app("addresses", addresses))
        .set(app("mac", "\"02:00:00:00:00:01\""))
        .set(app("upstreams", "[\"10.9.0.3:53\", \"10.9.0.4:53\"]"))
        .set(app("others", "\"drop\""))
}

/// Writes the file that comes in.
pub fn capture(scratch: &Scratch, mut all: Vec<Rec>) -> std::path::PathBuf {
    all.sort_by(|a, b| (a.time_ns, &a.data).cmp(&(b.time_ns, &b.data)));
    let path = scratch.path("in.pcap");
    write_capture(&path, FileFormat::PcapNanos, &all);
    path
}

/// Everything that ever comes in, found by letting time pass until nothing new is asked: what is asked depends on nothing but
/// the query it is asked for.
pub fn traffic(scratch: &Scratch, out: &Path) -> Vec<Rec> {
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
