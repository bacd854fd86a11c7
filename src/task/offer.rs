//! Packets offered to flows: who has theirs, and whether there is room.

use std::task::Waker;

use super::local::Local;
use super::mailbox::MailboxId;
use super::time::nanoseconds;
use crate::packet::flow::FlowKey;
use crate::packet::{Packet, Reason, Verdict};

/// What comes of a packet that is offered to flows.
pub(super) enum Offered {
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
    /// Delivers a packet to the mailbox its flow has. (Not inlined: bursts look up their flows themselves, and their loop is to stay small.)
    #[inline(never)]
    pub(super) fn offer(&mut self, set: u32, packet: Packet) -> Offered {
        let Some((key, _)) = FlowKey::of(packet.data(), packet.layers()) else {
            return Offered::Back(packet, NoFlow::Portless);
        };
        let flows = &mut self.flows[set as usize];
        match flows.get(&key).map(|known| known.mailbox()) {
            Some(Ok(mailbox)) => self.offer_to(set, mailbox, packet),
            Some(Err(until_ns)) if until_ns > self.now_ns => {
                flows.count.late += 1;
                Offered::Back(packet, NoFlow::Over)
            }
            Some(Err(_)) => {
                flows.wake_ports(self.now_ns);
                Offered::Back(packet, NoFlow::Unknown)
            }
            None => Offered::Back(packet, NoFlow::Unknown),
        }
    }

    /// Delivers a packet to a mailbox.
    #[inline(always)]
    pub(super) fn offer_to(&mut self, set: u32, mailbox: MailboxId, packet: Packet) -> Offered {
        let flows = &mut self.flows[set as usize];
        match self.mailboxes.has_room(mailbox, flows.limits.mailbox) {
            Ok(()) => Offered::Delivered(self.mailboxes.put(mailbox, packet, self.now_ns)),
            Err(why) => Offered::Back(packet, flows.turned_away(why)),
        }
    }

    /// A mailbox for a flow that has none yet.
    pub(super) fn make_flow(&mut self, set: u32, key: FlowKey) -> Option<MailboxId> {
        let flows = &mut self.flows[set as usize];
        if self.ending || flows.is_full(self.now_ns) {
            return None;
        }
        let idle_ns = nanoseconds(flows.limits.idle);
        let mailbox = self.mailboxes.open(set as u8, self.now_ns)?;
        if !flows.insert(&key, mailbox, self.now_ns) {
            self.mailboxes.close(mailbox);
            return None;
        }
        let timer = self.timers.arm_for_mailbox(self.now_ns.saturating_add(idle_ns), mailbox.index());
        self.mailboxes.set_timer(mailbox.index(), timer);
        Some(mailbox)
    }

    /// Makes a flow of a packet nobody has one for.
    #[inline(never)]
    pub(super) fn accept(&mut self, set: u32, packet: Packet) -> Result<(MailboxId, FlowKey), Packet> {
        let made = FlowKey::of(packet.data(), packet.layers())
            .and_then(|(key, _)| Some((self.make_flow(set, key)?, key)));
        let Some((mailbox, key)) = made else {
            self.flows[set as usize].count.refused += 1;
            return Err(packet);
        };
        let limit = self.flows[set as usize].limits.mailbox;
        // A limit of no packets at all: nothing can ever be in it.
        if self.mailboxes.has_room(mailbox, limit).is_err() {
            self.close_flow(set, &key, mailbox, false);
            return Err(packet);
        }
        self.mailboxes.put(mailbox, packet, self.now_ns);
        self.flows[set as usize].count.accepted += 1;
        Ok((mailbox, key))
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
            self.give_back(packet, Verdict::Drop(Reason::TASK_ENDED));
        }
        let (timer, waker) = self.mailboxes.close(mailbox);
        if let Some(timer) = timer {
            self.timers.cancel_for_mailbox(timer);
        }
        self.flows[set as usize].remove(key, rests, self.now_ns);
        waker
    }
}
