//! Looking addresses up: one, or a burst in step, so that the cache misses of a burst overlap.

use std::hint::select_unpredictable;
use std::ops::DerefMut;

use hugepages::instructions::counting_bits;
use hugepages::prefetch;

use super::entry::{NextHop, child, is_child};
use super::node::{children_at, run_of, runs_at};
use super::pool::ROOT_WORDS;
use super::prefix::Address;
use super::rules::Rule;
use super::{BURST, Routes};

/// What a longer prefix says, or else what a shorter one said: without a branch, which would be guessed wrong often.
#[inline(always)]
fn or(longer: u16, shorter: u16) -> u16 {
    select_unpredictable(longer != 0, longer, shorter)
}

/// So few addresses of a burst are better followed down the tree one by one.
const FEW: u32 = 4;

/// The tree, to be read. Its methods take it by value, so that it stays in registers.
#[derive(Clone, Copy)]
struct Tree<'a> {
    root: &'a [[u64; 2]; ROOT_WORDS / 2],
    nodes: &'a [[u64; 2]],
    runs: &'a [u16],
    default: u16,
}

/// Addresses of a burst that are on their way down the tree, side by side.
struct Walk {
    /// Which address of the burst.
    who: [u8; BURST],
    /// The node it has come to.
    node: [u32; BURST],
    /// The run that says what comes next.
    run: [u32; BURST],
}

impl<A, W, R> Routes<A, W, R>
where
    A: Address,
    W: DerefMut<Target = [u64]>,
    R: DerefMut<Target = [Rule<A::Octets>]>,
{
    /// The next hop of the longest prefix that the address is in.
    #[inline]
    pub fn lookup(&self, address: A) -> Option<NextHop> {
        let tree = self.tree()?;
        let node = tree.root[address.root_node()];
        NextHop::from_stored(tree.follow(address, node, tree.runs[run_of(node, address.slot(0))]))
    }

    /// [`Routes::lookup`] of each address, into the place of `hops` with the same number.
    ///
    /// # Panics
    /// If there are not as many hops as addresses.
    #[inline]
    pub fn lookup_burst(&self, addresses: &[A], hops: &mut [Option<NextHop>]) {
        assert_eq!(addresses.len(), hops.len(), "a place for the next hop of each address");
        let Some(tree) = self.tree() else { return };
        counting_bits(
            #[inline(always)]
            move || {
                for (addresses, hops) in addresses.chunks(BURST).zip(hops.chunks_mut(BURST)) {
                    tree.lookup(addresses, hops);
                }
            },
        );
    }

    /// There always is one: a table without a root cannot be made.
    #[inline(always)]
    fn tree(&self) -> Option<Tree<'_>> {
        let (nodes, _) = self.pool.words().as_chunks::<2>();
        Some(Tree { root: nodes.first_chunk()?, nodes, runs: self.pool.runs(), default: self.default })
    }
}

impl Tree<'_> {
    #[inline(always)]
    fn prefetch_run(self, at: u32) {
        prefetch::for_reading(self.runs.as_ptr().wrapping_add(at as usize));
    }

    #[inline(always)]
    fn lookup<A: Address>(self, addresses: &[A], hops: &mut [Option<NextHop>]) {
        let mut runs = [0; BURST];
        for (address, at) in addresses.iter().zip(&mut runs) {
            *at = run_of(self.root[address.root_node()], address.slot(0)) as u32;
            self.prefetch_run(*at);
        }
        // Which of them have a child to go to.
        let mut onward = 0u64;
        for (nth, (at, hop)) in runs.iter_mut().zip(hops.iter_mut()).enumerate() {
            let run = self.runs[*at as usize];
            onward |= u64::from(is_child(run)) << nth;
            *at = run.into();
            *hop = NextHop::from_stored(or(run, self.default));
        }
        if onward.count_ones() > FEW {
            return self.descend(addresses, &runs, onward, hops);
        }
        while onward != 0 {
            let nth = onward.trailing_zeros() as usize;
            onward &= onward - 1;
            let (address, run) = (addresses[nth], runs[nth % BURST] as u16);
            hops[nth] = NextHop::from_stored(self.follow(address, self.root[address.root_node()], run));
        }
    }

    /// Follows one address from a run of a node of the root to where it ends: its next hop as it is stored.
    #[inline(always)]
    fn follow<A: Address>(self, address: A, mut node: [u64; 2], mut run: u16) -> u16 {
        let (mut best, mut level) = (self.default, 1);
        while is_child(run) {
            node = self.nodes[children_at(node) + child(run)];
            best = or(self.runs[runs_at(node) as usize], best);
            run = self.runs[run_of(node, address.slot(level))];
            level += 1;
        }
        or(run, best)
    }

    /// Takes those of a burst further whose run in the root names a child.
    #[inline(always)]
    fn descend<A: Address>(
        self,
        addresses: &[A],
        runs: &[u32; BURST],
        mut onward: u64,
        hops: &mut [Option<NextHop>],
    ) {
        let mut walk = Walk { who: [0; BURST], node: [0; BURST], run: [0; BURST] };
        let mut left = 0;
        while onward != 0 {
            let nth = onward.trailing_zeros() as usize;
            onward &= onward - 1;
            hops[nth] = NextHop::from_stored(self.default);
            let node = self.root[addresses[nth].root_node()];
            self.go_on(&mut walk, &mut left, nth as u8, node, runs[nth] as u16);
        }
        let mut level = 1;
        while left > 0 {
            left = self.step(addresses, level, &mut walk, left, hops);
            level += 1;
        }
    }

    /// Takes the first `len` addresses of a walk one node further; how many are not at their end then.
    #[inline(always)]
    fn step<A: Address>(
        self,
        addresses: &[A],
        level: u32,
        walk: &mut Walk,
        len: usize,
        hops: &mut [Option<NextHop>],
    ) -> usize {
        let len = len.min(BURST);
        for nth in 0..len {
            let node = self.nodes[walk.node[nth] as usize];
            let run = run_of(node, addresses[walk.who[nth] as usize].slot(level)) as u32;
            self.prefetch_run(run);
            walk.run[nth] = run;
        }
        let mut left = 0;
        for nth in 0..len {
            let node = self.nodes[walk.node[nth] as usize];
            let (who, run) = (walk.who[nth], self.runs[walk.run[nth] as usize]);
            let hop = &mut hops[who as usize];
            let above = or(self.runs[runs_at(node) as usize], hop.map_or(0, NextHop::stored));
            *hop = NextHop::from_stored(select_unpredictable(is_child(run), above, or(run, above)));
            self.go_on(walk, &mut left, who, node, run);
        }
        left
    }

    /// An address goes on to a child if there is one, and is left behind if not: without a branch.
    #[inline(always)]
    fn go_on(self, walk: &mut Walk, left: &mut usize, who: u8, node: [u64; 2], run: u16) {
        let next = (children_at(node) + child(run)) as u32;
        walk.who[*left % BURST] = who;
        walk.node[*left % BURST] = next;
        prefetch::for_reading(self.nodes.as_ptr().wrapping_add(next as usize));
        *left += usize::from(is_child(run));
    }
}
