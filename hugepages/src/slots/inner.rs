//! The slots themselves: a task from its spawning (`placing`) through its wakes and polls to its `ending`.

mod ending;
mod placing;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, ThreadId};

use super::head::state::{FUTURE, PANICKED, QUEUED};
use super::head::{GONE, Head};
use super::inbox::Inbox;
use super::queue::Queue;
use super::waker;
use super::{HEAD_BYTES, Polled, SlotClass, UNIT};
use crate::pages::Mapping;
use crate::prefetch;

/// How many tasks ahead of the one that is polled the cache is asked for.
const AHEAD: u32 = 4;

/// How a task ended that did not end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// It was cancelled, or its slots were dropped.
    #[error("the task was cancelled")]
    Cancelled,
    /// It panicked, and was unwound.
    #[error("the task panicked")]
    Panicked,
}

/// How many slots of a class have a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Bytes for a future.
    pub room: usize,
    /// Slots.
    pub slots: u32,
    /// Slots with a task, or with the output of one that nobody has fetched.
    pub used: u32,
    /// The most there ever were.
    pub peak: u32,
    /// Futures that found no slot of this class or a larger one.
    pub refused: u64,
}

struct Class {
    room: usize,
    slots: u32,
    free: Cell<u32>,
    used: Cell<u32>,
    peak: Cell<u32>,
    refused: Cell<u64>,
}

/// It was woken since its poll began.
const WOKEN: u8 = 1;
/// It was cancelled since its poll began.
const CANCELLED: u8 = 2;
/// It has its output.
const READY: u8 = 4;

/// No slot.
const NONE: u32 = u32::MAX;

/// Memory for slots and their queue, taken from an arena.
pub(crate) struct Storage {
    pub(crate) classes: Vec<SlotClass>,
    pub(crate) slots: NonNull<u8>,
    pub(crate) bytes: usize,
    pub(crate) queue: NonNull<u8>,
    pub(crate) places: usize,
    pub(crate) memory: Arc<Mapping>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) instance: u32,
}

impl Storage {
    /// Numbers an instance of slots in so many bytes; `None` when a process has had as many as it can have.
    pub(crate) fn number(bytes: usize) -> Option<(Arc<Inbox>, u32)> {
        let inbox = Arc::new(Inbox::new(bytes / UNIT));
        let instance = waker::register(&inbox)?;
        Some((inbox, instance))
    }
}

/// All slots of a core.
pub(super) struct Inner {
    base: NonNull<u8>,
    classes: Box<[Class]>,
    queue: Queue,
    /// What the waker of the task that is being polled carries. Between two polls of a run it is still that of the first: nothing is
    /// called there that asks.
    running: Cell<u64>,
    /// What is to be done with it after the poll: bits.
    after: Cell<u8>,
    /// Its tag, for other threads to see: see [`Polled`](super::Polled).
    running_tag: Arc<AtomicU32>,
    inbox: Arc<Inbox>,
    instance: u32,
    thread: Cell<Option<ThreadId>>,
    _memory: Arc<Mapping>,
}

thread_local! {
    static THIS: ThreadId = thread::current().id();
}

