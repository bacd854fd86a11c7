//! The core's timers: deadlines on a wheel, and who is to be woken.

use std::task::Waker;

use arrayvec::ArrayVec;
use hugepages::Arena;

use crate::state::timer_wheel::{self, TimerId, TimerWheel};

/// Timers that are fired between two looks at what else there is to do.
pub(crate) const FIRED_AT_ONCE: usize = 64;

/// Wakers of timers that have fired.
pub(crate) type Fired = ArrayVec<Waker, FIRED_AT_ONCE>;

/// Mailboxes whose timers have fired.
pub(super) type IdleMailboxes = ArrayVec<u32, FIRED_AT_ONCE>;

/// What a timer is for: the number of a mailbox that may be idle, or [`WAKES`].
type Purpose = u32;
const WAKES: Purpose = Purpose::MAX;

/// Deadlines, each with a waker or a mailbox.
pub(crate) struct Timers {
    wheel: TimerWheel<Purpose>,
    /// By the timer's index.
    wakers: Box<[Option<Waker>]>,
}

/// Bytes that `count` timers take of an arena.
pub(crate) fn arena_bytes(count: usize) -> usize {
    timer_wheel::bytes_for::<Purpose>(count)
}

impl Timers {
    /// Room for `count` timers, the clock at `now_ns`.
    ///
    /// # Errors
    /// The arena has no room for them.
    pub(crate) fn carve(arena: &mut Arena, count: usize) -> anyhow::Result<Timers> {
        let timers = arena.carve("timers", count)?;
        let chunks = arena.carve("timers", timer_wheel::chunks_for(count))?;
        Ok(Timers { wheel: TimerWheel::new(timers, chunks, 0), wakers: vec![None; count].into() })
    }

    #[inline]
    pub(super) fn arm(&mut self, deadline_ns: u64, waker: Waker) -> Option<TimerId> {
        let id = self.wheel.arm(deadline_ns, WAKES)?;
        self.wakers[id.index()] = Some(waker);
        Some(id)
    }

    /// Arms a timer for a mailbox.
    #[inline]
    pub(super) fn arm_for_mailbox(&mut self, deadline_ns: u64, mailbox: u32) -> Option<TimerId> {
        self.wheel.arm(deadline_ns, mailbox)
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
        let wakers = &mut self.wakers;
        let room = fired.remaining_capacity().min(idle.remaining_capacity());
        let advance = self.wheel.advance(now_ns, room, |id, _, purpose| match purpose {
            WAKES => fired.extend(wakers[id.index()].take()),
            mailbox => idle.push(mailbox),
        });
        advance.complete
    }

    pub(super) fn next_deadline_ns(&self) -> Option<u64> {
        self.wheel.next_deadline_ns()
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
