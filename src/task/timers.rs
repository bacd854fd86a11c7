//! The core's timers: deadlines on a wheel, and who is to be woken.

use std::task::Waker;

use arrayvec::ArrayVec;
use hugepages::{Arena, Filled, arena};
use zerocopy::FromZeros;

use crate::state::timer_wheel::{self, TimerId, TimerWheel};

/// Timers that are fired between two looks at what else there is to do.
pub(crate) const FIRED_AT_ONCE: usize = 64;

/// Wakers of timers that have fired.
pub(crate) type Fired = ArrayVec<Waker, FIRED_AT_ONCE>;

/// Mailboxes whose timers have fired.
pub(super) type IdleMailboxes = ArrayVec<u32, FIRED_AT_ONCE>;

/// Deadlines of tasks, each with a waker, and of mailboxes, each with the number of one.
pub(crate) struct Timers {
    wheel: TimerWheel<()>,
    /// By the timer's index.
    wakers: Filled<Option<Waker>>,
    idle: TimerWheel<u32>,
}

/// Bytes that `count` timers of tasks and those of so many mailboxes take of an arena.
pub(super) fn arena_bytes(count: usize, mailboxes: usize) -> usize {
    let wakers = arena::carve_bytes::<Option<Waker>>(count);
    let wheels = timer_wheel::bytes_for::<()>(count).saturating_add(timer_wheel::bytes_for::<u32>(mailboxes));
    wheels.saturating_add(wakers)
}

fn wheel<V: Copy + FromZeros + 'static>(arena: &mut Arena, count: usize) -> anyhow::Result<TimerWheel<V>> {
    let timers = arena.carve("timers", count)?;
    let chunks = arena.carve("timers", timer_wheel::chunks_for(count))?;
    Ok(TimerWheel::new(timers, chunks, 0))
}

impl Timers {
    /// Room for `count` timers of tasks and one for each mailbox.
    ///
    /// # Errors
    /// The arena has no room for them.
    pub(super) fn carve(arena: &mut Arena, count: usize, mailboxes: usize) -> anyhow::Result<Timers> {
        Ok(Timers {
            wheel: wheel(arena, count)?,
            wakers: arena.carve_filled("timers", count, |_| None)?,
            idle: wheel(arena, mailboxes)?,
        })
    }

    #[inline]
    pub(super) fn arm(&mut self, deadline_ns: u64, waker: Waker) -> Option<TimerId> {
        let id = self.wheel.arm(deadline_ns, ())?;
        self.wakers[id.index()] = Some(waker);
        Some(id)
    }

    /// Arms the timer of a mailbox; there is one for each.
    #[inline]
    pub(super) fn arm_for_mailbox(&mut self, deadline_ns: u64, mailbox: u32) -> Option<TimerId> {
        self.idle.arm(deadline_ns, mailbox)
    }

    /// Takes the timer of a mailbox back.
    #[inline]
    pub(super) fn cancel_for_mailbox(&mut self, id: TimerId) {
        self.idle.cancel(id);
    }

    /// Is it still to fire?
    #[inline]
    pub(super) fn is_armed(&self, id: TimerId) -> bool {
        self.wheel.deadline_ns(id).is_some()
    }

    /// Makes it wake another: the waker that is not needed any more, to be dropped where nothing of the core is borrowed.
    #[inline]
    pub(super) fn rewake(&mut self, id: TimerId, waker: &Waker) -> Option<Waker> {
        let slot = &mut self.wakers[id.index()];
        match slot {
            Some(known) if known.will_wake(waker) => None,
            _ => slot.replace(waker.clone()),
        }
    }

    /// Takes a timer back: its waker.
    #[inline]
    pub(super) fn cancel(&mut self, id: TimerId) -> Option<Waker> {
        self.wheel.cancel(id)?;
        self.wakers[id.index()].take()
    }

    /// What is due at `now_ns`, as far as there is room: wakers, and numbers of mailboxes. Is that all?
    pub(super) fn fire(&mut self, now_ns: u64, fired: &mut Fired, idle: &mut IdleMailboxes) -> bool {
        // Each mailbox may have a task to wake.
        let room = fired.remaining_capacity().min(idle.remaining_capacity());
        let mailboxes = self.idle.advance(now_ns, room / 2, |_, _, mailbox| idle.push(mailbox));
        let wakers = &mut self.wakers;
        let tasks = self.wheel.advance(now_ns, room - idle.len(), |id, _, ()| {
            fired.extend(wakers[id.index()].take());
        });
        mailboxes.complete && tasks.complete
    }

    pub(super) fn next_deadline_ns(&self) -> Option<u64> {
        self.wheel.next_deadline_ns().into_iter().chain(self.idle.next_deadline_ns()).min()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.wheel.capacity()
    }

    pub(crate) fn peak(&self) -> usize {
        self.wheel.peak()
    }

    pub(crate) fn full_count(&self) -> u64 {
        self.wheel.full_count()
    }
}