impl Inner {
    /// Lays out the slots: all free.
    pub(super) fn new(storage: Storage) -> Inner {
        let mut sorted: Vec<SlotClass> = storage.classes;
        sorted.sort_by_key(|class| class.room);
        let mut first = 0;
        let mut classes = Vec::new();
        for (number, class) in sorted.iter().enumerate() {
            let stride = class.stride().unwrap_or(usize::MAX);
            let lines = (stride / UNIT) as u32;
            for slot in 0..class.count {
                let at = first + slot * lines;
                let waker = waker::bits(storage.instance, at);
                let next_free = if slot + 1 < class.count { at + lines } else { NONE };
                // SAFETY: the strides of all classes add up to `bytes` (checked by `Arena::carve_slots`), so this slot lies
                // within them; a unit is aligned for a head.
                unsafe {
                    storage.slots.add(at as usize * UNIT).cast().write(Head::free(
                        number as u8,
                        waker,
                        next_free,
                    ))
                };
            }
            let free = if class.count > 0 { first } else { NONE };
            classes.push(Class::new(stride - HEAD_BYTES, class.count, free));
            first += class.count * lines;
        }
        debug_assert!(first as usize * UNIT <= storage.bytes);
        // SAFETY: `places` numbers were carved for this queue, zeroed.
        let queue = unsafe { Queue::new(storage.queue.cast(), storage.places) };
        Inner {
            base: storage.slots,
            classes: classes.into_boxed_slice(),
            queue,
            running: Cell::new(waker::NOBODY),
            after: Cell::new(0),
            running_tag: Arc::default(),
            inbox: storage.inbox,
            instance: storage.instance,
            thread: Cell::new(None),
            _memory: storage.memory,
        }
    }

    #[inline(always)]
    pub(super) fn instance(&self) -> u32 {
        self.instance
    }

    /// The head of a slot. Numbers come from free lists, the queue, joins and wakers: all of them are slots of this instance.
    #[inline(always)]
    fn head(&self, number: u32) -> &Head {
        // SAFETY: the number is that of a slot, where a head was written for good and is changed through cells only.
        unsafe { self.base.add(number as usize * UNIT).cast().as_ref() }
    }

    // ---- whose thread it is

    #[inline(always)]
    pub(super) fn is_bound_elsewhere(&self) -> bool {
        self.thread.get().is_some_and(|thread| thread != THIS.with(|this| *this))
    }

    #[inline(always)]
    pub(super) fn check_thread(&self) {
        assert!(!self.is_bound_elsewhere(), "tasks are on another thread: their slots are of no use here");
    }

    #[inline(always)]
    pub(super) fn bind_thread(&self) {
        if self.thread.get().is_none() {
            self.thread.set(Some(THIS.with(|this| *this)));
        }
        self.check_thread();
    }

    // ---- waking

    /// Asks the cache for the head of a slot.
    #[inline(always)]
    pub(super) fn prefetch(&self, number: u32) {
        prefetch::for_writing(std::ptr::from_ref(self.head(number)).cast_mut().cast::<u8>());
    }

    /// Queues a task that waits. Nothing happens when it is queued already, or is not that task any more.
    #[inline]
    pub(super) fn wake(&self, bits: u64) {
        let number = waker::number(bits);
        let head = self.head(number);
        if head.waker.get() == bits {
            self.make_ready(number, head);
        }
    }

    #[inline(always)]
    fn make_ready(&self, number: u32, head: &Head) {
        if head.state.get() & (FUTURE | QUEUED) == FUTURE {
            head.set(QUEUED);
            self.queue.push(number);
        } else if self.runs(number) {
            self.after.set(self.after.get() | WOKEN);
        }
    }

    /// Queues the running task again after its poll, if that is its waker.
    #[inline(always)]
    pub(super) fn requeue(&self, bits: u64) -> bool {
        let runs = self.running.get() == bits;
        if runs {
            self.after.set(self.after.get() | WOKEN);
        }
        runs
    }

    #[inline(always)]
    pub(super) fn woken_elsewhere(&self) -> bool {
        self.inbox.is_pending()
    }

    #[cold]
    fn take_inbox(&self) {
        self.inbox.take(|number| self.make_ready(number, self.head(number)));
    }

    // ---- running

    /// See [`Slots::run`](super::Slots::run).
    #[inline]
    pub(super) fn run(&self, limit: usize, mut ended: impl FnMut(u16, Ended)) -> usize {
        assert!(!self.is_running(), "tasks are run from within a task");
        if self.inbox.is_pending() {
            self.take_inbox();
        }
        // Who is woken from here on comes next time: what is queued now is a round.
        let limit = limit.min(self.queue.len() as usize);
        let end = self.queue.end().wrapping_sub(self.queue.len() - limit as u32);
        while !self.queue.is_at(end) {
            // A panic unwinds to here; the loop goes on behind the task it came from.
            let round = catch_unwind(AssertUnwindSafe(|| self.round(end, &mut ended)));
            if round.is_err() {
                self.fallen(&mut ended);
            }
        }
        if limit > 0 {
            self.running.set(waker::NOBODY);
            let last = self.running_tag.load(Ordering::Relaxed);
            self.running_tag.store(last & !Polled::RUNS | Polled::RAN, Ordering::Relaxed);
        }
        limit
    }

