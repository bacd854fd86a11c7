//! A table of 2^20 entries with 16-byte keys and 8-byte values, beside hashbrown's: lookups in bursts of 64 of a million keys in
//! no order, and keys that come and go at 90 % of the capacity.
//!
//! `cargo bench --bench hash [-- [--quick] [WORD...]]` prints `name value unit` lines, medians. The peer is DPDK's rte_hash with
//! the same keys, in the same order: `scripts/peers/rte_hash.c`, run by `scripts/compare.sh hash`.
//!
//! **The longest operation** is found by doing exactly the same several times, each from a table made anew, timing each
//! operation, and taking for each the shortest of its times: what the machine does to us (interrupts, a hypervisor) hits
//! another operation each time, what the table does hits the same one. What the two readings of the counter cost is in it.

mod measure;

use std::collections::HashMap;
use std::hint::black_box;

use ffi::affinity::{allowed_cpus, pin_current_thread};
use ffi::cycles::cycles;
use foldhash::fast::FixedState;
use hugepages::{Arena, PagePolicy};
use measure::Bench;
use mnvkd::clock::Rate;
use mnvkd::state::flow_table::{Eviction, FlowTable, buckets_for, bytes_for};

const CAPACITY: usize = 1 << 20;
const HELD: usize = 1_000_000;
/// 90 % of the capacity.
const CHURNED: usize = CAPACITY / 10 * 9;
const LOOKUPS: usize = 1 << 20;
const BURST: usize = 64;
/// What comes, and what goes, in one pass of churn.
const PASS: usize = 500_000;

type Key = [u8; 16];
type Table = FlowTable<Key, u64>;
type Map = HashMap<Key, u64, FixedState>;

fn mix(n: u64) -> u64 {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 27
}

/// The `n`th key; the peer has the same.
fn key(n: usize) -> Key {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&mix(2 * n as u64 + 1).to_le_bytes());
    key[8..].copy_from_slice(&mix(2 * n as u64 + 2).to_le_bytes());
    key
}

/// Which key is looked up `n`th: in no order.
fn pick(n: usize, of: usize) -> usize {
    (mix(n as u64 + 0x5eed) >> 20) as usize % of
}

fn table(capacity: usize, eviction: Eviction) -> (Table, Arena) {
    let bytes = bytes_for::<Key, u64>(capacity);
    let mut arena = Arena::reserve(bytes, &PagePolicy::default(), None).expect("memory");
    let buckets = arena.carve("index", buckets_for(capacity)).expect("index");
    let entries = arena.carve("entries", capacity).expect("entries");
    let stamps = arena.carve("stamps", capacity).expect("stamps");
    (FlowTable::new(buckets, entries, stamps, eviction, 7), arena)
}

fn filled(held: usize) -> (Table, Arena) {
    let (mut table, arena) = table(CAPACITY, Eviction::Refuse);
    for n in 0..held {
        table.insert(1, &key(n), n as u64).expect("room");
    }
    (table, arena)
}

/// A map of 2^20 buckets, with as many keys as `held` says of its capacity.
fn map(capacity: usize, held: usize) -> Map {
    let mut map = Map::with_capacity_and_hasher(capacity, FixedState::default());
    map.extend((0..held).map(|n| (key(n), n as u64)));
    map
}

/// Cycles a lookup, and that each key was found or none.
fn lookups(keys: &[Key], found: usize, mut burst: impl FnMut(&[Key]) -> (usize, u64)) -> f64 {
    let (mut there, mut sum) = (0, 0u64);
    let before = cycles();
    for keys in keys.chunks(BURST) {
        let (count, values) = burst(keys);
        there += count;
        sum = sum.wrapping_add(values);
    }
    let spent = cycles() - before;
    assert_eq!(there, found);
    black_box(sum);
    spent as f64 / keys.len() as f64
}

fn bench_lookups(bench: &Bench) {
    if !["hash_bulk_1M", "hash_bulk_absent_1M", "hash_bulk_used_1M", "hash_single_1M", "hashbrown_1M"]
        .iter()
        .any(|name| bench.wants(name))
    {
        return;
    }
    let there: Vec<Key> = (0..LOOKUPS).map(|n| key(pick(n, HELD))).collect();
    let absent: Vec<Key> = (0..LOOKUPS).map(|n| key(HELD + pick(n, HELD))).collect();
    let (mut table, arena) = filled(HELD);
    println!("# pages of {} bytes", arena.mapping().obtained().bytes());
    let get = |table: &Table, keys: &[Key]| {
        let (mut count, mut sum) = (0, 0u64);
        table.get_burst(keys, |_, value| {
            if let Some(value) = value {
                count += 1;
                sum = sum.wrapping_add(*value);
            }
        });
        (count, sum)
    };
    bench.report("hash_bulk_1M", "cycles", || lookups(&there, LOOKUPS, |keys| get(&table, keys)));
    bench.report("hash_bulk_absent_1M", "cycles", || lookups(&absent, 0, |keys| get(&table, keys)));
    let mut now_ns = 1;
    bench.report("hash_bulk_used_1M", "cycles", || {
        lookups(&there, LOOKUPS, |keys| {
            let (mut count, mut sum) = (0, 0u64);
            now_ns += 1;
            table.get_mut_burst(now_ns, keys, |_, value| {
                if let Some(value) = value {
                    count += 1;
                    sum = sum.wrapping_add(*value);
                }
            });
            (count, sum)
        })
    });
    bench.report("hash_single_1M", "cycles", || {
        lookups(&there, LOOKUPS, |keys| (keys.len(), keys.iter().filter_map(|key| table.get(key)).sum()))
    });
    drop((table, arena));
    let map = map(HELD, HELD);
    bench.report("hashbrown_1M", "cycles", || {
        lookups(&there, LOOKUPS, |keys| (keys.len(), keys.iter().filter_map(|key| map.get(key)).sum()))
    });
}

