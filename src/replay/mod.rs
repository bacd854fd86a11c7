//! Replay in virtual time: many cores on one thread, the clock moved by arrivals.

use crate::packet::BurstSize;
use crate::port::{Arrival, Gate};
use crate::worker::{Activity, Worker};

/// How long a turn takes in virtual time: arrivals closer together than this can be one burst,
/// nanoseconds.
const STEP_NS: u64 = 10_000;

/// Drives simulated cores until every input has ended and nothing is in flight.
///
/// A step opens the ports' gates for the next arrivals, in their order over all queues: as many as
/// fit a burst and come within 10 µs. Then every core turns, in order, until none finds anything to do,
/// and ports put what was sent in its canonical order. What a step holds depends on the input
/// alone, so the result is the same on any machine and for any number of cores.
///
/// `interrupted` is asked once a step; when it says yes, nothing more arrives.
pub fn simulate(workers: &mut [Worker], mut interrupted: impl FnMut() -> bool) {
    for worker in workers.iter_mut() {
        worker.start();
    }
    while !interrupted()
        && let Some(next) = next_arrival(workers)
    {
        let gate = Gate {
            until_ns: next.time_ns.saturating_add(STEP_NS),
            before_ordinal: next.ordinal.saturating_add(BurstSize::MAX as u64),
        };
        step(workers, gate, next.time_ns);
    }
    settle(workers);
}

/// The earliest arrival any queue of any core knows of.
fn next_arrival(workers: &mut [Worker]) -> Option<Arrival> {
    workers.iter_mut().filter_map(Worker::next_arrival).min()
}

fn step(workers: &mut [Worker], gate: Gate, now_ns: u64) {
    for worker in workers.iter_mut() {
        worker.open_gate(gate, now_ns);
    }
    settle(workers);
    for worker in workers.iter_mut() {
        worker.end_step();
    }
}

/// Turns every core until none finds anything to do.
fn settle(workers: &mut [Worker]) {
    loop {
        let mut busy = false;
        for worker in workers.iter_mut() {
            busy |= worker.turn_among_others() == Activity::Busy;
        }
        if !busy {
            return;
        }
    }
}
