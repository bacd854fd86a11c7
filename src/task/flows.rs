//! Flows with a task each: the handle by which an application gives packets to tasks, and tasks open flows of their own.

use std::net::{IpAddr, SocketAddr};
use std::task::Waker;

use arrayvec::ArrayVec;
use hugepages::slots;

use super::flow::Flow;
use super::flow_set::FlowSet;
use super::held::{Held, hold};
use super::kind::TaskKind;
use super::local::here;
use super::mailbox::{MailboxId, Mailboxes};
use super::offer::{NoFlow, Offered};
use super::ports::OpenError;
use super::spawn::spawn;
use zerocopy::FromZeros;

use crate::packet::flow::FlowKey;
use crate::packet::{Burst, BurstSize, Verdict};

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
            let found = find(&local.flows[self.set as usize], &local.mailboxes, burst);
            let mut place = 0;
            burst.hand_over(|packet| {
                local.held += 1;
                let offered = match found[place] {
                    Some(mailbox) => local.offer_to(self.set, mailbox, packet),
                    None => local.offer(self.set, packet),
                };
                place += 1;
                let back = match offered {
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
        woken.iter().for_each(slots::prefetch);
        // Out here: wakers and tasks are others' code.
        slots::wake_each(woken.drain(..));
        for (mailbox, key) in fresh.drain(..) {
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
        local: IpAddr,
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

/// The mailboxes of a burst's undecided packets, each step for all of them before the next, so that their cache misses overlap.
#[inline]
fn find(flows: &FlowSet, mailboxes: &Mailboxes, burst: &Burst) -> [Option<MailboxId>; BurstSize::MAX] {
    let mut keys = ArrayVec::<FlowKey, { BurstSize::MAX }>::new();
    for packet in burst.undecided() {
        // A packet without ports has the key of all zeros, which is no flow's.
        let key = FlowKey::of(packet.data(), packet.layers()).map(|(key, _)| key);
        keys.push(key.unwrap_or_else(FlowKey::new_zeroed));
    }
    let mut found = [None; BurstSize::MAX];
    flows.find_burst(&keys, |nth, mailbox| {
        mailboxes.prefetch(mailbox);
        found[nth] = Some(mailbox);
    });
    found
}
