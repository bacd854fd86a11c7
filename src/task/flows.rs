//! Flows with a task each: which mailbox a packet's flow has, and who may have one.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::task::Waker;
use std::time::Duration;

use arrayvec::ArrayVec;

use super::flow::Flow;
use super::held::{Held, hold};
use super::kind::TaskKind;
use super::local::{Local, here};
use super::mailbox::{MailboxId, Undelivered};
use super::ports::{Homes, OpenError};
use super::spawn::spawn;
use crate::packet::flow::FlowKey;
use crate::packet::{Burst, BurstSize, Packet, Reason, Verdict};

/// What flows of a set may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    /// Packets that wait for the task of a flow, at most; more are dropped as `mailbox-full`.
    pub mailbox: u32,
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
#[derive(Clone, Copy, Debug)]
enum Entry {
    /// It has a mailbox.
    Open(MailboxId),
    /// Its task is gone; its port rests until then, nanoseconds.
    Rests(u64),
}

/// A set of flows on one core.
pub(crate) struct FlowSet {
    pub(super) name: String,
    table: HashMap<FlowKey, Entry, foldhash::fast::FixedState>,
    capacity: usize,
    pub(super) limits: FlowLimits,
    pub(super) homes: Homes,
    reasons: FlowReasons,
    /// Flows whose ports rest, the first to wake up first.
    resting: VecDeque<(u64, FlowKey)>,
    pub(super) count: FlowCount,
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl FlowSet {
    /// Room for `capacity` flows, resting ones included.
    pub(crate) fn new(
        name: String,
        capacity: usize,
        limits: FlowLimits,
        homes: Homes,
        reasons: FlowReasons,
        seed: u64,
    ) -> FlowSet {
        let hasher = foldhash::fast::FixedState::with_seed(seed);
        // Twice the room: removing and adding never makes it allocate.
        let table = HashMap::with_capacity_and_hasher(capacity * 2, hasher);
        let (resting, count) = (VecDeque::with_capacity(capacity), FlowCount::default());
        FlowSet { name, table, capacity, limits, homes, reasons, resting, count }
    }

    /// Is there such a flow, or one that rests?
    pub(super) fn has(&self, key: &FlowKey) -> bool {
        self.table.contains_key(key)
    }

    /// Lets ports be used again that have rested.
    fn wake_ports(&mut self, now_ns: u64) {
        while let Some((until_ns, key)) =
            self.resting.front().copied().filter(|(until_ns, _)| *until_ns <= now_ns)
        {
            self.resting.pop_front();
            if matches!(self.table.get(&key), Some(Entry::Rests(until)) if *until == until_ns) {
                self.table.remove(&key);
            }
        }
    }

    fn is_full(&mut self, now_ns: u64) -> bool {
        if self.table.len() >= self.capacity {
            self.wake_ports(now_ns);
        }
        self.table.len() >= self.capacity
    }

    fn insert(&mut self, key: FlowKey, mailbox: MailboxId) {
        self.table.insert(key, Entry::Open(mailbox));
        self.count.peak = self.count.peak.max((self.table.len() - self.resting.len()) as u64);
    }

    /// A flow is over; does its port rest?
    fn remove(&mut self, key: &FlowKey, rests: bool, now_ns: u64) {
        let until_ns = now_ns.saturating_add(nanoseconds(self.limits.rest));
        if rests && until_ns > now_ns {
            self.table.insert(*key, Entry::Rests(until_ns));
            self.resting.push_back((until_ns, *key));
        } else {
            self.table.remove(key);
        }
    }
}

/// What comes of a packet that is offered to flows.
enum Offered {
    /// It is with its flow's task, who may have to be woken.
    Delivered(Option<Waker>),
    /// It is none of theirs, or they have no room for it.
    Back(Packet, NoFlow),
}

/// Why a packet is not with a flow's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFlow {
    /// It has no ports: another protocol, a fragment, malformed.
    #[error("the packet belongs to no flow")]
    Portless,
    /// No task has its flow.
    #[error("no task has the packet's flow")]
    Unknown,
    /// As many of its flow wait as may.
    #[error("the flow's mailbox is full")]
    Full,
    /// Its flow is over, and its ports rest.
    #[error("the flow is over")]
    Over,
}

