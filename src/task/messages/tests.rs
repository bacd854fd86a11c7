//! Messages of a few cores against a model: lists, and counts of room by pair.

use std::collections::VecDeque;
use std::sync::Arc;

use hugepages::{Arena, PagePolicy};
use proptest::prelude::*;

use super::exchange::{Exchange, Pair};
use super::mail::{Mail, NoRoom, connect};
use super::{Directory, Message, MessageRoom};

/// What a message owns is counted.
type Value = (u32, Arc<()>);

#[derive(Clone, Debug)]
enum Step {
    Send(u16, u16),
    ToAll(u16),
    Receive(u16),
    Deliver(usize),
}

fn core_of(cores: usize) -> impl Fn(u16) -> u16 {
    move |address| address % cores as u16
}

/// Mail of so many cores, each in an arena of just the bytes the room says.
fn mails<M: Send + 'static>(addresses: u16, cores: usize, per_pair: u16) -> Vec<Mail> {
    let room = MessageRoom::of::<M>(per_pair);
    let most = usize::from(addresses).div_ceil(cores);
    let mut mails = Mail::of_cores(cores);
    for (core, mail) in mails.iter_mut().enumerate() {
        let bytes = room.arena_bytes(addresses.into(), most, cores);
        let mut arena = Arena::reserve(bytes, &PagePolicy::Never, None).unwrap();
        assert!(arena.left() - bytes < 4096, "a page is all that may be more");
        let directory = Directory::new(addresses, cores, core_of(cores));
        let exchange = Exchange::<M>::carve(&mut arena, "test", core, directory, per_pair).unwrap();
        assert_eq!(mail.add(Box::new(exchange)), 0);
    }
    connect(&mut mails.iter_mut().collect::<Vec<_>>()).unwrap();
    mails
}

/// What should be the case.
struct Model {
    cores: usize,
    /// By sender and receiver.
    left: Vec<Vec<u16>>,
    /// By sending and receiving core.
    rings: Vec<Vec<VecDeque<(u16, u16, u32)>>>,
    /// By core: pairs of what was received and there is not yet room for again.
    returns: Vec<Vec<(u16, u16)>>,
    /// By receiver.
    queues: Vec<VecDeque<(u16, u32)>>,
}

impl Model {
    fn new(addresses: u16, cores: usize, per_pair: u16) -> Model {
        let addresses = usize::from(addresses);
        Model {
            cores,
            left: vec![vec![per_pair; addresses]; addresses],
            rings: vec![vec![VecDeque::new(); cores]; cores],
            returns: vec![Vec::new(); cores],
            queues: vec![VecDeque::new(); addresses],
        }
    }

    fn core(&self, address: u16) -> usize {
        usize::from(core_of(self.cores)(address))
    }

    fn send(&mut self, from: u16, to: u16, value: u32) -> bool {
        let left = &mut self.left[usize::from(from)][usize::from(to)];
        if *left == 0 {
            return false;
        }
        *left -= 1;
        let (one, other) = (self.core(from), self.core(to));
        self.rings[one][other].push_back((from, to, value));
        true
    }

    fn receive(&mut self, to: u16) -> Option<(u16, u32)> {
        let (from, value) = self.queues[usize::from(to)].pop_front()?;
        let core = self.core(from);
        self.returns[core].push((from, to));
        Some((from, value))
    }

    fn deliver(&mut self, core: usize, in_order: bool) {
        for (from, to) in self.returns[core].drain(..) {
            self.left[usize::from(from)][usize::from(to)] += 1;
        }
        let mut all: Vec<_> = self.rings.iter_mut().flat_map(|rings| rings[core].drain(..)).collect();
        if in_order {
            all.sort_by_key(|(from, ..)| *from);
        }
        all.into_iter().for_each(|(from, to, value)| self.queues[usize::from(to)].push_back((from, value)));
    }
}

fn step(addresses: u16, cores: usize) -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..addresses, 0..addresses).prop_map(|(from, to)| Step::Send(from, to)),
        1 => (0..addresses).prop_map(Step::ToAll),
        6 => (0..addresses).prop_map(Step::Receive),
        2 => (0..cores).prop_map(Step::Deliver),
    ]
}

fn shape_and_steps() -> impl Strategy<Value = (u16, usize, u16, bool, Vec<Step>)> {
    (1usize..4, 0u16..5, 1u16..5, any::<bool>()).prop_flat_map(|(cores, more, per_pair, in_order)| {
        let addresses = cores as u16 + more;
        let steps = proptest::collection::vec(step(addresses, cores), 0..400);
        (Just(addresses), Just(cores), Just(per_pair), Just(in_order), steps)
    })
}

