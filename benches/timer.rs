//! What a timer costs with a million of them pending: arm, cancel, fire.
//!
//! `cargo bench --bench timer [-- [--quick] [WORD...]]` prints `name value unit` lines, medians, in time-stamp counter
//! cycles. The peer is DPDK's rte_timer with as many timers, due at random too (`scripts/peers/timer.c`,
//! `scripts/compare.sh timer`).

mod measure;

use ffi::affinity::{allowed_cpus, pin_current_thread};
use ffi::cycles::cycles;
use hugepages::{Arena, PagePolicy};
use measure::Bench;
use mnvkd::state::timer_wheel::{TimerId, TimerWheel, bytes_for, chunks_for};

const PENDING: usize = 1_000_000;
/// What is armed and cancelled beside them.
const BATCH: usize = 100_000;
/// Timers are due within so many nanoseconds.
const SPAN_NS: u64 = 10_000_000_000;

/// Numbers as good as random, always the same ones.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ mixed >> 27
    }
}

struct Pending {
    wheel: TimerWheel<u64>,
    ids: Vec<TimerId>,
    random: Random,
    _arena: Arena,
}

fn pending() -> Pending {
    let capacity = PENDING + BATCH;
    let mut arena = Arena::reserve(bytes_for::<u64>(capacity), &PagePolicy::default(), None).expect("memory");
    let timers = arena.carve("timers", capacity).expect("timers");
    let chunks = arena.carve("chunks", chunks_for(capacity)).expect("chunks");
    let mut wheel = TimerWheel::new(timers, chunks, 0);
    let mut random = Random(1);
    let arm = |n| wheel.arm(random.next() % SPAN_NS, n as u64).expect("room");
    let ids = (0..PENDING).map(arm).collect();
    Pending { wheel, ids, random, _arena: arena }
}

fn arm(pending: &mut Pending) -> f64 {
    let deadlines: Vec<u64> = (0..BATCH).map(|_| pending.random.next() % SPAN_NS).collect();
    let mut ids = Vec::with_capacity(BATCH);
    let before = cycles();
    for deadline in &deadlines {
        ids.push(pending.wheel.arm(*deadline, 1).expect("room"));
    }
    let spent = cycles() - before;
    for id in ids {
        pending.wheel.cancel(id).expect("armed");
    }
    spent as f64 / BATCH as f64
}

/// Cancels timers anywhere among the pending ones.
fn cancel(pending: &mut Pending) -> f64 {
    let which: Vec<usize> = (0..BATCH).map(|_| pending.random.next() as usize % PENDING).collect();
    let before = cycles();
    let mut cancelled = 0;
    for at in &which {
        cancelled += usize::from(pending.wheel.cancel(pending.ids[*at]).is_some());
    }
    let spent = cycles() - before;
    for at in which {
        if pending.wheel.deadline_ns(pending.ids[at]).is_none() {
            pending.ids[at] = pending.wheel.arm(pending.random.next() % SPAN_NS, at as u64).expect("room");
        }
    }
    spent as f64 / cancelled as f64
}

/// A timeout that is moved on with every packet of its flow: cancelled and armed anew.
fn rearm(pending: &mut Pending) -> f64 {
    let which: Vec<usize> = (0..BATCH).map(|_| pending.random.next() as usize % PENDING).collect();
    let deadlines: Vec<u64> = (0..BATCH).map(|_| pending.random.next() % SPAN_NS).collect();
    let before = cycles();
    for (at, deadline) in which.iter().zip(&deadlines) {
        let value = pending.wheel.cancel(pending.ids[*at]).expect("armed");
        pending.ids[*at] = pending.wheel.arm(*deadline, value).expect("room");
    }
    (cycles() - before) as f64 / BATCH as f64
}

fn fire() -> f64 {
    let mut pending = pending();
    let (mut now_ns, mut fired) = (0, 0);
    let before = cycles();
    while now_ns < SPAN_NS {
        now_ns += 20_000;
        while !pending
            .wheel
            .advance(now_ns, 256, |_, _, value| fired += u64::from(value != u64::MAX))
            .complete
        {}
    }
    let spent = cycles() - before;
    assert_eq!(fired, PENDING as u64);
    spent as f64 / fired as f64
}

fn main() {
    let bench = Bench::from_args();
    let cpus = allowed_cpus().expect("sched_getaffinity");
    pin_current_thread(*cpus.last().expect("a CPU")).expect("pin");
    let mut full = pending();
    bench.report("timer_arm_1M", "cycles", || arm(&mut full));
    bench.report("timer_cancel_1M", "cycles", || cancel(&mut full));
    bench.report("timer_rearm_1M", "cycles", || rearm(&mut full));
    bench.report("timer_fire_1M", "cycles", fire);
}
