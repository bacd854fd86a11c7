//! A query that misses: one task each, that waits for what it takes.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use super::ask::{Reply, ask};
use super::core::{Asked, Core};
use super::message::{HEADER, rcode};
use super::pending::{Place, Seat, Ticket};
use crate::packet::Verdict;
use crate::task::{self, Flows, Held, State, TaskKind};

/// What every task of it uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tasks {
    pub(super) core: State<Core<Waker>>,
    pub(super) flows: Flows,
    pub(super) lookup: TaskKind,
    pub(super) joined: TaskKind,
}

/// A client's query, and the packet it is in.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) held: Held,
    pub(super) asked: Asked,
}

impl Client {
    /// The question as it was asked.
    pub(super) fn question(&self) -> &[u8] {
        let message = self.asked.datagram.message(&self.held);
        message.get(HEADER..HEADER + self.asked.query.question).unwrap_or_default()
    }

    /// Answers it from the cache; gives it back where the answer is not there.
    fn answer(mut self, tasks: Tasks, first: bool) -> Option<Client> {
        let now_ns = task::now_ns();
        match tasks.core.with(|core| core.serve_late(&mut self.held, &self.asked, first, now_ns)) {
            Some(verdict) => self.held.decide(verdict),
            None => return Some(self),
        }
        None
    }
}

/// Lets a query wait: for its own answer, or for one that is on its way.
pub(super) fn start(tasks: Tasks, client: Client) {
    let Client { held, asked } = &client;
    let place = tasks.core.with(|core| core.join(held, asked));
    match place {
        Place::First(ticket) => {
            // Made out here: should there be no slot for the task, it is closed at once.
            let question = Open { tasks, shard: asked.shard, ticket };
            detach(task::spawn(tasks.lookup, lookup(tasks, client, question)));
        }
        Place::Joined(seat) => detach(task::spawn(tasks.joined, join(tasks, client, seat))),
        Place::NoQuestion | Place::NoSeat => {
            let reason = tasks.core.with(|core| core.refusal(place));
            client.held.decide(Verdict::Drop(reason));
        }
    }
}

/// There are as many slots as there may be queries; where there is none all the same, the packet goes with the future.
fn detach<F: Future<Output = ()>>(spawned: Result<task::Join<()>, task::NotSpawned<F>>) {
    if let Ok(join) = spawned {
        join.detach();
    }
}

/// Asks one server after the other until one answers, remembers the answer, and answers with it.
pub(super) async fn lookup(tasks: Tasks, client: Client, question: Open) {
    let (attempts, upstreams) =
        tasks.core.with(|core| (core.settings.attempts as usize, core.settings.upstreams.len()));
    let mut failure = rcode::SERVFAIL;
    let mut settled = false;
    for attempt in 0..attempts * upstreams {
        match ask(tasks, &client, question.ticket, attempt).await {
            Reply::Settled => {
                settled = true;
                break;
            }
            Reply::Failed(rcode) => failure = rcode,
            Reply::Silent => {}
            Reply::Ending => return,
        }
    }
    if !settled {
        let now_ns = task::now_ns();
        tasks.core.with(|core| core.fail(&client.held, &client.asked, question.ticket, failure, now_ns));
    }
    // It is there now: nothing ran in between.
    if let Some(client) = client.answer(tasks, true) {
        client.held.decide(Verdict::Drop(tasks.core.with(|core| core.settings.reasons.no_room)));
    }
    drop(question);
}

/// Waits for the answer to a question that is under way.
pub(super) async fn join(tasks: Tasks, client: Client, seat: Seat) {
    let shard = client.asked.shard;
    poll_fn(|context| {
        let waits = tasks.core.with(|core| core.wait(shard, seat, || context.waker().clone()));
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    // Where others' answers have taken its place meanwhile, it asks again.
    if let Some(client) = client.answer(tasks, false) {
        start(tasks, client);
    }
}

/// A question that is under way: whatever becomes of its task, those who wait are woken.
#[derive(Debug)]
pub(super) struct Open {
    tasks: Tasks,
    shard: usize,
    pub(super) ticket: Ticket,
}

impl Drop for Open {
    fn drop(&mut self) {
        let Open { tasks, shard, ticket } = self;
        while let Some(waker) = tasks.core.with(|core| core.shard(*shard)?.pending.close(*ticket)) {
            waker.wake();
        }
    }
}
