use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use zerocopy::FromZeros;

use super::*;

type InVec<A> = Routes<A, Vec<u64>, Vec<Rule<<A as Address>::Octets>>>;

fn table<A: Address>(prefixes: usize, units: usize) -> InVec<A> {
    // Whatever was there before.
    let words = vec![0x8181_8181_8181_8181; words_for(units)];
    Routes::new(words, vec![Rule::new_zeroed(); rules_for(prefixes)], prefixes, 1)
}

fn hop(number: u16) -> NextHop {
    NextHop::new(number).expect("small")
}

fn prefix<A: Address>(text: &str) -> Prefix<A> {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// What it is tested against: every prefix looked at, the longest taken.
#[derive(Default)]
struct Model<A>(BTreeMap<Prefix<A>, NextHop>);

impl<A: Address> Model<A> {
    fn lookup(&self, address: A) -> Option<NextHop> {
        let matching = self.0.iter().filter(|(prefix, _)| prefix.contains(address));
        matching.max_by_key(|(prefix, _)| prefix.len()).map(|(_, hop)| *hop)
    }
}

#[derive(Clone, Debug)]
enum Step<A> {
    Insert(Prefix<A>, u16),
    Remove(Prefix<A>),
}

/// Addresses that are near one another: few values for each octet, so that prefixes nest, touch and cover one another.
fn octets(len: usize) -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![Just(0u8), Just(10), Just(127), Just(128), Just(255), 8u8..13, any::<u8>()];
    proptest::collection::vec(octet, len)
}

fn address_v4() -> impl Strategy<Value = Ipv4Addr> {
    octets(4).prop_map(|octets| Ipv4Addr::from(<[u8; 4]>::try_from(octets).expect("four")))
}

fn address_v6() -> impl Strategy<Value = Ipv6Addr> {
    octets(16).prop_map(|octets| Ipv6Addr::from(<[u8; 16]>::try_from(octets).expect("sixteen")))
}

fn steps<A: Address>(
    address: impl Strategy<Value = A>,
    len: impl Strategy<Value = u8>,
) -> impl Strategy<Value = Vec<Step<A>>> {
    let prefix = (address, len).prop_map(|(address, len)| Prefix::of(address, len));
    // Few prefixes, often: those that are there are replaced and removed.
    proptest::collection::vec(prefix, 1..40).prop_flat_map(|prefixes| {
        let prefix = proptest::sample::select(prefixes);
        let step = prop_oneof![
            (prefix.clone(), 0u16..4).prop_map(|(prefix, hop)| Step::Insert(prefix, hop)),
            prefix.prop_map(Step::Remove),
        ];
        proptest::collection::vec(step, 0..120)
    })
}

/// Does the steps in a table and in the model; then asks both for the addresses, and for the ends of every prefix.
fn check<A: Address>(prefixes: usize, units: usize, steps: &[Step<A>], mut addresses: Vec<A>) -> InVec<A> {
    let mut table = table::<A>(prefixes, units);
    let mut model = Model(BTreeMap::new());
    let mut refused = 0;
    for step in steps {
        match *step {
            Step::Insert(prefix, number) => match table.insert(prefix, hop(number)) {
                Ok(before) => assert_eq!(before, model.0.insert(prefix, hop(number)), "{prefix}"),
                Err(full) => {
                    refused += 1;
                    assert!(!model.0.contains_key(&prefix), "{prefix} is there and was refused");
                    let is_full = model.0.len() == prefixes;
                    assert_eq!(full == Full::Prefixes { capacity: prefixes }, is_full, "{full}");
                }
            },
            Step::Remove(prefix) => assert_eq!(table.remove(prefix), model.0.remove(&prefix), "{prefix}"),
        }
        let (Step::Insert(prefix, _) | Step::Remove(prefix)) = *step;
        addresses.extend(ends(prefix));
    }
    let mut hops = vec![Some(hop(99)); addresses.len()];
    table.lookup_burst(&addresses, &mut hops);
    for (address, burst) in addresses.iter().zip(hops) {
        assert_eq!((*address, table.lookup(*address)), (*address, model.lookup(*address)));
        assert_eq!((*address, burst), (*address, model.lookup(*address)));
    }
    let all: BTreeMap<_, _> = table.iter().collect();
    assert_eq!(all, model.0);
    let occupancy = table.occupancy();
    assert_eq!((occupancy.prefixes, occupancy.refused_count), (model.0.len(), refused));
    for prefix in all.keys() {
        assert_eq!(table.remove(*prefix), Some(all[prefix]));
    }
    assert_eq!((table.occupancy().prefixes, table.occupancy().units), (0, 0), "empty, all units are free");
    assert!(addresses.iter().all(|address| table.lookup(*address).is_none()));
    table
}

/// The first and the last address of a prefix, and those beside it.
fn ends<A: Address>(prefix: Prefix<A>) -> Vec<A> {
    let first = prefix.address();
    let mut last = first.octets();
    for (nth, octet) in last.as_mut().iter_mut().enumerate() {
        let kept = prefix.len().saturating_sub(nth as u8 * 8).min(8);
        *octet |= !(0xff00u16 >> kept) as u8;
    }
    let beside = |mut octets: A::Octets, by: u8| {
        // Behind the last or before the first, as a number of many digits.
        for octet in octets.as_mut().iter_mut().rev() {
            let before = *octet;
            *octet = octet.wrapping_add(by);
            if (by == 1) != (before == 255) && (by == 255) != (before == 0) {
                break;
            }
        }
        A::from_octets(octets)
    };
    vec![first, A::from_octets(last), beside(first.octets(), 255), beside(last, 1)]
}

