//! What an application's constructor is given.

use hugepages::{Arena, Carved, Filled, Heap};

use crate::packet::{CoreId, PortId, Reason, Reasons};
use crate::steer::steering::Steering;
use crate::task::{
    Directory, FlowLimits, FlowReasons, FlowRoom, FlowSet, Flows, Homes, Local, MessageRoom, Messages, State,
    TaskKind,
};

/// Where `forward` sends what comes in by each port of a pipeline.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    pairs: Vec<(PortId, PortId)>,
}

impl Routes {
    /// Routes by pairs of (port in, port out).
    pub fn new(pairs: Vec<(PortId, PortId)>) -> Routes {
        Routes { pairs }
    }

    /// The port paired with this one.
    pub fn paired(&self, ingress: PortId) -> Option<PortId> {
        self.pairs.iter().find(|(from, _)| *from == ingress).map(|(_, to)| *to)
    }

    /// All pairs, (in, out).
    pub fn pairs(&self) -> &[(PortId, PortId)] {
        &self.pairs
    }
}

/// The core an application instance is built for, and what it may take there.
pub struct Build<'a> {
    pub(crate) core: CoreId,
    pub(crate) cores: usize,
    pub(crate) seed: u64,
    pub(crate) routes: &'a Routes,
    /// By port number.
    pub(crate) addresses: &'a [Option<[u8; 6]>],
    pub(crate) reasons: &'a mut Reasons,
    pub(crate) arena: &'a mut Arena,
    pub(crate) application: &'static str,
    /// Kinds of tasks so far, by number; the same on every core.
    pub(crate) kinds: &'a mut Vec<String>,
    /// The core's own, where an application declared tasks.
    pub(crate) local: Option<&'a mut Local>,
    /// Shards the application has, where it has some.
    pub(crate) shards: Option<u16>,
    /// Which core packets of the pipeline come to.
    pub(crate) steering: &'a Steering,
    /// Sets of flows that applications declared, by size.
    pub(crate) flow_sets: &'a [FlowRoom],
    /// Messages that this application declared.
    pub(crate) messages: &'a [MessageRoom],
}

