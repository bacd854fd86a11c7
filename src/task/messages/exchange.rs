//! One core's part of an application's messages: its ends of the rings, what waits to be received, how much may be sent yet.
//!
//! ```text
//! send ─▶ room left? ─▶ ring to the core ─▶ deliver ─▶ queue of the address ─▶ receive
//!            ▲                                                                    │
//!            └───────────────── deliver ◀───────────────── ring back ◀────────────┘
//! ```
//!
//! Room is counted by pair of addresses and not by core, so that what is refused is the same on any number of cores. A message keeps
//! its room until it was received and that has come back; therefore no ring and no queue is ever full.

use std::any::Any;
use std::task::Waker;

use hugepages::{Arena, Consumer, Filled, Producer};

use super::Message;
use super::count::MessageCount;
use super::directory::Directory;
use super::room::places;
use super::waiting::{WAITING, Waiting};
use crate::state::queue::Queue;

/// A message on its way to another core, or to this one.
pub(super) struct Parcel<M> {
    pub(super) to: u16,
    pub(super) message: Message<M>,
}

/// A sender and a receiver, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) from: u16,
    pub(super) to: u16,
}

/// What waits for one address.
pub(super) struct Tray<M> {
    queue: Queue<Message<M>>,
    /// Messages that the latest delivery brought.
    fresh: usize,
    /// Has somebody its [`Inbox`](super::Inbox)?
    pub(super) open: bool,
    pub(super) receiver: Option<Waker>,
}

/// A core's part of the messages of one application.
pub(super) struct Exchange<M> {
    name: &'static str,
    core: usize,
    pub(super) directory: Directory,
    /// By own seat and address: messages that may be sent yet.
    left: Filled<u16>,
    /// By core, each.
    out: Vec<Producer<Parcel<M>>>,
    intake: Vec<Consumer<Parcel<M>>>,
    returns_out: Vec<Producer<Pair>>,
    returns: Vec<Consumer<Pair>>,
    /// By own seat.
    trays: Vec<Tray<M>>,
    pub(super) waiting: Waiting,
    pub(super) count: MessageCount,
    loose: Option<LooseEnds<M>>,
}

/// Ends of the rings in this core's memory that belong to other cores: by core.
struct LooseEnds<M> {
    parcels: Vec<Option<Producer<Parcel<M>>>>,
    returns: Vec<Option<Producer<Pair>>>,
}

/// The same whatever its messages are.
pub(super) trait AnyExchange: Any + Send {
    /// The ends that belong to other cores; `None` when they were taken.
    fn loose_ends(&mut self) -> Option<Box<dyn Any>>;
    /// Takes its ends of those that every core had loose; were there any?
    fn connect(&mut self, others: &mut [Box<dyn Any>]) -> bool;
    /// The most wakers a delivery may come up with.
    fn most_awake(&self) -> usize;
    /// Takes in what rings brought; `in_order` of senders, on whichever core they are. How many messages?
    fn deliver(&mut self, in_order: bool, awake: &mut Vec<Waker>) -> u64;
    /// How it went. What waits to be received, nobody will.
    fn count(&self) -> (&'static str, MessageCount);
}

impl<M: Send + 'static> Exchange<M> {
    /// The part of `core`, in its arena.
    ///
    /// # Errors
    /// The arena has no room for it.
    pub(super) fn carve(
        arena: &mut Arena,
        name: &'static str,
        core: usize,
        directory: Directory,
        per_pair: u16,
    ) -> anyhow::Result<Exchange<M>> {
        let (here, cores) = (directory.seats(core), directory.cores());
        let addresses = usize::from(directory.addresses());
        let (mut intake, mut returns) = (Vec::with_capacity(cores), Vec::with_capacity(cores));
        let mut loose = LooseEnds { parcels: Vec::with_capacity(cores), returns: Vec::with_capacity(cores) };
        for other in 0..cores {
            let places = places(here, directory.seats(other), per_pair).max(1);
            let (parcels, taken) = arena.carve_ring::<Parcel<M>>("messages", places)?;
            loose.parcels.push(Some(parcels));
            intake.push(taken);
            let (given, back) = arena.carve_ring::<Pair>("messages received", places)?;
            loose.returns.push(Some(given));
            returns.push(back);
        }
        let mut trays = Vec::with_capacity(here);
        for _ in 0..here {
            let places = arena.carve_filled("messages", addresses * usize::from(per_pair), |_| None)?;
            trays.push(Tray { queue: Queue::new(places), fresh: 0, open: false, receiver: None });
        }
        Ok(Exchange {
            name,
            core,
            left: arena.carve_filled("messages", here * addresses, |_| per_pair)?,
            directory,
            out: Vec::with_capacity(cores),
            intake,
            returns_out: Vec::with_capacity(cores),
            returns,
            trays,
            waiting: Waiting::default(),
            count: MessageCount { room: per_pair.into(), ..MessageCount::default() },
            loose: Some(loose),
        })
    }

    /// Is this address one of this core's?
    #[inline]
    pub(super) fn is_here(&self, address: u16) -> bool {
        self.has(address) && self.directory.core(address) == self.core
    }

