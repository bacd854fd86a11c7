//! What tasks share on their core. It lies with the core, and on the thread while the core turns.

use std::any::Any;
use std::cell::RefCell;
use std::task::Waker;

use hugepages::{Arena, Frame};

use super::flow_set::{FlowCount, FlowSet};
use super::kind::{KindCount, TaskKind};
use super::mailbox::{self, Idle, Mailboxes};
use super::messages::Mail;
use super::needs::TaskNeeds;
use super::time::nanoseconds;
use super::timers::{self, Fired, IdleMailboxes, Timers};
use crate::packet::{CoreId, Packet, Verdict};
use crate::state::queue::{self, Queue};

thread_local! {
    /// The core this thread is turning, if its applications have tasks.
    static LOCAL: RefCell<Option<Box<Local>>> = const { RefCell::new(None) };
}

/// A core's own, as its tasks see it.
pub(crate) struct Local {
    pub(super) core: CoreId,
    pub(super) now_ns: u64,
    /// Are times and places of what is sent to be the same on any number of cores?
    pub(super) virtual_time: bool,
    pub(super) timers: Timers,
    /// Packets that tasks have done with, and what is to become of them.
    pub(super) returned: Queue<(Packet, Verdict)>,
    /// Packets that tasks have.
    pub(super) held: u64,
    /// Packets that tasks made.
    pub(super) originated: u64,
    /// Frames for packets to be made.
    pub(super) stash: Vec<Frame>,
    /// By kind.
    pub(super) counts: Vec<KindCount>,
    /// By number; `None` while it is in use, and once it was taken.
    pub(super) states: Vec<Option<Box<dyn Any + Send>>>,
    pub(super) mailboxes: Mailboxes,
    /// By number.
    pub(super) flows: Vec<FlowSet>,
    /// Messages from and to other cores, and its own.
    pub(super) mail: Mail,
    /// The run ends: flows bring nothing more.
    pub(super) ending: bool,
}

/// Room a core's own has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Packets the core may have at a time.
    pub(crate) packets: usize,
    /// Packets tasks may make in a turn.
    pub(crate) originates: usize,
    /// Flows that may have a mailbox.
    pub(crate) mailboxes: usize,
    /// Timers that may be armed.
    pub(crate) timers: usize,
}

impl Room {
    /// What these needs come to on a core that may have so many packets.
    pub(crate) fn of(needs: &TaskNeeds, packets: usize) -> Room {
        let TaskNeeds { originates, mailboxes, timers, .. } = needs;
        let [originates, mailboxes, timers] = [*originates, *mailboxes, *timers].map(|count| count as usize);
        Room { packets, originates, mailboxes, timers }
    }

    /// Bytes of an arena, by purpose.
    pub(crate) fn lines(&self) -> Vec<(String, usize)> {
        let mut lines = vec![
            (format!("{} timers", self.timers), timers::arena_bytes(self.timers, self.mailboxes)),
            ("packets of tasks".to_owned(), queue::bytes_for::<(Packet, Verdict)>(self.packets)),
        ];
        if self.mailboxes > 0 {
            let bytes = mailbox::arena_bytes(self.mailboxes, self.packets);
            lines.push((format!("{} mailboxes", self.mailboxes), bytes));
        }
        lines
    }
}

impl Local {
    /// A core's own, with room for so much.
    ///
    /// # Errors
    /// The arena has no room for it.
    pub(crate) fn carve(
        arena: &mut Arena,
        core: CoreId,
        virtual_time: bool,
        room: &Room,
        mail: Mail,
    ) -> anyhow::Result<Local> {
        Ok(Local {
            core,
            now_ns: 0,
            virtual_time,
            timers: Timers::carve(arena, room.timers, room.mailboxes)?,
            returned: Queue::new(arena.carve_filled("packets of tasks", room.packets, |_| None)?),
            held: 0,
            originated: 0,
            stash: Vec::with_capacity(room.originates),
            counts: Vec::new(),
            states: Vec::new(),
            mailboxes: Mailboxes::carve(arena, room.mailboxes, room.packets)?,
            flows: Vec::new(),
            mail,
            ending: false,
        })
    }

    /// Room for counts of kinds up to this one.
    pub(crate) fn add_kind(&mut self, kind: TaskKind) {
        let kinds = self.counts.len().max(kind.index() + 1);
        self.counts.resize_with(kinds, KindCount::default);
    }

    /// Keeps a state; its number.
    pub(crate) fn add_state(&mut self, state: Box<dyn Any + Send>) -> u32 {
        self.states.push(Some(state));
        self.states.len() as u32 - 1
    }

    pub(crate) fn set_now(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
    }

    /// Messages of this core.
    #[inline]
    pub(crate) fn mail(&mut self) -> &mut Mail {
        &mut self.mail
    }

