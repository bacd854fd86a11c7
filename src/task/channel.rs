//! Channels between tasks of a core: bounded, in one slot of the arena, without an atomic.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use arrayvec::ArrayVec;
use hugepages::slots::{Refused, Shared, share};

/// Senders whose wakers lie in the channel's slot while they wait; those of more are allocated.
const WAITING: usize = 8;

/// What lies between senders and the receiver.
struct Ring<T, const N: usize> {
    values: [Option<T>; N],
    first: usize,
    len: usize,
    senders: usize,
    closed: bool,
    receiver: Option<Waker>,
    waiting: ArrayVec<Waker, WAITING>,
    more_waiting: Vec<Waker>,
}

/// Where values go in. Clones send to the same receiver.
pub struct Sender<T, const N: usize> {
    ring: Shared<RefCell<Ring<T, N>>>,
}

/// Where values come out, in the order they were sent.
pub struct Receiver<T, const N: usize> {
    ring: Shared<RefCell<Ring<T, N>>>,
}

/// The receiver is gone: the value comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody receives any more")]
pub struct Closed<T>(pub T);

/// Why a value was not sent at once; it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent<T> {
    /// As many values as there is room for wait to be received.
    #[error("there is no room")]
    Full(T),
    /// The receiver is gone; the run is over.
    #[error("nobody receives any more")]
    Closed(T),
}

/// A channel with room for `N` values (packets, if they are [`Held`](super::Held)), in a slot of this core. It takes
/// the place of a task: see [`channel_room`].
///
/// # Errors
/// No slot is large enough, or none is free; or this thread turns no core.
#[allow(clippy::type_complexity, reason = "the two ends of one channel")]
pub fn channel<T: 'static, const N: usize>() -> Result<(Sender<T, N>, Receiver<T, N>), Refused> {
    let ring = Ring {
        values: [const { None }; N],
        first: 0,
        len: 0,
        senders: 1,
        closed: false,
        receiver: None,
        waiting: ArrayVec::new(),
        more_waiting: Vec::new(),
    };
    let ring = share(RefCell::new(ring)).map_err(|refused| refused.why)?;
    Ok((Sender { ring: ring.clone() }, Receiver { ring }))
}

/// The room of the slot that a [`channel`] takes: for [`TaskNeeds::slots`](super::TaskNeeds).
pub const fn channel_room<T, const N: usize>() -> u32 {
    // The count of handles comes on top.
    (size_of::<RefCell<Ring<T, N>>>() + 16) as u32
}

/// Senders to be woken, who waited longest first.
type Waiting = (ArrayVec<Waker, WAITING>, Vec<Waker>);

fn wake_all((first, more): Waiting) {
    first.into_iter().chain(more).for_each(Waker::wake);
}

impl<T, const N: usize> Ring<T, N> {
    fn push(&mut self, value: T) -> Result<Option<Waker>, NotSent<T>> {
        if self.closed {
            return Err(NotSent::Closed(value));
        }
        if self.len == N {
            return Err(NotSent::Full(value));
        }
        self.values[(self.first + self.len) % N] = Some(value);
        self.len += 1;
        Ok(self.receiver.take())
    }

    fn pop(&mut self) -> Option<(T, Waiting)> {
        let value = self.values.get_mut(self.first)?.take()?;
        self.first = (self.first + 1) % N;
        self.len -= 1;
        // All of them: the one that waited longest may have been cancelled since.
        Some((value, self.take_waiting()))
    }

    fn take_waiting(&mut self) -> Waiting {
        (std::mem::take(&mut self.waiting), std::mem::take(&mut self.more_waiting))
    }
}

impl<T: 'static, const N: usize> Sender<T, N> {
    /// Sends a value, waiting for room.
    ///
    /// # Errors
    /// The receiver is gone: the value comes back.
    pub async fn send(&self, value: T) -> Result<(), Closed<T>> {
        let mut value = Some(value);
        poll_fn(|context| {
            let Some(now) = value.take() else { return Poll::Ready(Ok(())) };
            match self.try_send(now) {
                Ok(()) => Poll::Ready(Ok(())),
                Err(NotSent::Closed(back)) => Poll::Ready(Err(Closed(back))),
                Err(NotSent::Full(back)) => {
                    value = Some(back);
                    self.wait(context);
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn wait(&self, context: &Context<'_>) {
        let mut ring = self.ring.borrow_mut();
        let Ring { waiting, more_waiting, .. } = &mut *ring;
        if waiting.iter().chain(&*more_waiting).any(|known| known.will_wake(context.waker())) {
            return;
        }
        if let Err(full) = waiting.try_push(context.waker().clone()) {
            more_waiting.push(full.element());
        }
    }

    /// Sends a value if there is room.
    ///
    /// # Errors
    /// [`NotSent`] with the value.
    pub fn try_send(&self, value: T) -> Result<(), NotSent<T>> {
        let waker = self.ring.borrow_mut().push(value)?;
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }
}

impl<T: 'static, const N: usize> Receiver<T, N> {
    /// The next value; `None` once every sender is gone and all they sent was received.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|context| {
            let popped = self.ring.borrow_mut().pop();
            if let Some((value, waiting)) = popped {
                wake_all(waiting);
                return Poll::Ready(Some(value));
            }
            let mut ring = self.ring.borrow_mut();
            if ring.senders == 0 {
                return Poll::Ready(None);
            }
            let before = ring.receiver.replace(context.waker().clone());
            drop(ring);
            drop(before);
            Poll::Pending
        })
        .await
    }

    /// A value that is here already.
    pub fn try_recv(&mut self) -> Option<T> {
        let (value, waiting) = self.ring.borrow_mut().pop()?;
        wake_all(waiting);
        Some(value)
    }
}

