//! What looking up a route costs in a full table: 900,000 IPv4 prefixes, 200,000 IPv6 prefixes, addresses at random and
//! addresses out of the prefixes; what an update costs, and how much memory a prefix takes.
//!
//! `cargo bench --bench routes [-- [--quick] [WORD...]]` prints `name value unit` lines, medians; cycles are those of the
//! time-stamp counter. The peers are DPDK's rte_lpm and rte_lpm6, with the same prefixes and addresses in the same turn
//! (`scripts/compare.sh routes`): MNVKD_ROUTES_DIR=DIR writes them there, with the next hops that were found.

mod full_table;
mod measure;

use std::fs;
use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use ffi::affinity::{allowed_cpus, pin_current_thread};
use ffi::cycles::cycles;
use full_table::{Random, Version, drawn, prefixes};
use hugepages::{Arena, PagePolicy};
use measure::{Bench, Stretches};
use mnvkd::state::routes::{Address, BURST, NextHop, Prefix, Routes, bytes_for, rules_for, words_for};

const LOOKUPS: usize = 1 << 20;
const UPDATES: usize = 100_000;
const HOPS: usize = 256;

/// What is told of each version of IP.
const FIGURES: &[&str] = &[
    "insert",
    "tree_bytes_per_prefix",
    "bytes_per_prefix",
    "bulk_random",
    "bulk_drawn",
    "single_random",
    "single_drawn",
    "update",
    "update_longest",
    "update_of_1_bit",
];

struct Full<A: Address> {
    name: &'static str,
    routes: Routes<A>,
    prefixes: Vec<(Prefix<A>, NextHop)>,
    random: Random,
    _arena: Arena,
}

fn full<A: Version>(name: &'static str, count: usize, units: usize, bench: &Bench) -> Full<A> {
    let mut random = Random(1);
    let all = prefixes::<A>(count, &mut random);
    let all: Vec<_> = all
        .into_iter()
        .map(|prefix| (prefix, NextHop::new(random.below(HOPS) as u16).expect("small")))
        .collect();
    let mut arena =
        Arena::reserve(bytes_for::<A>(count + 1, units), &PagePolicy::Prefer(None), None).expect("memory");
    let words = arena.carve("words", words_for(units)).expect("words");
    let rules = arena.carve("rules", rules_for(count + 1)).expect("rules");
    let mut routes = Routes::new(words, rules, count + 1, 1);
    let before = cycles();
    for (prefix, hop) in &all {
        routes.insert(*prefix, *hop).unwrap_or_else(|full| panic!("{name}: {full}"));
    }
    let spent = cycles() - before;
    let figure = |what: &str, value: f64, unit: &str| bench.report(&format!("{name}_{what}"), unit, || value);
    figure("insert", spent as f64 / count as f64, "cycles");
    let units = routes.occupancy().units;
    figure("tree_bytes_per_prefix", (words_for(units) * 8) as f64 / count as f64, "bytes");
    figure("bytes_per_prefix", bytes_for::<A>(count, units) as f64 / count as f64, "bytes");
    Full { name, routes, prefixes: all, random, _arena: arena }
}

/// Takes prefixes out and puts them in again: the mean, and the longest single one.
fn updates<A: Version>(full: &mut Full<A>) -> (f64, f64) {
    let which: Vec<_> = (0..UPDATES).map(|_| full.prefixes[full.random.below(full.prefixes.len())]).collect();
    let (mut all, mut longest) = (0, 0);
    for (prefix, hop) in which {
        let before = cycles();
        full.routes.remove(prefix).expect("there");
        let between = cycles();
        full.routes.insert(prefix, hop).expect("room");
        let after = cycles();
        all += after - before;
        longest = longest.max(between - before).max(after - between);
    }
    (all as f64 / (2 * UPDATES) as f64, longest as f64)
}

