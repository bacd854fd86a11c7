//! The slots themselves: a task from its spawning to its end.

use std::alloc::Layout;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::thread::{self, ThreadId};

use super::head::state::{CANCEL, FUTURE, JOIN, OUTPUT, PANICKED, QUEUED, RUNNING};
use super::head::{Head, Typed, Value};
use super::inbox::Inbox;
use super::queue::Queue;
use super::waker::{self, GENERATIONS};
use super::{ALIGN, HEAD_BYTES, NotSpawned, Polled, Refused, SlotClass, UNIT};
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

    // ---- spawning

    /// Puts a future into a slot and queues it.
    #[inline]
    pub(super) fn place<F>(&self, tag: u16, future: F) -> Result<u32, NotSpawned<F>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        const {
            assert!(
                align_of::<F>() <= ALIGN && align_of::<F::Output>() <= ALIGN,
                "futures and outputs align to 16 bytes"
            );
        }
        let need = Layout::new::<F>().size().max(Layout::new::<F::Output>().size());
        let Some(number) = self.take_slot(need) else {
            return Err(NotSpawned { why: self.refuse(need), future });
        };
        let head = self.head(number);
        head.table.set(Some(&Typed::<F>::TABLE));
        head.tag.set(tag);
        // SAFETY: the slot is free, and has room for an `F` (and for its output) at an alignment that suffices.
        unsafe { head.contents().cast::<F>().write(future) };
        head.state.set(FUTURE | JOIN | QUEUED);
        self.queue.push(number);
        Ok(number)
    }

    /// Puts a value into a slot, for a handle to have.
    #[inline]
    pub(super) fn place_value<T: 'static>(&self, value: T) -> Result<u32, (Refused, T)> {
        const {
            assert!(align_of::<T>() <= ALIGN, "values align to 16 bytes");
        }
        let need = size_of::<T>();
        let Some(number) = self.take_slot(need) else { return Err((self.refuse(need), value)) };
        let head = self.head(number);
        head.table.set(Some(&Value::<T>::TABLE));
        // SAFETY: the slot is free, and has room for a `T` at an alignment that suffices.
        unsafe { head.contents().cast::<T>().write(value) };
        head.state.set(OUTPUT | JOIN);
        Ok(number)
    }

    /// Where the value is that was put into a slot.
    #[inline(always)]
    pub(super) fn value(&self, number: u32) -> NonNull<u8> {
        self.head(number).contents()
    }

    /// The smallest free slot with so much room.
    #[inline]
    fn take_slot(&self, need: usize) -> Option<u32> {
        let class = self.classes.iter().find(|class| class.room >= need && class.free.get() != NONE)?;
        let number = class.free.get();
        class.free.set(self.head(number).next_free.get());
        class.used.set(class.used.get() + 1);
        class.peak.set(class.peak.get().max(class.used.get()));
        Some(number)
    }

    #[cold]
    fn refuse(&self, bytes: usize) -> Refused {
        let mut large = self.classes.iter().filter(|class| class.room >= bytes).peekable();
        match large.peek() {
            Some(class) => class.refused.set(class.refused.get() + 1),
            None => {
                let most = self.classes.last().map_or(0, |class| class.room);
                return Refused::TooLarge { bytes, most };
            }
        }
        Refused::Full { bytes, slots: large.map(|class| class.slots as usize).sum() }
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
        let runs = self.running.get() == number;
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
        head.state.set(head.state.get() & !QUEUED | RUNNING);
        self.running.set(number);
        // Relaxed: it orders nothing. An atomic store of this kind is a plain move.
        self.running_tag.store(u32::from(head.tag.get()) | Polled::RUNS, Ordering::Relaxed);
        let waker = waker::waker(self.instance, head.generation.get(), number);
        // SAFETY: the slot's table is that of the future in it (`place`), which is there (FUTURE) and is not being polled.
        let polled = unsafe { (table.poll)(head, &mut Context::from_waker(&waker)) };
        self.running.set(NONE);
        head.clear(RUNNING);
        if polled.is_ready() {
            self.conclude(number, head);
        } else if head.is(CANCEL) {
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
        let head = self.head(number);
        head.clear(RUNNING);
        head.set(PANICKED);
        ended(head.tag.get(), Ended::Panicked);
        self.drop_contents(head);
        self.conclude(number, head);
    }

    // ---- ending

    /// A task is done, one way or another: tells who waits for it, and frees what nobody waits for.
    #[inline]
    fn conclude(&self, number: u32, head: &Head) {
        if let Some(joiner) = head.take_joiner() {
            joiner.wake();
        }
        self.release_if_done_with(number, head);
    }

    /// Frees a slot that nobody has a use for: no future, no join, no place in the queue. (One that still has a place there
    /// is freed when its turn comes.)
    #[inline]
    fn release_if_done_with(&self, number: u32, head: &Head) {
        if head.is(FUTURE | RUNNING | JOIN) {
            return;
        }
        if head.is(OUTPUT) {
            self.drop_contents(head);
        }
        // What was dropped may have called back: the slot is free already, or has another task, when its table is gone.
        if !head.is(QUEUED) && head.table.replace(None).is_some() {
            let class = &self.classes[usize::from(head.class)];
            head.state.set(0);
            head.generation.set((head.generation.get() + 1) & (GENERATIONS - 1));
            head.next_free.set(class.free.get());
            class.free.set(number);
            class.used.set(class.used.get() - 1);
        }
    }

    /// Drops the future or the output in a slot. A destructor that panics leaks what it was to free, and that is all.
    fn drop_contents(&self, head: &Head) {
        let Some(table) = head.table.get() else { return };
        let (future, output) = (head.is(FUTURE), head.is(OUTPUT));
        head.clear(FUTURE | OUTPUT);
        let _ = catch_unwind(AssertUnwindSafe(|| {
            if future {
                // SAFETY: the future was there, is not being polled, and nobody sees it there any more.
                unsafe { (table.drop_future)(head.contents()) };
            } else if output {
                // SAFETY: as above.
                unsafe { (table.drop_output)(head.contents()) };
            }
        }));
    }

    pub(super) fn cancel(&self, number: u32) {
        let head = self.head(number);
        if head.is(RUNNING) {
            head.set(CANCEL);
        } else if head.is(FUTURE) {
            self.drop_contents(head);
            self.conclude(number, head);
        }
    }

    /// Cancels what there is now.
    pub(super) fn cancel_all(&self) {
        assert!(!self.is_running(), "tasks are all cancelled from within one of them");
        let mut first = 0;
        for class in &self.classes {
            let lines = ((class.room + HEAD_BYTES) / UNIT) as u32;
            (0..class.slots).for_each(|slot| self.cancel(first + slot * lines));
            first += class.slots * lines;
        }
        // What was queued has no future any more: each is looked at once and let go.
        for _ in 0..self.queue.len() {
            if let Some(number) = self.queue.pop() {
                self.pass_by(number, self.head(number));
            }
        }
    }

    /// A slot comes up whose future is gone.
    #[cold]
    fn pass_by(&self, number: u32, head: &Head) {
        if head.is(FUTURE) {
            // Spawned by a destructor just now.
            return self.queue.push(number);
        }
        head.clear(QUEUED);
        self.release_if_done_with(number, head);
    }

    // ---- joins

    #[inline]
    pub(super) fn is_done(&self, number: u32) -> bool {
        !self.head(number).is(FUTURE | RUNNING)
    }

    /// Lets go of a slot its join has no more use for.
    #[inline]
    pub(super) fn detach(&self, number: u32) {
        let head = self.head(number);
        head.clear(JOIN);
        drop(head.take_joiner());
        self.release_if_done_with(number, head);
    }

    /// Takes the output out of a slot whose task is done, and lets go of the slot.
    ///
    /// # Safety
    /// The slot's join is the caller, and it was filled with a future whose output is a `T`.
    #[inline]
    pub(super) unsafe fn take_output<T>(&self, number: u32) -> Result<T, Ended> {
        let head = self.head(number);
        let output = if head.is(OUTPUT) {
            head.clear(OUTPUT);
            // SAFETY: a `T` was there and is not any more.
            Ok(unsafe { head.contents().cast::<T>().read() })
        } else if head.is(PANICKED) {
            Err(Ended::Panicked)
        } else {
            Err(Ended::Cancelled)
        };
        self.detach(number);
        output
    }

    /// Who is to be woken when the task is done.
    #[inline]
    pub(super) fn set_joiner(&self, number: u32, waker: &Waker) {
        let head = self.head(number);
        if !head.is_joined_by(waker) {
            let waker = waker.clone();
            drop(head.replace_joiner(waker));
        }
    }

    // ---- figures

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
