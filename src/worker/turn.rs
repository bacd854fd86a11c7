//! The turn of a core, and how it ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use super::tasks::OnCore;
use super::{CoreResult, Phase, Worker};
use crate::clock;
use crate::packet::{BurstSize, Reason};
use crate::pipeline::Context;
use crate::port::Supply;
use crate::reduce::Regime;
use crate::task;

/// Turns between two looks at what the control thread wants.
const HOUSEKEEPING_EVERY: u64 = 256;

/// What a turn found to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Packets or frames moved.
    Busy,
    /// Nothing to do.
    Idle,
}

impl Worker {
    /// One pass of the core's loop, each step bounded: receive and steer from its own queues, take in what
    /// the lanes brought, fire timers and run tasks, transmit what waits, housekeeping. Pipelines run right after each burst
    /// that comes in, while it is in the cache.
    #[inline]
    pub fn turn(&mut self) -> Activity {
        if self.tasks.is_some() { self.turn_with_tasks() } else { self.pass(None) }
    }

    #[inline]
    pub(super) fn pass(&mut self, mut tasks: Option<OnCore<'_>>) -> Activity {
        self.turns += 1;
        // The one reading of the counter a turn needs: its packets' arrival time, and the bill of the turn before.
        let now = clock::cycles();
        self.meter.begin_turn(now, self.previous_busy);
        let context = Context { now_ns: self.clock.at(now), core: self.id };
        if let Some(tasks) = &mut tasks {
            let mail = task::with(|local| {
                local.set_now(context.now_ns);
                local.has_mail()
            });
            self.start_tasks(tasks, &context);
            if mail == Some(true) {
                task::deliver(false);
            }
        }
        let mut busy = false;

        if self.phase == Phase::Run {
            for intake in 0..self.intakes.len() {
                busy |= self.receive(intake, &context);
            }
        }
        if self.outbox.has_neighbours() {
            busy |= self.exchange(&context);
        }
        if let Some(mut tasks) = tasks {
            busy |= self.run_tasks(&mut tasks);
        }
        busy |= self.outbox.end_turn();
        self.meter.mark(Regime::Transmit);

        if self.turns.is_multiple_of(HOUSEKEEPING_EVERY) || self.phase != Phase::Run {
            self.housekeeping();
            self.meter.mark(Regime::Housekeeping);
        }
        self.previous_busy = busy;
        if busy { Activity::Busy } else { Activity::Idle }
    }

    /// A turn of a core that shares its thread with others: only the turn itself is billed.
    pub fn turn_among_others(&mut self) -> Activity {
        self.meter.resume(clock::cycles());
        let activity = self.turn();
        self.meter.pause(clock::cycles(), activity == Activity::Busy);
        activity
    }

    /// Receives a burst, steers it, runs the pipeline over what is for this core.
    #[inline]
    fn receive(&mut self, intake: usize, context: &Context) -> bool {
        let intake = &mut self.intakes[intake];
        let lanes = &mut self.outbox.lanes;
        if intake.ended || !lanes.clear() || !lanes.egress_clear() {
            return false;
        }
        let pipeline = &mut self.pipelines[intake.pipeline];
        let packets = pipeline.burst.packets_mut();
        let limit = self.burst_size.get();
        let moved =
            intake.queue.receive(&mut self.outbox.ledger.frames, packets, limit, context.now_ns, self.gate);
        self.meter.mark(Regime::Receive);
        if moved.packets == 0 {
            return false;
        }
        self.outbox.ledger.received(intake.port, moved);

        pipeline.steering.steer(packets, self.id, |core, packet| lanes.stage(core, packet));
        self.meter.mark(Regime::Steer);
        pipeline.burst.reset();
        let pipeline = intake.pipeline;
        self.run(pipeline, context);
        if self.outbox.has_neighbours() {
            self.outbox.flush_lanes();
        }
        true
    }

