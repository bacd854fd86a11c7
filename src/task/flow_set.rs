//! A set of flows on one core: which of them have a mailbox, which rest, what became of them.

use std::time::Duration;

use hugepages::Arena;
use zerocopy::FromZeros;

use super::mailbox::{MailboxId, Undelivered};
use super::offer::NoFlow;
use super::ports::Homes;
use super::time::nanoseconds;
use crate::packet::Reason;
use crate::packet::flow::FlowKey;
use crate::state::flow_table::{self, Eviction, FlowTable, buckets_for};
use crate::state::queue::{self, Queue};

/// What flows of a set may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    /// Packets that wait for the task of a flow, at most; more are dropped as `mailbox-full`.
    pub mailbox: u16,
    /// A flow nothing came of for so long is over: its task is told so.
    pub idle: Duration,
    /// How long the addresses and ports of a flow that a task opened are not used again once it is over: what still comes
    /// of it is dropped as `flow-over`.
    pub rest: Duration,
}

impl Default for FlowLimits {
    /// 64 packets, 30 s, 10 s.
    fn default() -> FlowLimits {
        FlowLimits { mailbox: 64, idle: Duration::from_secs(30), rest: Duration::from_secs(10) }
    }
}

/// What became of the flows of a set on one core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCount {
    /// Flows that began with a packet.
    pub accepted: u64,
    /// Flows that tasks opened.
    pub opened: u64,
    /// The most flows there were at a time.
    pub peak: u64,
    /// Flows for which there was no mailbox, or no slot for their task.
    pub refused: u64,
    /// Packets that found their mailbox full.
    pub overflowed: u64,
    /// Packets of flows that were over.
    pub late: u64,
    /// Flows whose ports rested for a shorter time than they should have: more were over than may rest.
    pub rested_short: u64,
    /// Flows that a task wanted to open and no port was left for.
    pub no_port: u64,
}

/// Reasons for which packets of flows are dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlowReasons {
    pub(crate) mailbox_full: Reason,
    pub(crate) flows_full: Reason,
    pub(crate) flow_over: Reason,
}

/// What is known of a flow.
#[derive(Clone, Copy, Debug, FromZeros)]
#[repr(C)]
pub(super) struct Known {
    mailbox: u32,
    generation: u32,
    /// Its task is gone, and its port rests until then, nanoseconds; 0 while it has a mailbox.
    rests_until_ns: u64,
}

impl Known {
    fn open(mailbox: MailboxId) -> Known {
        Known { mailbox: mailbox.index(), generation: mailbox.generation(), rests_until_ns: 0 }
    }

    /// Its mailbox, or until when it rests.
    #[inline]
    pub(super) fn mailbox(self) -> Result<MailboxId, u64> {
        match self.rests_until_ns {
            0 => Ok(MailboxId::new(self.mailbox, self.generation)),
            until_ns => Err(until_ns),
        }
    }
}

/// A set of flows on one core.
pub(crate) struct FlowSet {
    pub(super) name: String,
    table: FlowTable<FlowKey, Known>,
    pub(super) limits: FlowLimits,
    pub(super) homes: Homes,
    pub(super) reasons: FlowReasons,
    /// Flows whose ports rest, the first to wake up first.
    resting: Queue<(u64, FlowKey)>,
    pub(super) count: FlowCount,
}

/// How many flows a set has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowRoom {
    /// That have a mailbox at a time.
    pub flows: u32,
    /// That are over and rest.
    pub resting: u32,
}

impl FlowRoom {
    fn keys(self) -> usize {
        self.flows as usize + self.resting as usize
    }
}

/// Bytes of an arena that a set of so many flows takes.
pub(crate) fn arena_bytes(room: FlowRoom) -> usize {
    let (capacity, resting) = (room.keys(), room.resting as usize);
    flow_table::bytes_for::<FlowKey, Known>(capacity)
        .saturating_add(queue::bytes_for::<(u64, FlowKey)>(resting))
}

