use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use zerocopy::FromZeros;

use super::*;

type InVec<A> = Routes<A, Vec<Line>, Vec<Rule<<A as Address>::Octets>>>;

fn table<A: Address>(prefixes: usize, node_lines: usize) -> InVec<A> {
    let lines = vec![Line::new_zeroed(); lines_for(node_lines)];
    Routes::new(lines, vec![Rule::new_zeroed(); rules_for(prefixes)], prefixes, 1)
}

fn hop(number: u32) -> NextHop {
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
    Insert(Prefix<A>, u32),
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
            (prefix.clone(), 0u32..4).prop_map(|(prefix, hop)| Step::Insert(prefix, hop)),
            prefix.prop_map(Step::Remove),
        ];
        proptest::collection::vec(step, 0..120)
    })
}

/// Does the steps in a table and in the model; then asks both for the addresses, and for the ends of every prefix.
fn check<A: Address>(prefixes: usize, lines: usize, steps: &[Step<A>], mut addresses: Vec<A>) -> InVec<A> {
    let mut table = table::<A>(prefixes, lines);
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
    assert_eq!((table.occupancy().prefixes, table.occupancy().lines), (0, 0), "empty, all lines are free");
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
        check(64, 400, &steps, addresses);
    }

    #[test]
    fn ipv6_agrees_with_looking_at_every_prefix(
        steps in steps(address_v6(), prop_oneof![0u8..=128, 28u8..=50]),
        addresses in proptest::collection::vec(address_v6(), 0..150),
    ) {
        check(64, 2000, &steps, addresses);
    }

    #[test]
    fn a_table_that_is_too_small_refuses_and_loses_nothing(
        steps in steps(address_v4(), 0u8..=32),
        prefixes in 0usize..30,
        lines in 0usize..40,
    ) {
        check(prefixes, lines, &steps, Vec::new());
    }

    #[test]
    fn so_does_one_for_ipv6(
        steps in steps(address_v6(), 0u8..=128),
        prefixes in 0usize..30,
        lines in 0usize..80,
    ) {
        check(prefixes, lines, &steps, Vec::new());
    }
}
