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
/// Instances a process can number; one number more is nobody's.
const INSTANCES: u32 = (1 << (64 - NUMBER_BITS - GENERATION_BITS)) - 1;

/// The bits of no waker: no instance has this number.
pub(super) const NOBODY: u64 = u64::MAX;

const _: () = assert!(size_of::<usize>() == 8, "a waker's 64 bits travel as a pointer");

thread_local! {
    /// The instance this thread is in; null outside of [`Slots::enter`](super::Slots::enter).
    pub(super) static CURRENT: Cell<*const Inner> = const { Cell::new(ptr::null()) };
}

/// Queues the running task again, if it is the one this waker wakes: what waking it would do, without looking at the task.
#[inline]
pub(super) fn yields(waker: &Waker) -> bool {
    // SAFETY: as in `wake`.
    match unsafe { CURRENT.get().as_ref() } {
        Some(inner) if ptr::eq(waker.vtable(), &VTABLE) => inner.requeue(waker.data().addr() as u64),
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
        && inner.instance() == instance(bits)
    {
        inner.prefetch(number(bits));
    }
}

/// See [`wake_each`](super::wake_each).
#[inline]
pub(super) fn wake_each(wakers: impl Iterator<Item = Waker>) {
    for waker in wakers {
        if ptr::eq(waker.vtable(), &VTABLE) {
            // What its table would call; and it needs no dropping.
            wake(ManuallyDrop::new(waker).data());
        } else {
            waker.wake();
        }
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

/// What the wakers of the first task of a slot carry.
pub(super) fn bits(instance: u32, number: u32) -> u64 {
    u64::from(instance) << (NUMBER_BITS + GENERATION_BITS) | u64::from(number)
}

/// The same for the slot's next task.
#[inline(always)]
pub(super) fn next_generation(bits: u64) -> u64 {
    const GENERATION: u64 = ((1 << GENERATION_BITS) - 1) << NUMBER_BITS;
    bits & !GENERATION | (bits + (1 << NUMBER_BITS)) & GENERATION
}

#[inline(always)]
pub(super) fn number(bits: u64) -> u32 {
    bits as u32 & ((1 << NUMBER_BITS) - 1)
}

#[inline(always)]
fn instance(bits: u64) -> u32 {
    (bits >> (NUMBER_BITS + GENERATION_BITS)) as u32
}

/// The waker that carries these bits, as a pointer that is none. It needs no dropping.
#[inline(always)]
pub(super) fn waker(bits: u64) -> ManuallyDrop<Waker> {
    let raw = RawWaker::new(ptr::without_provenance(bits as usize), &VTABLE);
    // SAFETY: the functions of the table take the data as a number, never follow it, and may be called by any thread.
    ManuallyDrop::new(unsafe { Waker::from_raw(raw) })
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(|data| RawWaker::new(data, &VTABLE), wake, wake, |_| {});

#[inline(always)]
fn wake(data: *const ()) {
    let bits = data.addr() as u64;
    let current = CURRENT.get();
    // SAFETY: while it is not null, the slots it points into are borrowed by a call of `Slots::enter` on this thread's stack.
    match unsafe { current.as_ref() } {
        // The number is one of this instance's slots: only it makes wakers with its number.
        Some(inner) if inner.instance() == instance(bits) => inner.wake(bits),
        _ => wake_elsewhere(bits),
    }
}

#[cold]
fn wake_elsewhere(bits: u64) {
    let inboxes = INBOXES.lock().unwrap_or_else(PoisonError::into_inner);
    let inbox = inboxes.1.get(&instance(bits)).and_then(Weak::upgrade);
    drop(inboxes);
    // Without one the slots are gone, and the task with them.
    if let Some(inbox) = inbox {
        inbox.raise(number(bits));
    }
}