proptest! {
    #[test]
    fn ipv4_agrees_with_looking_at_every_prefix(
        steps in steps(address_v4(), prop_oneof![0u8..=32, 16u8..=25]),
        addresses in proptest::collection::vec(address_v4(), 0..150),
    ) {
        check(64, 1000, &steps, addresses);
    }

    #[test]
    fn ipv6_agrees_with_looking_at_every_prefix(
        steps in steps(address_v6(), prop_oneof![0u8..=128, 28u8..=50]),
        addresses in proptest::collection::vec(address_v6(), 0..150),
    ) {
        check(64, 6000, &steps, addresses);
    }

    #[test]
    fn a_table_that_is_too_small_refuses_and_loses_nothing(
        steps in steps(address_v4(), 0u8..=32),
        prefixes in 0usize..30,
        units in 0usize..2000,
    ) {
        check(prefixes, units, &steps, Vec::new());
    }

    #[test]
    fn so_does_one_for_ipv6(
        steps in steps(address_v6(), 0u8..=128),
        prefixes in 0usize..30,
        units in 0usize..3000,
    ) {
        check(prefixes, units, &steps, Vec::new());
    }
}

#[test]
fn prefixes_from_the_default_route_to_single_addresses() {
    let mut table = table::<Ipv4Addr>(10, 1000);
    for (number, text) in
        ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/23", "10.1.2.0/24", "10.1.2.3/32"]
            .into_iter()
            .enumerate()
    {
        assert_eq!(table.insert(prefix(text), hop(number as u16)), Ok(None), "{text}");
    }
    let found = |table: &InVec<Ipv4Addr>, text: &str| {
        table.lookup(text.parse().expect("an address")).map(NextHop::number)
    };
    let addresses = ["192.0.2.1", "10.200.0.1", "10.1.200.1", "10.1.3.1", "10.1.2.4", "10.1.2.3"];
    for (number, address) in addresses.into_iter().enumerate() {
        assert_eq!(found(&table, address), Some(number as u16), "{address}");
    }
    // A shorter prefix that goes uncovers a still shorter one, and not the longer ones.
    assert_eq!(table.remove(prefix("10.1.0.0/16")), Some(hop(2)));
    assert_eq!((found(&table, "10.1.200.1"), found(&table, "10.1.2.3")), (Some(1), Some(5)));
    assert_eq!(table.insert(prefix("0.0.0.0/0"), hop(9)), Ok(Some(hop(0))));
    assert_eq!((found(&table, "192.0.2.1"), table.get(prefix("10.1.0.0/16"))), (Some(9), None));
    assert_eq!(table.remove(prefix("0.0.0.0/0")), Some(hop(9)));
    assert_eq!((found(&table, "192.0.2.1"), table.remove(prefix("0.0.0.0/0"))), (None, None));
}

#[test]
fn updates_for_long_leave_room_for_the_same_prefixes() {
    let mut table = table::<Ipv6Addr>(3000, 40_000);
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let all: Vec<Prefix<Ipv6Addr>> = (0..3000)
        .map(|_| {
            let bits =
                0x2001_0db8u128 << 96 | u128::from(random()) << 70 | u128::from(random() & 0xfff) << 64;
            Prefix::of(Ipv6Addr::from_bits(bits), 40 + (random() % 20) as u8)
        })
        .collect();
    for prefix in &all {
        table.insert(*prefix, hop(1)).unwrap_or_else(|full| panic!("{full}"));
    }
    let before = table.occupancy();
    for _ in 0..30_000 {
        let which = all[random() as usize % all.len()];
        table.remove(which);
        table.insert(which, hop((random() % 7) as u16)).unwrap_or_else(|full| panic!("{full}"));
    }
    let after = table.occupancy();
    assert_eq!((after.prefixes, after.refused_count), (before.prefixes, 0));
    assert!(after.units <= before.units * 5 / 4, "{} units, then {}", before.units, after.units);
}

#[test]
fn a_burst_of_any_length_is_looked_up() {
    let mut table = table::<Ipv4Addr>(10, 1000);
    table.insert(prefix("10.0.0.0/8"), hop(1)).expect("room");
    table.insert(prefix("10.0.0.128/25"), hop(2)).expect("room");
    let addresses: Vec<Ipv4Addr> = (0..200u32).map(|n| Ipv4Addr::from(10 << 24 | n)).collect();
    for len in [0, 1, 63, 64, 65, 200] {
        let mut hops = vec![None; len];
        table.lookup_burst(&addresses[..len], &mut hops);
        let right = |(n, found): (usize, &Option<NextHop>)| *found == Some(hop(if n < 128 { 1 } else { 2 }));
        assert!(hops.iter().enumerate().all(right), "{len}");
    }
}

#[test]
fn bytes_cover_the_tree_and_the_rules() {
    // The root, a chunk with its notes, and five rules of 8 bytes in whole cache lines.
    assert_eq!(bytes_for::<Ipv4Addr>(2, 200), (4 << 20) + 256 * 12 + 64);
    assert_eq!(bytes_for::<Ipv6Addr>(usize::MAX, usize::MAX), usize::MAX);
}
