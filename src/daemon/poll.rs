//! Polling cores on threads of their own, and the control thread that starts and stops them.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;

use super::intruders::Intruders;
use super::privileges::{self, Privileges};
use super::progress::Progress;
use super::stalls::Stalls;
use super::stop::StopFlag;
use super::watch::Watch;
use super::{RunOptions, reduce, start};
use crate::clock::{self, Clock};
use crate::host;
use crate::reduce::Report;
use crate::topology::{self, Built, Plan, RunKind};
use crate::worker::{Activity, CoreResult, IdlePolicy, Idler, Orders, Phase, Preemption, Published, Worker};

/// How often the control thread looks, nanoseconds.
const LOOK_EVERY_NS: u64 = 1_000_000;
/// How long draining may take before what is in flight is dropped as `stopped`, nanoseconds.
const DRAIN_AT_MOST_NS: u64 = 5_000_000_000;

/// Runs a plan on polling cores to its end.
pub(super) fn run(
    mut plan: Plan,
    kind: &RunKind,
    mode: &'static str,
    options: &RunOptions,
) -> anyhow::Result<Report> {
    let stop = StopFlag::new()?;
    let mut privileges = Privileges::check(&plan)?;
    let mut built = topology::build(&mut plan.wiring, &plan.budget, kind)?;
    // Before any other thread is started: each has at most what the one that starts it has.
    privileges.give_up(&mut built)?;
    let give_up = privileges.polling_threads_give_up();
    let seats: Vec<_> = plan.wiring.cores.iter().map(|seat| seat.cpu).collect();
    let workers = std::mem::take(&mut built.workers);
    let barrier = Arc::new(Barrier::new(workers.len() + 1));
    let mut threads: Vec<JoinHandle<Polled>> = Vec::with_capacity(workers.len());
    for (worker, cpu) in workers.into_iter().zip(seats) {
        let (barrier, idle) = (barrier.clone(), plan.wiring.idle);
        let name = format!("mnvkd-{}", worker.id.index());
        let body = move || poll(worker, cpu, idle, give_up, &barrier);
        threads.push(
            thread::Builder::new().name(name).spawn(body).context("a core's thread cannot be started")?,
        );
    }
    barrier.wait();
    let _apart = start::Apart::from(&plan.wiring.cores);
    let started_ns = clock::monotonic_ns();
    if options.announce {
        announce(&built);
    }
    let mut progress = Progress::new(options.progress, &built.published);
    let mut watch = Watch::new();
    let mut intruders = Intruders::new(&plan.wiring.cores, &built.published);
    let mut stalls = Stalls::new(&built.polled, &built.published, &built.kinds);
    let over = |now_ns: u64| options.for_ns.is_some_and(|limit| now_ns - started_ns >= limit);
    loop {
        thread::sleep(Duration::from_nanos(LOOK_EVERY_NS));
        progress.tick();
        watch.tick(&mut built, &privileges);
        intruders.tick();
        stalls.tick(&mut built.notes);
        let all = |test: fn(&Published) -> bool| built.published.iter().all(|core| test(core));
        let ended = all(|core| core.ended.load(Ordering::Acquire));
        let gone = built.published.iter().any(|core| core.gone.load(Ordering::Acquire));
        if ended || gone || stop.is_raised() || over(clock::monotonic_ns()) {
            break;
        }
    }
    intruders.finish(&mut built.notes);
    wind_down(&built);
    let mut results = Vec::with_capacity(threads.len());
    for (core, thread) in threads.into_iter().enumerate() {
        match thread.join() {
            Ok(polled) => {
                start::record(&mut plan.wiring.cores[core], polled.pin_error, core, &mut built.notes);
                results.push(polled.result);
            }
            Err(_) => {
                let _raised = privileges.raise_to_end();
                drop(built);
                anyhow::bail!("core {core} ended in a panic of mnvkd's own; this is a bug")
            }
        }
    }
    let rate = match kind.clock {
        Clock::Real { rate, .. } => rate,
        Clock::Virtual(_) => clock::Rate::measure(5_000_000),
    };
    let _raised = privileges.raise_to_end();
    Ok(reduce::report(&plan, built, results, mode, kind, rate))
}

