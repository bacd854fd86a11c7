//! Receive queues of a capture port: from the files as they lie, or from memory.

use std::sync::Arc;

use hugepages::{Arena, Carved, PagePolicy};

use super::input::{Inputs, Next, Walk};
use crate::packet::layers::LinkClass;
use crate::packet::{Frames, Packet, Packets, PortId};
use crate::port::{Arrival, Gate, Moved, Receive, Spread, Supply};

/// A packet's order words: when it arrived, and its ordinal with the link type beneath it, which nothing else
/// of a packet tells exactly.
fn order(arrival: Arrival, link: u16) -> [u64; 2] {
    [arrival.time_ns, arrival.ordinal << 16 | u64::from(link)]
}

/// The link type in a packet's order words.
pub(super) fn link_number(order: [u64; 2]) -> u16 {
    order[1] as u16
}

/// Which packets a queue takes.
#[derive(Clone)]
pub(super) struct Share {
    pub(super) queue: usize,
    pub(super) queues: usize,
    pub(super) spread: Spread,
}

impl Share {
    #[inline]
    fn takes(&self, walk: &Walk, next: &Next) -> bool {
        self.queues == 1 || (self.spread)(next.link, walk.bytes(next), next.wire_len) == self.queue
    }
}

/// Walks the files, every queue for itself, and takes the packets of its share.
pub(super) struct FileQueue {
    port: PortId,
    walk: Walk,
    share: Share,
    /// Loops still to do after this one; `None` is endless.
    loops_left: Option<u64>,
    loops_done: u64,
    /// Has this pass over the files brought anything yet?
    taken: bool,
    /// The record at the front, with its arrival.
    front: Option<(Next, Arrival)>,
    arrival: Arrival,
}

impl FileQueue {
    pub(super) fn new(port: PortId, inputs: Arc<Inputs>, share: Share, loops: Option<u64>) -> FileQueue {
        let mut queue = FileQueue {
            port,
            walk: Walk::new(inputs),
            share,
            loops_left: loops.map(|loops| loops.saturating_sub(1)),
            loops_done: 0,
            taken: false,
            front: None,
            arrival: Arrival { time_ns: 0, ordinal: 0 },
        };
        queue.advance();
        queue
    }

    /// Moves on to the next record of this queue's share.
    #[inline]
    fn advance(&mut self) {
        loop {
            match self.walk.next() {
                Some(next) => {
                    let arrival = Arrival {
                        time_ns: self.arrival.time_ns.max(next.time_ns),
                        ordinal: self.arrival.ordinal,
                    };
                    self.arrival = Arrival { ordinal: arrival.ordinal + 1, ..arrival };
                    if self.share.takes(&self.walk, &next) {
                        self.front = Some((next, arrival));
                        self.taken = true;
                        return;
                    }
                }
                None if self.start_over() => {}
                None => {
                    self.front = None;
                    return;
                }
            }
        }
    }

    #[cold]
    fn start_over(&mut self) -> bool {
        // A pass that brought nothing of this queue's share will not bring anything next time either.
        if !std::mem::take(&mut self.taken) {
            return false;
        }
        match &mut self.loops_left {
            Some(0) => return false,
            Some(left) => *left -= 1,
            None => {}
        }
        self.loops_done += 1;
        self.walk.restart(self.loops_done);
        true
    }
}

impl Receive for FileQueue {
    fn receive(
        &mut self,
        frames: &mut Frames,
        into: &mut Packets,
        limit: usize,
        _now_ns: u64,
        gate: Gate,
    ) -> Moved {
        let mut moved = Moved::default();
        while (moved.packets as usize) < limit
            && let Some((next, arrival)) = self.front
            && gate.passes(arrival)
            && let Some(mut frame) = frames.acquire(next.len as usize)
        {
            frame.bytes_mut().copy_from_slice(self.walk.bytes(&next));
            let mut packet = Packet::new(frame, self.port, next.link, next.time_ns);
            packet.set_wire_len(next.wire_len);
            packet.set_order(order(arrival, next.link_number));
            into.push(packet);
            moved.packets += 1;
            moved.bytes += u64::from(next.len);
            self.advance();
        }
        moved
    }

    fn supply(&self) -> Supply {
        if self.front.is_none() { Supply::Ended } else { Supply::Open }
    }

    fn next_arrival(&mut self) -> Option<Arrival> {
        self.front.map(|(_, arrival)| arrival)
    }
}

/// How many packets ahead of the one that is copied the cache is asked for.
const AHEAD: usize = 4;
/// Cache lines of it that are asked for, however long it is: what follows the hardware sees coming.
const AHEAD_LINES: usize = 4;

/// Bytes that are copied of every packet, however short: a length the processor need not guess. What is copied
/// too much lies behind the packet's end, in its own frame.
const HEAD: usize = 64;

/// One packet of a reel.
#[derive(Clone, Copy)]
struct Entry {
    at: u64,
    time_ns: u64,
    arrival: Arrival,
    len: u32,
    wire_len: u32,
    link: LinkClass,
    link_number: u16,
}

