//! Tasks in slots: results, cancelling, panics, wakes from here and elsewhere, slots that come back.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::{future, thread};

use hugepages::arena::slots_bytes;
use hugepages::slots::{Ended, Refused, SlotClass, Slots, share, yield_now};
use hugepages::{Arena, ArenaError, PagePolicy};
use proptest::prelude::*;

fn slots(classes: &[SlotClass]) -> Slots {
    let mut arena = Arena::reserve(slots_bytes(classes), &PagePolicy::Never, None).unwrap();
    arena.carve_slots("tasks", classes).unwrap()
}

fn few(count: u32) -> Slots {
    slots(&[SlotClass { room: 200, count }])
}

fn run(slots: &Slots) -> Vec<(u16, Ended)> {
    let mut ended = Vec::new();
    while slots.run(1000, |tag, how| ended.push((tag, how))) > 0 {}
    ended
}

/// A future that is ready once somebody says so.
#[derive(Clone, Default)]
struct Gate(Rc<RefCell<(bool, Vec<Waker>)>>);

impl Gate {
    fn open(&self) {
        self.0.borrow_mut().0 = true;
        self.0.borrow_mut().1.drain(..).for_each(Waker::wake);
    }

    fn passed(&self) -> impl Future<Output = ()> + use<> {
        let gate = self.0.clone();
        future::poll_fn(move |context| {
            let mut gate = gate.borrow_mut();
            if gate.0 {
                return Poll::Ready(());
            }
            gate.1.push(context.waker().clone());
            Poll::Pending
        })
    }
}

/// Counts how often it is dropped, and may panic then.
struct Dropped(Rc<Cell<u32>>, bool);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        assert!(!self.1, "a destructor that panics");
    }
}

#[test]
fn a_result_comes_by_value() {
    let slots = few(2);
    let mut join = slots.spawn(7, async { (String::from("done"), 42) }).unwrap();
    assert!(join.try_take().is_none() && !join.is_done());
    assert_eq!(run(&slots), []);
    assert_eq!(join.try_take(), Some(Ok(("done".to_owned(), 42))));
    assert_eq!((slots.tasks(), slots.ready()), (0, 0));
}

#[test]
fn a_task_waits_for_another() {
    let slots = Rc::new(few(3));
    let gate = Gate::default();
    let inner = slots
        .spawn(0, {
            let passed = gate.passed();
            async {
                passed.await;
                5
            }
        })
        .unwrap();
    let mut outer = slots.spawn(0, async move { inner.await.unwrap() + 1 }).unwrap();
    run(&slots);
    assert!(!outer.is_done());
    slots.enter(|| gate.open());
    run(&slots);
    assert_eq!(outer.try_take(), Some(Ok(6)));
    assert_eq!(slots.tasks(), 0);
}

#[test]
fn tasks_take_turns_and_a_run_is_bounded() {
    let slots = few(3);
    let log = Rc::new(RefCell::new(Vec::new()));
    for task in 0..3 {
        let log = log.clone();
        let body = async move {
            for round in 0..3 {
                log.borrow_mut().push((round, task));
                yield_now().await;
            }
        };
        slots.spawn(0, body).unwrap().detach();
    }
    assert_eq!(slots.run(2, |_, _| ()), 2);
    assert_eq!(*log.borrow(), [(0, 0), (0, 1)]);
    // A round is what was ready when it began, however much is left of the limit.
    assert_eq!(slots.run(100, |_, _| ()), 3);
    assert_eq!(*log.borrow(), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]);
    run(&slots);
    assert_eq!((log.borrow().len(), slots.tasks()), (9, 0));
}

#[test]
fn a_full_slab_refuses_and_gives_the_future_back() {
    let slots = slots(&[SlotClass { room: 64, count: 1 }, SlotClass { room: 512, count: 1 }]);
    let small = || future::pending::<u8>();
    let _one = slots.spawn(0, small()).unwrap();
    let two = slots.spawn(0, small()).unwrap();
    let why = slots.spawn(0, small()).unwrap_err().why;
    assert!(matches!(why, Refused::Full { slots: 2, .. }), "{why}");
    let big = [0u8; 4000];
    let why = slots
        .spawn(0, async move {
            future::pending::<()>().await;
            big[3]
        })
        .unwrap_err()
        .why;
    assert!(matches!(why, Refused::TooLarge { most: 528, .. }), "{why}");
    let why = slots.spawn(0, async { [0u8; 4000] }).unwrap_err().why;
    assert!(matches!(why, Refused::TooLarge { .. }), "an output counts too: {why}");
    two.cancel();
    drop(two);
    run(&slots);
    slots.spawn(0, small()).unwrap().detach();
    let occupancy = slots.occupancy();
    assert_eq!((occupancy[0].room, occupancy[1].room), (80, 528));
    assert_eq!((occupancy[1].used, occupancy[1].peak, occupancy[0].refused), (1, 1, 1));
}

