use std::collections::HashMap;

use proptest::prelude::*;
use zerocopy::FromZeros;

use super::*;

type Key = [u8; 16];
type InVec = FlowTable<Key, u64, Vec<Bucket>, Vec<Entry<Key, u64>>, Vec<Stamp>>;

const MS: u64 = 1_000_000;

fn table(capacity: usize, eviction: Eviction, seed: u64) -> InVec {
    let buckets = vec![Bucket::new_zeroed(); buckets_for(capacity)];
    let entries = vec![Entry { key: [0xee; 16], value: 77 }; capacity];
    FlowTable::new(buckets, entries, vec![Stamp::new_zeroed(); capacity], eviction, seed)
}

fn key(n: u32) -> Key {
    let mut key = [0; 16];
    key[5..9].copy_from_slice(&n.to_be_bytes());
    key
}

#[test]
fn holds_its_capacity_again_and_again_and_counts_what_is_beyond() {
    for (capacity, seed) in [(0, 9), (1, 0), (7, 1), (16, 2), (1000, 3), (65_536, 4)] {
        let mut table = table(capacity, Eviction::Refuse, seed);
        for round in 0..3u32 {
            let numbers = (0..capacity as u32).map(|n| n + round * 100_000);
            for n in numbers.clone() {
                let placed =
                    table.insert(0, &key(n), n.into()).unwrap_or_else(|| panic!("{n} of {capacity}"));
                assert!(placed.is_new && placed.evicted.is_none());
            }
            assert!(table.insert(0, &key(u32::MAX), 1).is_none());
            assert_eq!(table.iter().count(), capacity);
            assert!(numbers.clone().all(|n| table.get(&key(n)) == Some(&n.into())));
            assert!(numbers.clone().all(|n| table.remove(&key(n)) == Some(n.into())));
            assert!(table.is_empty() && table.iter().next().is_none());
        }
        let counts = Counts { len: 0, peak: capacity, refused: 3, evicted: 0, expired: 0 };
        assert_eq!((table.counts(), table.capacity()), (counts, capacity));
    }
}

#[test]
fn a_candidate_that_went_is_not_found_by_it() {
    let mut table = table(8, Eviction::Refuse, 0);
    table.insert(0, &key(1), 1);
    let hash = table.hash(&key(1));
    let candidate = table.candidate(hash);
    assert_eq!(table.get_at(hash, candidate, &key(1)), Some(&1));
    table.remove(&key(1));
    assert_eq!(table.get_at(hash, candidate, &key(1)), None);
    assert_eq!(table.get_mut_at(0, hash, candidate, &key(1)), None);
    // Its entry is another's now, and the key comes back elsewhere.
    table.insert(0, &key(2), 2);
    assert_eq!(table.get_at(hash, candidate, &key(1)), None);
    *table.entry_at(0, hash, candidate, &key(1), || 3).expect("room").value += 1;
    assert_eq!((table.get(&key(1)), table.get(&key(2))), (Some(&4), Some(&2)));
}

#[test]
fn those_unused_for_long_are_evicted_first() {
    let mut table = table(1000, Eviction::LongestIdle, 5);
    for n in 0..1000 {
        table.insert(u64::from(n) * 10 * MS, &key(n), n.into());
    }
    // The even ones are used again; the older half of the odd ones is what may go.
    for n in (0..1000).step_by(2) {
        assert!(table.get_mut(20_000 * MS, &key(n)).is_some());
    }
    let mut ranks = 0;
    for n in 0..100 {
        let evicted = table.insert(21_000 * MS, &key(5000 + n), 0).expect("always room").evicted;
        let (gone, value) = evicted.expect("it was full");
        assert_eq!(gone, key(value as u32));
        assert!(value % 2 == 1, "{value} was used just now");
        ranks += value;
    }
    // The oldest of sixteen, of which eight are odd, is at a ninth of them on average.
    assert!(ranks / 100 < 250, "on average number {}", ranks / 100);
    assert_eq!(table.counts(), Counts { len: 1000, peak: 1000, refused: 0, evicted: 100, expired: 0 });
}

#[test]
fn a_key_without_a_place_takes_that_of_a_rival() {
    let mut table = table(4096, Eviction::LongestIdle, 0);
    // All under one hash, as if the attacker knew the seed: so few are in, and each new one evicts the oldest.
    let hash = table.hash(&key(0));
    let places = PROBES * crate::state::bucket::PLACES;
    for n in 0..places as u32 {
        let placed = table.put_in(u64::from(n) * 10 * MS, hash, (key(n), n.into()));
        assert!(placed.is_some_and(|(_, evicted)| evicted.is_none()));
    }
    let (_, evicted) = table.put_in(10_000 * MS, hash, (key(9999), 9999)).expect("a rival's place");
    assert_eq!(evicted, Some((key(0), 0)));
    assert_eq!((table.len(), table.counts().evicted), (places, 1));
    assert!(matches!(table.crowded(hash), Some(Victim::Rival(_))));
}

