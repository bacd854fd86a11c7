//! One question to one upstream server: a flow of its own, an id and a source port nobody outside can guess, and patience
//! with everything that comes back and is no answer to it.

use std::time::Duration;

use super::conversation::{Heard, Plan};
use super::datagram::Route;
use super::lookup::{Client, Tasks};
use super::message;
use super::neighbour;
use super::pending::Ticket;
use crate::packet::PortId;
use crate::task::{self, Held};

/// How long it is waited for a next hop's Ethernet address before it is looked for again, and before it is asked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
pub(super) const ASK_AGAIN_NS: u64 = 200_000_000;
/// Turns that are waited for a frame.
const PATIENCE: u32 = 64;
/// Protocol number of UDP.
const UDP: u8 = 17;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The answer is in the cache.
    Settled,
    /// It went wrong there, with this response code.
    Failed(u16),
    /// Nothing came in time, or nothing could be sent.
    Silent,
    /// The run ends.
    Ending,
}

/// Asks the server whose turn it is at this attempt.
pub(super) async fn ask(tasks: Tasks, client: &Client, ticket: Ticket, attempt: usize) -> Reply {
    let edns = ask_with(tasks, client, ticket, attempt, true).await;
    match edns {
        Ok(reply) => reply,
        // It does not understand EDNS (RFC 6891, 6.2.2).
        Err(WithoutEdns) => ask_with(tasks, client, ticket, attempt, false).await.unwrap_or(Reply::Silent),
    }
}

/// The server asks for a query without EDNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WithoutEdns;

async fn ask_with(
    tasks: Tasks,
    client: &Client,
    ticket: Ticket,
    attempt: usize,
    edns: bool,
) -> Result<Reply, WithoutEdns> {
    let Some(plan) = tasks.core.with(|core| core.plan(client, attempt, edns)) else {
        return Ok(unsent(tasks));
    };
    let Some(next_hop) = next_hop(tasks, client.asked.shard, &plan).await else { return Ok(unsent(tasks)) };
    let (home, draw) = (client.held.hash(), plan.draw.rotate_left(16));
    let Ok(mut flow) = tasks.flows.open(home, plan.own, plan.server, UDP, draw) else {
        return Ok(unsent(tasks));
    };
    let Some(mut query) = packet(plan.port).await else { return Ok(unsent(tasks)) };
    let route = Route { mac: plan.mac, next_hop, from: flow.local(plan.server), to: plan.server };
    let (question, variant) = (client.question(), plan.variant);
    let payload = edns.then_some(plan.payload);
    let len = message::ask_len(question.len(), edns);
    if !route.send(&mut query, len, |to| message::ask(to, plan.id, question, variant, payload)) {
        query.consume();
        return Ok(unsent(tasks));
    }
    query.forward(plan.port);
    tasks.core.with(|core| {
        core.tally.upstream.queries += 1;
        core.tally.upstream.without_edns += u64::from(!edns);
    });
    let deadline_ns = task::now_ns().saturating_add(plan.timeout_ns);
    loop {
        let left = Duration::from_nanos(deadline_ns.saturating_sub(task::now_ns()));
        let mut heard = match flow.recv_timeout(left).await {
            Ok(Some(heard)) => heard,
            Ok(None) => return Ok(Reply::Ending),
            Err(task::Elapsed) => {
                tasks.core.with(|core| core.tally.upstream.timeouts += 1);
                return Ok(Reply::Silent);
            }
        };
        let now_ns = task::now_ns();
        let said = tasks.core.with(|core| core.hear_answer(client, ticket, &plan, &mut heard, now_ns));
        heard.consume();
        match said {
            Heard::Ignored => {}
            Heard::Settled => return Ok(Reply::Settled),
            Heard::WithoutEdns => return Err(WithoutEdns),
            Heard::Failed(rcode) => return Ok(Reply::Failed(rcode)),
        }
    }
}

fn unsent(tasks: Tasks) -> Reply {
    tasks.core.with(|core| core.tally.upstream.unsent += 1);
    Reply::Silent
}

/// An empty packet, as soon as there is a frame for it.
async fn packet(port: PortId) -> Option<Held> {
    for _ in 0..PATIENCE {
        if let Some(packet) = task::originate(port) {
            return Some(packet);
        }
        task::yield_now().await;
    }
    None
}

/// The Ethernet address of the next hop: known, or asked for, for as long as an answer would be waited for.
async fn next_hop(tasks: Tasks, shard: usize, plan: &Plan) -> Option<[u8; 6]> {
    let deadline_ns = task::now_ns().saturating_add(plan.timeout_ns);
    loop {
        let now_ns = task::now_ns();
        if let Some(mac) = tasks.core.with(|core| core.next_hop(plan.hop, now_ns)) {
            return Some(mac);
        }
        if now_ns >= deadline_ns {
            return None;
        }
        if let Some(hop) = tasks.core.with(|core| core.may_ask(shard, plan.hop, now_ns))
            && let Some(mut question) = packet(plan.port).await
        {
            match neighbour::ask(&mut question, &plan.mac, plan.own, hop) {
                true => question.forward(plan.port),
                false => question.consume(),
            }
        }
        task::sleep(LOOK_AGAIN).await;
    }
}
