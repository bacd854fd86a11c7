//! What an application found out, and how the cores' findings become one.

use std::collections::BTreeMap;

use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

/// What an application found out on one core.
///
/// `merge` must not mind the order it is called in, nor how packets were spread over cores: the
/// reduced result of 1 to N cores is the same.
pub trait Tally: Default + Serialize + Send + 'static {
    /// Takes in what another core found out.
    fn merge(&mut self, other: Self);

    /// Feeds all that was found out to the hash behind `digest.tally`. By default that is the JSON
    /// of the tally; a tally that leaves rows out of its JSON (a flow table) feeds them here.
    fn digest(&self, hasher: &mut TallyHasher) {
        hasher.json(self);
    }
}

impl Tally for () {
    fn merge(&mut self, (): ()) {}
}

/// A count: cores' counts add up.
impl Tally for u64 {
    fn merge(&mut self, other: u64) {
        *self += other;
    }
}

/// Counts by name (or any other key): counts of one key add up.
impl<K: Ord + Serialize + Send + 'static> Tally for BTreeMap<K, u64> {
    fn merge(&mut self, other: Self) {
        for (key, count) in other {
            *self.entry(key).or_default() += count;
        }
    }
}

/// The hash behind `digest.tally`: XXH3, 128 bits.
pub struct TallyHasher {
    hasher: Xxh3,
}

impl Default for TallyHasher {
    fn default() -> Self {
        TallyHasher { hasher: Xxh3::new() }
    }
}

impl TallyHasher {
    /// Takes in bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Takes in a value, as compact JSON.
    pub fn json(&mut self, value: &impl Serialize) {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.bytes(&bytes),
            Err(error) => self.bytes(error.to_string().as_bytes()),
        }
    }

    /// The digest so far, 32 hexadecimal digits.
    pub fn finish(&self) -> String {
        format!("{:032x}", self.hasher.digest128())
    }
}