    #[inline]
    fn round(&self, end: u32, ended: &mut impl FnMut(u16, Ended)) {
        while let Some(number) = self.queue.pop_before(end) {
            self.prefetch(self.queue.ahead(AHEAD));
            self.poll(number, ended);
        }
    }

    #[inline(always)]
    fn poll(&self, number: u32, ended: &mut impl FnMut(u16, Ended)) {
        let head = self.head(number);
        let bits = head.waker.get();
        self.running.set(bits);
        // Relaxed: it orders nothing. An atomic store of this kind is a plain move.
        self.running_tag.store(u32::from(head.tag.get()) | Polled::RUNS, Ordering::Relaxed);
        // SAFETY: it is that of the future in the slot (`place`) as long as there is one (`drop_contents`), which is not being polled:
        // a task is in the queue once at most, and not while it is polled.
        let polled = unsafe { (head.poll.get())(head, bits) };
        match self.after.get() | if polled.is_ready() { READY } else { 0 } {
            WOKEN => {
                self.after.set(0);
                self.queue.push(number);
            }
            0 => head.clear(QUEUED),
            after => self.done(number, head, after & READY != 0, ended),
        }
    }

    /// The task that was running needs no further poll.
    #[inline]
    fn done(&self, number: u32, head: &Head, by_itself: bool, ended: &mut impl FnMut(u16, Ended)) {
        self.running.set(waker::NOBODY);
        self.after.set(0);
        head.clear(QUEUED);
        head.poll.set(GONE);
        if !by_itself {
            ended(head.tag.get(), Ended::Cancelled);
            self.drop_contents(head);
        }
        self.conclude(number, head);
    }

    /// The task that was running panicked.
    #[cold]
    fn fallen(&self, ended: &mut impl FnMut(u16, Ended)) {
        let bits = self.running.replace(waker::NOBODY);
        if bits == waker::NOBODY {
            // It came from dropping what a task left behind.
            return;
        }
        self.after.set(0);
        let number = waker::number(bits);
        let head = self.head(number);
        head.clear(QUEUED);
        head.set(PANICKED);
        ended(head.tag.get(), Ended::Panicked);
        self.drop_contents(head);
        self.conclude(number, head);
    }

    // ---- figures

    /// Is this the slot that is being polled?
    #[inline(always)]
    fn runs(&self, number: u32) -> bool {
        waker::number(self.running.get()) == number && self.is_running()
    }

    #[inline(always)]
    pub(super) fn is_running(&self) -> bool {
        self.running.get() != waker::NOBODY
    }

    #[inline(always)]
    pub(super) fn ready(&self) -> usize {
        self.queue.len() as usize
    }

    pub(super) fn polled(&self) -> Polled {
        Polled(Arc::clone(&self.running_tag))
    }

    pub(super) fn tasks(&self) -> usize {
        self.classes.iter().map(|class| class.used.get() as usize).sum()
    }

    pub(super) fn occupancy(&self) -> Vec<Occupancy> {
        let of = |class: &Class| Occupancy {
            room: class.room,
            slots: class.slots,
            used: class.used.get(),
            peak: class.peak.get(),
            refused: class.refused.get(),
        };
        self.classes.iter().map(of).collect()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        waker::unregister(self.instance);
    }
}

impl Class {
    fn new(room: usize, slots: u32, free: u32) -> Class {
        let free = Cell::new(free);
        Class { room, slots, free, used: Cell::new(0), peak: Cell::new(0), refused: Cell::new(0) }
    }
}
