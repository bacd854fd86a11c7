//! Routes
use std::marker::PhantomData;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::DerefMut;

use hugepages::{Carved, arena};

mod blocks;
mod entry;
mod lookup;
mod node;
mod prefix;
mod rules;
#[cfg(test)]
mod tests;
mod update;

pub use blocks::Line;
use blocks::{Blocks, ROOT_LINES};
pub use entry::NextHop;
pub use prefix::{Address, Prefix, PrefixError};
pub use rules::Rule;
use rules::Rules;

/// Addresses that [`Routes::lookup_burst`] looks up in step.
pub const BURST: usize = 64;

/// The most lines a table can be made of.
pub const MOST_LINES: usize = 1 << 28;

/// Bits and octets of an address that the root decides by.
const ROOT_BITS: u8 = 16;
const ROOT_OCTETS: usize = 2;
/// Nodes between the root and the last octet of an IPv6 address.
const MOST_NODES: usize = 14;

/// Routes to IPv4 prefixes.
pub type Ipv4Routes<L = Carved<Line>, R = Carved<Rule<[u8; 4]>>> = Routes<Ipv4Addr, L, R>;
/// Routes to IPv6 prefixes.
pub type Ipv6Routes<L = Carved<Line>, R = Carved<Rule<[u8; 16]>>> = Routes<Ipv6Addr, L, R>;

/// Prefixes and their next hops, as many as there is room for and no more.
#[derive(Debug)]
pub struct Routes<A: Address, L = Carved<Line>, R = Carved<Rule<<A as Address>::Octets>>> {
    blocks: Blocks<L>,
    rules: Rules<R>,
    /// The next hop of the prefix of length 0, as it is stored.
    default: u32,
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
    /// No block of lines is free that is large enough.
    #[error(
        "routes full: no free block is large enough, {free} lines of {capacity} are free in smaller ones; give it more lines"
    )]
    Lines {
        /// Lines that are free.
        free: usize,
        /// Lines there are for nodes.
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
    /// Lines of 64 bytes that nodes take.
    pub lines: usize,
    /// Lines there are for nodes.
    pub lines_capacity: usize,
    /// How often a prefix was refused because it was full.
    pub refused_count: u64,
}

/// Lines of a table whose nodes take `node_lines`: the root's are more.
pub fn lines_for(node_lines: usize) -> usize {
    node_lines.saturating_add(ROOT_LINES)
}

/// Rules of a table for `prefixes` prefixes: a third more, so that they are found in a few steps.
pub fn rules_for(prefixes: usize) -> usize {
    rules::places_for(prefixes)
}

/// Bytes a table for `prefixes` prefixes, whose nodes take `node_lines` lines, takes from an arena.
pub fn bytes_for<A: Address>(prefixes: usize, node_lines: usize) -> usize {
    let lines = arena::carve_bytes::<Line>(lines_for(node_lines));
    lines.saturating_add(arena::carve_bytes::<Rule<A::Octets>>(rules_for(prefixes)))
}

impl<A, L, R> Routes<A, L, R>
where
    A: Address,
    L: DerefMut<Target = [Line]>,
    R: DerefMut<Target = [Rule<A::Octets>]>,
{
    /// No routes yet, and room for `prefixes` of them. `lines` and `rules` are zero. Who knows the seed can make prefixes that
    /// collide among the rules, which makes updates slow, never lookups.
    ///
    /// # Panics
    /// If there are fewer rules than [`rules_for`] says, fewer lines than the root takes or more than [`MOST_LINES`].
    pub fn new(lines: L, rules: R, prefixes: usize, seed: u64) -> Self {
        let range = lines_for(0)..=MOST_LINES;
        assert!(range.contains(&lines.len()), "{} lines: expected {range:?}", lines.len());
        let places = rules_for(prefixes);
        assert!(rules.len() >= places, "{} rules: {prefixes} prefixes need {places}", rules.len());
        Routes {
            blocks: Blocks::new(lines),
            rules: Rules::new(rules, prefixes, seed),
            default: 0,
            refused_count: 0,
            addresses: PhantomData,
        }
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
        let lines_capacity = self.blocks.capacity();
        Occupancy {
            prefixes: self.rules.len(),
            prefixes_capacity: self.rules.capacity(),
            lines: lines_capacity - self.blocks.free_lines(),
            lines_capacity,
            refused_count: self.refused_count,
        }
    }
}
