//! Wakers that are numbers: nothing to count, nothing to dangle.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::inbox::Inbox;
use super::inner::Inner;

const NUMBER_BITS: u32 = 24;
const GENERATION_BITS: u32 = 20;
/// Instances a process can number.
const INSTANCES: u32 = 1 << (64 - NUMBER_BITS - GENERATION_BITS);
pub(super) const GENERATIONS: u32 = 1 << GENERATION_BITS;

const _: () = assert!(size_of::<usize>() == 8, "a waker's 64 bits travel as a pointer");

thread_local! {
    /// The instance this thread is in; null outside of [`Slots::enter`](super::Slots::enter).
    pub(super) static CURRENT: Cell<*const Inner> = const { Cell::new(ptr::null()) };
}

/// Queues the running task again, if it is the one this waker wakes: what waking it would do, without asking which task that is.
#[inline]
pub(super) fn yields(waker: &Waker) -> bool {
    let bits = waker.data().addr() as u64;
    // SAFETY: as in `wake`.
    match unsafe { CURRENT.get().as_ref() } {
        Some(inner)
            if inner.instance() == (bits >> (NUMBER_BITS + GENERATION_BITS)) as u32
                && ptr::eq(waker.vtable(), &VTABLE) =>
        {
            inner.requeue(bits as u32 & ((1 << NUMBER_BITS) - 1))
        }
        _ => false,
    }
}

/// See [`prefetch`](super::prefetch).
#[inline]
pub(super) fn prefetch(waker: &Waker) {
    let bits = waker.data().addr() as u64;
    if !ptr::eq(waker.vtable(), &VTABLE) {
        return;
    }
    // SAFETY: as in `wake`.
    if let Some(inner) = unsafe { CURRENT.get().as_ref() }
        && inner.instance() == (bits >> (NUMBER_BITS + GENERATION_BITS)) as u32
    {
        inner.prefetch(bits as u32 & ((1 << NUMBER_BITS) - 1));
    }
}

/// A handle of the slots this thread is in.
#[inline]
pub(super) fn current() -> Option<Rc<Inner>> {
    let current = CURRENT.get();
    if current.is_null() {
        return None;
    }
    // SAFETY: it came of `Rc::as_ptr` in `Slots::enter`, whose `Slots` is borrowed further up this thread's stack and keeps a count:
    // it is alive, and counting one more makes the handle made here a count's owner.
    unsafe {
        Rc::increment_strong_count(current);
        Some(Rc::from_raw(current))
    }
}

/// What other threads need to wake tasks of an instance, by its number.
static INBOXES: Mutex<(u32, BTreeMap<u32, Weak<Inbox>>)> = Mutex::new((0, BTreeMap::new()));

/// Numbers an instance: `None` when all numbers are taken. None is given twice, since that is what keeps an old waker
/// from reaching into new slots.
pub(super) fn register(inbox: &Arc<Inbox>) -> Option<u32> {
    let mut inboxes = INBOXES.lock().unwrap_or_else(PoisonError::into_inner);
    let (next, known) = &mut *inboxes;
    let instance = *next;
    if instance == INSTANCES {
        return None;
    }
    *next += 1;
    known.insert(instance, Arc::downgrade(inbox));
    Some(instance)
}

pub(super) fn unregister(instance: u32) {
    INBOXES.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&instance);
}

/// A waker's bits, as a pointer that is none.
#[inline(always)]
fn data(instance: u32, generation: u32, number: u32) -> *const () {
    let high = u64::from(instance) << (NUMBER_BITS + GENERATION_BITS);
    let bits = high | u64::from(generation) << NUMBER_BITS | u64::from(number);
    ptr::without_provenance(bits as usize)
}

/// The waker of a task. It needs no dropping.
#[inline(always)]
pub(super) fn waker(instance: u32, generation: u32, number: u32) -> ManuallyDrop<Waker> {
    let raw = RawWaker::new(data(instance, generation, number), &VTABLE);
    // SAFETY: the functions of the table take the data as a number, never follow it, and may be called by any thread.
    ManuallyDrop::new(unsafe { Waker::from_raw(raw) })
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(|data| RawWaker::new(data, &VTABLE), wake, wake, |_| {});

#[inline]
fn wake(data: *const ()) {
    let bits = data.addr() as u64;
    let number = bits as u32 & ((1 << NUMBER_BITS) - 1);
    let generation = (bits >> NUMBER_BITS) as u32 & (GENERATIONS - 1);
    let instance = (bits >> (NUMBER_BITS + GENERATION_BITS)) as u32;
    let current = CURRENT.get();
    // SAFETY: while it is not null, the slots it points into are borrowed by a call of `Slots::enter` on this thread's stack.
    match unsafe { current.as_ref() } {
        // The number is one of this instance's slots: only it makes wakers with its number.
        Some(inner) if inner.instance() == instance => inner.wake(number, generation),
        _ => wake_elsewhere(instance, number),
    }
}

#[cold]
fn wake_elsewhere(instance: u32, number: u32) {
    let inbox =
        INBOXES.lock().unwrap_or_else(PoisonError::into_inner).1.get(&instance).and_then(Weak::upgrade);
    // Without one the slots are gone, and the task with them.
    if let Some(inbox) = inbox {
        inbox.raise(number);
    }
}