#[test]
fn a_cancelled_task_is_dropped_at_once_and_its_join_says_so() {
    let (slots, drops) = (few(2), Rc::new(Cell::new(0)));
    let witness = Dropped(drops.clone(), false);
    let mut join = slots
        .spawn(0, async move {
            future::pending::<()>().await;
            drop(witness)
        })
        .unwrap();
    run(&slots);
    assert_eq!(drops.get(), 0);
    join.cancel();
    assert_eq!(drops.get(), 1);
    assert_eq!(join.try_take(), Some(Err(Ended::Cancelled)));
    assert_eq!(slots.tasks(), 0);
}

#[test]
fn cancelled_while_queued_it_is_passed_by() {
    let slots = few(1);
    let join = slots.spawn(0, async {}).unwrap();
    join.cancel();
    drop(join);
    assert_eq!(slots.tasks(), 1, "its place in the queue keeps the slot");
    run(&slots);
    assert_eq!(slots.tasks(), 0);
    for n in 0..100u32 {
        let mut join = slots.spawn(0, async move { n }).unwrap();
        run(&slots);
        assert_eq!(join.try_take(), Some(Ok(n)));
    }
}

#[test]
fn a_task_may_cancel_itself() {
    let (slots, drops) = (few(1), Rc::new(Cell::new(0)));
    let own: Rc<RefCell<Option<hugepages::slots::Join<()>>>> = Rc::default();
    let (witness, handle) = (Dropped(drops.clone(), false), own.clone());
    let body = async move {
        let witness = witness;
        if let Some(join) = &*handle.borrow() {
            join.cancel();
        }
        yield_now().await;
        unreachable!("it was cancelled before it came back ({})", witness.1);
    };
    *own.borrow_mut() = Some(slots.spawn(3, body).unwrap());
    assert_eq!(run(&slots), [(3, Ended::Cancelled)]);
    assert_eq!(drops.get(), 1);
    own.borrow_mut().take();
    run(&slots);
    assert_eq!(slots.tasks(), 0);
}

#[test]
fn a_panic_ends_its_task_and_no_other() {
    let (slots, drops) = (few(4), Rc::new(Cell::new(0)));
    let witness = Dropped(drops.clone(), false);
    let mut bad = slots
        .spawn(1, async move {
            yield_now().await;
            let _kept = &witness;
            panic!("on purpose")
        })
        .unwrap();
    let mut worse = slots
        .spawn(2, {
            let witness = Dropped(drops.clone(), true);
            async move {
                yield_now().await;
                drop(witness)
            }
        })
        .unwrap();
    let mut good = slots
        .spawn(3, async {
            yield_now().await;
            9
        })
        .unwrap();
    assert_eq!(run(&slots), [(1, Ended::Panicked), (2, Ended::Panicked)]);
    assert_eq!(bad.try_take(), Some(Err::<(), _>(Ended::Panicked)));
    assert_eq!(worse.try_take(), Some(Err(Ended::Panicked)));
    assert_eq!(good.try_take(), Some(Ok(9)));
    assert_eq!((drops.get(), slots.tasks()), (2, 0));
}

#[test]
fn outputs_nobody_fetches_are_dropped_once() {
    let (slots, drops) = (few(3), Rc::new(Cell::new(0)));
    let witness = || Dropped(drops.clone(), false);
    let early = slots
        .spawn(0, {
            let witness = witness();
            async { witness }
        })
        .unwrap();
    early.detach();
    let late = slots
        .spawn(0, {
            let witness = witness();
            async { witness }
        })
        .unwrap();
    run(&slots);
    assert_eq!(drops.get(), 1);
    drop(late);
    assert_eq!((drops.get(), slots.tasks()), (2, 0));
}

