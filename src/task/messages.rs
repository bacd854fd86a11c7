//! Messages that are no packets: values from one shard of an application to another, on whatever core it is.
//!
//! In the order a message meets them: the [`Outbox`] it is sent from, the `exchange` of its core with rings to all others, the
//! `directory` of who is where, the `mail` of all applications; the [`Inbox`] it is received at. `waiting` are those for whom there was
//! no room.

mod count;
mod directory;
mod exchange;
mod inbox;
mod mail;
mod outbox;
mod room;
#[cfg(test)]
mod tests;
mod waiting;

use std::fmt;
use std::marker::PhantomData;

use hugepages::Arena;

pub use count::MessageCount;
pub(crate) use directory::Directory;
pub use inbox::{Inbox, NoInbox};
pub(crate) use mail::{Mail, connect, deliver};
pub use outbox::Outbox;
pub use room::MessageRoom;

use super::local::{Local, here};
use exchange::Exchange;

/// Messages between the shards of an application (its addresses are their numbers), or between its cores where it has no
/// [shards](crate::pipeline::Application::shards). This is a handle: a number, the same on every core. Made by
/// [`Build::messages`](crate::pipeline::Build::messages).
///
/// A message is a value of any type that may be sent: it is moved through a ring in the memory of the core that receives it. For
/// each pair of addresses there is room for so many; one that finds none comes back at once, or waits in a task.
///
/// **In virtual time** a message is delivered at the start of the next step, before anything else happens in it, in the order of
/// senders' addresses and in which each of them sent; its own messages come to an address in the same way. So what is received is the
/// same for any number of cores. **On polling cores** it is delivered as soon as the other core's turn comes; those of one sender
/// in their order.
///
/// ```
/// use mnvkd::{config::Config, daemon::ReplayOptions, prelude::*};
/// use mnvkd::task::{self, Messages, TaskKind, TaskNeeds};
///
/// /// Every shard tells all shards of the packets it sees.
/// struct Gossip {
///     told: Messages<String>,
///     heard: State<u64>,
///     listen: TaskKind,
/// }
///
/// async fn listen(told: Messages<String>, shard: u16, heard: State<u64>) {
///     let Ok(mut inbox) = told.inbox(shard) else { return };
///     loop {
///         let message = inbox.recv().await;
///         assert_eq!(message.value, format!("shard {} saw a packet", message.from));
///         heard.with(|heard| *heard += 1);
///     }
/// }
///
/// impl Application for Gossip {
///     type Config = ();
///     type Tally = u64;
///     const KEY: PartitionKey = PartitionKey::FiveTuple;
///     const DECIDES: bool = true;
///
///     fn shards(_: &()) -> Option<u16> {
///         Some(8)
///     }
///
///     fn tasks(_: &()) -> TaskNeeds {
///         let room = task::room(|(told, shard, heard)| listen(told, shard, heard));
///         // One task for each shard, and room for 64 messages from each to each.
///         TaskNeeds::default().tasks_without_timers(room, 8).messages::<String>(64)
///     }
///
///     fn new(_: &(), build: &mut Build) -> Result<Self> {
///         Ok(Gossip { told: build.messages("told", 64)?, heard: build.state(0)?, listen: build.task("listen")? })
///     }
///
///     fn start(&mut self, _: &Context) {
///         for shard in (0..8).filter(|shard| self.told.is_here(*shard)) {
///             task::spawn(self.listen, listen(self.told, shard, self.heard)).expect("a slot").detach();
///         }
///     }
///
///     fn process(&mut self, burst: &mut Burst, _: &Context) {
///         burst.decide(|packet| {
///             let shard = packet.hash() as u16 % 8;
///             let outbox = self.told.outbox(shard).expect("a shard's packets come to its core");
///             // Who cannot wait is told at once when there is no room, and has the value back.
///             outbox.try_send_to_all(format!("shard {shard} saw a packet")).expect("there is room");
///             Verdict::Consume
///         });
///     }
///
///     fn tally(self) -> u64 {
///         self.heard.take().unwrap_or_default()
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let daemon = Daemon::new().register::<Gossip>("gossip");
/// let text = r#"
///     dataplane = { cores = 3, pages = "never" }
///     port = [{ name = "load", driver = "generator", count = 1000, rate = "1M" }]
///     pipeline = [{ name = "main", from = "load", stages = "gossip" }]
/// "#;
/// let config = Config::load(text, "gossip.toml", &[], daemon.registry(), daemon.drivers())?;
/// let report = daemon.execute_replay(config, &ReplayOptions::default())?;
/// assert_eq!(report.tallies["gossip"], 8 * 1000);
/// assert_eq!(report.tasks.expect("there were tasks").messages["told"].dropped, 0);
/// # Ok(())
/// # }
/// ```
pub struct Messages<M: Send + 'static> {
    number: u32,
    message: PhantomData<fn(M) -> M>,
}

/// A message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<M> {
    /// The address it was sent from.
    pub from: u16,
    /// What was sent.
    pub value: M,
}

impl<M: Send + 'static> Clone for Messages<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Send + 'static> Copy for Messages<M> {}

impl<M: Send + 'static> fmt::Debug for Messages<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Messages({})", self.number)
    }
}

impl<M: Send + 'static> Messages<M> {
    /// A core's part of them, in its arena.
    ///
    /// # Errors
    /// The arena has no room for it.
    pub(crate) fn carve(
        local: &mut Local,
        arena: &mut Arena,
        name: &'static str,
        directory: Directory,
        per_pair: u16,
    ) -> anyhow::Result<Messages<M>> {
        let exchange = Exchange::<M>::carve(arena, name, local.core.index(), directory, per_pair)?;
        Ok(Messages { number: local.mail.add(Box::new(exchange)), message: PhantomData })
    }

    /// How many addresses there are: they are numbered from 0.
    ///
    /// # Panics
    /// Outside of tasks and of applications that declared some.
    pub fn addresses(self) -> u16 {
        here(|local| local.mail.exchange::<M>(self.number).directory.addresses())
    }

    /// Is this address one of this core's?
    ///
    /// # Panics
    /// Outside of tasks and of applications that declared some.
    pub fn is_here(self, address: u16) -> bool {
        here(|local| local.mail.exchange::<M>(self.number).is_here(address))
    }

    /// Where messages are sent from an address of this core; `None` where it is one of another's, or of none.
    ///
    /// # Panics
    /// Outside of tasks and of applications that declared some.
    pub fn outbox(self, address: u16) -> Option<Outbox<M>> {
        self.is_here(address).then(|| Outbox::new(self, address))
    }

    /// Where messages to an address of this core are received.
    ///
    /// # Errors
    /// [`NoInbox`]: it is one of another core's, or some task has it.
    ///
    /// # Panics
    /// Outside of tasks and of applications that declared some.
    pub fn inbox(self, address: u16) -> Result<Inbox<M>, NoInbox> {
        Inbox::open(self, address)
    }
}
