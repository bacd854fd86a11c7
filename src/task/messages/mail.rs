//! The messages of all applications on one core, and the bells of all cores.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use hugepages::{Bell, slots};

use super::MessageCount;
use super::exchange::{AnyExchange, Exchange, Pair};
use crate::task::local::with;

/// A core's messages.
pub(crate) struct Mail {
    core: usize,
    /// By number.
    exchanges: Vec<Box<dyn AnyExchange>>,
    /// By core.
    bells: Vec<Bell>,
    /// By core: has something been put where it should look?
    touched: Vec<bool>,
    stirred: bool,
    /// Nothing is sent any more.
    closed: bool,
    /// Messages sent so far, for whoever looks whether all have arrived.
    sent: Arc<AtomicU64>,
    arrived: u64,
    /// Empty but while messages are delivered: it has room for every waker there may be.
    awake: Vec<Waker>,
}

impl Mail {
    /// By core number; of nobody yet.
    pub(crate) fn of_cores(cores: usize) -> Vec<Mail> {
        let bells: Vec<Bell> = (0..cores).map(|_| Bell::default()).collect();
        let mail = |core| Mail {
            core,
            exchanges: Vec::new(),
            bells: bells.clone(),
            touched: vec![false; cores],
            stirred: false,
            closed: false,
            sent: Arc::default(),
            arrived: 0,
            awake: Vec::new(),
        };
        (0..cores).map(mail).collect()
    }

    /// Adds a core's part of an application's messages; its number.
    pub(super) fn add(&mut self, exchange: Box<dyn AnyExchange>) -> u32 {
        self.exchanges.push(exchange);
        self.exchanges.len() as u32 - 1
    }

    /// Messages sent so far: stored before any of them can be found to have arrived.
    pub(crate) fn sent(&self) -> Arc<AtomicU64> {
        self.sent.clone()
    }

    /// Messages that arrived here so far.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Is there something to [deliver](Mail::deliver)?
    #[inline(always)]
    pub(crate) fn is_rung(&self) -> bool {
        self.bells[self.core].is_rung()
    }

    /// Takes in what other cores and this one sent. Who waits for it is to be woken; the list is to be [given back](Mail::give_back).
    pub(super) fn deliver(&mut self, in_order: bool) -> Vec<Waker> {
        let mut awake = std::mem::take(&mut self.awake);
        if self.bells[self.core].heard() {
            for exchange in &mut self.exchanges {
                self.arrived += exchange.deliver(in_order, &mut awake);
            }
        }
        awake
    }

    /// The list that [`deliver`](Mail::deliver) lent.
    pub(super) fn give_back(&mut self, awake: Vec<Waker>) {
        debug_assert!(awake.is_empty(), "all were woken");
        self.awake = awake;
    }

    /// Rings for those who should look. Were there any?
    #[inline]
    pub(crate) fn ring(&mut self) {
        if self.stirred {
            self.stirred = false;
            for (bell, touched) in self.bells.iter().zip(&mut self.touched) {
                if std::mem::take(touched) {
                    bell.ring();
                }
            }
        }
    }

    #[inline]
    fn touch(&mut self, core: usize) {
        self.touched[core] = true;
        self.stirred = true;
    }

    /// Nothing is sent from now on.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// The run is over: what becomes of each application's messages, those included that were on their way. Nobody is woken any more.
    pub(crate) fn finish(&mut self) -> Vec<(String, MessageCount)> {
        self.close();
        for exchange in &mut self.exchanges {
            self.arrived += exchange.deliver(false, &mut Vec::new());
        }
        let counts = self.exchanges.iter().map(|exchange| exchange.count());
        counts.map(|(name, count)| (name.to_owned(), count)).collect()
    }

