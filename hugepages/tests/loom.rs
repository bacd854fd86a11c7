//! The ring under every interleaving loom can think of (bounded preemptions):
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p mnvkd-hugepages --test loom --release`
#![cfg(loom)]

use hugepages::ring;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

/// An element with memory of its own, so that reading one that was not published is a race loom
/// sees, and a count of how many are alive.
struct Witness {
    number: usize,
    contents: loom::cell::UnsafeCell<usize>,
    alive: Arc<AtomicUsize>,
}

impl Witness {
    fn new(number: usize, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self { number, contents: loom::cell::UnsafeCell::new(number * 3), alive: alive.clone() }
    }

    fn check(&self, expected: usize) {
        assert_eq!(self.number, expected);
        // SAFETY: whoever has the element has its contents; loom fails the test if that is not so.
        self.contents.with(|contents| assert_eq!(unsafe { *contents }, expected * 3));
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn a_ring_is_a_bounded_queue() {
    model(|| {
        let alive = Arc::new(AtomicUsize::new(0));
        // Two slots, three elements, across the end of the cursors' range: slots are used again.
        let (mut tx, mut rx) = ring::boxed_from(2, u32::MAX - 1);
        let counted = alive.clone();
        let sender = thread::spawn(move || {
            let mut elements = (0..3).map(|n| Witness::new(n, &counted)).peekable();
            while elements.peek().is_some() {
                if tx.push_batch_max(2, &mut elements) == 0 {
                    thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while expected < 3 {
            let popped = rx.pop_each(2, |element| {
                element.check(expected);
                expected += 1;
            });
            if popped == 0 {
                thread::yield_now();
            }
        }
        sender.join().unwrap();
        assert!(rx.is_abandoned() && rx.pop().is_none());
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_consumer_dropped_in_mid_flight_leaks_nothing() {
    model(|| {
        let alive = Arc::new(AtomicUsize::new(0));
        let (mut tx, mut rx) = ring::boxed(2);
        let counted = alive.clone();
        let sender = thread::spawn(move || {
            for n in 0..2 {
                assert!(tx.push(Witness::new(n, &counted)).is_ok());
            }
            let _either = tx.is_abandoned();
        });
        if let Some(element) = rx.pop() {
            element.check(0);
        }
        drop(rx);
        sender.join().unwrap();
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn abandoned_and_then_empty_means_that_everything_was_seen() {
    model(|| {
        let alive = Arc::new(AtomicUsize::new(0));
        let (mut tx, mut rx) = ring::boxed(2);
        let counted = alive.clone();
        let sender = thread::spawn(move || {
            tx.push_from(&mut (0..2).map(|n| Witness::new(n, &counted)));
        });
        let mut seen = 0;
        loop {
            let abandoned = rx.is_abandoned();
            let popped = rx.pop_each(2, |element| {
                element.check(seen);
                seen += 1;
            });
            if abandoned && popped == 0 {
                break;
            }
            thread::yield_now();
        }
        assert_eq!(seen, 2);
        sender.join().unwrap();
        drop(rx);
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn no_wake_from_elsewhere_is_lost() {
    model(|| {
        let inbox = Arc::new(hugepages::slots::Inbox::new(130));
        let said = Arc::new(AtomicUsize::new(0));
        let raisers = [1u32, 128].map(|number| {
            let (inbox, said) = (inbox.clone(), said.clone());
            thread::spawn(move || {
                said.fetch_add(number as usize, Ordering::Relaxed);
                inbox.raise(number);
            })
        });
        let taken = std::cell::Cell::new(0);
        let take = || {
            inbox.take(|number| {
                taken.set(taken.get() + number);
                // What happened before the wake is seen with it.
                assert!(said.load(Ordering::Relaxed) >= number as usize);
            })
        };
        // At any moment of their raising, and once more when they are done.
        take();
        for raiser in raisers {
            raiser.join().unwrap();
        }
        take();
        assert_eq!(taken.get(), 129);
        inbox.take(|number| panic!("{number} twice"));
    });
}

/// Two that put something into a ring each and ring; one that looks only where the bell was heard.
#[test]
fn who_hears_the_bell_finds_what_it_was_rung_for() {
    model(|| {
        let bell = hugepages::Bell::default();
        let (outs, mut ins): (Vec<_>, Vec<_>) = (0..2).map(|_| ring::boxed::<usize>(2)).unzip();
        let ringers: Vec<_> = outs
            .into_iter()
            .enumerate()
            .map(|(number, mut out)| {
                let bell = bell.clone();
                thread::spawn(move || {
                    out.push(number).unwrap();
                    bell.ring();
                })
            })
            .collect();
        let mut found = 0;
        // Meanwhile, and once more when they are done: a bell that is silent then has told of everything.
        let mut listen = |ins: &mut [ring::Consumer<usize>]| {
            if bell.heard() {
                found += ins.iter_mut().map(|intake| intake.pop_each(2, |_| ())).sum::<usize>();
            }
        };
        listen(&mut ins);
        for ringer in ringers {
            ringer.join().unwrap();
        }
        listen(&mut ins);
        assert_eq!(found, 2);
        assert!(!bell.heard());
    });
}
