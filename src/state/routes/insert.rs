//! Putting prefixes in: one node changes, and the nodes on the way to it that are missing are made.

use std::ops::{DerefMut, Range};

use super::entry::{Entry, NextHop};
use super::node::Spread;
use super::prefix::{Address, Prefix};
use super::rules::Rule;
use super::update::{Spot, Way, spot};
use super::{Full, MOST_LEVELS, Routes};

impl<A, W, R> Routes<A, W, R>
where
    A: Address,
    W: DerefMut<Target = [u64]>,
    R: DerefMut<Target = [Rule<A::Octets>]>,
{
    /// Puts a prefix in, or gives one that is there another next hop; the next hop it had.
    ///
    /// # Errors
    /// It is not there yet and there is no room for it: nothing is changed, and it is counted. A prefix that is there is never
    /// refused.
    pub fn insert(&mut self, prefix: Prefix<A>, hop: NextHop) -> Result<Option<NextHop>, Full> {
        if self.rules.is_full() && self.rules.get(prefix).is_none() {
            return Err(self.refuse(Full::Prefixes { capacity: self.rules.capacity() }));
        }
        let (spot, depth) = spot(prefix);
        let (entry, which) = (Entry::hop(hop, depth), |old: Entry| old.depth <= depth);
        let done = match spot {
            Spot::Everywhere => {
                self.default = hop.stored();
                Some(())
            }
            Spot::Nodes(nodes) => {
                self.paint_nodes(nodes, which, entry);
                Some(())
            }
            Spot::Slots(level, slots) => {
                let way = self.way(prefix.address(), level);
                if way.len > level {
                    self.put_in_node(way.nodes[level], slots, which, entry)
                } else {
                    self.grow(prefix.address(), &way, level, slots, entry)
                }
            }
        };
        if done.is_none() {
            let (free, capacity) = (self.pool.free_units(), self.pool.capacity());
            return Err(self.refuse(Full::Units { free, capacity }));
        }
        Ok(self.rules.put(prefix, hop))
    }

    fn refuse(&mut self, full: Full) -> Full {
        self.refused_count += 1;
        full
    }

    /// Puts a prefix into a node; `None`, and nothing is changed, when its runs need more room and there is none.
    fn put_in_node(
        &mut self,
        node: usize,
        slots: Range<usize>,
        which: impl Fn(Entry) -> bool,
        entry: Entry,
    ) -> Option<()> {
        let mut spread = Spread::read(&self.pool, node);
        spread.split(slots.start);
        spread.split(slots.end);
        // First the room: what children took over cannot be changed back.
        self.pool.make_room(node, &spread)?;
        self.paint_slots(node, &mut spread, slots, which, entry);
        self.pool.write(node, &spread);
        Some(())
    }

    /// Makes the nodes that are missing on a way to one of `level`, and puts a prefix into the last; `None`, and nothing is changed,
    /// when there is no room for all of them.
    fn grow(&mut self, address: A, way: &Way, level: usize, slots: Range<usize>, entry: Entry) -> Option<()> {
        // Of each new node the unit of its runs; and where it is itself, once it is known.
        let mut units = [0; MOST_LEVELS];
        let mut nodes = [0; MOST_LEVELS];
        let inherited = self.take_nodes(address, way, level, &mut units, &mut nodes);
        let Some(mut inherited) = inherited else {
            for unit in units.into_iter().filter(|unit| *unit != 0) {
                self.pool.give_back(unit);
            }
            for node in nodes.into_iter().filter(|node| *node != 0) {
                self.pool.give_back(node as u32 * 2);
            }
            return None;
        };
        for new in way.len..=level {
            let (slots, entry) = if new == level {
                (slots.clone(), entry)
            } else {
                let slot = address.slot(new as u32) as usize;
                (slot..slot + 1, Entry::child(0))
            };
            let mut spread = Spread::fresh(inherited);
            spread.split(slots.start);
            spread.split(slots.end);
            spread.slots[slots].fill(entry);
            self.pool.lay_out(nodes[new], units[new], if new == level { 0 } else { nodes[new + 1] });
            self.pool.write(nodes[new], &spread);
            inherited = Entry::NONE;
        }
        Some(())
    }

    /// Takes all that the nodes from the end of a way to `level` need, and hangs the first of them there: what its slot said until
    /// now. `None` when there is not enough; what was taken is in `units` and `nodes`.
    fn take_nodes(
        &mut self,
        address: A,
        way: &Way,
        level: usize,
        units: &mut [u32; MOST_LEVELS],
        nodes: &mut [usize; MOST_LEVELS],
    ) -> Option<Entry> {
        for new in way.len..=level {
            units[new] = self.pool.take(1)?;
            if new > way.len {
                nodes[new] = self.pool.take(2)? as usize / 2;
            }
        }
        let above = way.len - 1;
        let (parent, slot) = (way.nodes[above], address.slot(above as u32) as usize);
        let mut spread = Spread::read(&self.pool, parent);
        let had = spread.children();
        let place = self.pool.take_children(parent, had)?;
        let old = spread.slots[slot];
        spread.split(slot);
        spread.split(slot + 1);
        spread.slots[slot] = Entry::child(had);
        if self.pool.make_room(parent, &spread).is_none() {
            self.pool.give_back_children(parent, had, place);
            return None;
        }
        self.pool.write(parent, &spread);
        self.pool.move_children(parent, had, place);
        nodes[way.len] = place + had;
        Some(old)
    }
}