/// The dearest update there is: a prefix of one bit, half the root.
fn shortest<A: Version>(full: &mut Full<A>) -> f64 {
    let half = Prefix::of(A::given(&mut full.random), 1);
    let hop = NextHop::new(1).expect("small");
    let before = cycles();
    full.routes.insert(half, hop).expect("room");
    let spent = cycles() - before;
    full.routes.remove(half);
    spent as f64
}

/// Cycles a lookup in the median stretch: the machine is shared.
fn bulk<A: Version>(full: &Full<A>, addresses: &[A]) -> f64 {
    let mut hops = [None; BURST];
    let mut stretches = Stretches::start();
    for burst in addresses.chunks(BURST) {
        full.routes.lookup_burst(burst, &mut hops[..burst.len()]);
        black_box(&hops);
        stretches.add(burst.len());
    }
    stretches.median()
}

fn single<A: Version>(full: &Full<A>, addresses: &[A]) -> f64 {
    let mut stretches = Stretches::start();
    for burst in addresses.chunks(BURST) {
        for address in burst {
            black_box(full.routes.lookup(*address));
        }
        stretches.add(burst.len());
    }
    stretches.median()
}

/// For the peer: prefixes as octets, length, next hop; addresses as octets; next hops in four bytes, all ones for none.
fn write<A: Version>(full: &Full<A>, addresses: &[(&str, Vec<A>)]) {
    let Some(dir) = std::env::var_os("MNVKD_ROUTES_DIR").map(PathBuf::from) else { return };
    let put = |what: String, bytes: Vec<u8>| {
        fs::write(dir.join(what), bytes).expect("MNVKD_ROUTES_DIR can be written")
    };
    let mut bytes = Vec::new();
    for (prefix, hop) in &full.prefixes {
        bytes.extend_from_slice(prefix.address().octets().as_ref());
        bytes.push(prefix.len());
        bytes.extend_from_slice(&u32::from(hop.number()).to_ne_bytes());
    }
    put(format!("{}_prefixes", full.name), bytes);
    for (which, addresses) in addresses {
        let octets = addresses.iter().flat_map(|address| address.octets().as_ref().to_vec()).collect();
        put(format!("{}_{which}", full.name), octets);
        let hop = |address: &A| full.routes.lookup(*address).map_or(u32::MAX, |hop| hop.number().into());
        put(
            format!("{}_{which}_hops", full.name),
            addresses.iter().flat_map(|a| hop(a).to_ne_bytes()).collect(),
        );
    }
}

fn measure<A: Version>(bench: &Bench, name: &'static str, count: usize, units: usize) {
    if !FIGURES.iter().any(|figure| bench.wants(&format!("{name}_{figure}"))) {
        return;
    }
    let mut full = full::<A>(name, count, units, bench);
    let any: Vec<A> = (0..LOOKUPS).map(|_| A::any(&mut full.random)).collect();
    let out_of: Vec<Prefix<A>> = full.prefixes.iter().map(|(prefix, _)| *prefix).collect();
    let drawn: Vec<A> = (0..LOOKUPS).map(|_| drawn(&out_of, &mut full.random)).collect();
    let both = [("random", any), ("drawn", drawn)];
    for (which, addresses) in &both {
        bench.report(&format!("{name}_bulk_{which}"), "cycles", || bulk(&full, addresses));
        bench.report(&format!("{name}_single_{which}"), "cycles", || single(&full, addresses));
    }
    write(&full, &both);
    bench.report(&format!("{name}_update"), "cycles", || updates(&mut full).0);
    bench.report(&format!("{name}_update_longest"), "cycles", || updates(&mut full).1);
    bench.report(&format!("{name}_update_of_1_bit"), "cycles", || shortest(&mut full));
}

fn main() {
    let bench = Bench::from_args();
    let cpus = allowed_cpus().expect("sched_getaffinity");
    pin_current_thread(*cpus.last().expect("a CPU")).expect("pin");
    measure::<Ipv4Addr>(&bench, "ipv4", 900_000, 2_000_000);
    measure::<Ipv6Addr>(&bench, "ipv6", 200_000, 2_000_000);
}
