//! Routes
use std::marker::PhantomData;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::DerefMut;

use hugepages::{Carved, arena};

mod entry;
mod lookup;
mod node;
mod pool;
mod prefix;
mod rules;
#[cfg(test)]
mod tests;
mod update;

pub use entry::NextHop;
use pool::{Pool, ROOT_WORDS};
pub use prefix::{Address, Prefix, PrefixError};
pub use rules::Rule;
use rules::Rules;

/// Addresses that [`Routes::lookup_burst`] looks up in step.
pub const BURST: usize = 64;

/// The most words a table's tree can be made of.
pub const MOST_WORDS: usize = 1 << 30;

/// Bits of an address that choose a node of the root, and bits that each node decides by.
const ROOT_BITS: u8 = 18;
const NODE_BITS: u8 = 6;
/// Nodes from the root to the last bit of an IPv6 address.
const MOST_LEVELS: usize = 19;

/// Routes to IPv4 prefixes.
pub type Ipv4Routes<W = Carved<u64>, R = Carved<Rule<[u8; 4]>>> = Routes<Ipv4Addr, W, R>;
/// Routes to IPv6 prefixes.
pub type Ipv6Routes<W = Carved<u64>, R = Carved<Rule<[u8; 16]>>> = Routes<Ipv6Addr, W, R>;

/// Prefixes and their next hops, as many as there is room for and no more.
#[derive(Debug)]
pub struct Routes<A: Address, W = Carved<u64>, R = Carved<Rule<<A as Address>::Octets>>> {
    pool: Pool<W>,
    rules: Rules<R>,
    /// The next hop of the prefix of length 0, as it is stored.
    default: u16,
    refused_count: u64,
    addresses: PhantomData<A>,
}

/// Why a prefix was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// As many prefixes as it was made for are in it.
    #[error(
        "routes full: {capacity} prefixes are in it, as many as it was made for; give it a larger capacity"
    )]
    Prefixes {
        /// Prefixes it was made for.
        capacity: usize,
    },
    /// There are not enough units free, or not in one piece.
    #[error(
        "routes full: {free} units of {capacity} are free, and not as many in one piece as it takes; give it more units"
    )]
    Units {
        /// Units that are free.
        free: usize,
        /// Units there are.
        capacity: usize,
    },
}

/// How full a table of routes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Prefixes in it.
    pub prefixes: usize,
    /// Prefixes it was made for.
    pub prefixes_capacity: usize,
    /// Units of 8 bytes (and 4 for notes) that are taken.
    pub units: usize,
    /// Units there are.
    pub units_capacity: usize,
    /// How often a prefix was refused because it was full.
    pub refused_count: u64,
}

/// Words of the tree of a table with so many units: the root's are more, and the notes'.
pub fn words_for(units: usize) -> usize {
    pool::words_for(units)
}

/// Rules of a table for `prefixes` prefixes: a third more, so that they are found in a few steps.
pub fn rules_for(prefixes: usize) -> usize {
    rules::places_for(prefixes)
}

/// Bytes a table for `prefixes` prefixes with so many units takes from an arena.
pub fn bytes_for<A: Address>(prefixes: usize, units: usize) -> usize {
    let words = arena::carve_bytes::<u64>(words_for(units));
    words.saturating_add(arena::carve_bytes::<Rule<A::Octets>>(rules_for(prefixes)))
}

impl<A, W, R> Routes<A, W, R>
where
    A: Address,
    W: DerefMut<Target = [u64]>,
    R: DerefMut<Target = [Rule<A::Octets>]>,
{
    /// No routes yet, and room for `prefixes` of them. The rules are zero; what the words hold does not matter. Who knows the seed
    /// can make prefixes that collide among the rules, which makes updates slow, never lookups.
    ///
    /// # Panics
    /// If there are fewer rules than [`rules_for`] says, fewer words than the root takes or more than [`MOST_WORDS`].
    pub fn new(words: W, rules: R, prefixes: usize, seed: u64) -> Self {
        let range = ROOT_WORDS..=MOST_WORDS;
        assert!(range.contains(&words.len()), "{} words: expected {range:?}", words.len());
        let places = rules_for(prefixes);
        assert!(rules.len() >= places, "{} rules: {prefixes} prefixes need {places}", rules.len());
        let mut pool = Pool::new(words);
        pool.clear_root();
        let rules = Rules::new(rules, prefixes, seed);
        Routes { pool, rules, default: 0, refused_count: 0, addresses: PhantomData }
    }

    /// The next hop of exactly this prefix.
    pub fn get(&self, prefix: Prefix<A>) -> Option<NextHop> {
        self.rules.get(prefix)
    }

    /// All prefixes and their next hops, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix<A>, NextHop)> {
        self.rules.iter()
    }

    /// How full it is.
    pub fn occupancy(&self) -> Occupancy {
        Occupancy {
            prefixes: self.rules.len(),
            prefixes_capacity: self.rules.capacity(),
            units: self.pool.capacity() - self.pool.free_units(),
            units_capacity: self.pool.capacity(),
            refused_count: self.refused_count,
        }
    }
}