    /// Runs the pipeline over the burst that lies in it, and matches the verdicts.
    #[inline]
    fn run(&mut self, pipeline: usize, context: &Context) {
        let pipeline = &mut self.pipelines[pipeline];
        if pipeline.burst.is_empty() {
            return;
        }
        self.processed += pipeline.burst.len() as u64;
        if self.poisoned {
            pipeline.burst.decide_all(crate::packet::Verdict::Drop(Reason::PANICKED));
        } else if self.meter.sampling() {
            pipeline.chain.process_measured(&mut pipeline.burst, context);
        } else {
            pipeline.chain.process(&mut pipeline.burst, context);
        }
        self.meter.mark(Regime::Pipeline);
        self.outbox.settle(&mut pipeline.burst);
        self.meter.mark(Regime::Transmit);
    }

    /// Lanes: frames home, packets to transmit, packets to process, and what is staged goes out.
    fn exchange(&mut self, context: &Context) -> bool {
        let mut busy = self.outbox.take_home() > 0;
        busy |= self.outbox.take_egress(self.burst_size.get()) > 0;
        self.meter.mark(Regime::Receive);
        busy |= self.outbox.flush_lanes();
        self.meter.mark(Regime::Steer);
        if self.outbox.lanes.egress_clear() {
            busy |= self.take_in(context);
            busy |= self.outbox.flush_lanes();
        }
        busy
    }

    /// Takes a burst out of the lanes and runs it through the pipelines its packets belong to.
    fn take_in(&mut self, context: &Context) -> bool {
        let Some(first) = self.pipelines.first_mut() else { return false };
        let taken = self.outbox.lanes.take(first.burst.packets_mut(), self.burst_size.get());
        self.meter.mark(Regime::Receive);
        if taken == 0 {
            return false;
        }
        if self.pipelines.len() == 1 {
            self.pipelines[0].burst.reset();
            self.run(0, context);
            return true;
        }
        let mut packets = std::mem::take(self.pipelines[0].burst.packets_mut());
        for packet in packets.drain(..) {
            let pipeline = self.pipeline_of[packet.port().index()];
            self.pipelines[pipeline].burst.packets_mut().push(packet);
        }
        for pipeline in 0..self.pipelines.len() {
            self.pipelines[pipeline].burst.reset();
            self.run(pipeline, context);
        }
        true
    }

    /// Drops what waits here to be sent and what other cores had sent here, as `stopped`.
    pub fn abandon(&mut self) {
        // Within a turn this is done before the next one: see `wind_down_tasks`.
        self.end_tasks();
        self.outbox.abandon();
        let mut packets = crate::packet::Packets::new();
        while self.outbox.lanes.take(&mut packets, BurstSize::MAX) > 0 {
            for packet in packets.drain(..) {
                self.outbox.ledger.end(packet, Reason::STOPPED);
            }
        }
    }

    /// The thread starts polling: time before this is nobody's.
    pub fn start(&mut self) {
        self.meter.start(clock::cycles());
    }

    /// Publishes counters and obeys the control thread.
    #[cold]
    fn housekeeping(&mut self) {
        for intake in &mut self.intakes {
            intake.ended = intake.queue.supply() == Supply::Ended;
        }
        self.outbox.look_again();
        self.publish();
        let wanted = self.orders.phase();
        if wanted > self.phase {
            self.phase = wanted;
        }
        match self.phase {
            Phase::Run => {}
            // What is ready to run may still send.
            Phase::Drain if !self.tasks_rest => {}
            Phase::Drain => self.published.carry_out(Phase::Drain),
            Phase::Abandon => {
                self.abandon();
                self.publish();
                self.published.carry_out(Phase::Abandon);
            }
            Phase::Home | Phase::Exit => {
                if !self.outbox.ledger.frames.has_strays() {
                    self.published.carry_out(Phase::Home);
                }
            }
        }
    }

    fn publish(&self) {
        let books = &self.outbox.ledger.books;
        let published = &self.published;
        let bytes = self.outbox.ledger.counts.iter().map(|count| count.received_bytes).sum();
        // Relaxed: figures for people, and for the end of draining, which reads them after
        // `Published::carried_out` and compares sums until they agree. Release where it looks first.
        published.received.store(books.received, Ordering::Relaxed);
        published.received_bytes.store(bytes, Ordering::Relaxed);
        published.originated.store(books.originated, Ordering::Relaxed);
        published.accounted.store(books.accounted() - books.held, Ordering::Release);
        published.dropped.store(books.dropped_total(), Ordering::Relaxed);
        published.processed.store(self.processed, Ordering::Relaxed);
        for (cell, share) in published.shares.iter().zip(self.meter.shares()) {
            cell.store((share * 10_000.0) as u64, Ordering::Relaxed);
        }
        // Release: who sees that a message arrived sees that it was sent, and what was sent, received and accounted for because of it.
        published.messages_arrived.store(self.arrived, Ordering::Release);
        published.ended.store(self.supply_ended(), Ordering::Release);
    }

