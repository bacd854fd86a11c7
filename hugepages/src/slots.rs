//! Where the futures of a core's tasks live: slots of a few sizes in the arena, a queue of those that
//! are ready, and wakers.
//!
//! ```text
//! slot:  | head, 48 bytes | future; once it is done, its output |   a multiple of 64 bytes
//!            └ number: its distance from the first slot, in lines ──▶ ready queue (u32 each)
//! waker: 64 bits, no pointer:  instance (20) | generation (20) | number (24)
//! ```
//!
//! **Why a waker cannot dangle.** It is `Send`, may be cloned without end and may outlive the task, the slots and
//! their mapping. So it holds no pointer and counts no references: it names an instance of [`Slots`], and instances are
//! never numbered twice. On the thread that runs that very instance a wake is a push on its queue, without
//! an atomic; on any other it sets a bit in the instance's [`Inbox`], if there still is one. A generation that wrapped
//! round wakes a task too often, which a future has to bear with anyway.
//!
//! **Why a task stays on its thread.** Futures here need not be `Send`. Until the first is spawned the
//! slots may be sent to another thread; from then on every method panics elsewhere, and dropped
//! elsewhere they leak their futures.
//!
//! In the order a task passes them: `inner` (spawn, poll, end) and the `head` of each slot, `queue`, [`Waker`]s in `waker`,
//! [`inbox`] for wakes from elsewhere, [`Join`] for its result. [`Shared`] is a value in a slot, for several tasks.

mod head;
pub mod inbox;
mod inner;
mod join;
mod queue;
mod shared;
mod waker;

use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;

pub use inbox::Inbox;
use inner::Inner;
pub(crate) use inner::Storage;
pub use inner::{Ended, Occupancy};
pub use join::Join;
pub use shared::{NotShared, Shared, share};

/// Slots of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotClass {
    /// The largest future, and output, a slot of this class takes, in bytes. What the head leaves of the last
    /// line is added.
    pub room: u32,
    /// How many slots.
    pub count: u32,
}

/// Bytes before every future.
pub const HEAD_BYTES: usize = 48;
/// Slots are so many bytes or a multiple of it.
pub(crate) const UNIT: usize = 64;
/// The most bytes all slots of a core may take: what 24 bits of lines reach.
pub const MOST_BYTES: usize = UNIT << 24;
/// Alignment futures and their outputs may ask for.
pub const ALIGN: usize = 16;

impl SlotClass {
    /// Bytes of one slot, head and all; `None` when that is more than [`MOST_BYTES`].
    #[must_use]
    pub fn stride(&self) -> Option<usize> {
        let bytes = (self.room as usize).checked_add(HEAD_BYTES)?.checked_next_multiple_of(UNIT)?;
        (bytes <= MOST_BYTES).then_some(bytes)
    }

    fn bytes(&self) -> Option<usize> {
        self.stride()?.checked_mul(self.count as usize)
    }
}

/// Bytes of the slots of all classes; `None` when that is more than [`MOST_BYTES`].
pub(crate) fn storage_bytes(classes: &[SlotClass]) -> Option<usize> {
    let bytes = classes.iter().try_fold(0usize, |sum, class| sum.checked_add(class.bytes()?))?;
    (bytes <= MOST_BYTES).then_some(bytes)
}

/// Places of the queue: a power of two, one for every slot at least.
pub(crate) fn queue_places(classes: &[SlotClass]) -> usize {
    classes.iter().map(|class| class.count as usize).sum::<usize>().next_power_of_two()
}

/// Why a future was not spawned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Every slot that is large enough has a task.
    #[error("all {slots} slots for futures of {bytes} bytes have a task")]
    Full {
        /// Bytes the future and its output need.
        bytes: usize,
        /// Slots that are large enough.
        slots: usize,
    },
    /// No slot is large enough.
    #[error("a future of {bytes} bytes: the largest slots have room for {most}")]
    TooLarge {
        /// Bytes the future and its output need.
        bytes: usize,
        /// Room of the largest class.
        most: usize,
    },
    /// The thread is in no slots: tasks are spawned by what runs on a core.
    #[error(
        "this thread has no slots for tasks: spawn them on a polling core whose applications declared tasks"
    )]
    Outside,
}

/// A future that was not spawned, and why.
#[derive(thiserror::Error)]
#[error("{why}")]
pub struct NotSpawned<F> {
    /// Why.
    pub why: Refused,
    /// The future as it was given: nothing of it was polled.
    pub future: F,
}

impl<F> std::fmt::Debug for NotSpawned<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NotSpawned").field("why", &self.why).finish_non_exhaustive()
    }
}

/// A core's slots and its run queue. Made by [`Arena::carve_slots`](crate::Arena::carve_slots).
///
/// ```compile_fail
/// fn needs_clone<T: Clone>() {}
/// needs_clone::<hugepages::slots::Slots>(); // two owners of the same futures
/// ```
pub struct Slots {
    inner: ManuallyDrop<Rc<Inner>>,
}

// SAFETY: before the first spawn there is no other handle of `inner` and no future in it, so that it may go anywhere. From
// the first spawn on, `inner` knows the thread; every method compares (`bound`) before it touches anything that
// is not atomic, and `drop` on another thread leaks it.
unsafe impl Send for Slots {}