#[test]
fn slots_that_go_drop_what_is_in_them() {
    let drops = Rc::new(Cell::new(0));
    let slots = few(3);
    let body = |witness: Dropped| async move {
        future::pending::<()>().await;
        drop(witness)
    };
    let mut kept = slots.spawn(0, body(Dropped(drops.clone(), false))).unwrap();
    slots.spawn(0, body(Dropped(drops.clone(), true))).unwrap().detach();
    run(&slots);
    drop(slots);
    assert_eq!(drops.get(), 2);
    assert_eq!(kept.try_take(), Some(Err(Ended::Cancelled)));
}

#[test]
fn a_waker_outlives_everything() {
    let kept: Rc<RefCell<Option<Waker>>> = Rc::default();
    let keep = kept.clone();
    let slots = few(1);
    let body = future::poll_fn(move |context: &mut Context<'_>| {
        *keep.borrow_mut() = Some(context.waker().clone());
        Poll::Ready(())
    });
    slots.spawn(0, body).unwrap().detach();
    run(&slots);
    let old = kept.borrow_mut().take().unwrap();
    // The slot has another task now, which an old waker must not reach.
    let polls = Rc::new(Cell::new(0));
    let count = polls.clone();
    let other = future::poll_fn(move |_| {
        count.set(count.get() + 1);
        Poll::<()>::Pending
    });
    slots.spawn(0, other).unwrap().detach();
    run(&slots);
    slots.enter(|| old.wake_by_ref());
    run(&slots);
    assert_eq!(polls.get(), 1);
    drop(slots);
    old.wake_by_ref();
    thread::spawn(move || old.wake()).join().unwrap();
}

#[test]
fn another_thread_wakes() {
    let slots = few(100);
    let (sender, receiver) = mpsc::channel::<(Waker, Arc<AtomicBool>)>();
    let waking = thread::spawn(move || {
        for (waker, flag) in receiver {
            flag.store(true, Ordering::Relaxed);
            waker.wake();
        }
    });
    let done = Rc::new(Cell::new(0));
    for _ in 0..100 {
        let (flag, sender, done) = (Arc::new(AtomicBool::new(false)), sender.clone(), done.clone());
        let mut asked = false;
        let body = future::poll_fn(move |context: &mut Context<'_>| {
            if flag.load(Ordering::Relaxed) {
                done.set(done.get() + 1);
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut asked, true) {
                sender.send((context.waker().clone(), flag.clone())).unwrap();
            }
            Poll::Pending
        });
        slots.spawn(0, body).unwrap().detach();
    }
    drop(sender);
    while done.get() < 100 {
        slots.run(7, |_, _| ());
        assert!(slots.tasks() == 100 - done.get(), "a task is lost");
        thread::yield_now();
    }
    waking.join().unwrap();
    assert!(!slots.has_work());
}

#[test]
fn slots_may_move_to_their_thread_and_stay_there() {
    let empty = few(1);
    let back = thread::spawn(move || {
        empty
            .spawn(0, async {
                Rc::new(1);
            })
            .unwrap()
            .detach();
        empty
    })
    .join()
    .unwrap();
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| back.run(1, |_, _| ())));
    assert!(refused.is_err());
    drop(back); // leaks, and does not touch the future
}

#[test]
fn what_no_slots_can_be() {
    let mut arena = Arena::reserve(4096, &PagePolicy::Never, None).unwrap();
    let huge = [SlotClass { room: 1 << 20, count: 1 << 20 }];
    assert_eq!(slots_bytes(&huge), usize::MAX);
    assert!(matches!(arena.carve_slots("tasks", &huge), Err(ArenaError::Shape { .. })));
    let many = [SlotClass { room: 100, count: 100 }];
    assert!(matches!(arena.carve_slots("tasks", &many), Err(ArenaError::Full { .. })));
    let none = slots(&[]);
    assert!(matches!(none.spawn(0, async {}).unwrap_err().why, Refused::TooLarge { most: 0, .. }));
    assert_eq!(none.run(5, |_, _| ()), 0);
}

/// A future that is polled as often as a script says, and yields, waits or ends.
struct Script {
    steps: Vec<u8>,
    parked: Rc<RefCell<Vec<Waker>>>,
    alive: Rc<Cell<i64>>,
}

