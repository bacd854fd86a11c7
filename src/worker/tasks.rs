//! The tasks of a core: when they run, and what becomes of packets they had.

use std::sync::atomic::Ordering;
use std::task::Waker;

use hugepages::slots::{self, Ended, Occupancy, Polled, Slots};

use super::outbox::Outbox;
use super::{Activity, Phase, Worker};
use crate::packet::{BurstSize, Packet, Reason, Verdict};
use crate::pipeline::Context;
use crate::reduce::Regime;
use crate::state::queue::Queue;
use crate::task::{self, Entered, Fired, FlowCount, KindCount, Local, MessageCount, Stalls};

/// Tasks that are polled between two looks at the clock.
const CHUNK: usize = 16;
/// Polls a turn at most: packets must not wait for tasks that never rest.
const MOST_POLLS: usize = 256;
/// Time a turn spends on tasks at most, nanoseconds.
const MOST_NS: u64 = 50_000;
/// How often a turn looks for more timers to fire, at most.
const MOST_FIRINGS: usize = 8;
/// A task that runs for longer without giving way is reported, nanoseconds.
const STALL_NS: u64 = 1_000_000;
/// Polls that are timed one by one after a stall of nobody knows whom.
const TIMED_POLLS: u32 = 4096;

/// A core's tasks, while the core does not turn.
pub(crate) struct Tasks {
    slots: Slots,
    /// `None` while the core turns: it lies on the thread then.
    local: Option<Box<Local>>,
    watch: Watch,
}

/// What a core keeps an eye on while its tasks run.
struct Watch {
    polled: Polled,
    /// Polls left that are timed one by one.
    timed: u32,
    /// Stalls of one of several tasks.
    unknown: Stalls,
    /// Do tasks know that nothing more comes in?
    flows_over: bool,
    /// Did applications hear that their core turns?
    started: bool,
    /// Frames to keep at hand for packets that tasks make.
    originates: usize,
    /// What tasks made so far went into the books up to here.
    booked: u64,
}

/// What became of a core's tasks.
#[derive(Clone, Debug, Default)]
pub struct TaskResult {
    /// By kind.
    pub kinds: Vec<KindCount>,
    /// By class of slots.
    pub slots: Vec<Occupancy>,
    /// By kind of messages: its name, what became of them.
    pub messages: Vec<(String, MessageCount)>,
    /// By set of flows: its name, what became of them.
    pub flows: Vec<(String, FlowCount)>,
    /// Mailboxes: how many there are, the most that were open.
    pub mailboxes: (usize, usize),
    /// Timers: how many there are, the most that were armed, how often there was none.
    pub timers: (usize, usize, u64),
    /// Stalls of one of several tasks.
    pub unknown: Stalls,
}

impl Tasks {
    pub(crate) fn new(slots: Slots, local: Box<Local>, originates: usize) -> Tasks {
        let polled = slots.polled();
        let watch = Watch {
            polled,
            started: false,
            flows_over: false,
            timed: 0,
            unknown: Stalls::default(),
            originates,
            booked: 0,
        };
        Tasks { slots, local: Some(local), watch }
    }

    /// Which of its tasks is being polled, for another thread to look at.
    pub(crate) fn polled(&self) -> Polled {
        self.watch.polled.clone()
    }
}

/// The tasks of a core that turns.
pub(super) struct OnCore<'a> {
    slots: &'a Slots,
    watch: &'a mut Watch,
}

/// A core that turns: its tasks' own lies on the thread, and is back with the core whatever happens.
struct Scope<'a> {
    worker: &'a mut Worker,
    /// `None` only once it is over.
    tasks: Option<Box<Tasks>>,
    entered: Entered,
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        if let Some(mut tasks) = self.tasks.take() {
            tasks.local = self.entered.leave();
            self.worker.tasks = Some(tasks);
        }
    }
}

