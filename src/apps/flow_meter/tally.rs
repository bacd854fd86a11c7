//! What the flow meter found out, on one core or on all of them.

use std::cmp::Ordering;

use serde::{Serialize, Serializer};
use zerocopy::IntoBytes;

use super::counters::Counters;
use super::flow::Flow;
use super::summary::Summary;
use crate::packet::flow::FlowKey;
use crate::reduce::{Tally, TallyHasher};

/// Flows and counters. As JSON it is its [`Summary`]; the digest covers every flow as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowTally {
    counters: Counters,
    /// Sorted by key, each key once.
    flows: Vec<(FlowKey, Flow)>,
}

impl FlowTally {
    /// Flows in any order, each key once.
    pub(super) fn new(counters: Counters, mut flows: Vec<(FlowKey, Flow)>) -> FlowTally {
        flows.sort_unstable_by_key(|(key, _)| *key);
        FlowTally { counters, flows }
    }

    /// All flows, sorted by key.
    pub fn flows(&self) -> &[(FlowKey, Flow)] {
        &self.flows
    }

    /// What reports show.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.counters, &self.flows)
    }
}

impl Tally for FlowTally {
    fn merge(&mut self, other: FlowTally) {
        self.counters.merge(&other.counters);
        self.flows = match (self.flows.is_empty(), other.flows.is_empty()) {
            (true, _) => other.flows,
            (_, true) => return,
            _ => zip(&self.flows, &other.flows),
        };
    }

    fn digest(&self, hasher: &mut TallyHasher) {
        hasher.json(&self.summary());
        for (key, flow) in &self.flows {
            hasher.bytes(key.as_bytes());
            hasher.bytes(&flow.to_bytes());
        }
    }
}

impl Serialize for FlowTally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.summary().serialize(serializer)
    }
}

/// Two sorted lists as one; what was seen of the same flow in both is added up.
fn zip(mut a: &[(FlowKey, Flow)], mut b: &[(FlowKey, Flow)]) -> Vec<(FlowKey, Flow)> {
    let mut both = Vec::with_capacity(a.len() + b.len());
    while let (Some((x, more_a)), Some((y, more_b))) = (a.split_first(), b.split_first()) {
        let order = x.0.cmp(&y.0);
        let mut next = if order == Ordering::Greater { *y } else { *x };
        if order == Ordering::Equal {
            next.1.merge(&y.1);
        }
        a = if order == Ordering::Greater { a } else { more_a };
        b = if order == Ordering::Less { b } else { more_b };
        both.push(next);
    }
    both.extend_from_slice(a);
    both.extend_from_slice(b);
    both
}
