//! Flow records (the flow meter's table) against `HashMap` with foldhash: bursts of 32 lookups of 40-byte keys that are there, in
//! no order, with 64k and 1M of them; and putting them in. Lines of `name value unit`, the best of the
//! rounds; cycles are those of the time-stamp counter.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};

use foldhash::fast::FixedState;
use hugepages::{Arena, PagePolicy};
use mnvkd::clock::cycles;
use mnvkd::packet::flow::FlowKey;
use mnvkd::state::flow_records::{Entry, FlowRecords, buckets_for, bytes_for};

const BURST: usize = 32;
const ROUNDS: usize = 7;
const LOOKUPS: usize = 1 << 20;

/// What a flow meter keeps of a flow.
type Value = [u64; 7];

fn key(n: usize) -> FlowKey {
    let client =
        SocketAddr::new(Ipv4Addr::from(0x0a00_0000 | (n >> 4) as u32).into(), 1024 + (n & 15) as u16);
    let server = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), 443);
    FlowKey::between(client, server, 6).expect("both IPv4").0
}

/// A fixed generator (Knuth's constants); its high bits are good enough to pick keys by.
fn picks(keys: &[FlowKey]) -> Vec<FlowKey> {
    let mut state = 1u64;
    let mut pick = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        keys[(state >> 33) as usize % keys.len()]
    };
    (0..LOOKUPS).map(|_| pick()).collect()
}

/// Cycles of each of `count` things done in a round: the best round's.
fn report(name: &str, flows: usize, count: usize, mut round: impl FnMut()) {
    let mut best = u64::MAX;
    for _ in 0..ROUNDS {
        let start = cycles();
        round();
        best = best.min(cycles() - start);
    }
    println!("flow_table/{name}/{flows} {:.1} cycles/packet", best as f64 / count as f64);
}

fn table(arena: &mut Arena, capacity: usize) -> FlowRecords<Value> {
    let buckets = arena.carve("index", buckets_for(capacity)).expect("room");
    let entries = arena.carve::<Entry<Value>>("entries", capacity).expect("room");
    FlowRecords::new(buckets, entries, 7)
}

fn burst(table: &mut FlowRecords<Value>, keys: &[FlowKey]) {
    let mut hashes = [None; BURST];
    let mut candidates = [None; BURST];
    for (hash, key) in hashes.iter_mut().zip(keys) {
        *hash = Some(table.hash(key));
    }
    for (candidate, hash) in candidates.iter_mut().zip(hashes) {
        *candidate = hash.map(|hash| table.candidate(hash));
    }
    for ((key, hash), candidate) in keys.iter().zip(hashes).zip(candidates) {
        if let (Some(hash), Some(candidate)) = (hash, candidate)
            && let Some(value) = table.entry(hash, candidate, key)
        {
            value[0] += 1;
        }
    }
}

fn compare(flows: usize) {
    let keys: Vec<FlowKey> = (0..flows).map(key).collect();
    let picks = picks(&keys);

    let mut arena =
        Arena::reserve(bytes_for::<Value>(flows) * ROUNDS, &PagePolicy::Prefer(None), None).expect("memory");
    let mut tables: Vec<_> = (0..ROUNDS).map(|_| table(&mut arena, flows)).collect();
    println!("flow_table/page/{flows} {} bytes", arena.mapping().obtained().bytes());
    let mut fresh = tables.iter_mut();
    report("insert", flows, flows, || {
        let table = fresh.next().expect("one a round");
        keys.iter().for_each(|key| *table.lookup_or_insert(key).expect("room") = [1; 7]);
    });
    let table = &mut tables[0];
    report("burst", flows, LOOKUPS, || picks.chunks(BURST).for_each(|keys| burst(table, keys)));
    report("single", flows, LOOKUPS, || {
        picks.iter().for_each(|key| table.lookup_or_insert(key).expect("there")[0] += 1);
    });
    black_box(table.iter().map(|(_, value)| value[0]).sum::<u64>());

    let mut map: HashMap<FlowKey, Value, FixedState> =
        HashMap::with_capacity_and_hasher(flows, FixedState::default());
    report("hashmap-insert", flows, flows, || {
        map.clear();
        keys.iter().for_each(|key| *map.entry(*key).or_default() = [1; 7]);
    });
    report("hashmap", flows, LOOKUPS, || {
        picks.iter().for_each(|key| map.entry(*key).or_default()[0] += 1);
    });
    black_box(map.values().map(|value| value[0]).sum::<u64>());
}

fn main() {
    compare(1 << 16);
    compare(1 << 20);
}