#[test]
fn bytes_cover_what_is_carved_whatever_the_capacity() {
    assert_eq!(bytes_for::<Key, u64>(65_536), 16_384 * 64 + 65_536 * 24 + 65_536 * 4);
    assert_eq!(bytes_for::<Key, u64>(usize::MAX), usize::MAX);
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u32, u64),
    Entry(u32),
    Use(u32),
    Remove(u32),
    Burst(Vec<u32>),
    UseBurst(Vec<u32>),
    Expire(u64, usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0u32..80;
    let burst = proptest::collection::vec(0u32..80, 0..150);
    prop_oneof![
        4 => (number.clone(), any::<u64>()).prop_map(|(n, value)| Step::Insert(n, value)),
        4 => number.clone().prop_map(Step::Entry),
        2 => number.clone().prop_map(Step::Use),
        3 => number.prop_map(Step::Remove),
        1 => burst.clone().prop_map(Step::Burst),
        1 => burst.prop_map(Step::UseBurst),
        1 => (0..500 * MS, 0usize..60).prop_map(|(idle_ns, limit)| Step::Expire(idle_ns, limit)),
        2 => (0..200 * MS).prop_map(Step::Wait),
    ]
}

/// Value, and when it was used.
type Model = HashMap<u32, (u64, u64)>;

fn number(key: &Key) -> u32 {
    u32::from_be_bytes([key[5], key[6], key[7], key[8]])
}

/// Checks what became of a key that was put in, and does the same to the model.
fn put(
    model: &mut Model,
    n: u32,
    now: u64,
    value: u64,
    full: bool,
    evicts: bool,
    placed: Option<Placed<'_, Key, u64>>,
) {
    let known = model.contains_key(&n);
    let Some(placed) = placed else {
        assert!(full && !known && !evicts);
        return;
    };
    assert_eq!(placed.is_new, !known);
    assert_eq!(placed.evicted.is_some(), full && !known);
    if let Some((key, value)) = placed.evicted {
        assert_eq!(model.remove(&number(&key)).map(|(value, _)| value), Some(value));
    }
    *placed.value = value;
    model.insert(n, (value, now));
}

proptest! {
    #[test]
    fn agrees_with_a_map(
        steps in proptest::collection::vec(step(), 0..300),
        capacity in 1usize..70,
        evicts: bool,
        seed: u64,
    ) {
        let mut table = table(capacity, if evicts { Eviction::LongestIdle } else { Eviction::Refuse }, seed);
        let (mut model, mut now) = (Model::new(), 0);
        for step in steps {
            let full = model.len() == capacity;
            match step {
                Step::Insert(n, value) => {
                    put(&mut model, n, now, value, full, evicts, table.insert(now, &key(n), value));
                }
                Step::Entry(n) => {
                    let before = model.get(&n).map(|(value, _)| *value);
                    let placed = table.entry(now, &key(n), || u64::from(n) + 7);
                    let value = before.unwrap_or(u64::from(n) + 7);
                    prop_assert!(placed.as_ref().is_none_or(|placed| *placed.value == value));
                    put(&mut model, n, now, value, full, evicts, placed);
                }
                Step::Use(n) => {
                    let used = model.get_mut(&n).map(|(value, used)| {
                        *used = now;
                        *value
                    });
                    prop_assert_eq!(table.get_mut(now, &key(n)).copied(), used);
                }
                Step::Remove(n) => {
                    prop_assert_eq!(table.remove(&key(n)), model.remove(&n).map(|(value, _)| value));
                }
                Step::Burst(numbers) => {
                    let keys: Vec<Key> = numbers.iter().map(|n| key(*n)).collect();
                    let mut found = Vec::new();
                    table.get_burst(&keys, |at, value| found.push((at, value.copied())));
                    let wanted = numbers.iter().map(|n| model.get(n).map(|(value, _)| *value));
                    prop_assert_eq!(found, wanted.enumerate().collect::<Vec<_>>());
                }
                Step::UseBurst(numbers) => {
                    let keys: Vec<Key> = numbers.iter().map(|n| key(*n)).collect();
                    let mut found = Vec::new();
                    table.get_mut_burst(now, &keys, |at, value| {
                        found.push((at, value.map(|value| {
                            *value = value.wrapping_add(1);
                            *value
                        })));
                    });
                    let wanted = numbers.iter().enumerate().map(|(at, n)| (at, model.get_mut(n).map(|entry| {
                        *entry = (entry.0.wrapping_add(1), now);
                        entry.0
                    })));
                    prop_assert_eq!(found, wanted.collect::<Vec<_>>());
                }
                Step::Expire(idle_ns, limit) => {
                    let mut gone = Vec::new();
                    let expiry = table.expire(now, idle_ns, limit, |key, value| gone.push((number(key), *value)));
                    prop_assert!(expiry.seen <= limit && expiry.expired == gone.len());
                    for (n, value) in gone {
                        let (expected, used) = model.remove(&n).expect("it was there");
                        prop_assert!(expected == value && now - used >= idle_ns);
                    }
                    if limit >= capacity {
                        prop_assert!(model.values().all(|(_, used)| now - used < idle_ns + 2_200_000));
                    }
                }
                Step::Wait(ns) => now += ns,
            }
            prop_assert_eq!(table.len(), model.len());
        }
        let mut all: Vec<_> = table.iter().map(|(key, value)| (number(key), *value)).collect();
        let mut wanted: Vec<_> = model.iter().map(|(n, (value, _))| (*n, *value)).collect();
        all.sort_unstable();
        wanted.sort_unstable();
        prop_assert_eq!(all, wanted);
    }
}
