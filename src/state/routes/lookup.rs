//! Looking addresses up: one, or a burst in step, so that the cache misses of a burst overlap.

use std::ops::DerefMut;

use hugepages::instructions::counting_bits;

use super::blocks::{Line, WORDS};
use super::entry::{Entry, NextHop};
use super::node::{self, INHERITED};
use super::prefix::Address;
use super::rules::Rule;
use super::{BURST, ROOT_OCTETS, Routes};

/// The entry of the root for an address.
#[inline(always)]
fn root_slot(octets: &[u8]) -> usize {
    usize::from(octets[0]) << 8 | usize::from(octets[1])
}

/// What a longer prefix says, or else what a shorter one said.
#[inline(always)]
fn or(longer: u32, shorter: u32) -> u32 {
    if longer != 0 { longer } else { shorter }
}

/// Addresses of a burst on their way down, those first that are still on it.
struct Walk {
    /// Which address of the burst.
    who: [u8; BURST],
    /// The line of its node, then the place of what this says of it.
    at: [u32; BURST],
}

impl<A, L, R> Routes<A, L, R>
where
    A: Address,
    L: DerefMut<Target = [Line]>,
    R: DerefMut<Target = [Rule<A::Octets>]>,
{
    /// The next hop of the longest prefix that the address is in.
    #[inline]
    pub fn lookup(&self, address: A) -> Option<NextHop> {
        let octets = address.octets();
        let octets = octets.as_ref();
        let mut best = self.default;
        let mut entry = self.blocks.entry(root_slot(octets));
        for octet in &octets[ROOT_OCTETS..] {
            if !entry.is_node() {
                break;
            }
            let node = self.blocks.line(entry.line());
            best = or(Entry(node.0[INHERITED]).stored(), best);
            entry = self.blocks.entry(entry.line() as usize * WORDS + node::place(node, *octet));
        }
        NextHop::from_stored(or(entry.stored(), best))
    }

    /// [`Routes::lookup`] of each address, into the place of `hops` with the same number.
    ///
    /// # Panics
    /// If there are not as many hops as addresses.
    #[inline]
    pub fn lookup_burst(&self, addresses: &[A], hops: &mut [Option<NextHop>]) {
        assert_eq!(addresses.len(), hops.len(), "a place for the next hop of each address");
        counting_bits(
            #[inline(always)]
            || {
                for (addresses, hops) in addresses.chunks(BURST).zip(hops.chunks_mut(BURST)) {
                    self.walk(addresses, hops);
                }
            },
        );
    }

    #[inline(always)]
    fn walk(&self, addresses: &[A], hops: &mut [Option<NextHop>]) {
        let mut walk = Walk { who: [0; BURST], at: [0; BURST] };
        let mut best = [0; BURST];
        let mut left = 0;
        for (nth, address) in addresses.iter().enumerate() {
            let entry = self.blocks.entry(root_slot(address.octets().as_ref()));
            let is_node = entry.is_node();
            best[nth % BURST] = if is_node { self.default } else { or(entry.stored(), self.default) };
            self.go_on(&mut walk, &mut left, nth as u8, entry);
        }
        for octet in ROOT_OCTETS..A::BITS as usize / 8 {
            if left == 0 {
                break;
            }
            left = self.step(addresses, octet, &mut walk, left, &mut best);
        }
        for (hop, best) in hops.iter_mut().zip(best) {
            *hop = NextHop::from_stored(best);
        }
    }

    /// Takes the addresses that are on their way one node further down; how many still are.
    #[inline(always)]
    fn step(
        &self,
        addresses: &[A],
        octet: usize,
        walk: &mut Walk,
        len: usize,
        best: &mut [u32; BURST],
    ) -> usize {
        let Walk { who, at } = walk;
        for (who, at) in who.iter().zip(at.iter_mut()).take(len) {
            let nth = *who as usize;
            let node = self.blocks.line(*at);
            let slot = addresses[nth].octets().as_ref()[octet];
            best[nth % BURST] = or(Entry(node.0[INHERITED]).stored(), best[nth % BURST]);
            *at = (*at as usize * WORDS + node::place(node, slot)) as u32;
            self.blocks.prefetch(*at as usize / WORDS);
        }
        let mut left = 0;
        for nth in 0..len {
            let (who, entry) = (walk.who[nth % BURST], self.blocks.entry(walk.at[nth % BURST] as usize));
            let place = &mut best[who as usize % BURST];
            *place = if entry.is_node() { *place } else { or(entry.stored(), *place) };
            self.go_on(walk, &mut left, who, entry);
        }
        left
    }

    /// An address goes on its way if there is a node; without a branch, which would be guessed wrong often.
    #[inline(always)]
    fn go_on(&self, walk: &mut Walk, left: &mut usize, who: u8, entry: Entry) {
        walk.who[*left % BURST] = who;
        walk.at[*left % BURST] = entry.line();
        self.blocks.prefetch(entry.line() as usize);
        *left += usize::from(entry.is_node());
    }
}