/// Says that the cores poll: the ports were open before, so what is sent to them from now on is not lost.
fn announce(built: &Built) {
    let ports: Vec<&str> = built.ports.iter().map(|(name, _)| name.as_str()).collect();
    let (cores, ports) = (built.published.len(), ports.join(", "));
    let word = if cores == 1 { "core polls" } else { "cores poll" };
    let line = format!("running: {cores} {word} {ports}; SIGINT (Ctrl-C) or SIGTERM ends the run");
    // A closed stderr ends the telling, not the run.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What a core's thread comes back with.
struct Polled {
    result: CoreResult,
    pin_error: Option<String>,
}

/// What was taken of the calling thread's CPU so far.
fn preemption() -> Option<Preemption> {
    let times = ffi::process::context_switches().ok()?.involuntary;
    Some(Preemption { times, waited_ns: host::own_scheduling().map(|scheduling| scheduling.waited_ns) })
}

/// The body of a core's thread.
fn poll(
    mut worker: Worker,
    cpu: Option<usize>,
    idle: IdlePolicy,
    give_up: bool,
    barrier: &Barrier,
) -> Polled {
    let pin_error =
        cpu.and_then(|cpu| ffi::affinity::pin_current_thread(cpu).err()).map(|error| error.to_string());
    // Last of what happens before the start: whatever else a thread sets for itself comes before this.
    let privileged = if give_up { privileges::give_up_all().err() } else { None };
    let published = worker.published.clone();
    published.thread.store(ffi::process::thread_id(), Ordering::Release);
    let mut idler = Idler::new(idle);
    barrier.wait();
    let before = preemption();
    worker.start();
    // A panic in an application must not take the other cores' packets with it: the core goes on, without
    // its applications, until the run is wound down in order.
    while catch_unwind(AssertUnwindSafe(|| turn_until_exit(&mut worker, &mut idler))).is_err() {
        worker.recover_from_panic();
        published.gone.store(true, Ordering::Release);
    }
    let after = preemption();
    let mut result = worker.finish();
    result.preemption = before.zip(after).map(|(before, after)| after.since(before));
    result.errors.extend(privileged.map(|error| format!("core {}: {error}", result.core.index())));
    published.gone.store(true, Ordering::Release);
    Polled { result, pin_error }
}

fn turn_until_exit(worker: &mut Worker, idler: &mut Idler) {
    while worker.phase() != Phase::Exit {
        match worker.turn() {
            Activity::Busy => idler.busy(),
            Activity::Idle => idler.idle(worker.is_waiting(), || worker.rest_ns()),
        }
    }
}

/// Drain, send frames home, exit: each phase when every core has carried out the one before.
fn wind_down(built: &Built) {
    let orders: &Orders = &built.orders;
    orders.advance(Phase::Drain);
    let carried_out = |phase: Phase| built.published.iter().all(|core| core.carried_out() >= phase);
    if !wait(|| carried_out(Phase::Drain) && nothing_in_flight(&built.published)) {
        orders.advance(Phase::Abandon);
        wait(|| carried_out(Phase::Abandon) && nothing_in_flight(&built.published));
    }
    orders.advance(Phase::Home);
    wait(|| carried_out(Phase::Home));
    orders.advance(Phase::Exit);
}

/// Is the fate known, on some core, of every packet any core received or its tasks made, and has every message arrived?
///
/// Cores count a packet as received before any other core can count its end, and publish both after;
/// when the sums agree while nothing is received any more, nothing is in flight. A message is counted as sent before it can be found
/// to have arrived, and as arrived when what its receiver did at once has been counted. What has ended is read first: so whatever
/// that led to is in what has begun.
fn nothing_in_flight(published: &[Arc<Published>]) -> bool {
    let ended = |core: &Arc<Published>| {
        core.messages_arrived.load(Ordering::Acquire) + core.accounted.load(Ordering::Acquire)
    };
    let begun = |core: &Arc<Published>| {
        core.received.load(Ordering::Acquire)
            + core.originated.load(Ordering::Acquire)
            + core.messages_sent.load(Ordering::Acquire)
    };
    let all_ended: u64 = published.iter().map(ended).sum();
    all_ended == published.iter().map(begun).sum::<u64>()
}

/// Looks until `done`, for as long as draining may take; did it come true?
fn wait(done: impl Fn() -> bool) -> bool {
    let started_ns = clock::monotonic_ns();
    while !done() {
        if clock::monotonic_ns() - started_ns > DRAIN_AT_MOST_NS {
            return false;
        }
        thread::sleep(Duration::from_micros(50));
    }
    true
}
