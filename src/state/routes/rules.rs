//! The prefixes that were put in, each with its next hop: what the tree is made of, and what it is asked when one goes.
//!
//! A hash table with open addressing and linear probing (Knuth, volume 3, 6.4), never more than three quarters full; what goes
//! leaves no tombstone, its place is filled by moving others up (algorithm R there). Lookups of addresses never come here.

use std::ops::DerefMut;

use xxhash_rust::xxh3::xxh3_64_with_seed;
use zerocopy::FromZeros;

use super::entry::NextHop;
use super::prefix::{Address, Prefix};

/// A place for a prefix and its next hop: 8 bytes for IPv4, 20 for IPv6. All zeros is a free one.
#[derive(Clone, Copy, Debug, FromZeros)]
#[repr(C)]
pub struct Rule<O> {
    octets: O,
    /// As a next hop is stored; 0 when the place is free.
    hop: u16,
    len: u8,
    _pad: u8,
}

/// Places for `prefixes` of them: at least one stays free, so that every search ends.
pub(super) fn places_for(prefixes: usize) -> usize {
    prefixes.saturating_add(prefixes / 3).saturating_add(2)
}

/// The prefixes, by prefix.
#[derive(Debug)]
pub(super) struct Rules<R> {
    places: R,
    capacity: usize,
    len: usize,
    seed: u64,
}

impl<O, R> Rules<R>
where
    O: Copy + Eq + AsRef<[u8]> + 'static,
    R: DerefMut<Target = [Rule<O>]>,
{
    /// None yet. The places are zero.
    pub(super) fn new(places: R, capacity: usize, seed: u64) -> Self {
        Rules { places, capacity, len: 0, seed }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_full(&self) -> bool {
        self.len >= self.capacity
    }

    pub(super) fn get<A: Address<Octets = O>>(&self, prefix: Prefix<A>) -> Option<NextHop> {
        let at = self.find(prefix.address().octets(), prefix.len()).ok()?;
        NextHop::from_stored(self.places[at].hop)
    }

    /// Puts one in, or gives one that is there another next hop; the one it had. There is room: [`Rules::is_full`] was asked.
    pub(super) fn put<A: Address<Octets = O>>(&mut self, prefix: Prefix<A>, hop: NextHop) -> Option<NextHop> {
        let (octets, len) = (prefix.address().octets(), prefix.len());
        match self.find(octets, len) {
            Ok(at) => NextHop::from_stored(std::mem::replace(&mut self.places[at].hop, hop.stored())),
            Err(at) => {
                self.places[at] = Rule { octets, hop: hop.stored(), len, _pad: 0 };
                self.len += 1;
                None
            }
        }
    }

    /// Takes one out; the next hop it had.
    pub(super) fn remove<A: Address<Octets = O>>(&mut self, prefix: Prefix<A>) -> Option<NextHop> {
        let mut hole = self.find(prefix.address().octets(), prefix.len()).ok()?;
        let hop = NextHop::from_stored(self.places[hole].hop);
        let mut at = hole;
        loop {
            at = self.after(at);
            let rule = self.places[at];
            if rule.hop == 0 {
                break;
            }
            // It may move up to the hole unless its search begins behind it.
            let home = self.home(rule.octets, rule.len);
            if self.distance(home, at) >= self.distance(hole, at) {
                self.places[hole] = rule;
                hole = at;
            }
        }
        self.places[hole].hop = 0;
        self.len -= 1;
        hop
    }

    /// All of them, in no order.
    pub(super) fn iter<A: Address<Octets = O>>(&self) -> impl Iterator<Item = (Prefix<A>, NextHop)> {
        self.places.iter().filter_map(|rule| {
            Some((Prefix::of(A::from_octets(rule.octets), rule.len), NextHop::from_stored(rule.hop)?))
        })
    }

    /// Where a prefix is, or the free place where it would be.
    fn find(&self, octets: O, len: u8) -> Result<usize, usize> {
        let mut at = self.home(octets, len);
        loop {
            let rule = &self.places[at];
            if rule.hop == 0 {
                return Err(at);
            }
            if rule.len == len && rule.octets == octets {
                return Ok(at);
            }
            at = self.after(at);
        }
    }

    fn home(&self, octets: O, len: u8) -> usize {
        let hash = xxh3_64_with_seed(octets.as_ref(), self.seed ^ u64::from(len) << 56);
        ((u128::from(hash) * self.places.len() as u128) >> 64) as usize
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.places.len() { 0 } else { at + 1 }
    }

    /// Steps from one place to another, going up.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.places.len() - from }
    }
}