/// The tag of the task that is being polled, or was last. Any thread may look: who finds the same task at it time and again has
/// found what keeps all others waiting.
#[derive(Clone, Debug)]
pub struct Polled(Arc<AtomicU32>);

impl Polled {
    const RUNS: u32 = 1 << 31;
    const RAN: u32 = 1 << 30;

    /// The tag of the task that is being polled; `None` while none is.
    #[must_use]
    pub fn now(&self) -> Option<u16> {
        let seen = self.0.load(Ordering::Relaxed);
        (seen & Polled::RUNS != 0).then_some(seen as u16)
    }

    /// The tag of the task that is being polled or was last; `None` when none ever was.
    #[must_use]
    pub fn last(&self) -> Option<u16> {
        let seen = self.0.load(Ordering::Relaxed);
        (seen & (Polled::RUNS | Polled::RAN) != 0).then_some(seen as u16)
    }
}

/// Puts back what was current before, also when what is called in between panics.
struct Entered(*const Inner);

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        waker::CURRENT.set(self.0);
    }
}

impl Slots {
    pub(crate) fn new(storage: Storage) -> Slots {
        Slots { inner: ManuallyDrop::new(Rc::new(Inner::new(storage))) }
    }

    #[inline]
    fn bound(&self) -> &Inner {
        self.inner.check_thread();
        &self.inner
    }

    /// Calls `f`; tasks that are woken in it are queued here without an atomic.
    ///
    /// # Panics
    /// On another thread than the one that spawned the first task.
    #[inline]
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        // No guard for the caller, who could forget it and leave a pointer to slots that are gone.
        self.inner.check_thread();
        let _entered = Entered(waker::CURRENT.replace(Rc::as_ptr(&self.inner)));
        f()
    }

    /// Puts a future into the smallest free slot that takes it, and queues it. `tag` is the caller's: whose task it is.
    ///
    /// # Errors
    /// [`NotSpawned`]: no slot is large enough, or none is free.
    ///
    /// # Panics
    /// On another thread than the one that spawned the first task.
    #[inline]
    pub fn spawn<F>(&self, tag: u16, future: F) -> Result<Join<F::Output>, NotSpawned<F>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.inner.bind_thread();
        let number = self.inner.place(tag, future)?;
        Ok(Join::new(Rc::clone(&self.inner), number))
    }

    /// Which task is being polled, for another thread to look at now and then.
    #[must_use]
    pub fn polled(&self) -> Polled {
        self.inner.polled()
    }

    /// Polls up to `limit` ready tasks, each at most as often as it was woken, first come first served. Returns how many polls
    /// that were. `ended` is told of every task that did not end by itself: its tag, and how.
    ///
    /// # Panics
    /// On another thread than the one that spawned the first task, and from within a task.
    #[inline]
    pub fn run(&self, limit: usize, ended: impl FnMut(u16, Ended)) -> usize {
        self.enter(|| self.inner.run(limit, ended))
    }

    /// Tasks that are ready.
    #[inline]
    #[must_use]
    pub fn ready(&self) -> usize {
        self.bound().ready()
    }

    /// Is a task ready, or was one woken from another thread?
    #[inline]
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.bound().ready() > 0 || self.inner.woken_elsewhere()
    }

    /// Slots in use, by class.
    #[must_use]
    pub fn occupancy(&self) -> Vec<Occupancy> {
        self.bound().occupancy()
    }

    /// Tasks that are alive.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.bound().tasks()
    }

    /// Drops every task. Their joins say [`Ended::Cancelled`].
    ///
    /// # Panics
    /// On another thread than the one that spawned the first task, and from within a task.
    pub fn cancel_all(&self) {
        self.enter(|| self.inner.cancel_all());
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // On another thread their futures may not be touched: they, and the mapping, stay where they are for good.
        if !self.inner.is_bound_elsewhere() {
            self.cancel_all();
            // SAFETY: `inner` is not used after this, `self` being dropped; no other thread has a handle of it.
            unsafe { ManuallyDrop::drop(&mut self.inner) };
        }
    }
}

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slots({} tasks, {} ready)", self.tasks(), self.ready())
    }
}

/// Puts a future into a slot of the slots this thread is in: what [`Slots::spawn`] does, from within a task or whatever else
/// [`Slots::enter`] calls.
///
/// # Errors
/// [`NotSpawned`]: no slot is large enough, or none is free; or this thread is in no slots at all.
#[inline]
pub fn spawn<F>(tag: u16, future: F) -> Result<Join<F::Output>, NotSpawned<F>>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match waker::current() {
        Some(inner) => {
            inner.bind_thread();
            let number = inner.place(tag, future)?;
            Ok(Join::new(inner, number))
        }
        None => Err(NotSpawned { why: Refused::Outside, future }),
    }
}

/// Asks the cache for the head of the task a waker wakes, if it is one of the slots this thread is in.
#[inline]
pub fn prefetch(waker: &Waker) {
    waker::prefetch(waker);
}

/// Wakes each of them as [`Waker::wake`] does; tasks in slots at less cost.
#[inline]
pub fn wake_each(wakers: impl Iterator<Item = Waker>) {
    waker::wake_each(wakers);
}

/// Lets every other ready task go first.
#[inline]
pub fn yield_now() -> impl Future<Output = ()> {
    let mut yielded = false;
    std::future::poll_fn(move |context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        if !waker::yields(context.waker()) {
            context.waker().wake_by_ref();
        }
        std::task::Poll::Pending
    })
}
