//! Putting prefixes in and taking them out: one node changes, and those on the way to it that are new or no longer needed.

use std::ops::{DerefMut, Range};

use super::blocks::{Line, WORDS};
use super::entry::{Entry, NextHop};
use super::node::{INHERITED, SLOTS, Spread, order_for, place, runs_of};
use super::prefix::{Address, Prefix};
use super::rules::Rule;
use super::{Full, MOST_NODES, ROOT_BITS, Routes};

/// Where in the tree a prefix is.
struct Spot {
    /// How many nodes are above the one it is in; `None` when it is in the root.
    above: Option<usize>,
    /// Bits it is longer than where its node begins.
    depth: u8,
    /// The slots it covers.
    slots: Range<usize>,
}

fn spot<A: Address>(prefix: Prefix<A>) -> Spot {
    let octets = prefix.address().octets();
    let octets = octets.as_ref();
    if prefix.len() <= ROOT_BITS {
        let first = usize::from(octets[0]) << 8 | usize::from(octets[1]);
        let slots = first..first + (1 << (ROOT_BITS - prefix.len()));
        return Spot { above: None, depth: prefix.len(), slots };
    }
    let above = (prefix.len() - ROOT_BITS - 1) / 8;
    let depth = prefix.len() - ROOT_BITS - above * 8;
    let first = usize::from(octets[2 + above as usize]);
    Spot { above: Some(above.into()), depth, slots: first..first + (1 << (8 - depth)) }
}

/// The way from the root to where a node is, or would be.
struct Way {
    /// The places of the entries that point to the nodes, and behind them that of the entry where it ends.
    pointers: [usize; MOST_NODES + 1],
    /// Nodes on it.
    nodes: usize,
}