impl FlowSet {
    /// An empty set with room for so many.
    ///
    /// # Errors
    /// The arena has no room for them.
    pub(crate) fn carve(
        arena: &mut Arena,
        name: &'static str,
        room: FlowRoom,
        limits: FlowLimits,
        homes: Homes,
        reasons: FlowReasons,
        seed: u64,
    ) -> anyhow::Result<FlowSet> {
        let capacity = room.keys();
        let buckets = arena.carve(name, buckets_for(capacity))?;
        let (entries, stamps) = (arena.carve(name, capacity)?, arena.carve(name, capacity)?);
        let table = FlowTable::new(buckets, entries, stamps, Eviction::Refuse, seed);
        let resting = Queue::new(arena.carve_filled(name, room.resting as usize, |_| None)?);
        let count = FlowCount::default();
        Ok(FlowSet { name: name.to_owned(), table, limits, homes, reasons, resting, count })
    }

    /// Is there such a flow, or one that rests?
    pub(super) fn has(&self, key: &FlowKey) -> bool {
        self.table.get(key).is_some()
    }

    /// What is known of a flow.
    #[inline]
    pub(super) fn get(&self, key: &FlowKey) -> Option<Known> {
        self.table.get(key).copied()
    }

    /// The mailboxes these keys have; one after the other, those of flows that have one.
    #[inline]
    pub(super) fn find_burst(&self, keys: &[FlowKey], mut found: impl FnMut(usize, MailboxId)) {
        self.table.get_burst(keys, |nth, known| {
            if let Some(Ok(mailbox)) = known.map(|known| known.mailbox()) {
                found(nth, mailbox);
            }
        });
    }

    /// A packet is not taken by its mailbox.
    #[cold]
    pub(super) fn turned_away(&mut self, why: Undelivered) -> NoFlow {
        match why {
            Undelivered::Full => {
                self.count.overflowed += 1;
                NoFlow::Full
            }
            // Its task was told that it is over and has not ended yet.
            Undelivered::Over => {
                self.count.late += 1;
                NoFlow::Over
            }
        }
    }

    /// Lets ports be used again that have rested.
    pub(super) fn wake_ports(&mut self, now_ns: u64) {
        while let Some((until_ns, key)) =
            self.resting.first().copied().filter(|(until_ns, _)| *until_ns <= now_ns)
        {
            self.resting.pop();
            if self.table.get(&key).is_some_and(|known| known.rests_until_ns == until_ns) {
                self.table.remove(&key);
            }
        }
    }

    /// Is there no room for one more?
    pub(super) fn is_full(&mut self, now_ns: u64) -> bool {
        if self.table.len() >= self.table.capacity() {
            self.wake_ports(now_ns);
        }
        self.table.len() >= self.table.capacity()
    }

    /// A flow that was not there has a mailbox now; `false` where the table has no place for its key.
    pub(super) fn insert(&mut self, key: &FlowKey, mailbox: MailboxId, now_ns: u64) -> bool {
        let inserted = self.table.insert(now_ns, key, Known::open(mailbox)).is_some();
        let open = self.table.len().saturating_sub(self.resting.len());
        self.count.peak = self.count.peak.max(open as u64);
        inserted
    }

    /// A flow is over; does its port rest?
    pub(super) fn remove(&mut self, key: &FlowKey, rests: bool, now_ns: u64) {
        let until_ns = now_ns.saturating_add(nanoseconds(self.limits.rest));
        if rests && until_ns > now_ns {
            if self.resting.is_full() {
                self.wake_ports(now_ns);
            }
            // Where as many rest as may, one rests shorter: the one that has rested longest.
            if self.resting.is_full()
                && let Some((_, longest)) = self.resting.pop()
            {
                self.table.remove(&longest);
                self.count.rested_short += 1;
            }
            let rests = self.resting.push((until_ns, *key)).is_ok();
            match self.table.get_mut(now_ns, key) {
                Some(known) if rests => known.rests_until_ns = until_ns,
                _ => {
                    self.table.remove(key);
                }
            }
        } else {
            self.table.remove(key);
        }
    }
}
