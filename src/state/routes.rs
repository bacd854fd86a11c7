//! Routes: the longest prefix that an address is in, of hundreds of thousands, for IPv4 and IPv6; fixed in size.
//!
//! ```text
//! address ─▶ its first 18 bits: a node of the root ─▶ six bits: a run ─▶ next hop
//!                                                                  └───▶ child, a node for the next six bits ─▶ ...
//! ```
//!
//! A tree of nodes with 64 slots, compressed as in Poptrie (Asai and Ohara, SIGCOMM 2015): a bit for each slot tells where runs of
//! slots begin that say the same, and a bit count finds the run. A run is two bytes, so that the tree of a full IPv4 table is
//! smaller than a core's share of the last-level cache, which is what its speed comes from: DIR-24-8 (Gupta, Lin, McKeown, INFOCOM
//! 1998; DPDK's rte_lpm) takes one access, to 64 MB. A node says only what its own prefixes say. What is shorter is said
//! above it, and an address takes the last that was said on its way: an update changes one node.
//!
//! For a burst of [`BURST`] addresses each step is taken for all of them before the next, so that their cache misses overlap.
//!
//! **Costs.** A lookup takes one node and one run for the first 24 bits of an address, and as much for every six more that there
//! are longer prefixes for: at most 3 nodes for IPv4 and 19 for IPv6. An update of a prefix longer than 18 bits rewrites its
//! node, 64 slots, and asks the rules at most 47 times; when nodes on its way come or go, these as well. One of up to 18 bits
//! changes the nodes of the root that it covers, each with its runs: 1,024 nodes for a prefix of 8 bits, 131,072 for one of 1
//! bit, which takes milliseconds. The default route is a value of its own: one store. Nothing is ever rebuilt.
//!
//! **Memory** is counted in units of 8 bytes, each with 4 bytes of notes, beside the root (4 MiB). A full table
//! of 900,000 IPv4 prefixes takes 536,000 of them, 12 bytes a prefix with the root and the notes, of which lookups touch 9; one of
//! 200,000 IPv6 prefixes takes 982,000, 80 bytes a prefix (`benches/routes.rs`; whatever the next hops are). The rules, which only
//! updates ask, take 11 bytes a prefix and 27.
//! A prefix alone in its part of the address space takes at most 3 units for every six bits behind its first 24, and 4.
//!
//! **Full.** A prefix is refused, counted, and nothing changes, when the table has as many as it was made for or too few units are
//! free. Another next hop for a prefix that is there, and removal, are never refused: the runs are those that its prefixes ask
//! for even where neighbours have the same next hop, so that neither needs room.

use std::marker::PhantomData;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::DerefMut;

use hugepages::{Carved, arena};

mod chunk;
mod entry;
mod insert;
mod lookup;
mod node;
mod pool;
mod prefix;
mod remove;
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

const _: () = assert!(cfg!(target_endian = "little"), "runs and notes are found in words by their bytes");

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