/// The packets of one queue, in memory in the order they will be received.
pub(super) struct ReelQueue {
    port: PortId,
    bytes: Carved<u8>,
    entries: Vec<Entry>,
    at: usize,
    loops_left: Option<u64>,
    period_ns: u64,
    shift_ns: u64,
    ordinal_shift: u64,
    packets_all: u64,
}

impl ReelQueue {
    /// Reads the queue's share of the files into memory.
    pub(super) fn load(
        port: PortId,
        inputs: &Arc<Inputs>,
        share: &Share,
        loops: Option<u64>,
        pages: &PagePolicy,
    ) -> anyhow::Result<ReelQueue> {
        let mut walk = Walk::new(inputs.clone());
        let mut entries = Vec::new();
        let mut total = 0u64;
        let mut arrival = Arrival { time_ns: 0, ordinal: 0 };
        let mut takes = Vec::new();
        while let Some(next) = walk.next() {
            arrival.time_ns = arrival.time_ns.max(next.time_ns);
            if share.takes(&walk, &next) {
                takes.push(next);
                entries.push(Entry {
                    at: total,
                    time_ns: next.time_ns,
                    arrival,
                    len: next.len,
                    wire_len: next.wire_len,
                    link: next.link,
                    link_number: next.link_number,
                });
                total += u64::from(next.len).next_multiple_of(16);
            }
            arrival.ordinal += 1;
        }
        let size = usize::try_from(total)? + HEAD;
        let mut arena = Arena::reserve(hugepages::arena::carve_bytes::<u8>(size), pages, None)?;
        let mut bytes = arena.carve::<u8>("preloaded capture", size)?;
        for (next, entry) in takes.iter().zip(&entries) {
            bytes[entry.at as usize..][..entry.len as usize].copy_from_slice(walk.bytes(next));
        }
        Ok(ReelQueue {
            port,
            bytes,
            at: 0,
            loops_left: if entries.is_empty() { Some(0) } else { loops.map(|loops| loops.saturating_sub(1)) },
            entries,
            period_ns: inputs.period_ns,
            shift_ns: 0,
            ordinal_shift: 0,
            packets_all: inputs.packets(),
        })
    }

    #[cold]
    fn rewind(&mut self) -> bool {
        match &mut self.loops_left {
            Some(0) => return false,
            Some(left) => *left -= 1,
            None => {}
        }
        self.at = 0;
        self.shift_ns = self.shift_ns.saturating_add(self.period_ns);
        self.ordinal_shift += self.packets_all;
        true
    }

    /// Asks the cache for a packet that will be due soon.
    #[inline]
    fn prefetch(&self, i: usize) {
        if let Some(entry) = self.entries.get(i) {
            let first = self.bytes.as_ptr().wrapping_add(entry.at as usize);
            for line in 0..AHEAD_LINES {
                hugepages::prefetch::for_reading(first.wrapping_add(line * 64));
            }
        }
    }

    fn arrival(&self, entry: &Entry) -> Arrival {
        Arrival {
            time_ns: entry.arrival.time_ns.saturating_add(self.shift_ns),
            ordinal: entry.arrival.ordinal + self.ordinal_shift,
        }
    }
}

/// Fills `to` from the start of `from`, of which there is as much and at least [`HEAD`] bytes.
#[inline]
fn copy_head_first(to: &mut [u8], from: &[u8]) {
    let (Some((head, rest)), Some((from_head, from_rest))) =
        (to.split_first_chunk_mut::<HEAD>(), from.split_first_chunk::<HEAD>())
    else {
        return to.copy_from_slice(&from[..to.len()]);
    };
    *head = *from_head;
    if !rest.is_empty() {
        rest.copy_from_slice(&from_rest[..rest.len()]);
    }
}

impl Receive for ReelQueue {
    fn receive(
        &mut self,
        frames: &mut Frames,
        into: &mut Packets,
        limit: usize,
        _now_ns: u64,
        gate: Gate,
    ) -> Moved {
        if self.at == self.entries.len() && !self.rewind() {
            return Moved::default();
        }
        let mut moved = Moved::default();
        let count = limit.min(self.entries.len() - self.at);
        for i in self.at..self.at + count {
            let entry = self.entries[i];
            self.prefetch(i + AHEAD);
            let arrival = self.arrival(&entry);
            if !gate.passes(arrival) {
                break;
            }
            let len = entry.len as usize;
            let Some(mut frame) = frames.acquire(len.max(HEAD)) else { break };
            copy_head_first(frame.bytes_mut(), &self.bytes[entry.at as usize..]);
            frame.truncate(entry.len);
            let time_ns = entry.time_ns.saturating_add(self.shift_ns);
            let mut packet = Packet::new(frame, self.port, entry.link, time_ns);
            packet.set_wire_len(entry.wire_len);
            packet.set_order(order(arrival, entry.link_number));
            into.push(packet);
            moved.packets += 1;
            moved.bytes += u64::from(entry.len);
        }
        self.at += moved.packets as usize;
        moved
    }

    fn supply(&self) -> Supply {
        if self.at == self.entries.len() && self.loops_left == Some(0) { Supply::Ended } else { Supply::Open }
    }

    fn next_arrival(&mut self) -> Option<Arrival> {
        if self.at == self.entries.len() && !self.rewind() {
            return None;
        }
        let entry = self.entries[self.at];
        Some(self.arrival(&entry))
    }
}