    /// Is there such an address?
    #[inline]
    pub(super) fn has(&self, address: u16) -> bool {
        address < self.directory.addresses()
    }

    #[inline]
    fn place(&self, Pair { from, to }: Pair) -> usize {
        self.directory.seat(from) * usize::from(self.directory.addresses()) + usize::from(to)
    }

    /// Takes the room of one message; `false` where there is none.
    #[inline]
    pub(super) fn take_room(&mut self, pair: Pair) -> bool {
        let place = self.place(pair);
        let left = &mut self.left[place];
        let some = *left > 0;
        *left -= u16::from(some);
        some
    }

    /// Takes the room of a message to each address, or none at all.
    pub(super) fn take_room_for_all(&mut self, from: u16) -> bool {
        let first = self.place(Pair { from, to: 0 });
        let left = &mut self.left[first..first + usize::from(self.directory.addresses())];
        let some = left.iter().all(|left| *left > 0);
        if some {
            left.iter_mut().for_each(|left| *left -= 1);
        }
        some
    }

    /// There is room for one more after all.
    pub(super) fn give_room(&mut self, pair: Pair) {
        let place = self.place(pair);
        self.left[place] += 1;
    }

    /// Sends a message that has room; to which core?
    #[inline]
    pub(super) fn send(&mut self, pair: Pair, value: M) -> usize {
        let core = self.directory.core(pair.to);
        let parcel = Parcel { to: pair.to, message: Message { from: pair.from, value } };
        if self.out[core].push(parcel).is_err() {
            unreachable!("the ring has a place for every message there is room for");
        }
        self.count.sent += 1;
        core
    }

    /// The next message for an address of this core, and the core it came from.
    #[inline]
    pub(super) fn receive(&mut self, to: u16) -> Option<(Message<M>, usize)> {
        let message = self.tray(to)?.queue.pop()?;
        let core = self.directory.core(message.from);
        if self.returns_out[core].push(Pair { from: message.from, to }).is_err() {
            unreachable!("the ring back has a place for every message there is room for");
        }
        self.count.received += 1;
        Some((message, core))
    }

    /// What waits for an address of this core.
    #[inline]
    pub(super) fn tray(&mut self, address: u16) -> Option<&mut Tray<M>> {
        if !self.is_here(address) {
            return None;
        }
        self.trays.get_mut(self.directory.seat(address))
    }

    /// Takes in what other cores say was received.
    fn take_returns(&mut self) -> bool {
        let mut some = false;
        let addresses = usize::from(self.directory.addresses());
        for back in &mut self.returns {
            some |= back.pop_each(usize::MAX, |Pair { from, to }| {
                self.left[self.directory.seat(from) * addresses + usize::from(to)] += 1;
            }) > 0;
        }
        some
    }
}

impl<M: Send + 'static> AnyExchange for Exchange<M> {
    fn loose_ends(&mut self) -> Option<Box<dyn Any>> {
        Some(Box::new(self.loose.take()?))
    }

    fn connect(&mut self, others: &mut [Box<dyn Any>]) -> bool {
        for other in others {
            let Some(ends) = other.downcast_mut::<LooseEnds<M>>() else { return false };
            let parcels = ends.parcels.get_mut(self.core).and_then(Option::take);
            let returns = ends.returns.get_mut(self.core).and_then(Option::take);
            let (Some(parcels), Some(returns)) = (parcels, returns) else { return false };
            self.out.push(parcels);
            self.returns_out.push(returns);
        }
        self.out.len() == self.directory.cores()
    }

    fn most_awake(&self) -> usize {
        self.trays.len() + WAITING
    }

    fn deliver(&mut self, in_order: bool, awake: &mut Vec<Waker>) -> u64 {
        if self.take_returns() {
            let (left, directory) = (&self.left, &self.directory);
            let addresses = usize::from(directory.addresses());
            let room = |pair: Pair| left[directory.seat(pair.from) * addresses + usize::from(pair.to)] > 0;
            self.waiting.take(room, awake);
        }
        self.trays.iter_mut().for_each(|tray| tray.fresh = 0);
        let (trays, directory) = (&mut self.trays, &self.directory);
        let mut count = 0;
        for intake in &mut self.intake {
            count += intake.pop_each(usize::MAX, |Parcel { to, message }| {
                let tray = &mut trays[directory.seat(to)];
                if tray.queue.push(message).is_err() {
                    unreachable!("the queue has a place for every message there is room for");
                }
                if in_order {
                    // Those of one sender came by one ring, in their order.
                    tray.queue.sink_last(tray.fresh, |one, other| one.from < other.from);
                }
                tray.fresh += 1;
            });
        }
        awake.extend(trays.iter_mut().filter(|tray| tray.fresh > 0).filter_map(|tray| tray.receiver.take()));
        count as u64
    }

    fn count(&self) -> (&'static str, MessageCount) {
        let dropped = self.trays.iter().map(|tray| tray.queue.len() as u64).sum();
        let peak = self.trays.iter().map(|tray| tray.queue.peak() as u64).max().unwrap_or(0);
        (self.name, MessageCount { dropped, peak, ..self.count })
    }
}