impl Local {
    /// Delivers a packet to the mailbox its flow has.
    #[inline]
    fn offer(&mut self, set: u32, packet: Packet) -> Offered {
        let Some((key, _)) = FlowKey::of(packet.data(), packet.layers()) else {
            return Offered::Back(packet, NoFlow::Portless);
        };
        let flows = &mut self.flows[set as usize];
        let mailbox = match flows.table.get(&key) {
            Some(Entry::Open(mailbox)) => *mailbox,
            Some(Entry::Rests(until_ns)) if *until_ns > self.now_ns => {
                flows.count.late += 1;
                return Offered::Back(packet, NoFlow::Over);
            }
            Some(Entry::Rests(_)) => {
                flows.wake_ports(self.now_ns);
                return Offered::Back(packet, NoFlow::Unknown);
            }
            None => return Offered::Back(packet, NoFlow::Unknown),
        };
        match self.mailboxes.deliver(mailbox, packet, self.now_ns) {
            Ok(waker) => Offered::Delivered(waker),
            Err((packet, Undelivered::Full)) => {
                flows.count.overflowed += 1;
                Offered::Back(packet, NoFlow::Full)
            }
            // Its task was told that it is over and has not ended yet.
            Err((packet, Undelivered::Over)) => {
                flows.count.late += 1;
                Offered::Back(packet, NoFlow::Over)
            }
        }
    }

    /// A mailbox for a flow that has none yet.
    pub(super) fn make_flow(&mut self, set: u32, key: FlowKey) -> Option<MailboxId> {
        let flows = &mut self.flows[set as usize];
        if self.ending || flows.is_full(self.now_ns) {
            return None;
        }
        let idle_ns = nanoseconds(flows.limits.idle);
        let mailbox = self.mailboxes.open(flows.limits.mailbox, self.now_ns, idle_ns)?;
        flows.insert(key, mailbox);
        let timer = self.timers.arm_for_mailbox(self.now_ns.saturating_add(idle_ns), mailbox.index());
        self.mailboxes.set_timer(mailbox.index(), timer);
        Some(mailbox)
    }

    /// Makes a flow of a packet nobody has one for.
    fn accept(&mut self, set: u32, packet: Packet) -> Result<(MailboxId, FlowKey), Packet> {
        let made = FlowKey::of(packet.data(), packet.layers())
            .and_then(|(key, _)| Some((self.make_flow(set, key)?, key)));
        let Some((mailbox, key)) = made else {
            self.flows[set as usize].count.refused += 1;
            return Err(packet);
        };
        match self.mailboxes.deliver(mailbox, packet, self.now_ns) {
            Ok(_) => {
                self.flows[set as usize].count.accepted += 1;
                Ok((mailbox, key))
            }
            // A limit of no packets at all: nothing can ever be in it.
            Err((packet, _)) => {
                self.close_flow(set, &key, mailbox, false);
                Err(packet)
            }
        }
    }

    /// A task has done with its flow; who is not to be woken any more is dropped by the caller.
    pub(super) fn close_flow(
        &mut self,
        set: u32,
        key: &FlowKey,
        mailbox: MailboxId,
        rests: bool,
    ) -> Option<Waker> {
        while let Some(packet) = self.mailboxes.take(mailbox) {
            self.held -= 1;
            self.returned.push_back((packet, Verdict::Drop(Reason::TASK_ENDED)));
        }
        let (timer, waker) = self.mailboxes.close(mailbox);
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
        self.flows[set as usize].remove(key, rests, self.now_ns);
        waker
    }
}

/// Flows of one application on this core, each with a task: a handle, made by [`Build::flows`](crate::pipeline::Build::flows).
#[derive(Clone, Copy, Debug)]
pub struct Flows {
    set: u32,
}

impl Flows {
    pub(crate) fn new(set: u32) -> Flows {
        Flows { set }
    }

