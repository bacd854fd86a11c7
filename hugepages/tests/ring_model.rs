//! The ring against a queue that is obviously right, step by step and across threads.
#![cfg(not(loom))]

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hugepages::ring;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Push,
    PushFrom(usize),
    PushMax(usize, usize),
    Pop,
    PopEach(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Push),
        (0..70usize).prop_map(Step::PushFrom),
        (0..40usize, 0..40usize).prop_map(|(most, have)| Step::PushMax(most, have)),
        Just(Step::Pop),
        (0..70usize).prop_map(Step::PopEach),
    ]
}

proptest! {
    /// Same elements in the same order, same counts, nothing leaked: each element is an Arc.
    #[test]
    fn a_ring_is_a_bounded_queue(
        bits in 0..6u32,
        first in prop_oneof![Just(0u32), Just(u32::MAX - 20), any::<u32>()],
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let capacity = 1usize << bits;
        let witness = Arc::new(());
        let mut number = 0u64;
        let mut fresh = || { number += 1; (number, witness.clone()) };
        let (mut tx, mut rx) = ring::boxed_from(capacity, first);
        let mut model = VecDeque::new();
        for step in steps {
            match step {
                Step::Push => {
                    let element = fresh();
                    let id = element.0;
                    match tx.push(element) {
                        Ok(()) => model.push_back(id),
                        Err(back) => prop_assert!(back.0 == id && model.len() == capacity),
                    }
                }
                Step::PushFrom(have) | Step::PushMax(_, have) => {
                    let most = if let Step::PushMax(most, _) = step { most } else { usize::MAX };
                    let elements: Vec<_> = (0..have).map(|_| fresh()).collect();
                    let ids: Vec<u64> = elements.iter().map(|e| e.0).collect();
                    let mut iter = elements.into_iter();
                    let pushed = tx.push_batch_max(most, &mut iter);
                    prop_assert_eq!(pushed, have.min(most).min(capacity - model.len()));
                    prop_assert_eq!(iter.len(), have - pushed, "what is not pushed stays in the iterator");
                    model.extend(&ids[..pushed]);
                }
                Step::Pop => prop_assert_eq!(rx.pop().map(|e| e.0), model.pop_front()),
                Step::PopEach(most) => {
                    let mut got = Vec::new();
                    let count = rx.pop_each(most, |e| got.push(e.0));
                    prop_assert_eq!(count, most.min(model.len()));
                    prop_assert_eq!(got, model.drain(..count).collect::<Vec<_>>());
                }
            }
            prop_assert_eq!((tx.len(), rx.len()), (model.len(), model.len()));
            prop_assert_eq!((tx.free(), rx.free()), (capacity - model.len(), capacity - model.len()));
            prop_assert_eq!(Arc::strong_count(&witness), 1 + model.len());
        }
        drop(tx);
        prop_assert!(rx.is_abandoned());
        drop(rx);
        prop_assert_eq!(Arc::strong_count(&witness), 1, "leftovers are dropped with the last end");
    }
}

#[test]
fn a_panicking_closure_sees_every_element_once() {
    let (mut tx, mut rx) = ring::boxed::<u32>(8);
    assert_eq!(tx.push_from(&mut (0..8)), 8);
    let panicked = catch_unwind(AssertUnwindSafe(|| rx.pop_each(8, |n| assert!(n < 3, "expected"))));
    assert!(panicked.is_err());
    assert_eq!((rx.pop(), rx.len(), tx.free()), (Some(4), 3, 5));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        tx.push_from(&mut (8..).inspect(|n| assert!(*n < 10, "expected")));
    }));
    assert!(panicked.is_err());
    let mut rest = Vec::new();
    rx.pop_each(8, |n| rest.push(n));
    assert_eq!(rest, [5, 6, 7, 8, 9], "what was pulled before the panic is published");
}

#[test]
fn elements_cross_threads_in_order() {
    const COUNT: u64 = 200_000;
    let (mut tx, mut rx) = ring::boxed_from::<Box<u64>>(64, u32::MAX - 1000);
    let sender = std::thread::spawn(move || {
        let mut numbers = (0..COUNT).map(Box::new).peekable();
        while numbers.peek().is_some() {
            if tx.push_batch_max(7, &mut numbers) == 0 {
                std::thread::yield_now();
            }
        }
    });
    let mut expected = 0;
    while expected < COUNT {
        let before = expected;
        rx.pop_each(5, |n| {
            assert_eq!(*n, expected);
            expected += 1;
        });
        if expected == before {
            std::thread::yield_now();
        }
    }
    sender.join().unwrap();
    assert!(rx.is_abandoned() && rx.is_empty());
}

#[test]
fn elements_without_a_size_are_counted() {
    let (mut tx, mut rx) = ring::boxed::<()>(2);
    assert_eq!(tx.push_from(&mut std::iter::repeat(())), 2);
    assert_eq!((rx.pop_each(9, drop), tx.is_empty()), (2, true));
}
