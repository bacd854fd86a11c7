//! Putting prefixes in and taking them out: one node changes, and those on the way to it that are new or no longer needed.

use std::ops::{DerefMut, Range};

use super::entry::{Entry, NextHop, child};
use super::node::{SLOTS, Spread, run_of};
use super::prefix::{Address, Prefix};
use super::rules::Rule;
use super::{Full, MOST_LEVELS, NODE_BITS, ROOT_BITS, Routes};

/// Where in the tree a prefix is.
enum Spot {
    /// All addresses: not in the tree.
    Everywhere,
    /// So many nodes of the root, all of each.
    Nodes(Range<usize>),
    /// Slots of a node, by its level.
    Slots(usize, Range<usize>),
}

/// Where a prefix is, and how much longer it is than where its node begins.
fn spot<A: Address>(prefix: Prefix<A>) -> (Spot, u8) {
    let (address, len) = (prefix.address(), prefix.len());
    let slots = |level: usize, bits: u8| {
        let first = address.slot(level as u32) as usize;
        Spot::Slots(level, first..first + (SLOTS >> bits))
    };
    if len == 0 {
        return (Spot::Everywhere, 0);
    }
    if len <= ROOT_BITS {
        let first = address.root_node();
        return (Spot::Nodes(first..first + (1 << (ROOT_BITS - len))), len);
    }
    let level = (len - ROOT_BITS - 1) / NODE_BITS;
    let bits = len - ROOT_BITS - level * NODE_BITS;
    // What the root says is of prefixes of any length up to its last bit.
    (slots(level.into(), bits), if level == 0 { len } else { bits })
}

/// The nodes from the root to one, as far as there are any.
struct Way {
    nodes: [usize; MOST_LEVELS],
    len: usize,
}

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

    fn refuse(&mut self, full: Full) -> Full {
        self.refused_count += 1;
        full
    }

    /// The nodes on the way to the one of `level`, itself included, as far as there are any.
    fn way(&self, address: A, level: usize) -> Way {
        let mut way = Way { nodes: [0; MOST_LEVELS], len: 1 };
        way.nodes[0] = address.root_node();
        for above in 0..level {
            let node = way.nodes[above];
            let entry = self.pool.entry(run_of(self.pool.node(node), address.slot(above as u32)));
            if !entry.is_child() {
                break;
            }
            way.nodes[above + 1] = self.pool.child(node, entry.run);
            way.len += 1;
        }
        way
    }

    /// Changes what nodes of the root say, where `which` is true of it.
    fn paint_nodes(&mut self, nodes: Range<usize>, which: impl Fn(Entry) -> bool, entry: Entry) {
        for node in nodes {
            for at in self.pool.runs_of(node) {
                self.paint_run(node, at, &which, entry);
            }
        }
    }

    /// Changes what a run says, or what it said before a child took it over.
    fn paint_run(&mut self, node: usize, at: usize, which: &impl Fn(Entry) -> bool, entry: Entry) {
        let old = self.pool.entry(at);
        if old.is_child() {
            self.paint_inherited(self.pool.child(node, old.run), which, entry);
        } else if which(old) {
            self.pool.set(at, entry);
        }
    }

    fn paint_inherited(&mut self, node: usize, which: &impl Fn(Entry) -> bool, entry: Entry) {
        let at = self.pool.inherited_at(node);
        if which(self.pool.entry(at)) {
            self.pool.set(at, entry);
        }
    }

    /// Changes slots of a node that is spread where `which` is true; what its children took over, at once.
    fn paint_slots(
        &mut self,
        node: usize,
        spread: &mut Spread,
        slots: Range<usize>,
        which: impl Fn(Entry) -> bool,
        entry: Entry,
    ) {
        for slot in &mut spread.slots[slots] {
            if slot.is_child() {
                self.paint_inherited(self.pool.child(node, slot.run), &which, entry);
            } else if which(*slot) {
                *slot = entry;
            }
        }
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