    /// Will none of its queues ever bring anything again?
    pub fn supply_ended(&self) -> bool {
        self.intakes.iter().all(|intake| intake.queue.supply() == Supply::Ended)
    }

    /// Its clock, nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// The phase it has come to.
    #[inline]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The earliest arrival its queues know of.
    pub fn next_arrival(&mut self) -> Option<crate::port::Arrival> {
        self.intakes.iter_mut().filter_map(|intake| intake.queue.next_arrival()).min()
    }

    /// Virtual time is `now_ns`, and what passes the gate may arrive.
    pub fn open_gate(&mut self, gate: crate::port::Gate, now_ns: u64) {
        self.clock.advance_to(now_ns);
        self.gate = gate;
    }

    /// A step of virtual time is over: ports put what they took in its canonical order.
    pub fn end_step(&mut self) {
        self.outbox.end_step();
    }

    /// Does something wait to be sent, here, to other cores or home?
    pub fn is_waiting(&self) -> bool {
        self.outbox.is_waiting()
    }

    /// Did an application panic here?
    pub fn has_panicked(&self) -> bool {
        self.poisoned
    }

    /// An application panicked in the middle of a burst: what is left of the burst is dropped as `panicked`,
    /// and so is whatever else comes to this core; nothing of its applications is called again.
    pub fn recover_from_panic(&mut self) {
        self.poisoned = true;
        for pipeline in &mut self.pipelines {
            while let Some(packet) = pipeline.burst.packets_mut().pop() {
                self.outbox.ledger.end(packet, Reason::PANICKED);
            }
            pipeline.burst.reset();
        }
        // What they share with their application may be half done.
        self.end_tasks();
    }

    /// The core's end: takes in the last frames, closes its transmit queues, hands over what it has.
    pub fn finish(mut self) -> CoreResult {
        self.close_mail();
        self.end_tasks();
        let tasks = self.task_result();
        self.outbox.take_home();
        let frames = &mut self.outbox.ledger.frames;
        let mut errors: Vec<String> =
            self.intakes.iter_mut().filter_map(|intake| intake.queue.close(frames).err()).collect();
        errors.extend(self.outbox.close());
        let (mut tallies, mut stages) = (Vec::new(), Vec::new());
        let links = std::mem::take(&mut self.pipelines).into_iter().flat_map(|pipeline| {
            pipeline.chain.links.into_iter().map(move |link| (pipeline.name.clone(), link))
        });
        for (pipeline, link) in links {
            stages.push((pipeline, link.name, link.cost));
            if self.poisoned {
                continue;
            }
            // Entered: what an application shared with its tasks is taken back here.
            let tally = || self.enter(|_, _| link.stage.into_tally());
            match catch_unwind(AssertUnwindSafe(tally)) {
                Ok(tally) => tallies.push((link.name, tally)),
                Err(_) => {
                    errors.push(format!("core {}: {} panicked in its tally", self.id.index(), link.name))
                }
            }
        }
        // Messages that nobody received, states that nobody took: their destructors are others' code.
        if catch_unwind(AssertUnwindSafe(|| drop(self.tasks.take()))).is_err() {
            let core = self.id.index();
            errors.push(format!(
                "core {core}: a message or a state that was left over panicked when it was dropped"
            ));
        }
        let ledger = self.outbox.ledger;
        CoreResult {
            core: self.id,
            processed: self.processed,
            counts: ledger.counts,
            meter: self.meter,
            digest: ledger.digest,
            stages,
            tallies,
            frames_missing: ledger.frames.missing(),
            frames_total: ledger.frames.total(),
            books: ledger.books,
            errors,
            tasks,
            panicked: self.poisoned,
            preemption: None,
        }
    }
}

const _: () = assert!(BurstSize::MAX <= 64, "a burst's verdict mask has 64 bits");
