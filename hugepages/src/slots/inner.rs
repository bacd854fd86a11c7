//! The slots themselves: a task from its spawning (`placing`) through its wakes and polls to its `ending`.

mod ending;
mod placing;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Context;
use std::thread::{self, ThreadId};

use super::head::Head;
use super::head::state::{FUTURE, PANICKED, QUEUED};
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
    /// The slot that is being polled.
    running: Cell<u32>,
    /// It was cancelled since its poll began.
    cancelled: Cell<bool>,
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
                let next_free = if slot + 1 < class.count { at + lines } else { NONE };
                // SAFETY: the strides of all classes add up to `bytes` (checked by `Arena::carve_slots`), so this slot lies
                // within them; a unit is aligned for a head.
                unsafe {
                    storage.slots.add(at as usize * UNIT).cast().write(Head::free(number as u8, next_free))
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
            running: Cell::new(NONE),
            cancelled: Cell::new(false),
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
    pub(super) fn wake(&self, number: u32, generation: u32) {
        let head = self.head(number);
        if head.generation.get() == generation {
            self.make_ready(number, head);
        }
    }

    #[inline(always)]
    fn make_ready(&self, number: u32, head: &Head) {
        if head.state.get() & (FUTURE | QUEUED) == FUTURE {
            head.set(QUEUED);
            self.queue.push(number);
        }
    }

    /// Queues the task with this number again, if it is the one that runs.
    #[inline(always)]
    pub(super) fn requeue(&self, number: u32) -> bool {
        let runs = self.runs(number);
        if runs {
            // A task that runs keeps its slot: nobody else has this number, whatever the waker's generation says.
            self.make_ready(number, self.head(number));
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
        let left = Cell::new(limit);
        while left.get() > 0 {
            // A panic unwinds to here; the loop goes on behind the task it came from.
            let round = catch_unwind(AssertUnwindSafe(|| self.round(&left, &mut ended)));
            if round.is_err() {
                self.fallen(&mut ended);
            }
        }
        if limit > 0 {
            let last = self.running_tag.load(Ordering::Relaxed);
            self.running_tag.store(last & !Polled::RUNS | Polled::RAN, Ordering::Relaxed);
        }
        limit
    }

    #[inline]
    fn round(&self, left: &Cell<usize>, ended: &mut impl FnMut(u16, Ended)) {
        while left.get() > 0 {
            left.set(left.get() - 1);
            let Some(number) = self.queue.pop() else { return left.set(0) };
            self.prefetch(self.queue.ahead(AHEAD));
            self.poll(number, ended);
        }
    }

    #[inline(always)]
    fn poll(&self, number: u32, ended: &mut impl FnMut(u16, Ended)) {
        let head = self.head(number);
        if !head.is(FUTURE) {
            return self.pass_by(number, head);
        }
        let Some(table) = head.table.get() else { return };
        head.clear(QUEUED);
        self.running.set(number);
        // Relaxed: it orders nothing. An atomic store of this kind is a plain move.
        self.running_tag.store(u32::from(head.tag.get()) | Polled::RUNS, Ordering::Relaxed);
        let waker = waker::waker(self.instance, head.generation.get(), number);
        // SAFETY: the slot's table is that of the future in it (`place`), which is there (FUTURE) and is not being polled.
        let polled = unsafe { (table.poll)(head, &mut Context::from_waker(&waker)) };
        self.running.set(NONE);
        let cancelled = self.cancelled.replace(false);
        if polled.is_ready() {
            self.conclude(number, head);
        } else if cancelled {
            ended(head.tag.get(), Ended::Cancelled);
            self.drop_contents(head);
            self.conclude(number, head);
        }
    }

    /// The task that was running panicked.
    #[cold]
    fn fallen(&self, ended: &mut impl FnMut(u16, Ended)) {
        let number = self.running.replace(NONE);
        if number == NONE {
            // It came from dropping what a task left behind.
            return;
        }
        self.cancelled.set(false);
        let head = self.head(number);
        head.set(PANICKED);
        ended(head.tag.get(), Ended::Panicked);
        self.drop_contents(head);
        self.conclude(number, head);
    }

    // ---- figures

    /// Is this the slot that is being polled?
    #[inline(always)]
    fn runs(&self, number: u32) -> bool {
        self.running.get() == number
    }

    #[inline(always)]
    pub(super) fn is_running(&self) -> bool {
        self.running.get() != NONE
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