impl Worker {
    /// Calls `f` as what runs on this core: what it does with tasks is done here. Without tasks it is called all the same.
    pub(super) fn enter<R>(&mut self, f: impl FnOnce(&mut Worker, Option<OnCore<'_>>) -> R) -> R {
        let Some(mut tasks) = self.tasks.take() else { return f(self, None) };
        let local = tasks.local.take().expect("a core's own is with the core while it does not turn");
        let mut scope = Scope { worker: self, tasks: Some(tasks), entered: Entered::enter(local) };
        let Scope { worker, tasks, .. } = &mut scope;
        match tasks.as_deref_mut() {
            Some(Tasks { slots, watch, .. }) => {
                let slots = &*slots;
                slots.enter(|| f(worker, Some(OnCore { slots, watch })))
            }
            None => f(worker, None),
        }
    }

    /// Lets applications start the tasks they always have, when the core turns for the first time.
    pub(super) fn start_tasks(&mut self, tasks: &mut OnCore<'_>, context: &Context) {
        if !std::mem::replace(&mut tasks.watch.started, true) {
            let links = self.pipelines.iter_mut().flat_map(|pipeline| &mut pipeline.chain.links);
            links.for_each(|link| link.stage.start(context));
        }
    }

    /// Fires what is due, runs what is ready, settles what tasks have done with. Was there anything?
    pub(super) fn run_tasks(&mut self, tasks: &mut OnCore<'_>) -> bool {
        let mut busy = fire();
        busy |= self.settle_returned(tasks) > 0;
        if tasks.slots.has_work() {
            busy = true;
            if self.clock.is_virtual() {
                self.poll_counted(tasks);
            } else {
                self.poll_timed(tasks);
            }
        }
        if !tasks.slots.has_work() {
            self.arrived = task::with(|local| local.mail().arrived()).unwrap_or_default();
        }
        self.meter.mark(Regime::Tasks);
        busy
    }

    /// In virtual time: so many polls a turn, however long they take.
    fn poll_counted(&mut self, tasks: &mut OnCore<'_>) {
        let mut polls = 0;
        while polls < MOST_POLLS && tasks.slots.has_work() {
            polls += tasks.slots.run(CHUNK, ended);
            self.settle_bursts(tasks);
        }
        self.settle_returned(tasks);
    }

    /// In real time: as long as a turn may take, and looking for tasks that take too long.
    fn poll_timed(&mut self, tasks: &mut OnCore<'_>) {
        // Relaxed: it orders nothing, and is a plain move.
        self.published.turns.store(self.turns, Ordering::Relaxed);
        let begin_ns = self.clock.now_ns();
        let (mut polls, mut before_ns) = (0, begin_ns);
        while polls < MOST_POLLS && tasks.slots.has_work() && before_ns - begin_ns < MOST_NS {
            let chunk = if tasks.watch.timed > 0 { 1 } else { CHUNK };
            let ran = tasks.slots.run(chunk, ended);
            let now_ns = self.clock.now_ns();
            tasks.watch.note_time(ran, now_ns - before_ns);
            self.settle_bursts(tasks);
            (polls, before_ns) = (polls + ran, now_ns);
        }
        self.settle_returned(tasks);
    }

    /// Does the same as [`settle_returned`](Worker::settle_returned) once there is a burst of them.
    #[inline]
    fn settle_bursts(&mut self, tasks: &mut OnCore<'_>) {
        if task::with(|local| local.returned().len()).is_some_and(|count| count >= BurstSize::MAX) {
            self.settle_returned(tasks);
        }
    }

    /// Packets that tasks have done with meet their fate; frames for new ones are put at hand. How many packets?
    pub(super) fn settle_returned(&mut self, tasks: &mut OnCore<'_>) -> usize {
        let (outbox, originates) = (&mut self.outbox, tasks.watch.originates);
        let settled = task::with(|local| {
            let settled = settle(outbox, local.returned());
            if local.stash().len() < originates {
                let stash = local.stash();
                let wanted = originates - stash.len();
                outbox.ledger.frames.acquire_each(wanted, 0, |frame| stash.push(frame));
            }
            outbox.ledger.books.held = local.held();
            outbox.ledger.books.originated += local.originated() - tasks.watch.booked;
            tasks.watch.booked = local.originated();
            local.mail().ring();
            settled
        });
        settled.unwrap_or(0)
    }

    /// Tells tasks that nothing more comes in.
    pub(crate) fn end_flows(&mut self) {
        self.enter(|_, _| {
            let woken = task::with(Local::end_flows).unwrap_or_default();
            woken.into_iter().for_each(Waker::wake);
        });
    }

    /// Ends every task; what they had is dropped as `task-ended`, frames at hand go home.
    pub(super) fn end_tasks(&mut self) {
        self.enter(|worker, tasks| {
            let Some(mut tasks) = tasks else { return };
            tasks.slots.cancel_all();
            tasks.watch.originates = 0;
            worker.settle_returned(&mut tasks);
            let frames = &mut worker.outbox.ledger.frames;
            task::with(|local| frames.release_each(local.stash().drain(..)));
            // What lanes have no room for now never had a task to wait for it.
            let ledger = &mut worker.outbox.ledger;
            task::with(|local| {
                while let Some((packet, _)) = local.returned().pop() {
                    ledger.end(packet, Reason::STOPPED);
                }
                ledger.books.held = local.held();
            });
        });
    }

    /// Delivers the messages that were sent in a step of virtual time, and wakes who waits for them, or for room.
    pub(crate) fn deliver(&mut self) {
        if self.has_mail() {
            self.enter(|_, _| task::deliver(true));
        }
    }

    /// Is there something to deliver, or room again for who waits for it?
    pub(crate) fn has_mail(&mut self) -> bool {
        let local = self.tasks.as_mut().and_then(|tasks| tasks.local.as_mut());
        local.is_some_and(|local| local.mail().is_rung())
    }

    /// When the first timer of a task is due, nanoseconds of the run's clock.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        self.tasks.as_ref()?.local.as_ref()?.next_deadline_ns()
    }

