//! Replay in virtual time: many cores on one thread, the clock moved by arrivals, by the deadlines of tasks and by messages between them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::packet::BurstSize;
use crate::port::{Arrival, Gate};
use crate::worker::{Activity, Worker};

/// How long a turn takes in virtual time: arrivals closer together than this can be one burst,
/// nanoseconds.
const STEP_NS: u64 = 10_000;

/// How often in a row nothing moves before a transmit queue that is full counts as full for ever: virtual
/// time does not pass for the world outside.
const PATIENCE: u32 = 10_000;

/// How many steps virtual time goes on in a row for nothing but messages, once nothing arrives any more and no task has a packet:
/// tasks that answer each other for ever are broken off.
const LONGEST_CHATTER: u32 = 10_000;

/// How long virtual time goes on after the last arrival while tasks have packets, nanoseconds.
const LONGEST_WAIT_NS: u64 = 60_000_000_000;

/// How a simulation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every input has ended, or somebody interrupted.
    Done,
    /// There was more to come, and nothing moved any more: every frame waits for a transmit queue that
    /// takes none.
    Stuck,
}

/// Drives simulated cores until every input has ended and nothing is in flight.
///
/// A step opens the ports' gates for the next arrivals, in their order over all queues: as many as
/// fit a burst and come within 10 µs. Then every core turns, in order, until none finds anything to do,
/// and ports put what was sent in its canonical order. A deadline of a task that comes before the next arrival is
/// a step of its own, and so are messages that were sent in a step, 10 µs later, where nothing else comes before. At the start of
/// a step messages of the one before are delivered, and what they lead to is done before anything arrives. What a step holds depends on the input alone, so the result is the same on any machine and for any number of cores.
///
/// `interrupted` is asked once a step; when it says yes, nothing more arrives. The same holds once an
/// application has panicked. What no transmit queue takes in the end is dropped as `stopped`.
pub fn simulate(workers: &mut [Worker], mut interrupted: impl FnMut() -> bool) -> Outcome {
    for worker in workers.iter_mut() {
        worker.start();
    }
    let (mut idle_steps, mut outcome) = (0, Outcome::Done);
    let mut ending = Ending::default();
    while !interrupted()
        && !workers.iter().any(Worker::has_panicked)
        && let Some((gate, now_ns)) = next_step(workers, &mut ending)
    {
        // Time that passes is something too.
        let moved = step(workers, gate, now_ns) || gate == Gate::SHUT;
        idle_steps = if moved { 0 } else { idle_steps + 1 };
        if idle_steps == PATIENCE {
            outcome = Outcome::Stuck;
            break;
        }
    }
    drain(workers);
    outcome
}

/// All input has ended.
#[derive(Default)]
struct Ending {
    /// When patience with tasks that have packets ends, once that is known.
    over_ns: Option<u64>,
    /// Steps for nothing but messages, in a row.
    chatter: u32,
}

/// What comes next: the first arrivals, or the first deadline of a task or messages that are due before them; and when. Once all
/// input has ended, deadlines count for as long as tasks have packets, or messages are on their way.
fn next_step(workers: &mut [Worker], ending: &mut Ending) -> Option<(Gate, u64)> {
    let now_ns = workers.first()?.now_ns();
    let messages = workers.iter_mut().any(Worker::has_mail);
    let messages_ns = messages.then(|| now_ns.saturating_add(STEP_NS));
    let deadline_ns = workers.iter().filter_map(Worker::next_deadline_ns).chain(messages_ns).min();
    if let Some(next) = next_arrival(workers) {
        if let Some(deadline_ns) = deadline_ns.filter(|deadline_ns| *deadline_ns < next.time_ns) {
            return Some((Gate::SHUT, deadline_ns));
        }
        let gate = Gate {
            until_ns: next.time_ns.saturating_add(STEP_NS),
            before_ordinal: next.ordinal.saturating_add(BurstSize::MAX as u64),
        };
        return Some((gate, next.time_ns));
    }
    let over_ns = *ending.over_ns.get_or_insert(now_ns.saturating_add(LONGEST_WAIT_NS));
    let held = workers.iter().any(|worker| worker.held() > 0);
    ending.chatter = if held { 0 } else { ending.chatter + 1 };
    let goes_on = held || messages && ending.chatter <= LONGEST_CHATTER;
    deadline_ns
        .filter(|deadline_ns| goes_on && *deadline_ns <= over_ns)
        .map(|deadline_ns| (Gate::SHUT, deadline_ns))
}

/// The earliest arrival any queue of any core knows of.
fn next_arrival(workers: &mut [Worker]) -> Option<Arrival> {
    workers.iter_mut().filter_map(Worker::next_arrival).min()
}

/// Did anything move?
fn step(workers: &mut [Worker], gate: Gate, now_ns: u64) -> bool {
    let mut moved = false;
    if workers.iter_mut().any(Worker::has_mail) {
        open_gates(workers, Gate::SHUT, now_ns);
        deliver(workers);
        moved = settle(workers);
    }
    open_gates(workers, gate, now_ns);
    moved |= settle(workers);
    end_step(workers);
    moved
}

fn open_gates(workers: &mut [Worker], gate: Gate, now_ns: u64) {
    for worker in workers.iter_mut() {
        worker.open_gate(gate, now_ns);
    }
}

/// Delivers what was sent so far, to every core before any of them turns.
fn deliver(workers: &mut [Worker]) {
    workers.iter_mut().for_each(Worker::deliver);
}

fn end_step(workers: &mut [Worker]) {
    for worker in workers.iter_mut() {
        worker.end_step();
    }
}

/// Turns every core until none finds anything to do. Did any?
fn settle(workers: &mut [Worker]) -> bool {
    let mut moved = false;
    loop {
        let mut busy = false;
        for worker in workers.iter_mut() {
            busy |= turn(worker) == Activity::Busy;
        }
        if !busy {
            return moved;
        }
        moved = true;
    }
}

/// A panic in an application must not take the other cores' packets with it, see
/// [`Worker::recover_from_panic`].
fn turn(worker: &mut Worker) -> Activity {
    catch_unwind(AssertUnwindSafe(|| worker.turn_among_others())).unwrap_or_else(|_| {
        worker.recover_from_panic();
        Activity::Busy
    })
}

/// Nothing arrives any more; what is in flight goes its way, what finds none is dropped, frames go home.
fn drain(workers: &mut [Worker]) {
    for worker in workers.iter_mut() {
        worker.open_gate(Gate::SHUT, 0);
        worker.end_flows();
    }
    let waits = |workers: &[Worker]| workers.iter().any(|worker| worker.is_waiting() || worker.held() > 0);
    let mut patience = PATIENCE;
    settle(workers);
    while waits(workers) || workers.iter_mut().any(Worker::has_mail) {
        deliver(workers);
        match patience {
            0 => workers.iter_mut().for_each(Worker::abandon),
            _ => patience -= 1,
        }
        settle(workers);
    }
    end_step(workers);
    settle(workers);
}