impl Future for Script {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u32> {
        match self.steps.pop() {
            None => return Poll::Ready(77),
            Some(0) => context.waker().wake_by_ref(),
            Some(1) => self.parked.borrow_mut().push(context.waker().clone()),
            Some(2) => {
                context.waker().wake_by_ref();
                self.parked.borrow_mut().push(context.waker().clone());
            }
            Some(_) => panic!("scripted"),
        }
        Poll::Pending
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.alive.set(self.alive.get() - 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is spawned, woken, cancelled, detached and fetched, in whatever order: every future is dropped once,
    /// every slot comes back, nobody is polled who is done.
    #[test]
    fn slots_come_back(
        actions in proptest::collection::vec((0u8..6, any::<u8>()), 1..200),
        steps in proptest::collection::vec(proptest::collection::vec(0u8..4, 0..5), 20),
    ) {
        std::panic::set_hook(Box::new(|_| ()));
        let slots = few(8);
        let (parked, alive) = (Rc::new(RefCell::new(Vec::<Waker>::new())), Rc::new(Cell::new(0)));
        let mut joins = Vec::new();
        for (action, n) in actions {
            let n = usize::from(n);
            match action {
                0 | 1 => {
                    alive.set(alive.get() + 1);
                    let script = Script { steps: steps[n % 20].clone(), parked: parked.clone(), alive: alive.clone() };
                    match slots.spawn(1, script) {
                        Ok(join) => joins.push(join),
                        Err(refused) => {
                            let full = matches!(refused.why, Refused::Full { .. });
                            prop_assert!(full);
                        }
                    }
                }
                2 => { slots.run(n % 5, |_, _| ()); }
                3 => {
                    let woken: Vec<Waker> = parked.borrow_mut().drain(..).collect();
                    if n % 2 == 0 { slots.enter(|| woken.into_iter().for_each(Waker::wake)) } else { woken.into_iter().for_each(Waker::wake) }
                }
                4 if !joins.is_empty() => joins[n % joins.len()].cancel(),
                5 if !joins.is_empty() => {
                    let mut join = joins.swap_remove(n % joins.len());
                    if n % 2 == 0 && let Some(Ok(output)) = join.try_take() {
                        prop_assert_eq!(output, 77);
                    }
                }
                _ => {}
            }
            prop_assert!(alive.get() as usize <= slots.tasks());
        }
        joins.clear();
        slots.cancel_all();
        while slots.run(100, |_, _| ()) > 0 {}
        prop_assert_eq!((alive.get(), slots.tasks(), slots.ready()), (0, 0, 0));
        for _ in 0..8 {
            slots.spawn(0, future::pending::<()>()).unwrap().detach();
        }
    }
}

#[test]
fn a_value_in_a_slot_lives_as_long_as_its_handles() {
    let drops = Rc::new(Cell::new(0));
    let slots = few(2);
    assert_eq!(share(1).unwrap_err().why, Refused::Outside);
    let first = slots.enter(|| share(Dropped(drops.clone(), false)).unwrap());
    let second = first.clone();
    let (used, tasks) = (|| slots.occupancy()[0].used, || slots.tasks());
    assert_eq!((used(), tasks()), (1, 1));
    let other = slots.enter(|| share(7u64).unwrap());
    let full = slots.enter(|| share(8u64).unwrap_err());
    assert_eq!((full.why, full.value), (Refused::Full { bytes: 16, slots: 2 }, 8));
    drop(first);
    assert_eq!((drops.get(), used()), (0, 2));
    drop(second);
    assert_eq!((drops.get(), used()), (1, 1));
    // What is left outlives the slots, and their tasks.
    slots.cancel_all();
    drop(slots);
    assert_eq!(*other, 7);
}

#[test]
fn tasks_share_values_and_a_value_may_have_handles_of_others() {
    let slots = few(8);
    let drops = Rc::new(Cell::new(0));
    let inner = slots.enter(|| share(Dropped(drops.clone(), true)).unwrap());
    let outer = slots.enter(|| share((Cell::new(0), inner)).unwrap());
    for _ in 0..4 {
        let outer = outer.clone();
        slots
            .spawn(0, async move {
                for _ in 0..10 {
                    outer.0.set(outer.0.get() + 1);
                    yield_now().await;
                }
            })
            .unwrap()
            .detach();
    }
    assert_eq!(run(&slots), []);
    assert_eq!(outer.0.get(), 40);
    // A destructor that panics does so alone; the slot is free again.
    drop(outer);
    assert_eq!((drops.get(), slots.tasks()), (1, 0));
}
