//! Taking prefixes out: one node changes, and the nodes on the way to it that say nothing any more are given back.

use std::ops::{DerefMut, Range};

use super::entry::{Entry, NextHop, child};
use super::node::{SLOTS, Spread};
use super::prefix::{Address, Prefix};
use super::rules::Rule;
use super::update::{Spot, Way, spot};
use super::{NODE_BITS, ROOT_BITS, Routes};

impl<A, W, R> Routes<A, W, R>
where
    A: Address,
    W: DerefMut<Target = [u64]>,
    R: DerefMut<Target = [Rule<A::Octets>]>,
{
    /// Takes a prefix out; the next hop it had, if it was there. Never refused: it needs no room.
    pub fn remove(&mut self, prefix: Prefix<A>) -> Option<NextHop> {
        let hop = self.rules.remove(prefix)?;
        let (spot, depth) = spot(prefix);
        // What is said from now on: what the next shorter prefix of the same node says, if there is one.
        let shorter = (1..depth).rev().find_map(|shorter| {
            let len = prefix.len() - (depth - shorter);
            Some(Entry::hop(self.rules.get(Prefix::of(prefix.address(), len))?, shorter))
        });
        let (entry, which) = (shorter.unwrap_or(Entry::NONE), |old: Entry| old.depth == depth);
        match spot {
            Spot::Everywhere => self.default = 0,
            Spot::Nodes(nodes) => self.paint_nodes(nodes, which, entry),
            Spot::Slots(level, slots) => {
                let way = self.way(prefix.address(), level);
                let mut spread = Spread::read(&self.pool, way.nodes[level]);
                self.paint_slots(way.nodes[level], &mut spread, slots.clone(), which, entry);
                self.join_if_idle(prefix.address(), level, &mut spread, slots);
                self.settle(prefix.address(), &way, level, spread);
            }
        }
        Some(hop)
    }

    /// Writes back a node that has become smaller; one that says nothing is given back, and the slot above says what it said before
    /// it: and so on upwards.
    fn settle(&mut self, address: A, way: &Way, mut level: usize, mut spread: Spread) {
        while level > 0 && spread.is_void() {
            self.pool.drop_runs(way.nodes[level]);
            let inherited = spread.inherited;
            level -= 1;
            let (parent, slot) = (way.nodes[level], address.slot(level as u32) as usize);
            spread = Spread::read(&self.pool, parent);
            let (nth, had) = (child(spread.slots[slot].run), spread.children());
            spread.slots[slot] = inherited;
            self.pool.drop_child(parent, nth, had, &mut spread);
            self.join_if_idle(address, level, &mut spread, slot..slot + 1);
        }
        // No larger than before: there is room.
        let room = self.pool.make_room(way.nodes[level], &spread);
        debug_assert!(room.is_some());
        self.pool.write(way.nodes[level], &spread);
    }

    /// Joins the runs at both ends of some slots unless something else begins or ends there.
    fn join_if_idle(&self, address: A, level: usize, spread: &mut Spread, slots: Range<usize>) {
        for edge in [slots.start, slots.end] {
            if edge > 0 && edge < SLOTS && !self.is_edge(address, level, spread, edge) {
                spread.join(edge);
            }
        }
    }

    /// Does a prefix or a child of the node begin at this slot, or end before it?
    fn is_edge(&self, address: A, level: usize, spread: &Spread, edge: usize) -> bool {
        let begins = ROOT_BITS + level as u8 * NODE_BITS;
        let is_there = |first: usize, bits: u8| {
            let address = address.with_slot(level as u32, first as u32);
            self.rules.get(Prefix::of(address, begins + bits)).is_some()
        };
        let most = NODE_BITS.min(A::BITS - begins);
        let mut sizes =
            (1..=most).map(|bits| (bits, SLOTS >> bits)).filter(|(_, size)| edge.is_multiple_of(*size));
        spread.slots[edge].is_child()
            || spread.slots[edge - 1].is_child()
            || sizes.any(|(bits, size)| is_there(edge, bits) || is_there(edge - size, bits))
    }
}