/// The shortest time of each operation over several passes that do exactly the same.
struct Times(Vec<u32>);

impl Times {
    fn note(&mut self, at: usize, spent: u64) {
        self.0[at] = self.0[at].min(spent.min(u64::from(u32::MAX)) as u32);
    }

    fn longest(&self) -> u64 {
        self.0.iter().copied().max().unwrap_or(0).into()
    }

    fn mean(&self) -> f64 {
        self.0.iter().map(|spent| f64::from(*spent)).sum::<f64>() / self.0.len() as f64
    }
}

/// Keys that go and keys that come, in turn: which go is in no order, and each goes once.
fn churn<T>(
    held: usize,
    passes: usize,
    make: impl Fn() -> T,
    remove: impl Fn(&mut T, &Key),
    insert: impl Fn(&mut T, &Key),
) -> Times {
    let mut present: Vec<usize> = (0..held).collect();
    let changes: Vec<(Key, Key)> = (0..PASS)
        .map(|n| {
            let at = pick(n, held);
            (key(std::mem::replace(&mut present[at], held + n)), key(held + n))
        })
        .collect();
    let mut times = Times(vec![u32::MAX; 2 * PASS]);
    for _ in 0..passes {
        let mut table = make();
        for (n, (old, new)) in changes.iter().enumerate() {
            let start = cycles();
            remove(&mut table, old);
            let middle = cycles();
            insert(&mut table, new);
            let end = cycles();
            times.note(2 * n, middle - start);
            times.note(2 * n + 1, end - middle);
        }
    }
    times
}

fn bench_churn(bench: &Bench) {
    let (passes, rate) = (bench.pick(7, 4), Rate::measure(20_000_000));
    let report = |name: &str, run: &dyn Fn() -> Times| {
        let longest = format!("{name}_longest_1M");
        if bench.wants(&longest) {
            let times = run();
            println!("{name}_1M {:.2} cycles", times.mean());
            println!("{longest} {} ns", rate.ns(times.longest()));
        }
    };
    report("hash_churn", &|| {
        churn(
            CHURNED,
            passes,
            || filled(CHURNED),
            |(table, _), key| assert!(table.remove(key).is_some()),
            |(table, _), key| assert!(table.insert(1, key, 1).is_some()),
        )
    });
    report("hash_get_evict", &|| {
        let full = || {
            let (mut table, arena) = table(CAPACITY, Eviction::LongestIdle);
            (0..CAPACITY).for_each(|n| assert!(table.insert(n as u64 * 1000, &key(n), 1).is_some()));
            (table, arena)
        };
        let now_ns = CAPACITY as u64 * 1000;
        // Nobody is removed: each that comes evicts one. The other half of the operations are lookups.
        churn(
            1,
            passes,
            full,
            |(table, _), key| {
                black_box(table.get(key));
            },
            |(table, _), key| {
                let mut other = *key;
                other[0] ^= 1;
                assert!(table.insert(now_ns, &other, 1).is_some_and(|placed| placed.evicted.is_some()));
            },
        )
    });
    let capacity = Map::with_capacity_and_hasher(CAPACITY / 8 * 7, FixedState::default()).capacity();
    let held = capacity / 10 * 9;
    report("hashbrown_churn", &|| {
        churn(
            held,
            passes,
            || map(capacity, held),
            |map, key| assert!(map.remove(key).is_some()),
            |map, key| assert!(map.insert(*key, 1).is_none()),
        )
    });
    let nothing = |(): &mut (), key: &Key| {
        black_box(key);
    };
    report("nothing_churn", &|| churn(1, passes, || (), nothing, nothing));
}

fn main() {
    let bench = Bench::from_args();
    let cpus = allowed_cpus().expect("sched_getaffinity");
    pin_current_thread(*cpus.last().expect("a CPU")).expect("pin");
    bench_lookups(&bench);
    bench_churn(&bench);
}
