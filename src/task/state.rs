//! State that an application shares with its tasks.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;

use super::local::here;

/// A value that lies with the core, for the application and its tasks to use in turns. The handle is a number: it is `Copy`, and
/// every core has its own value behind it.
///
/// Made by [`Build::state`](crate::pipeline::Build::state).
pub struct State<T> {
    number: u32,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for State<T> {}

impl<T> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({})", self.number)
    }
}

/// Puts the value back, also when whoever had it panics.
struct Borrowed {
    number: usize,
    value: Option<Box<dyn Any + Send>>,
}

impl Drop for Borrowed {
    #[inline]
    fn drop(&mut self) {
        let value = self.value.take();
        here(|local| local.states[self.number] = value);
    }
}

impl<T: Send + 'static> State<T> {
    pub(crate) fn new(number: u32) -> State<T> {
        State { number, value: PhantomData }
    }

    /// Calls `f` with the value. Tasks of the core may be spawned in it, packets held, timers armed.
    ///
    /// # Panics
    /// Within another call with the same value; once it was [taken](State::take); and outside of tasks and of applications that
    /// declared some.
    #[inline]
    pub fn with<R>(self, f: impl FnOnce(&mut T) -> R) -> R {
        let number = self.number as usize;
        let value = here(|local| local.states.get_mut(number).and_then(Option::take));
        let mut borrowed = Borrowed { number, value };
        match borrowed.value.as_deref_mut().and_then(|value| value.downcast_mut::<T>()) {
            Some(value) => f(value),
            None => panic!("the state is in use further up, or was taken for good"),
        }
    }

    /// Takes the value away for good: what an application does in its `tally`. `None` when it was taken before.
    ///
    /// # Panics
    /// Outside of tasks and of applications that declared some.
    pub fn take(self) -> Option<T> {
        let value = here(|local| local.states.get_mut(self.number as usize).and_then(Option::take))?;
        value.downcast::<T>().ok().map(|value| *value)
    }
}