    /// This core's part of the messages of this number.
    ///
    /// # Panics
    /// It has none, or of another type: the handle is of another run.
    #[inline]
    pub(super) fn exchange<M: Send + 'static>(&mut self, number: u32) -> &mut Exchange<M> {
        match self.find(number) {
            Some(exchange) => exchange,
            None => panic!("these messages are not of this run"),
        }
    }

    #[inline]
    fn find<M: Send + 'static>(&mut self, number: u32) -> Option<&mut Exchange<M>> {
        let exchange: &mut dyn Any = &mut **self.exchanges.get_mut(number as usize)?;
        exchange.downcast_mut()
    }

    /// Sends a message if there is room; is a refusal to be counted?
    #[inline]
    pub(super) fn send<M: Send + 'static>(
        &mut self,
        number: u32,
        pair: Pair,
        value: M,
        counted: bool,
    ) -> Result<(), (M, NoRoom)> {
        let closed = self.closed;
        // No panic in here: the value would be dropped, and its destructor may be anybody's.
        let Some(exchange) = self.find::<M>(number).filter(|exchange| exchange.has(pair.to)) else {
            return Err((value, NoRoom::Nowhere));
        };
        if closed {
            return Err((value, NoRoom::Closed));
        }
        if !exchange.take_room(pair) {
            exchange.count.refused += u64::from(counted);
            return Err((value, NoRoom::Full));
        }
        self.send_with_room(number, pair, value);
        Ok(())
    }

    /// Sends a message whose room was taken.
    #[inline]
    pub(super) fn send_with_room<M: Send + 'static>(&mut self, number: u32, pair: Pair, value: M) {
        // Only this core writes it. Relaxed: the ring orders it before what is found in there.
        self.sent.store(self.sent.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let core = self.exchange::<M>(number).send(pair, value);
        self.touch(core);
    }

    /// Takes the room for a message to all: to how many?
    ///
    /// # Errors
    /// There is none for one of them.
    pub(super) fn reserve<M: Send + 'static>(&mut self, number: u32, from: u16) -> Result<u16, NoRoom> {
        if self.closed {
            return Err(NoRoom::Closed);
        }
        let exchange = self.exchange::<M>(number);
        if exchange.take_room_for_all(from) {
            return Ok(exchange.directory.addresses());
        }
        exchange.count.refused += 1;
        Err(NoRoom::Full)
    }

    /// The next message for an address of this core.
    #[inline]
    pub(super) fn receive<M: Send + 'static>(&mut self, number: u32, to: u16) -> Option<super::Message<M>> {
        let (message, core) = self.exchange::<M>(number).receive(to)?;
        self.touch(core);
        Some(message)
    }
}

/// Takes in what other cores and this one sent, on the core that turns on this thread, and wakes who waits for it. `in_order` of
/// senders, on whichever core they are.
pub(crate) fn deliver(in_order: bool) {
    let Some(mut awake) = with(|local| local.mail.deliver(in_order)) else { return };
    // Out here: a waker may be anybody's.
    slots::wake_each(awake.drain(..));
    with(|local| local.mail.give_back(awake));
}

/// Why a message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// As many as there is room for were not received yet.
    Full,
    /// The run is over.
    Closed,
    /// There is no such address.
    Nowhere,
}

/// Gives every core its ends of the rings. The same applications were built on each, in the same order.
///
/// # Errors
/// They were not.
pub(crate) fn connect(mails: &mut [&mut Mail]) -> anyhow::Result<()> {
    let exchanges = mails.first().map_or(0, |mail| mail.exchanges.len());
    let differs = || anyhow::anyhow!("an application has other messages on one core than on another");
    anyhow::ensure!(mails.iter().all(|mail| mail.exchanges.len() == exchanges), differs());
    for number in 0..exchanges {
        let ends: Option<Vec<_>> = mails.iter_mut().map(|mail| mail.exchanges[number].loose_ends()).collect();
        let mut ends = ends.ok_or_else(differs)?;
        for mail in &mut *mails {
            anyhow::ensure!(mail.exchanges[number].connect(&mut ends), differs());
        }
    }
    for mail in mails {
        let most = mail.exchanges.iter().map(|exchange| exchange.most_awake()).sum();
        mail.awake = Vec::with_capacity(most);
    }
    Ok(())
}
