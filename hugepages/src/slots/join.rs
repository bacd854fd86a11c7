//! What came of a task.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::inner::{Ended, Inner};

/// Waits for a task's output, cancels it, or is dropped to let it run on by itself.
///
/// It keeps the task's slot: a task whose `Join` is kept without being waited for keeps its output there.
#[must_use = "a task goes on when its Join is dropped; say `drop` or `detach` if that is meant"]
pub struct Join<T> {
    inner: Rc<Inner>,
    /// `None` once the output was taken.
    number: Option<u32>,
    output: PhantomData<T>,
}

impl<T> Join<T> {
    pub(super) fn new(inner: Rc<Inner>, number: u32) -> Join<T> {
        Join { inner, number: Some(number), output: PhantomData }
    }

    /// Is there an output, or will there never be one?
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.number.is_none_or(|number| self.inner.is_done(number))
    }

    /// Ends the task before its next poll: its future is dropped now, or, where that is what is running, as soon as it gives
    /// way. An output that is there already stays.
    pub fn cancel(&self) {
        if let Some(number) = self.number {
            self.inner.cancel(number);
        }
    }

    /// Lets the task run on by itself.
    pub fn detach(self) {
        drop(self);
    }

    /// The output, if the task is done.
    pub fn try_take(&mut self) -> Option<Result<T, Ended>> {
        let number = self.number.filter(|number| self.inner.is_done(*number))?;
        self.number = None;
        // SAFETY: the slot was filled by `Inner::place` for a future whose output is a `T` (this `Join` came of that), it
        // is done, and it is still ours: a slot with a join is not given to another task.
        Some(unsafe { self.inner.take_output(number) })
    }
}

impl<T> Unpin for Join<T> {}

impl<T> Future for Join<T> {
    type Output = Result<T, Ended>;

    /// # Panics
    /// When it is polled again after it was ready.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(output) = self.try_take() {
            return Poll::Ready(output);
        }
        let number = self.number.expect("a Join is polled again after it was ready");
        self.inner.set_joiner(number, context.waker());
        Poll::Pending
    }
}

impl<T> Drop for Join<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.inner.detach(number);
        }
    }
}

impl<T> fmt::Debug for Join<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join").field("number", &self.number).finish_non_exhaustive()
    }
}