proptest! {
    #[test]
    fn agrees_with_lists((addresses, cores, per_pair, in_order, steps) in shape_and_steps()) {
        let counted = Arc::new(());
        let mut mails = mails::<Value>(addresses, cores, per_pair);
        let mut model = Model::new(addresses, cores, per_pair);
        let (mut sent, mut refused, mut received) = (0u64, 0u64, 0u64);
        for (number, step) in steps.into_iter().enumerate() {
            let number = number as u32;
            let value = || (number, counted.clone());
            match step {
                Step::Send(from, to) => {
                    let mail = &mut mails[model.core(from)];
                    let outcome = mail.send(0, Pair { from, to }, value(), true);
                    prop_assert_eq!(outcome.is_ok(), model.send(from, to, number));
                    refused += u64::from(outcome.is_err());
                    sent += u64::from(outcome.is_ok());
                    mail.ring();
                }
                Step::ToAll(from) => {
                    let mail = &mut mails[model.core(from)];
                    let room = model.left[usize::from(from)].iter().all(|left| *left > 0);
                    let reserved = mail.reserve::<Value>(0, from);
                    prop_assert_eq!(reserved, if room { Ok(addresses) } else { Err(NoRoom::Full) });
                    refused += u64::from(!room);
                    for to in 0..reserved.unwrap_or(0) {
                        mail.send_with_room(0, Pair { from, to }, value());
                        prop_assert!(model.send(from, to, number));
                        sent += 1;
                    }
                    mail.ring();
                }
                Step::Receive(to) => {
                    let mail = &mut mails[model.core(to)];
                    let message = mail.receive::<Value>(0, to);
                    received += u64::from(message.is_some());
                    let message = message.map(|Message { from, value }| (from, value.0));
                    prop_assert_eq!(message, model.receive(to));
                    mail.ring();
                }
                Step::Deliver(core) => {
                    let awake = mails[core].deliver(in_order);
                    mails[core].give_back(awake);
                    model.deliver(core, in_order);
                }
            }
        }
        prop_assert_eq!(Arc::strong_count(&counted) as u64, 1 + sent - received);
        let mut dropped = 0;
        for mail in &mut mails {
            for (_, count) in mail.finish() {
                dropped += count.dropped;
                sent -= count.sent;
                refused -= count.refused;
                received -= count.received;
            }
        }
        prop_assert_eq!((sent, refused, received), (0, 0, 0), "all were counted");
        prop_assert_eq!(Arc::strong_count(&counted) as u64, 1 + dropped);
        drop(mails);
        prop_assert_eq!(Arc::strong_count(&counted), 1, "what is left over is dropped, once");
    }
}

#[test]
fn after_the_end_and_to_nowhere_a_value_comes_back() {
    let mut mails = mails::<Value>(3, 2, 4);
    let counted = Arc::new(());
    let nowhere = mails[0].send(0, Pair { from: 0, to: 3 }, (1u32, counted.clone()), true).unwrap_err();
    assert_eq!((nowhere.0.0, nowhere.1), (1, NoRoom::Nowhere));
    assert_eq!(
        mails[0].send(1, Pair { from: 0, to: 0 }, 7u8, true),
        Err((7, NoRoom::Nowhere)),
        "no such messages"
    );
    assert_eq!(
        mails[0].send(0, Pair { from: 0, to: 0 }, 7u8, true),
        Err((7, NoRoom::Nowhere)),
        "of another type"
    );
    mails[0].close();
    let closed = mails[0].send(0, Pair { from: 0, to: 1 }, (1u32, counted.clone()), true).unwrap_err();
    assert_eq!((closed.0.0, closed.1), (1, NoRoom::Closed));
    assert_eq!(mails[0].reserve::<Value>(0, 0), Err(NoRoom::Closed));
}

#[test]
fn cores_that_do_not_agree_are_not_connected() {
    let mut mails = Mail::of_cores(2);
    let connected = |mails: &mut [Mail]| connect(&mut mails.iter_mut().collect::<Vec<_>>());
    assert!(connected(&mut mails).is_ok(), "none at all is agreement");
    fn add<M: Send + 'static>(mails: &mut [Mail], core: usize) {
        let mut arena = Arena::reserve(1 << 20, &PagePolicy::Never, None).unwrap();
        let directory = Directory::new(2, 2, |core| core);
        mails[core].add(Box::new(Exchange::<M>::carve(&mut arena, "test", core, directory, 2).unwrap()));
    }
    add::<u8>(&mut mails, 0);
    assert!(connected(&mut mails).is_err(), "one core has some, the other none");
    add::<u16>(&mut mails, 1);
    assert!(connected(&mut mails).is_err(), "they are of two types");
}

#[test]
fn room_for_what_is_aligned_like_nothing_else_is_enough() {
    #[repr(align(512))]
    struct Wide(#[expect(dead_code, reason = "it takes room")] [u8; 3]);
    mails::<Wide>(7, 3, 3);
    mails::<[u8; 3]>(9, 4, 5);
    mails::<()>(1, 1, 1);
}
