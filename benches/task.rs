//! What a green task costs: yields with 1 to 100,000 of them, spawn and join; tokio's LocalSet beside it.
//!
//! `cargo bench --bench task [-- [--quick] [WORD...]]` prints `name value unit` lines, medians, in time-stamp counter
//! cycles.

mod measure;

use std::future::Future;
use std::hint::black_box;

use ffi::affinity::{allowed_cpus, pin_current_thread};
use ffi::cycles::cycles;
use hugepages::arena::slots_bytes;
use hugepages::slots::{SlotClass, Slots, yield_now};
use hugepages::{Arena, PagePolicy};
use measure::Bench;

fn slots(count: u32) -> Slots {
    let classes = [SlotClass { room: 80, count }];
    let mut arena = Arena::reserve(slots_bytes(&classes), &PagePolicy::default(), None).expect("memory");
    arena.carve_slots("tasks", &classes).expect("slots")
}

/// A task that yields for good measure.
async fn yielding(times: u64) {
    for _ in 0..times {
        yield_now().await;
    }
}

fn our_yield(tasks: u32, polls: u64) -> f64 {
    let slots = slots(tasks);
    let times = polls / u64::from(tasks);
    for _ in 0..tasks {
        slots.spawn(0, yielding(times)).expect("a slot").detach();
    }
    slots.run(tasks as usize, |_, _| ());
    let before = cycles();
    let mut polled = 0;
    loop {
        let round = slots.run(64, |_, _| ());
        if round == 0 {
            break;
        }
        polled += round as u64;
    }
    (cycles() - before) as f64 / polled as f64
}

fn our_spawn_and_join(count: u64) -> f64 {
    let slots = slots(2);
    let before = cycles();
    for n in 0..count {
        let mut join = slots.spawn(0, async move { black_box(n) }).expect("a slot");
        slots.run(1, |_, _| ());
        assert_eq!(join.try_take(), Some(Ok(n)));
    }
    (cycles() - before) as f64 / count as f64
}

/// The same by awaiting, as an application would.
fn our_spawn_and_await(count: u64) -> f64 {
    let slots = std::rc::Rc::new(slots(4));
    let inner = slots.clone();
    let body = async move {
        let before = cycles();
        for n in 0..count {
            let join = inner.spawn(0, async move { black_box(n) }).expect("a slot");
            assert_eq!(join.await, Ok(n));
        }
        (cycles() - before) as f64 / count as f64
    };
    let mut join = slots.spawn(0, body).expect("a slot");
    loop {
        slots.run(64, |_, _| ());
        if let Some(Ok(figure)) = join.try_take() {
            return figure;
        }
    }
}

fn in_tokio<T>(body: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("tokio");
    tokio::task::LocalSet::new().block_on(&runtime, body)
}

fn tokio_yield(tasks: u32, polls: u64) -> f64 {
    in_tokio(async move {
        let times = polls / u64::from(tasks);
        let before = cycles();
        let joins: Vec<_> = (0..tasks)
            .map(|_| {
                tokio::task::spawn_local(async move {
                    for _ in 0..times {
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for join in joins {
            join.await.expect("it ends");
        }
        (cycles() - before) as f64 / (times * u64::from(tasks)) as f64
    })
}

fn tokio_spawn_and_join(count: u64) -> f64 {
    in_tokio(async move {
        let before = cycles();
        for n in 0..count {
            assert_eq!(tokio::task::spawn_local(async move { black_box(n) }).await.expect("it ends"), n);
        }
        (cycles() - before) as f64 / count as f64
    })
}

fn main() {
    let bench = Bench::from_args();
    let cpus = allowed_cpus().expect("sched_getaffinity");
    pin_current_thread(*cpus.last().expect("a CPU")).expect("pin");
    let polls = bench.pick(4_000_000, 1_000_000);
    for tasks in [1, 64, 1_000, 100_000] {
        bench.report(&format!("yield_{tasks}"), "cycles", || our_yield(tasks, polls));
        bench.report(&format!("yield_{tasks}_tokio"), "cycles", || tokio_yield(tasks, polls));
    }
    let spawns = bench.pick(1_000_000, 200_000);
    bench.report("spawn_join", "cycles", || our_spawn_and_join(spawns));
    bench.report("spawn_await", "cycles", || our_spawn_and_await(spawns));
    bench.report("spawn_join_tokio", "cycles", || tokio_spawn_and_join(spawns));
}