impl<A, L, R> Routes<A, L, R>
where
    A: Address,
    L: DerefMut<Target = [Line]>,
    R: DerefMut<Target = [Rule<A::Octets>]>,
{
    /// Puts a prefix in, or gives one that is there another next hop; the next hop it had.
    ///
    /// # Errors
    /// It is not there yet and there is no room for it: nothing is changed, and it is counted. A prefix that is there is never
    /// refused.
    pub fn insert(&mut self, prefix: Prefix<A>, hop: NextHop) -> Result<Option<NextHop>, Full> {
        let known = self.rules.get(prefix).is_some();
        if !known && self.rules.is_full() {
            return Err(self.refuse(Full::Prefixes { capacity: self.rules.capacity() }));
        }
        if prefix.is_empty() {
            self.default = hop.stored();
            return Ok(self.rules.put(prefix, hop));
        }
        let Spot { above, depth, slots } = spot(prefix);
        let entry = Entry::hop(hop, depth);
        let Some(above) = above else {
            self.paint_root(slots, |old| old.depth() <= depth, entry);
            return Ok(self.rules.put(prefix, hop));
        };
        let way = self.way(prefix.address(), above + 1);
        let done = if way.nodes == above + 1 {
            self.paint_node(&way, slots, depth, entry)
        } else {
            self.grow(prefix.address(), &way, above + 1, slots, entry)
        };
        if done.is_none() {
            return Err(self.refuse(self.out_of_lines()));
        }
        Ok(self.rules.put(prefix, hop))
    }

    /// Takes a prefix out; the next hop it had, if it was there. Never refused: it needs no room.
    pub fn remove(&mut self, prefix: Prefix<A>) -> Option<NextHop> {
        let hop = self.rules.remove(prefix)?;
        if prefix.is_empty() {
            self.default = 0;
            return Some(hop);
        }
        let Spot { above, depth, slots } = spot(prefix);
        // What the slots say from now on: the next shorter prefix of the same node, if there is one.
        let shorter = (1..depth).rev().find_map(|depth_of_shorter| {
            let len = prefix.len() - (depth - depth_of_shorter);
            Some(Entry::hop(self.rules.get(Prefix::of(prefix.address(), len))?, depth_of_shorter))
        });
        let entry = shorter.unwrap_or(Entry::NONE);
        match above {
            None => self.paint_root(slots, |old| old.depth() == depth, entry),
            Some(above) => self.take_from_node(prefix, above, slots, depth, entry),
        }
        Some(hop)
    }

    fn refuse(&mut self, full: Full) -> Full {
        self.refused_count += 1;
        full
    }

    fn out_of_lines(&self) -> Full {
        Full::Lines { free: self.blocks.free_lines(), capacity: self.blocks.capacity() }
    }

    /// The way to the node that `nodes` nodes lead to, itself included, as far as there are any.
    fn way(&self, address: A, nodes: usize) -> Way {
        let octets = address.octets();
        let octets = octets.as_ref();
        let mut way = Way { pointers: [0; MOST_NODES + 1], nodes: 0 };
        way.pointers[0] = usize::from(octets[0]) << 8 | usize::from(octets[1]);
        while way.nodes < nodes {
            let entry = self.blocks.entry(way.pointers[way.nodes]);
            if !entry.is_node() {
                break;
            }
            let slot = octets.get(2 + way.nodes).copied().unwrap_or(0);
            way.nodes += 1;
            way.pointers[way.nodes] =
                entry.line() as usize * WORDS + place(self.blocks.line(entry.line()), slot);
        }
        way
    }

    fn node_at(&self, way: &Way, nth: usize) -> u32 {
        self.blocks.entry(way.pointers[nth]).line()
    }

    /// Changes what the slots of the root say where `which` is true of it.
    fn paint_root(&mut self, slots: Range<usize>, which: impl Fn(Entry) -> bool, entry: Entry) {
        for at in slots {
            let old = self.blocks.entry(at);
            if old.is_node() {
                self.paint_inherited(old.line(), &which, entry);
            } else if which(old) {
                self.blocks.set(at, entry.0);
            }
        }
    }

    /// Changes what a slot said that a node has taken over.
    fn paint_inherited(&mut self, node: u32, which: &impl Fn(Entry) -> bool, entry: Entry) {
        let at = node as usize * WORDS + INHERITED;
        if which(self.blocks.entry(at)) {
            self.blocks.set(at, entry.0);
        }
    }

    /// Changes slots of a spread node where `which` is true; nodes further down at once.
    fn paint_slots(
        &mut self,
        spread: &mut Spread,
        slots: Range<usize>,
        which: impl Fn(Entry) -> bool,
        entry: Entry,
    ) {
        for slot in &mut spread.slots[slots] {
            if slot.is_node() {
                self.paint_inherited(slot.line(), &which, entry);
            } else if which(*slot) {
                *slot = entry;
            }
        }
    }

    /// Puts a prefix into the node at the end of the way; `None`, and nothing is changed, when it has to grow and cannot.
    fn paint_node(&mut self, way: &Way, slots: Range<usize>, depth: u8, entry: Entry) -> Option<()> {
        let (pointer, node) = (way.pointers[way.nodes - 1], self.node_at(way, way.nodes - 1));
        let mut spread = Spread::read(&self.blocks, node);
        spread.split(slots.start);
        spread.split(slots.end);
        // First the room, then the slots: what is painted in nodes further down cannot be taken back.
        let node = spread.make_room(&mut self.blocks, node, pointer)?;
        self.paint_slots(&mut spread, slots, |old| old.depth() <= depth, entry);
        spread.write(&mut self.blocks, node);
        Some(())
    }

    /// Makes the nodes that are missing on a way to one that `nodes` lead to, a prefix in the last; `None`, and nothing is changed,
    /// when there is no room for all of them.
    fn grow(&mut self, address: A, way: &Way, nodes: usize, slots: Range<usize>, entry: Entry) -> Option<()> {
        let missing = nodes - way.nodes;
        let mut taken = [0; MOST_NODES];
        for nth in 0..missing {
            let Some(line) = self.blocks.take(0) else {
                self.give_back_lines(&taken[..nth]);
                return None;
            };
            taken[nth] = line;
        }
        let Some(inherited) = self.hang(address, way, taken[0]) else {
            self.give_back_lines(&taken[..missing]);
            return None;
        };
        let octets = address.octets();
        for nth in 0..missing {
            let mut spread = Spread::fresh(if nth == 0 { inherited } else { Entry::NONE });
            let (slots, entry) = match taken[..missing].get(nth + 1) {
                Some(next) => {
                    let slot = usize::from(octets.as_ref()[2 + way.nodes + nth]);
                    (slot..slot + 1, Entry::node(*next))
                }
                None => (slots.clone(), entry),
            };
            spread.split(slots.start);
            spread.split(slots.end);
            spread.slots[slots].fill(entry);
            spread.write(&mut self.blocks, taken[nth]);
        }
        Some(())
    }

    fn give_back_lines(&mut self, lines: &[u32]) {
        for line in lines {
            self.blocks.give_back(*line, 0);
        }
    }

    /// Points from the end of a way to a new node; what the slot said until now. `None`, and nothing is changed, when the node
    /// that is to point to it has to grow and cannot.
    fn hang(&mut self, address: A, way: &Way, node: u32) -> Option<Entry> {
        let old = self.blocks.entry(way.pointers[way.nodes]);
        let Some(last) = way.nodes.checked_sub(1) else {
            self.blocks.set(way.pointers[0], Entry::node(node).0);
            return Some(old);
        };
        let slot = usize::from(address.octets().as_ref()[2 + last]);
        let parent = self.node_at(way, last);
        let mut spread = Spread::read(&self.blocks, parent);
        spread.split(slot);
        spread.split(slot + 1);
        spread.slots[slot] = Entry::node(node);
        let parent = spread.make_room(&mut self.blocks, parent, way.pointers[last])?;
        spread.write(&mut self.blocks, parent);
        Some(old)
    }

    /// Takes a prefix out of its node, and the nodes away that say nothing then.
    fn take_from_node(
        &mut self,
        prefix: Prefix<A>,
        above: usize,
        slots: Range<usize>,
        depth: u8,
        entry: Entry,
    ) {
        let way = self.way(prefix.address(), above + 1);
        let node = self.node_at(&way, above);
        let mut spread = Spread::read(&self.blocks, node);
        self.paint_slots(&mut spread, slots.clone(), |old| old.depth() == depth, entry);
        self.join_if_idle(prefix.address(), above, &mut spread, slots);
        self.settle(prefix.address(), &way, above, spread);
    }

    /// Writes back a node that has become smaller; one that says nothing is given back, and the slot above says what it said before.
    fn settle(&mut self, address: A, way: &Way, mut nth: usize, mut spread: Spread) {
        loop {
            let (pointer, node) = (way.pointers[nth], self.node_at(way, nth));
            if !spread.is_void() {
                // No larger than before: it stays where it is.
                let stayed = spread.make_room(&mut self.blocks, node, pointer);
                debug_assert_eq!(stayed, Some(node));
                return spread.write(&mut self.blocks, node);
            }
            let inherited = spread.inherited();
            let order = order_for(runs_of(self.blocks.line(node)));
            self.blocks.give_back(node, order);
            if nth == 0 {
                self.blocks.set(pointer, inherited.0);
                return;
            }
            nth -= 1;
            let slot = usize::from(address.octets().as_ref()[2 + nth]);
            spread = Spread::read(&self.blocks, self.node_at(way, nth));
            spread.slots[slot] = inherited;
            self.join_if_idle(address, nth, &mut spread, slot..slot + 1);
        }
    }

    /// Joins the runs at both ends of some slots unless something else begins or ends there.
    fn join_if_idle(&self, address: A, above: usize, spread: &mut Spread, slots: Range<usize>) {
        for edge in [slots.start, slots.end] {
            if edge > 0 && edge < SLOTS && !self.is_edge(address, above, spread, edge) {
                spread.join(edge);
            }
        }
    }

    /// Does a prefix or a node further down begin at this slot, or end before it?
    fn is_edge(&self, address: A, above: usize, spread: &Spread, edge: usize) -> bool {
        let is_there = |first: usize, depth: u8| {
            let mut octets = address.octets();
            octets.as_mut()[2 + above] = first as u8;
            let len = ROOT_BITS + above as u8 * 8 + depth;
            self.rules.get(Prefix::of(A::from_octets(octets), len)).is_some()
        };
        let mut sizes = (1..=8u8).map(|depth| (depth, SLOTS >> depth)).filter(|(_, size)| edge % size == 0);
        spread.slots[edge].is_node()
            || spread.slots[edge - 1].is_node()
            || sizes.any(|(depth, size)| is_there(edge, depth) || is_there(edge - size, depth))
    }
}
