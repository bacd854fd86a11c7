//! What steer costs a packet: parse, flow hash, flow key, checksum; cycles, hot caches.
//!
//! Prints `name value unit` a line. Each value is the median of many rounds over packets of 256
//! flows, 16 KB of headers in all, which the first-level cache holds.

mod measure;

use std::hint::black_box;

use ffi::cycles::cycles;
use measure::Bench;
use mnvkd::packet::checksum;
use mnvkd::packet::flow::FlowKey;
use mnvkd::packet::layers::{Layers, LinkClass};
use mnvkd::steer::bucket::BucketTable;
use mnvkd::steer::hash::flow_hash;
use mnvkd::steer::key::PartitionKey;
use mnvkd::steer::parse::parse;
use mnvkd::steer::toeplitz::{MICROSOFT_KEY, Toeplitz};

const PACKETS: usize = 256;
const PACKET: usize = 64;
const REPEATS: usize = 40;

/// Cycles `work` takes for one of the `count` things it does, in the median of many rounds.
fn median(bench: &Bench, count: usize, mut work: impl FnMut()) -> f64 {
    let mut round = || {
        let start = cycles();
        for _ in 0..REPEATS {
            work();
        }
        (cycles() - start) as f64 / (REPEATS * count) as f64
    };
    measure::median((0..bench.pick(401, 51)).map(|_| round()).collect())
}

fn print(name: &str, value: f64, unit: &str) {
    println!("{name} {value:.3} {unit}");
}

type Frame = [u8; PACKET];

fn ethernet(kind: u16) -> Frame {
    let mut frame = [0; PACKET];
    frame[12..14].copy_from_slice(&kind.to_be_bytes());
    frame
}

/// UDP over IPv4, 256 flows.
fn ipv4(index: usize) -> Frame {
    let mut frame = ethernet(0x0800);
    frame[14..24].copy_from_slice(&[0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17]);
    frame[26..34].copy_from_slice(&[10, 0, 0, index as u8, 10, 1, 2, 3]);
    frame[34..40].copy_from_slice(&[0x12, index as u8, 0, 53, 0, 26]);
    frame
}

/// The same in a VLAN.
fn vlan(index: usize) -> Frame {
    let plain = ipv4(index);
    let mut frame = ethernet(0x8100);
    frame[16..].copy_from_slice(&plain[12..60]);
    frame
}

/// UDP over IPv6, 256 flows.
fn ipv6(index: usize) -> Frame {
    let mut frame = ethernet(0x86dd);
    frame[14..22].copy_from_slice(&[0x60, 0, 0, 0, 0, 10, 17, 64]);
    frame[37] = index as u8;
    frame[53] = 1;
    frame[54..60].copy_from_slice(&[0x12, index as u8, 0, 53, 0, 10]);
    frame
}

fn headers(bench: &Bench, name: &str, build: fn(usize) -> Frame) {
    let frames: Vec<Frame> = (0..PACKETS).map(build).collect();
    let link = LinkClass::Ethernet;
    let layers: Vec<Layers> = frames.iter().map(|frame| parse(link, frame, PACKET as u32)).collect();
    assert!(frames.iter().zip(&layers).all(|(frame, layers)| FlowKey::of(frame, *layers).is_some()));

    let mut found = layers.clone();
    let time = median(bench, PACKETS, || {
        for (frame, layers) in black_box(&frames).iter().zip(&mut found) {
            *layers = parse(link, frame, PACKET as u32);
        }
        black_box(&mut found);
    });
    print(&format!("parse_{name}"), time, "cycles/packet");

    let mut hashes = vec![0; PACKETS];
    for key in [PartitionKey::FiveTuple, PartitionKey::AddressPair] {
        let time = median(bench, PACKETS, || {
            for ((frame, layers), hash) in black_box(&frames).iter().zip(&layers).zip(&mut hashes) {
                *hash = flow_hash(link, frame, *layers, key, 42);
            }
            black_box(&mut hashes);
        });
        print(&format!("flow_hash_{name}_{key}"), time, "cycles/packet");
    }

    let table = BucketTable::even(2).expect("two cores");
    let time = median(bench, PACKETS, || {
        for (frame, hash) in black_box(&frames).iter().zip(&mut hashes) {
            let layers = parse(link, frame, PACKET as u32);
            *hash = table.core_of(flow_hash(link, frame, layers, PartitionKey::FiveTuple, 42)).into();
        }
        black_box(&mut hashes);
    });
    print(&format!("parse_hash_core_{name}"), time, "cycles/packet");

    let mut keys = vec![None; PACKETS];
    let time = median(bench, PACKETS, || {
        for ((frame, layers), key) in black_box(&frames).iter().zip(&layers).zip(&mut keys) {
            *key = FlowKey::of(frame, *layers);
        }
        black_box(&mut keys);
    });
    print(&format!("flow_key_{name}"), time, "cycles/packet");

    let toeplitz = Toeplitz::new(&MICROSOFT_KEY);
    let time = median(bench, PACKETS, || {
        for (frame, hash) in black_box(&frames).iter().zip(&mut hashes) {
            *hash = toeplitz.hash(if name == "ipv6" { &frame[22..58] } else { &frame[26..38] });
        }
        black_box(&mut hashes);
    });
    print(&format!("toeplitz_{name}"), time, "cycles/packet");
}

fn sums(bench: &Bench, len: usize) {
    let packets: Vec<u8> = (0..len * 16).map(|index| (index * 7) as u8).collect();
    let mut found = [0; 16];
    let time = median(bench, 16, || {
        for (packet, sum) in black_box(&packets).chunks_exact(len).zip(&mut found) {
            *sum = checksum::sum(packet);
        }
        black_box(&mut found);
    });
    print(&format!("checksum_{len}"), time, "cycles/packet");
    print(&format!("checksum_{len}_rate"), len as f64 / time, "bytes/cycle");
}

fn main() {
    let bench = Bench::from_args();
    headers(&bench, "ipv4", ipv4);
    headers(&bench, "vlan", vlan);
    headers(&bench, "ipv6", ipv6);
    for len in [20, 288, 1460, 9000] {
        sums(&bench, len);
    }
}
