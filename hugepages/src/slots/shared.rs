//! Values that several tasks of a core share: like an `Rc`, in a slot of the arena.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::rc::Rc;

use super::inner::Inner;
use super::{Refused, waker};

/// A value and its handles.
struct Counted<T> {
    handles: Cell<usize>,
    value: T,
}

/// A handle of a value in a slot; the last one that goes takes the value with it. Made by [`share`].
///
/// It stays on its thread, as tasks do:
///
/// ```compile_fail
/// fn needs_send<T: Send>() {}
/// needs_send::<hugepages::slots::Shared<u8>>();
/// ```
pub struct Shared<T> {
    inner: Rc<Inner>,
    number: u32,
    value: PhantomData<T>,
}

/// A value that found no slot, and why.
#[derive(thiserror::Error)]
#[error("{why}")]
pub struct NotShared<T> {
    /// Why.
    pub why: Refused,
    /// The value as it was given.
    pub value: T,
}

impl<T> fmt::Debug for NotShared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotShared").field("why", &self.why).finish_non_exhaustive()
    }
}

/// Puts a value into a slot of the slots this thread is in ([`Slots::enter`](super::Slots::enter)); it takes the place of a task.
///
/// # Errors
/// [`NotShared`]: no slot is large enough, or none is free; or this thread is in no slots at all.
pub fn share<T: 'static>(value: T) -> Result<Shared<T>, NotShared<T>> {
    let Some(inner) = waker::current() else { return Err(NotShared { why: Refused::Outside, value }) };
    inner.bind_thread();
    match inner.place_value(Counted { handles: Cell::new(1), value }) {
        Ok(number) => Ok(Shared { inner, number, value: PhantomData }),
        Err((why, counted)) => Err(NotShared { why, value: counted.value }),
    }
}

impl<T> Shared<T> {
    #[inline]
    fn counted(&self) -> &Counted<T> {
        // SAFETY: the slot holds a `Counted<T>` (`share` put it there) for as long as there is a handle, of which this is one; nobody
        // has a reference to it that is not shared, and `inner` keeps the memory.
        unsafe { self.inner.value(self.number).cast::<Counted<T>>().as_ref() }
    }
}

impl<T> Clone for Shared<T> {
    #[inline]
    fn clone(&self) -> Shared<T> {
        let handles = &self.counted().handles;
        // For this to wrap, handles would have to be forgotten for some centuries.
        handles.set(handles.get() + 1);
        Shared { inner: Rc::clone(&self.inner), number: self.number, value: PhantomData }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.counted().value
    }
}

impl<T> Drop for Shared<T> {
    #[inline]
    fn drop(&mut self) {
        let left = self.counted().handles.get() - 1;
        self.counted().handles.set(left);
        if left == 0 {
            self.inner.detach(self.number);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