impl<T, const N: usize> Clone for Sender<T, N> {
    fn clone(&self) -> Sender<T, N> {
        self.ring.borrow_mut().senders += 1;
        Sender { ring: self.ring.clone() }
    }
}

impl<T, const N: usize> Drop for Sender<T, N> {
    fn drop(&mut self) {
        let mut ring = self.ring.borrow_mut();
        ring.senders -= 1;
        let waker = if ring.senders == 0 { ring.receiver.take() } else { None };
        drop(ring);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T, const N: usize> Drop for Receiver<T, N> {
    fn drop(&mut self) {
        let mut ring = self.ring.borrow_mut();
        ring.closed = true;
        let waiting = ring.take_waiting();
        let values: ArrayVec<T, N> = ring.values.iter_mut().filter_map(Option::take).collect();
        ring.len = 0;
        drop(ring);
        // Their destructors may come back here.
        drop(values);
        wake_all(waiting);
    }
}

impl<T, const N: usize> fmt::Debug for Sender<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender({} of {N})", self.ring.borrow().len)
    }
}

impl<T, const N: usize> fmt::Debug for Receiver<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({} of {N})", self.ring.borrow().len)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use hugepages::slots::{SlotClass, Slots, spawn};
    use hugepages::{Arena, PagePolicy, arena};

    use super::*;

    fn on_a_core(f: impl FnOnce(&Slots)) {
        let classes = [SlotClass { room: channel_room::<u32, 4>().max(512), count: 64 }];
        let mut arena = Arena::reserve(arena::slots_bytes(&classes), &PagePolicy::Never, None).unwrap();
        let slots = arena.carve_slots("tasks", &classes).unwrap();
        slots.enter(|| f(&slots));
        slots.run(1000, |_, _| panic!("no task ends otherwise than by itself"));
        assert_eq!(slots.tasks(), 0, "every slot is free again");
    }

    fn run(slots: &Slots) {
        while slots.run(1000, |_, _| panic!("no task panics")) > 0 {}
    }

    #[test]
    fn values_come_in_order_from_any_number_of_senders_that_wait_for_room() {
        on_a_core(|slots| {
            let (sender, mut receiver) = channel::<u32, 4>().unwrap();
            let received = Rc::new(RefCell::new(Vec::new()));
            for task in 0..20 {
                let sender = sender.clone();
                let body = async move {
                    for n in 0..50 {
                        sender.send(task * 100 + n).await.unwrap();
                    }
                };
                spawn(0, body).unwrap().detach();
            }
            drop(sender);
            let all = received.clone();
            let body = async move {
                while let Some(value) = receiver.recv().await {
                    all.borrow_mut().push(value);
                }
            };
            spawn(0, body).unwrap().detach();
            run(slots);
            let received = received.borrow();
            assert_eq!(received.len(), 1000);
            for task in 0..20 {
                let of: Vec<u32> = received.iter().copied().filter(|value| value / 100 == task).collect();
                assert_eq!(of, (0..50).map(|n| task * 100 + n).collect::<Vec<_>>());
            }
        });
    }

    #[test]
    fn a_channel_without_a_receiver_gives_values_back() {
        on_a_core(|slots| {
            let (sender, receiver) = channel::<Rc<()>, 2>().unwrap();
            let value = Rc::new(());
            sender.try_send(value.clone()).unwrap();
            sender.try_send(value.clone()).unwrap();
            assert!(matches!(sender.try_send(value.clone()), Err(NotSent::Full(_))));
            let waits = sender.clone();
            let again = value.clone();
            let body = async move { assert!(waits.send(again).await.is_err()) };
            spawn(0, body).unwrap().detach();
            run(slots);
            assert_eq!(Rc::strong_count(&value), 4);
            drop(receiver);
            assert_eq!(Rc::strong_count(&value), 2, "what was not received is dropped with the receiver");
            run(slots);
            assert!(matches!(sender.try_send(value), Err(NotSent::Closed(_))));
        });
    }
}
