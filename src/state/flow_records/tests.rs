use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::prelude::*;

use super::*;

type InVec = FlowRecords<u64, Vec<Bucket>, Vec<Entry<u64>>>;

fn table(capacity: usize, seed: u64) -> InVec {
    let buckets = vec![Bucket::new_zeroed(); buckets_for(capacity)];
    FlowRecords::new(buckets, vec![Entry::new_zeroed(); capacity], seed)
}

/// The `n`th of many different keys.
fn key(n: u32) -> FlowKey {
    let (low, port) = (n & 0xffff, (n >> 16) as u16);
    let end = |host: u32, port: u16| match n % 3 {
        0 => SocketAddr::new(Ipv6Addr::from(0xfd00 << 112 | u128::from(host)).into(), port),
        _ => SocketAddr::new(Ipv4Addr::from(0x0a00_0000 | host).into(), port),
    };
    FlowKey::between(end(low, port), end(1 << 20, 443), 6).expect("one version").0
}

/// The three steps, as a burst takes them.
fn stepwise<'a>(table: &'a mut InVec, key: &FlowKey) -> Option<&'a mut u64> {
    let hash = table.hash(key);
    let candidate = table.candidate(hash);
    table.entry(hash, candidate, key)
}

#[test]
fn holds_its_capacity_and_counts_what_is_beyond() {
    for (capacity, seed) in [(1, 0), (7, 1), (16, 2), (1000, 3), (4096, 4), (65_536, 5)] {
        let mut table = table(capacity, seed);
        for n in 0..capacity as u32 {
            *table.lookup_or_insert(&key(n)).unwrap_or_else(|| panic!("{n} of {capacity}")) = n.into();
        }
        for n in 0..100 {
            assert!(table.lookup_or_insert(&key(capacity as u32 + n)).is_none());
            assert!(stepwise(&mut table, &key(capacity as u32 + n)).is_none());
        }
        assert_eq!((table.len(), table.full_count()), (capacity, 200));
        for n in 0..capacity as u32 {
            assert_eq!(stepwise(&mut table, &key(n)), Some(&mut n.into()));
        }
        assert!(table.iter().enumerate().all(|(n, (k, v))| *k == key(n as u32) && *v == n as u64));
    }
}

#[test]
fn a_table_for_nothing_holds_nothing() {
    let mut table = table(0, 0);
    assert!(table.is_empty() && stepwise(&mut table, &key(1)).is_none());
    assert_eq!((table.capacity(), table.full_count()), (0, 1));
}

#[test]
fn keys_that_all_collide_are_refused_after_few_probes() {
    let mut table = table(4096, 0);
    let hash = table.hash(&key(0));
    let fits = (0..4096).filter(|n| table.entry(hash, Candidate::NONE, &key(*n)).is_some()).count();
    assert_eq!(
        (fits, table.len()),
        (PROBES * crate::state::bucket::PLACES, PROBES * crate::state::bucket::PLACES)
    );
    // A tag that misleads: the candidate is another key's, and the search goes on past it.
    for n in 0..fits as u32 {
        let candidate = table.candidate(hash);
        *table.entry(hash, candidate, &key(n)).expect("there") += u64::from(n);
    }
    assert!(table.iter().enumerate().all(|(n, (_, value))| *value == n as u64));
}

#[test]
fn bytes_cover_both_slices_whatever_the_capacity() {
    assert_eq!(bytes_for::<[u64; 7]>(65_536), 16_384 * 64 + 65_536 * 96);
    assert_eq!(bytes_for::<u64>(usize::MAX), usize::MAX);
}

proptest! {
    #[test]
    fn agrees_with_a_map(
        keys in proptest::collection::vec(0u32..300, 0..600),
        capacity in 1usize..400,
        seed: u64,
        burst in 1usize..65,
    ) {
        let mut table = table(capacity, seed);
        let mut model: HashMap<u32, u64> = HashMap::new();
        let mut refused = 0;
        for burst in keys.chunks(burst) {
            let hashes: Vec<_> = burst.iter().map(|n| table.hash(&key(*n))).collect();
            let candidates: Vec<_> = hashes.iter().map(|hash| table.candidate(*hash)).collect();
            for ((n, hash), candidate) in burst.iter().zip(hashes).zip(candidates) {
                let known = model.contains_key(n) || model.len() < capacity;
                match table.entry(hash, candidate, &key(*n)) {
                    Some(value) => {
                        prop_assert!(known);
                        *value += 1;
                        *model.entry(*n).or_default() += 1;
                    }
                    None => {
                        prop_assert!(!known);
                        refused += 1;
                    }
                }
            }
        }
        prop_assert_eq!((table.len(), table.full_count()), (model.len(), refused));
        for n in 0..300 {
            if let Some(count) = model.get(&n) {
                prop_assert_eq!(table.lookup_or_insert(&key(n)).copied(), Some(*count));
            }
        }
    }
}
