//! Green tasks: an application that must wait for the next packet of its flow, for an answer or for time to pass
//! is written as plain sequential code in an `async fn`, and runs on its core between two bursts.
//!
//! ```text
//! process(burst) ─▶ hand_over ─▶ Held ─▶ task ─▶ held.forward(port) ─▶ settled after the tasks ran, like any verdict
//!                     spawn(kind, future) ──▶ slot in the arena, run queue
//!                     sleep, timeout, interval ──▶ the core's timer wheel ──▶ wakes the task
//! ```
//!
//! A task never leaves its core and needs not be `Send`. What it may use is the core's own: packets it [holds](Held), [state](State) it
//! shares with its application, timers, flows. All of that is reached through the thread it runs on and not through handles that
//! own memory; so a handle is a number, which may lie in an application while that is carried to its core.
//!
//! In the order things happen: what an application [needs](TaskNeeds), the core's own (`local`), its `kind`s of tasks,
//! [`spawn`], packets it holds (`held`), [`sleep`] and its kin (`time`, `timers`), [`State`], [`channel`]s, [`Messages`] to other cores; and for tasks that have a flow: `flows`,
//! the `flow_set` behind them, packets that are `offer`ed to a `mailbox` each, the [`Flow`] as its task has it, source `ports` for those it opens itself.

mod channel;
mod flow;
mod flow_set;
mod flows;
mod held;
mod kind;
mod local;
mod mailbox;
mod messages;
mod needs;
mod offer;
mod ports;
mod spawn;
mod state;
mod time;
mod timers;

pub use channel::{Closed, NotSent, Receiver, Sender, channel, channel_room};
pub use flow::{Flow, Recv, RecvTimeout};
pub use flow_set::{FlowCount, FlowLimits, FlowRoom};
pub(crate) use flow_set::{FlowReasons, FlowSet, arena_bytes as flow_bytes};
pub use flows::Flows;
pub use held::{Held, hand_over, originate};
pub use hugepages::slots::{Ended, Join, NotShared, NotSpawned, Refused, Shared, share, yield_now};
pub use kind::{KindCount, Stalls, TaskKind};
pub(crate) use local::{Entered, Local, Room, with};
pub use local::{core, now_ns};
pub(crate) use messages::{Directory, Mail, connect, deliver};
pub use messages::{Inbox, Message, MessageCount, MessageRoom, Messages, NoInbox, Outbox};
pub use needs::{TaskNeeds, room};
pub use offer::NoFlow;
pub(crate) use ports::Homes;
pub use ports::OpenError;
pub use spawn::{Restart, spawn, supervise};
pub use state::State;
pub use time::{Elapsed, Interval, Sleep, Tick, deadline, interval, sleep, sleep_until, timeout};
pub(crate) use timers::Fired;
