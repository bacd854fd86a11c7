//! The end of a task: what is dropped, who is told, when its slot is free.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use super::super::HEAD_BYTES;
use super::super::UNIT;
use super::super::head::state::{FUTURE, JOIN, OUTPUT, PANICKED, QUEUED};
use super::super::head::{GONE, Head};
use super::super::waker;
use super::{CANCELLED, Ended, Inner};

impl Inner {
    /// A task is done, one way or another: tells who waits for it, and frees what nobody waits for.
    #[inline]
    pub(super) fn conclude(&self, number: u32, head: &Head) {
        if let Some(joiner) = head.take_joiner() {
            joiner.wake();
        }
        self.release_if_done_with(number, head);
    }

    /// Frees a slot that nobody has a use for: no future, no join, no place in the queue. (One that still has a place there
    /// is freed when its turn comes.)
    #[inline]
    pub(super) fn release_if_done_with(&self, number: u32, head: &Head) {
        if head.is(FUTURE | JOIN) || self.runs(number) {
            return;
        }
        if head.is(OUTPUT) {
            self.drop_contents(head);
        }
        // What was dropped may have called back: the slot is free already, or has another task, when its table is gone.
        if !head.is(QUEUED) && head.table.replace(None).is_some() {
            let class = &self.classes[usize::from(head.class)];
            head.state.set(0);
            head.waker.set(waker::next_generation(head.waker.get()));
            head.next_free.set(class.free.get());
            class.free.set(number);
            class.used.set(class.used.get() - 1);
        }
    }

    /// Drops the future or the output in a slot. A destructor that panics leaks what it was to free, and that is all.
    pub(super) fn drop_contents(&self, head: &Head) {
        let Some(table) = head.table.get() else { return };
        let (future, output) = (head.is(FUTURE), head.is(OUTPUT));
        head.clear(FUTURE | OUTPUT);
        head.poll.set(GONE);
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

    pub(in crate::slots) fn cancel(&self, number: u32) {
        let head = self.head(number);
        if self.runs(number) {
            self.after.set(self.after.get() | CANCELLED);
        } else if head.is(FUTURE) {
            self.drop_contents(head);
            self.conclude(number, head);
        }
    }

    /// Cancels what there is now.
    pub(in crate::slots) fn cancel_all(&self) {
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

    /// A slot that was queued comes up when all tasks are gone.
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
    pub(in crate::slots) fn is_done(&self, number: u32) -> bool {
        !self.head(number).is(FUTURE) && !self.runs(number)
    }

    /// Lets go of a slot its join has no more use for.
    #[inline]
    pub(in crate::slots) fn detach(&self, number: u32) {
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
    pub(in crate::slots) unsafe fn take_output<T>(&self, number: u32) -> Result<T, Ended> {
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
    pub(in crate::slots) fn set_joiner(&self, number: u32, waker: &Waker) {
        let head = self.head(number);
        if !head.is_joined_by(waker) {
            let waker = waker.clone();
            drop(head.replace_joiner(waker));
        }
    }
}
