//! What stands before a future: what is done with it, who waits for it, what state it is in.

use std::cell::{Cell, UnsafeCell};
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use super::{ALIGN, HEAD_BYTES, UNIT, waker};

/// What a slot is in the middle of: bits.
pub(super) mod state {
    /// It is in the queue, once, or is being polled.
    pub(in crate::slots) const QUEUED: u8 = 1;
    /// Its future is there.
    pub(in crate::slots) const FUTURE: u8 = 2;
    /// Its output is there.
    pub(in crate::slots) const OUTPUT: u8 = 4;
    /// A `Join` has it.
    pub(in crate::slots) const JOIN: u8 = 8;
    /// It panicked.
    pub(in crate::slots) const PANICKED: u8 = 16;
}
use state::{FUTURE, OUTPUT};

/// Polls the future of a slot with a waker that carries these bits; when it is ready, drops it and puts its output in its place. (The waker is
/// made there and no sooner, so that the compiler sees whose it is, and a task that yields needs none.)
pub(super) type PollFn = unsafe fn(&Head, u64) -> Poll<()>;

/// Polls what is not there any more: done at once.
pub(super) const GONE: PollFn = |_, _| Poll::Ready(());

/// What is done with the future or output in a slot, whose type only these functions know.
pub(super) struct Table {
    pub(super) drop_future: unsafe fn(NonNull<u8>),
    pub(super) drop_output: unsafe fn(NonNull<u8>),
}

/// What stands before every future.
#[repr(C, align(16))]
pub(super) struct Head {
    pub(super) table: Cell<Option<&'static Table>>,
    /// That of the future's type while there is one, else [`GONE`].
    pub(super) poll: Cell<PollFn>,
    /// Woken when the task is done.
    joiner: UnsafeCell<Option<Waker>>,
    /// What a waker of the task in this slot carries: instance, generation, number.
    pub(super) waker: Cell<u64>,
    /// The next free slot of the class.
    pub(super) next_free: Cell<u32>,
    pub(super) tag: Cell<u16>,
    pub(super) state: Cell<u8>,
    pub(super) class: u8,
}

const _: () = assert!(size_of::<Head>() <= HEAD_BYTES && align_of::<Head>() <= UNIT);
const _: () = assert!(HEAD_BYTES.is_multiple_of(ALIGN) && UNIT.is_multiple_of(ALIGN));

impl Head {
    #[inline(always)]
    pub(super) fn is(&self, bits: u8) -> bool {
        self.state.get() & bits != 0
    }

    #[inline(always)]
    pub(super) fn set(&self, bits: u8) {
        self.state.set(self.state.get() | bits);
    }

    #[inline(always)]
    pub(super) fn clear(&self, bits: u8) {
        self.state.set(self.state.get() & !bits);
    }

    /// Where its future or output is.
    #[inline(always)]
    pub(super) fn contents(&self) -> NonNull<u8> {
        // SAFETY: every head is followed by the room of its slot.
        unsafe { NonNull::from(self).cast::<u8>().add(HEAD_BYTES) }
    }

    /// Takes the joiner out, so that nothing of it is borrowed while foreign code runs.
    #[inline(always)]
    pub(super) fn take_joiner(&self) -> Option<Waker> {
        // SAFETY: no reference to the joiner outlives the expression it is made in, here and in `replace_joiner`.
        unsafe { (*self.joiner.get()).take() }
    }

    pub(super) fn replace_joiner(&self, waker: Waker) -> Option<Waker> {
        // SAFETY: as in `take_joiner`.
        unsafe { (*self.joiner.get()).replace(waker) }
    }

    pub(super) fn is_joined_by(&self, waker: &Waker) -> bool {
        // SAFETY: as in `take_joiner`; `will_wake` compares two pairs of pointers and calls nothing.
        unsafe { (*self.joiner.get()).as_ref().is_some_and(|joiner| joiner.will_wake(waker)) }
    }
}

/// The functions for one type of future.
pub(super) struct Typed<F>(F);

impl<F: Future> Typed<F> {
    pub(super) const TABLE: Table = Table { drop_future: Self::drop_future, drop_output: Self::drop_output };

    /// # Safety
    /// The head's contents are a future of type `F`, pinned there until it is dropped, and nobody polls it at the moment.
    pub(super) unsafe fn poll(head: &Head, waker: u64) -> Poll<()> {
        let at = head.contents();
        let waker = waker::waker(waker);
        // SAFETY: an `F` is there, says the caller; a running task is neither polled nor dropped by anybody else, and it
        // does not move until then.
        let future = unsafe { Pin::new_unchecked(at.cast::<F>().as_mut()) };
        let Poll::Ready(output) = future.poll(&mut Context::from_waker(&waker)) else { return Poll::Pending };
        let output = ManuallyDrop::new(output);
        // Said before, so that a destructor that panics is not called again.
        head.clear(FUTURE);
        // SAFETY: the future is there and is dropped this once.
        unsafe { Self::drop_future(at) };
        // SAFETY: the slot has room for an `F::Output` (`Inner::place` saw to that) and nothing is in it.
        unsafe { at.cast::<F::Output>().write(ManuallyDrop::into_inner(output)) };
        head.set(OUTPUT);
        Poll::Ready(())
    }

    /// # Safety
    /// An `F` is there, and is not used after this.
    unsafe fn drop_future(at: NonNull<u8>) {
        // SAFETY: says the caller.
        unsafe { at.cast::<F>().drop_in_place() };
    }

    /// # Safety
    /// An `F::Output` is there, and is not used after this.
    unsafe fn drop_output(at: NonNull<u8>) {
        // SAFETY: says the caller.
        unsafe { at.cast::<F::Output>().drop_in_place() };
    }
}

/// The functions for a value that is no future's output: there is nothing to poll.
pub(super) struct Value<T>(T);

impl<T> Value<T> {
    pub(super) const TABLE: Table = Table { drop_future: |_| (), drop_output: Self::drop_value };

    /// # Safety
    /// A `T` is there, and is not used after this.
    unsafe fn drop_value(at: NonNull<u8>) {
        // SAFETY: says the caller.
        unsafe { at.cast::<T>().drop_in_place() };
    }
}

impl Head {
    /// The head of a slot nobody has.
    pub(super) fn free(class: u8, waker: u64, next_free: u32) -> Head {
        Head {
            table: Cell::new(None),
            poll: Cell::new(GONE),
            joiner: UnsafeCell::new(None),
            waker: Cell::new(waker),
            next_free: Cell::new(next_free),
            tag: Cell::new(0),
            state: Cell::new(0),
            class,
        }
    }
}
