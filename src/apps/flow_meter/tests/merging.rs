//! The order of merging, and how packets were spread, do not matter.

use proptest::prelude::*;

use super::super::{Config, FlowTally};
use super::rig::{Sample, metered, udp};
use crate::reduce::{Tally, TallyHasher};

pub fn digest(tally: &FlowTally) -> String {
    let mut hasher = TallyHasher::default();
    tally.digest(&mut hasher);
    hasher.finish()
}

fn merged(tallies: impl IntoIterator<Item = FlowTally>) -> FlowTally {
    tallies.into_iter().fold(FlowTally::default(), |mut all, tally| {
        all.merge(tally);
        all
    })
}

fn sample() -> impl Strategy<Value = Sample> {
    (1u16..12, 1u16..12, 42u8..120, 0u64..1000)
        .prop_map(|(from, to, len, time_ns)| Sample { time_ns, ..udp(from, to, len) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each packet goes to any of three cores, whatever its flow: the same flow on several cores adds up.
    #[test]
    fn any_spread_in_any_order_is_the_same(
        samples in proptest::collection::vec((sample(), 0usize..3), 0..150),
    ) {
        let config = Config { capacity: 256, ..Config::default() };
        let of = |core: usize| {
            let here = samples.iter().filter(|(_, at)| *at == core).map(|(sample, _)| sample);
            metered(here, &config, 1)
        };
        let parts = [of(0), of(1), of(2)];
        let whole = metered(samples.iter().map(|(sample, _)| sample), &config, 1);
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
            let all = merged(order.map(|part| parts[part].clone()));
            prop_assert_eq!(&all, &whole);
            prop_assert_eq!(digest(&all), digest(&whole));
        }
        let [a, b, c] = parts;
        prop_assert_eq!(merged([a, merged([b, c])]), whole);
    }
}

#[test]
fn the_digest_covers_what_the_report_leaves_out() {
    let config = Config { capacity: 16, ..Config::default() };
    let early = metered(&[Sample { time_ns: 1, ..udp(1, 2, 60) }], &config, 1);
    let late = metered(&[Sample { time_ns: 2, ..udp(1, 2, 60) }], &config, 1);
    assert_eq!(early.summary(), late.summary());
    assert_ne!(digest(&early), digest(&late));
}