impl Build<'_> {
    /// The core this instance will run on.
    pub fn core(&self) -> CoreId {
        self.core
    }

    /// The name the application was registered under.
    pub fn application(&self) -> &'static str {
        self.application
    }

    /// Cores of the dataplane.
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// The run's seed, the same on every core.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Ports paired by the pipeline's `from` and `to`.
    pub fn routes(&self) -> &Routes {
        self.routes
    }

    /// A port's own Ethernet address, if it has one.
    pub fn mac_address(&self, port: PortId) -> Option<[u8; 6]> {
        self.addresses.get(port.index()).copied().flatten()
    }

    /// A drop reason of this name, the same on every core.
    ///
    /// # Errors
    /// All [`Reason::LIMIT`] numbers are taken.
    pub fn reason(&mut self, name: &str) -> anyhow::Result<Reason> {
        self.reasons.intern(name).ok_or_else(|| {
            anyhow::anyhow!("no number left for drop reason {name:?}: a run has at most {}", Reason::LIMIT)
        })
    }

    /// The application's [shards](super::Application::shards) whose packets come to this core, by number; just number 0 where it
    /// declared none.
    pub fn shards(&self) -> impl Iterator<Item = u16> + use<> {
        let (core, steering) = (self.core, self.steering.clone());
        let comes_here =
            move |shard: &u16| core_of(&steering, *shard).is_none_or(|home| home == core.index());
        let sharded = self.shards.is_some();
        (0..self.shards.unwrap_or(1)).filter(move |shard| !sharded || comes_here(shard))
    }

    /// Messages of type `M` between the application's [shards](super::Application::shards), or between its cores where it has none,
    /// with room for `per_pair` from each to each; reports call them `name`.
    ///
    /// # Errors
    /// The application declared no such messages ([`TaskNeeds::messages`](crate::task::TaskNeeds::messages)), so that the arena has no
    /// room for them; room for none.
    pub fn messages<M: Send + 'static>(
        &mut self,
        name: &'static str,
        per_pair: u16,
    ) -> anyhow::Result<Messages<M>> {
        let application = self.application;
        anyhow::ensure!(
            self.messages.contains(&MessageRoom::of::<M>(per_pair)),
            "application {application:?} has messages {name:?} of type {}, {per_pair} a pair, and did not declare them \
             (Application::tasks, TaskNeeds::messages)",
            std::any::type_name::<M>()
        );
        anyhow::ensure!(
            per_pair > 0,
            "application {application:?} has no room for messages {name:?}: give each pair of sender and receiver one at least"
        );
        let directory = match self.shards {
            Some(shards) => {
                // One core has all of them where nobody else could.
                let home = |shard| core_of(self.steering, shard).unwrap_or_default() as u16;
                Directory::new(shards, self.cores, home)
            }
            None => Directory::new(u16::try_from(self.cores)?, self.cores, |core| core),
        };
        match self.local.as_deref_mut() {
            Some(local) => Messages::carve(local, self.arena, name, directory, per_pair),
            None => anyhow::bail!("application {application:?} has messages and no tasks"),
        }
    }

    /// A kind of tasks of this name: what reports call it. The same on every core.
    ///
    /// # Errors
    /// No application of the dataplane declared [tasks](super::Application::tasks); all [`TaskKind::LIMIT`] numbers are taken.
    pub fn task(&mut self, name: &str) -> anyhow::Result<TaskKind> {
        let number = match self.kinds.iter().position(|known| known == name) {
            Some(known) => known,
            None => {
                self.kinds.push(name.to_owned());
                self.kinds.len() - 1
            }
        };
        let Some(kind) = TaskKind::new(number) else {
            anyhow::bail!("no number left for tasks of kind {name:?}: a run has at most {}", TaskKind::LIMIT)
        };
        self.local()?.add_kind(kind);
        Ok(kind)
    }

    /// Gives a value to the core, for this application and its tasks to use in turns.
    ///
    /// # Errors
    /// No application of the dataplane declared [tasks](super::Application::tasks).
    pub fn state<T: Send + 'static>(&mut self, value: T) -> anyhow::Result<State<T>> {
        Ok(State::new(self.local()?.add_state(Box::new(value))))
    }

    /// A set of up to `flows` flows at a time that may have a task each; reports call it `name`. Its packets are dropped for reasons
    /// of their own: `mailbox-full`, `flows-full`, `flow-over`.
    ///
    /// # Errors
    /// The application declared no such set ([`TaskNeeds::flows`](crate::task::TaskNeeds::flows)), so that the arena has no room for it; no
    /// numbers are left for the reasons.
    pub fn flows(&mut self, name: &'static str, flows: u32, limits: FlowLimits) -> anyhow::Result<Flows> {
        let application = self.application;
        let Some(room) = self.flow_sets.iter().copied().find(|room| room.flows == flows) else {
            anyhow::bail!(
                "application {application:?} has {flows} flows {name:?} and did not declare them (Application::tasks, TaskNeeds::flows or own_flows)"
            )
        };
        let reasons = FlowReasons {
            mailbox_full: self.reason("mailbox-full")?,
            flows_full: self.reason("flows-full")?,
            flow_over: self.reason("flow-over")?,
        };
        let homes = Homes::new(self.steering.clone(), self.core, self.cores, self.shards);
        let set = FlowSet::carve(self.arena, name, room, limits, homes, reasons, self.seed)?;
        let number = self.local()?.add_flows(set);
        number
            .map(Flows::new)
            .ok_or_else(|| anyhow::anyhow!("a run has at most 256 sets of flows: none is left for {name:?}"))
    }

    fn local(&mut self) -> anyhow::Result<&mut Local> {
        let application = self.application;
        self.local.as_deref_mut().ok_or_else(|| {
            anyhow::anyhow!(
                "application {application:?} uses tasks and declared none: implement Application::tasks"
            )
        })
    }

    /// `count` zeroed elements in the core's arena. What is carved here was announced by
    /// [`Application::arena_bytes`](super::Application::arena_bytes).
    ///
    /// # Errors
    /// The arena has no room for it.
    pub fn carve<T: zerocopy::FromZeros + 'static>(&mut self, count: usize) -> anyhow::Result<Carved<T>> {
        Ok(self.arena.carve::<T>(self.application, count)?)
    }

    /// `count` elements of any type in the core's arena, each made by `fill` of its number, dropped with what is returned. They count
    /// as announced, like those of [`carve`](Build::carve).
    ///
    /// # Errors
    /// The arena has no room for it.
    pub fn carve_filled<T>(
        &mut self,
        count: usize,
        fill: impl FnMut(usize) -> T,
    ) -> anyhow::Result<Filled<T>> {
        Ok(self.arena.carve_filled(self.application, count, fill)?)
    }

    /// A heap of `bytes` bytes in the core's arena. They count as announced, like those of [`carve`](Build::carve).
    ///
    /// # Errors
    /// The arena has no room for it.
    pub fn carve_heap(&mut self, bytes: usize) -> anyhow::Result<Heap> {
        Ok(self.arena.carve_heap(self.application, bytes)?)
    }
}

/// The core a shard's packets come to; `None` where they are not spread. A shard's number is the low bits of its packets' hashes,
/// and so is a bucket's.
fn core_of(steering: &Steering, shard: u16) -> Option<usize> {
    match steering {
        Steering::Spread(_, table) => Some(usize::from(table.core_of(u32::from(shard)))),
        Steering::Direct | Steering::Parse | Steering::Hash(_) => None,
    }
}