    /// Is there something in the mail that is to be delivered in the turn? In virtual time that happens between steps.
    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        self.mail.is_rung() && !self.virtual_time
    }

    /// Keeps a set of flows; its number. `None` when there are as many as mailboxes can tell apart.
    pub(crate) fn add_flows(&mut self, flows: FlowSet) -> Option<u32> {
        let number = u8::try_from(self.flows.len()).ok()?;
        self.flows.push(flows);
        Some(number.into())
    }

    /// By number: what became of the flows of each set, and its name.
    pub(crate) fn flow_counts(&self) -> Vec<(String, FlowCount)> {
        self.flows.iter().map(|flows| (flows.name.clone(), flows.count)).collect()
    }

    /// Mailboxes: how many there are, the most that were open.
    pub(crate) fn mailboxes(&self) -> (usize, usize) {
        (self.mailboxes.capacity(), self.mailboxes.peak())
    }

    /// Packets that tasks have, or have done with and that wait for their fate.
    pub(crate) fn held(&self) -> u64 {
        self.held + self.returned.len() as u64
    }

    /// Packets that tasks made so far.
    pub(crate) fn originated(&self) -> u64 {
        self.originated
    }

    /// A task has done with a packet.
    #[inline]
    pub(super) fn give_back(&mut self, packet: Packet, verdict: Verdict) {
        let given = self.returned.push((packet, verdict));
        debug_assert!(given.is_ok(), "there is a place for every packet the core can have");
    }

    pub(crate) fn returned(&mut self) -> &mut Queue<(Packet, Verdict)> {
        &mut self.returned
    }

    pub(crate) fn stash(&mut self) -> &mut Vec<Frame> {
        &mut self.stash
    }

    /// Wakers of what is due; is that all?
    pub(crate) fn fire(&mut self, fired: &mut Fired) -> bool {
        let mut idle = IdleMailboxes::new();
        let room = fired.remaining_capacity();
        let complete = self.timers.fire(self.now_ns, fired, &mut idle);
        debug_assert!(fired.len() + idle.len() <= room);
        for mailbox in idle {
            let Some(set) = self.mailboxes.set(mailbox) else { continue };
            let idle_ns = nanoseconds(self.flows[usize::from(set)].limits.idle);
            match self.mailboxes.idle(mailbox, self.now_ns, idle_ns) {
                Some(Idle::Until(until_ns)) => {
                    // The timer that fired is free again: there is one.
                    let timer = self.timers.arm_for_mailbox(until_ns, mailbox);
                    self.mailboxes.set_timer(mailbox, timer);
                }
                Some(Idle::Over(waker)) => fired.extend(waker),
                None => {}
            }
        }
        complete
    }

    /// Nothing more comes in: flows are over once what waits in their mailboxes was taken. Who waits is to be woken.
    pub(crate) fn end_flows(&mut self) -> Vec<Waker> {
        self.ending = true;
        self.mailboxes.end_all().collect()
    }

    /// When the first timer is due.
    pub(crate) fn next_deadline_ns(&self) -> Option<u64> {
        self.timers.next_deadline_ns()
    }

    pub(crate) fn timers(&self) -> &Timers {
        &self.timers
    }

    pub(crate) fn counts(&self) -> &[KindCount] {
        &self.counts
    }

    /// What is counted of the kind with this tag.
    pub(crate) fn count(&mut self, tag: u16) -> Option<&mut KindCount> {
        self.counts.get_mut(usize::from(tag))
    }
}

/// Calls `f` with what is this thread's core's own; `None` on a thread that turns no core with tasks. Nothing foreign may be called in
/// `f`, and no waker woken or dropped (cloning one is all): it could come back here.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&mut Local) -> R) -> Option<R> {
    LOCAL.with_borrow_mut(|local| local.as_deref_mut().map(f))
}

/// The same where there is no way around it.
///
/// # Panics
/// On a thread that turns no core with tasks.
#[inline]
pub(super) fn here<R>(f: impl FnOnce(&mut Local) -> R) -> R {
    match with(f) {
        Some(result) => result,
        None => outside(),
    }
}

#[cold]
fn outside() -> ! {
    panic!(
        "only what runs on a polling core, of an application that declared tasks (Application::tasks), can do this"
    )
}

/// The time of this turn, nanoseconds of the run's clock.
///
/// # Panics
/// Outside of tasks and of applications that declared some.
#[inline]
#[must_use]
pub fn now_ns() -> u64 {
    here(|local| local.now_ns)
}

/// The core this task runs on.
///
/// # Panics
/// Outside of tasks and of applications that declared some.
#[inline]
#[must_use]
pub fn core() -> CoreId {
    here(|local| local.core)
}

/// A core's own lies on this thread until [`Entered::leave`]: where what is done in between panics, whoever catches that
/// calls it.
#[must_use]
pub(crate) struct Entered(());

impl Entered {
    /// Puts it there.
    ///
    /// # Panics
    /// Another core's lies there already.
    #[inline]
    pub(crate) fn enter(local: Box<Local>) -> Entered {
        LOCAL.with_borrow_mut(|place| {
            assert!(place.is_none(), "a core turns within another core's turn");
            *place = Some(local);
        });
        Entered(())
    }

    /// Takes it away again.
    #[inline]
    pub(crate) fn leave(&mut self) -> Option<Box<Local>> {
        LOCAL.with_borrow_mut(Option::take)
    }
}
