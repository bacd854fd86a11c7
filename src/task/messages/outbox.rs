//! Where messages are sent from.

use std::fmt;
use std::future::poll_fn;
use std::task::Poll;

use super::Messages;
use super::exchange::Pair;
use super::mail::NoRoom;
use crate::task::channel::NotSent;
use crate::task::local::{here, with};

/// The sending end of one address: a number, which any task of its core may have, and any application.
pub struct Outbox<M: Send + 'static> {
    messages: Messages<M>,
    from: u16,
}

impl<M: Send + 'static> Clone for Outbox<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Send + 'static> Copy for Outbox<M> {}

/// A place among those who wait for room, left when it is dropped.
struct Ticket<M: Send + 'static> {
    messages: Messages<M>,
    number: Option<u64>,
}

impl<M: Send + 'static> Drop for Ticket<M> {
    fn drop(&mut self) {
        let Some(ticket) = self.number else { return };
        let waker = with(|local| local.mail.exchange::<M>(self.messages.number).waiting.leave(ticket));
        // Out here: a waker may be anybody's.
        drop(waker);
    }
}

/// Room for a message to each of the addresses from `next` to `end`, given back when it is dropped.
struct Reserved<M: Send + 'static> {
    outbox: Outbox<M>,
    next: u16,
    end: u16,
}

impl<M: Send + 'static> Reserved<M> {
    fn send(&mut self, value: M) {
        let Outbox { messages, from } = self.outbox;
        let to = self.next;
        self.next += 1;
        here(|local| local.mail.send_with_room(messages.number, Pair { from, to }, value));
    }
}

impl<M: Send + 'static> Drop for Reserved<M> {
    fn drop(&mut self) {
        let Outbox { messages, from } = self.outbox;
        for to in self.next..self.end {
            with(|local| local.mail.exchange::<M>(messages.number).give_room(Pair { from, to }));
        }
    }
}

impl<M: Send + 'static> Outbox<M> {
    pub(super) fn new(messages: Messages<M>, from: u16) -> Outbox<M> {
        Outbox { messages, from }
    }

    /// The address it is of.
    pub fn address(self) -> u16 {
        self.from
    }

    /// The messages it sends.
    pub fn messages(self) -> Messages<M> {
        self.messages
    }

    fn offer(self, to: u16, value: M, counted: bool) -> Result<(), NotSent<M>> {
        let pair = Pair { from: self.from, to };
        match here(|local| local.mail.send(self.messages.number, pair, value, counted)) {
            Ok(()) => Ok(()),
            Err((value, NoRoom::Full)) => Err(NotSent::Full(value)),
            Err((value, NoRoom::Closed)) => Err(NotSent::Closed(value)),
            Err((_, NoRoom::Nowhere)) => panic!("there is no address {to} in {self:?}"),
        }
    }

    /// Sends a message to an address, its own among them, if there is room.
    ///
    /// # Errors
    /// [`NotSent`] with the value: as many messages from here to there as there is room for were not received yet, or the run is over.
    ///
    /// # Panics
    /// There is no such address; outside of tasks and applications of its core.
    #[inline]
    pub fn try_send(self, to: u16, value: M) -> Result<(), NotSent<M>> {
        self.offer(to, value, true)
    }

    /// Sends a message to an address, waiting for room: until the receiver has received.
    ///
    /// # Errors
    /// [`NotSent`] with the value: 256 tasks of this core wait for room already, or the run is over.
    ///
    /// # Panics
    /// There is no such address; outside of tasks of its core.
    pub async fn send(self, to: u16, value: M) -> Result<(), NotSent<M>> {
        let mut value = Some(value);
        let mut ticket = Ticket { messages: self.messages, number: None };
        poll_fn(|context| {
            let Some(now) = value.take() else { return Poll::Ready(Ok(())) };
            let back = match self.offer(to, now, false) {
                Err(NotSent::Full(back)) => back,
                sent => return Poll::Ready(sent),
            };
            let pair = Pair { from: self.from, to };
            let waits = here(|local| {
                let exchange = local.mail.exchange::<M>(self.messages.number);
                let waits = exchange.waiting.wait(&mut ticket.number, pair, context.waker());
                exchange.count.refused += u64::from(waits.is_err());
                waits
            });
            match waits {
                // Out here: a waker may be anybody's.
                Ok(before) => drop(before),
                Err(()) => return Poll::Ready(Err(NotSent::Full(back))),
            }
            value = Some(back);
            Poll::Pending
        })
        .await
    }

    /// Sends a message to every address, its own among them, if there is room for each.
    ///
    /// # Errors
    /// [`NotSent`] with the value, and nothing was sent.
    ///
    /// # Panics
    /// Outside of tasks and applications of its core.
    pub fn try_send_to_all(self, value: M) -> Result<(), NotSent<M>>
    where
        M: Clone,
    {
        let end = match here(|local| local.mail.reserve::<M>(self.messages.number, self.from)) {
            Ok(end) => end,
            Err(NoRoom::Closed) => return Err(NotSent::Closed(value)),
            Err(_) => return Err(NotSent::Full(value)),
        };
        let mut reserved = Reserved { outbox: self, next: 0, end };
        for _ in 1..end {
            // Out here: to clone it is others' code, which may do as it likes.
            reserved.send(value.clone());
        }
        reserved.send(value);
        Ok(())
    }
}

impl<M: Send + 'static> fmt::Debug for Outbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbox({} of {:?})", self.from, self.messages)
    }
}