    /// Gives every packet of a burst nobody has decided about to the task of its flow; for a flow that has none, `task` makes one, of
    /// this kind. Packets without ports are left to the next application. What finds no room is dropped: `mailbox-full`,
    /// `flows-full`, `flow-over`.
    ///
    /// # Panics
    /// In applications that declared no tasks.
    pub fn dispatch<F>(self, burst: &mut Burst, kind: TaskKind, mut task: impl FnMut(Flow) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        let mut woken = ArrayVec::<Waker, { BurstSize::MAX }>::new();
        let mut fresh = ArrayVec::<(MailboxId, FlowKey), { BurstSize::MAX }>::new();
        here(|local| {
            let reasons = local.flows[self.set as usize].reasons;
            burst.hand_over(|packet| {
                local.held += 1;
                let back = match local.offer(self.set, packet) {
                    Offered::Delivered(waker) => {
                        woken.extend(waker);
                        return None;
                    }
                    Offered::Back(packet, NoFlow::Unknown) => match local.accept(self.set, packet) {
                        Ok(flow) => {
                            fresh.push(flow);
                            return None;
                        }
                        Err(packet) => (packet, Verdict::Drop(reasons.flows_full)),
                    },
                    Offered::Back(packet, NoFlow::Portless) => (packet, Verdict::Pass),
                    Offered::Back(packet, NoFlow::Full) => (packet, Verdict::Drop(reasons.mailbox_full)),
                    Offered::Back(packet, NoFlow::Over) => (packet, Verdict::Drop(reasons.flow_over)),
                };
                local.held -= 1;
                Some(back)
            });
        });
        // Out here: wakers and tasks are others' code.
        woken.into_iter().for_each(Waker::wake);
        for (mailbox, key) in fresh {
            let flow = Flow::new(self.set, key, mailbox, false);
            if spawn(kind, task(flow)).map(drop).is_err() {
                here(|local| local.flows[self.set as usize].count.refused += 1);
            }
        }
    }

    /// Gives a packet to the task that has its flow.
    ///
    /// # Errors
    /// The packet, and why no task has it now. What to do with it is the caller's to say.
    ///
    /// # Panics
    /// Outside of tasks and of applications that declared some.
    #[inline]
    pub fn deliver(self, held: Held) -> Result<(), (Held, NoFlow)> {
        let packet = held.release();
        let offered = here(|local| {
            local.held += 1;
            let offered = local.offer(self.set, packet);
            local.held -= u64::from(matches!(offered, Offered::Back(..)));
            offered
        });
        match offered {
            Offered::Delivered(waker) => {
                waker.into_iter().for_each(Waker::wake);
                Ok(())
            }
            Offered::Back(packet, why) => Err((hold(packet), why)),
        }
    }

    /// Opens a flow of a task's own from `local` (its port is not looked at) to `remote`, of this protocol (17 is UDP, 6 TCP): picks a port
    /// of which answers are steered to this core, and keeps packets of the flow in its mailbox.
    ///
    /// `home` is the [hash](crate::packet::Packet::hash) of the packet on whose behalf this happens: where the application has
    /// [shards](crate::pipeline::Application::shards), answers come to that packet's shard, so that the port is the same on any
    /// number of cores. The port is the first that is free of a sequence that `draw` determines; RFC 6056 says why it should be
    /// one that nobody outside can guess.
    ///
    /// # Errors
    /// [`OpenError`]; counted.
    ///
    /// # Panics
    /// Outside of tasks and of applications that declared some.
    pub fn open(
        self,
        home: u32,
        local: std::net::IpAddr,
        remote: SocketAddr,
        protocol: u8,
        draw: u64,
    ) -> Result<Flow, OpenError> {
        let set = self.set;
        here(|core| {
            let flows = &mut core.flows[set as usize];
            flows.wake_ports(core.now_ns);
            let opened = flows.homes.port_for(home, local, remote, protocol, draw, |key| flows.has(key));
            match opened.and_then(|key| Ok((core.make_flow(set, key).ok_or(OpenError::Full)?, key))) {
                Ok((mailbox, key)) => {
                    core.flows[set as usize].count.opened += 1;
                    Ok(Flow::new(set, key, mailbox, true))
                }
                Err(error) => {
                    core.flows[set as usize].count.no_port += 1;
                    Err(error)
                }
            }
        })
    }
}
