//! What an application's state is keyed by, and which steering serves all of a pipeline's
//! applications.
//!
//! Steering must be a function of every application's key: two packets that share state have to
//! reach the same core. It must also be symmetric, because both directions of a conversation are
//! one flow.

use std::fmt;

use thiserror::Error;

/// What an application's state is keyed by; also what a packet is steered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum PartitionKey {
    /// No state that outlives a packet: any core will do.
    #[default]
    None,
    /// The conversation: addresses, ports and protocol, both directions alike. Fragments and
    /// packets without ports have only their address pair.
    FiveTuple,
    /// The two addresses, both directions alike.
    AddressPair,
    /// The source address.
    Source,
    /// The destination address.
    Destination,
    /// One state for everything: one core.
    Everything,
}

impl PartitionKey {
    /// Every key, in order of declaration.
    pub const ALL: [PartitionKey; 6] = [
        PartitionKey::None,
        PartitionKey::FiveTuple,
        PartitionKey::AddressPair,
        PartitionKey::Source,
        PartitionKey::Destination,
        PartitionKey::Everything,
    ];

    /// The name configuration and reports use, kebab-case.
    pub const fn name(self) -> &'static str {
        match self {
            PartitionKey::None => "none",
            PartitionKey::FiveTuple => "five-tuple",
            PartitionKey::AddressPair => "address-pair",
            PartitionKey::Source => "source",
            PartitionKey::Destination => "destination",
            PartitionKey::Everything => "everything",
        }
    }

    /// The key of this name, if there is one.
    pub fn from_name(name: &str) -> Option<PartitionKey> {
        PartitionKey::ALL.into_iter().find(|key| key.name() == name)
    }

    /// The finest steering that is a function of both keys, unless only the constant is.
    ///
    /// `Everything` is already the constant, so it goes with anything. An address pair is a
    /// function of the five-tuple. A source alone is not a function of an unordered pair, nor
    /// of a destination.
    pub const fn meet(self, other: PartitionKey) -> Option<PartitionKey> {
        use PartitionKey::{AddressPair, Destination, Everything, FiveTuple, None as Nothing, Source};
        match (self, other) {
            (Everything, _) | (_, Everything) => Some(Everything),
            (Nothing, key) | (key, Nothing) => Some(key),
            (FiveTuple, FiveTuple) => Some(FiveTuple),
            (FiveTuple | AddressPair, FiveTuple | AddressPair) => Some(AddressPair),
            (Source, Source) => Some(Source),
            (Destination, Destination) => Some(Destination),
            _ => None,
        }
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Two applications of one pipeline whose keys no steering over several cores can serve.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "applications `{first}` (keyed by {first_key}) and `{second}` (keyed by {second_key}) cannot share a \
     pipeline on several cores: {}; run the pipeline on one core, or split `{first}` and `{second}` into \
     two pipelines",
    reason(*first_key, *second_key)
)]
pub struct Conflict {
    /// Name of the application that comes first in the chain.
    pub first: String,
    /// Its key.
    pub first_key: PartitionKey,
    /// Name of the one that contradicts it.
    pub second: String,
    /// Its key.
    pub second_key: PartitionKey,
}

/// Why these two keys have no common steering.
fn reason(first: PartitionKey, second: PartitionKey) -> &'static str {
    use PartitionKey::{Destination, Source};
    match (first, second) {
        (Source, Destination) | (Destination, Source) => {
            "steered by source, packets to one destination spread over the cores, and steered by \
             destination those of one source do"
        }
        (Source, _) | (_, Source) => {
            "both directions of a conversation must reach one core, but they have different sources, so \
             steering by source parts them, and steering by conversation spreads one source over the cores"
        }
        _ => {
            "both directions of a conversation must reach one core, but they have different destinations, \
             so steering by destination parts them, and steering by conversation spreads one destination \
             over the cores"
        }
    }
}

/// The steering that serves every one of these applications (name and key, in chain order).
///
/// No applications, or none with state, give `None`.
///
/// # Errors
///
/// [`Conflict`] names the first two applications whose keys only one core can serve together.
/// With an `Everything` among them there is no conflict: one core it is.
pub fn derive(applications: &[(&str, PartitionKey)]) -> Result<PartitionKey, Conflict> {
    if applications.iter().any(|(_, key)| *key == PartitionKey::Everything) {
        return Ok(PartitionKey::Everything);
    }
    let mut steering = PartitionKey::None;
    for (index, &(name, key)) in applications.iter().enumerate() {
        steering = match steering.meet(key) {
            Some(common) => common,
            None => return Err(conflict(&applications[..index], name, key)),
        };
    }
    Ok(steering)
}

/// Names the first of `before` that `key` contradicts. There is one: what all of `before` have
/// in common contradicts it, and a common steering is as coarse as one of its keys.
fn conflict(before: &[(&str, PartitionKey)], name: &str, key: PartitionKey) -> Conflict {
    let (first, first_key) =
        before.iter().copied().find(|(_, other)| other.meet(key).is_none()).unwrap_or((name, key));
    Conflict { first: first.to_owned(), first_key, second: name.to_owned(), second_key: key }
}

#[cfg(test)]
mod tests {
    use super::PartitionKey::*;
    use super::*;

    #[test]
    fn names_round_trip() {
        for key in PartitionKey::ALL {
            assert_eq!(PartitionKey::from_name(key.name()), Some(key));
            assert_eq!(format!("{key:>12}").trim(), key.name());
        }
        assert_eq!(PartitionKey::from_name("Five-Tuple"), Option::None);
    }

    #[test]
    fn sound_combinations() {
        assert_eq!(derive(&[]), Ok(None));
        assert_eq!(derive(&[("a", None), ("b", FiveTuple)]), Ok(FiveTuple));
        assert_eq!(derive(&[("a", FiveTuple), ("b", AddressPair), ("c", FiveTuple)]), Ok(AddressPair));
        assert_eq!(derive(&[("a", Source), ("b", None), ("c", Source)]), Ok(Source));
        assert_eq!(derive(&[("a", Source), ("b", FiveTuple), ("c", Everything)]), Ok(Everything));
    }

    #[test]
    fn unsound_combinations_name_both() {
        let pairs = [
            (Source, FiveTuple),
            (Source, AddressPair),
            (Destination, FiveTuple),
            (Destination, AddressPair),
            (Source, Destination),
        ];
        for (one, two) in pairs {
            for (one, two) in [(one, two), (two, one)] {
                let conflict = derive(&[("idle", None), ("nat", one), ("count", two)]).unwrap_err();
                assert_eq!((conflict.first_key, conflict.second_key), (one, two));
                let text = conflict.to_string();
                for part in ["`nat`", "`count`", one.name(), two.name(), "one core", "two pipelines"] {
                    assert!(text.contains(part), "{part} is not in: {text}");
                }
            }
        }
    }

    /// The meet is a semilattice: the order of the applications decides nothing but the names.
    #[test]
    fn meet_is_symmetric_and_idempotent() {
        for a in PartitionKey::ALL {
            assert_eq!(a.meet(a), Some(a));
            for b in PartitionKey::ALL {
                assert_eq!(a.meet(b), b.meet(a));
            }
        }
    }
}