    /// Nanoseconds until the first timer of a task is due; the most there are where none is armed.
    pub(crate) fn rest_ns(&self) -> u64 {
        self.next_deadline_ns()
            .map_or(u64::MAX, |deadline_ns| deadline_ns.saturating_sub(self.clock.now_ns()))
    }

    /// Packets that tasks have.
    pub fn held(&self) -> u64 {
        self.outbox.ledger.books.held
    }

    /// A turn of a core that has tasks.
    pub(super) fn turn_with_tasks(&mut self) -> Activity {
        if self.phase != Phase::Run {
            self.wind_down_tasks();
        }
        let activity = self.enter(|worker, tasks| worker.pass(tasks));
        if self.phase != Phase::Run {
            self.tasks_rest =
                self.tasks.as_ref().is_none_or(|tasks| tasks.watch.flows_over && !tasks.slots.has_work());
        }
        activity
    }

    /// The run ends: flows do, and when patience does, tasks.
    #[cold]
    fn wind_down_tasks(&mut self) {
        let Some(tasks) = &mut self.tasks else { return };
        if !std::mem::replace(&mut tasks.watch.flows_over, true) {
            self.end_flows();
        }
        if self.phase >= Phase::Home {
            // What were sent now, some core would not see any more.
            self.close_mail();
        }
        if self.phase == Phase::Abandon {
            self.end_tasks();
        }
    }

    /// Nothing is sent from here any more.
    pub(super) fn close_mail(&mut self) {
        if let Some(local) = self.tasks.as_mut().and_then(|tasks| tasks.local.as_mut()) {
            local.mail().close();
        }
    }

    pub(super) fn task_result(&mut self) -> Option<TaskResult> {
        let tasks = self.tasks.as_mut()?;
        let local = tasks.local.as_mut()?;
        let messages = local.mail().finish();
        let timers = local.timers();
        Some(TaskResult {
            kinds: local.counts().to_vec(),
            slots: tasks.slots.occupancy(),
            messages,
            flows: local.flow_counts(),
            mailboxes: local.mailboxes(),
            timers: (timers.capacity(), timers.peak(), timers.full_count()),
            unknown: tasks.watch.unknown,
        })
    }
}

impl Watch {
    /// So many polls took so long.
    #[inline]
    fn note_time(&mut self, polls: usize, ns: u64) {
        if ns > STALL_NS {
            self.note_stall(polls, ns);
        } else {
            self.timed = self.timed.saturating_sub(polls as u32);
        }
    }

    #[cold]
    fn note_stall(&mut self, polls: usize, ns: u64) {
        match self.polled.last() {
            Some(tag) if polls == 1 => {
                task::with(|local| local.count(tag).map(|count| count.stalls.record(ns)));
            }
            _ => {
                self.unknown.record(ns);
                self.timed = TIMED_POLLS;
            }
        }
    }
}

/// Wakes whose timers are due. Were there any?
fn fire() -> bool {
    let mut busy = false;
    for _ in 0..MOST_FIRINGS {
        let mut fired = Fired::new();
        let complete = task::with(|local| local.fire(&mut fired)).unwrap_or(true);
        busy |= !fired.is_empty() || !complete;
        // Out here: a waker may be anybody's.
        slots::wake_each(fired.drain(..));
        if complete {
            break;
        }
    }
    busy
}

/// Matches the verdicts of packets that tasks have done with, as far as lanes to other cores have room.
fn settle(outbox: &mut Outbox, returned: &mut Queue<(Packet, Verdict)>) -> usize {
    let mut settled = 0;
    while !returned.is_empty() {
        if !outbox.lanes.egress_clear() {
            outbox.flush_lanes();
            if !outbox.lanes.egress_clear() {
                break;
            }
        }
        for _ in 0..BurstSize::MAX {
            let Some((packet, verdict)) = returned.pop() else { break };
            outbox.settle_one(packet, verdict);
            settled += 1;
        }
        outbox.stirred = true;
    }
    settled
}

/// A task did not end by itself.
fn ended(tag: u16, how: Ended) {
    if how == Ended::Panicked {
        task::with(|local| local.count(tag).map(|count| count.panicked += 1));
    }
}
