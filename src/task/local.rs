//! What tasks share on their core. It lies with the core, and on the thread while the core turns.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;

use hugepages::Frame;

use super::kind::{KindCount, TaskKind};
use super::timers::{Fired, Timers};
use crate::packet::{CoreId, Packet, Verdict};

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
    pub(super) returned: VecDeque<(Packet, Verdict)>,
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
}

impl Local {
    /// For a core that may have `packets` packets at a time and originates `originates` a turn.
    pub(crate) fn new(
        core: CoreId,
        virtual_time: bool,
        timers: Timers,
        packets: usize,
        originates: usize,
    ) -> Local {
        Local {
            core,
            now_ns: 0,
            virtual_time,
            timers,
            returned: VecDeque::with_capacity(packets),
            held: 0,
            originated: 0,
            stash: Vec::with_capacity(originates),
            counts: Vec::new(),
            states: Vec::new(),
        }
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

    /// Packets that tasks have, or have done with and that wait for their fate.
    pub(crate) fn held(&self) -> u64 {
        self.held + self.returned.len() as u64
    }

    /// Packets that tasks made so far.
    pub(crate) fn originated(&self) -> u64 {
        self.originated
    }

    pub(crate) fn returned(&mut self) -> &mut VecDeque<(Packet, Verdict)> {
        &mut self.returned
    }

    pub(crate) fn stash(&mut self) -> &mut Vec<Frame> {
        &mut self.stash
    }

    /// Wakers of what is due; is that all?
    pub(crate) fn fire(&mut self, fired: &mut Fired) -> bool {
        self.timers.fire(self.now_ns, fired)
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
/// `f`, wakers of others included: it could come back here.
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
