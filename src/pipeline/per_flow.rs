//! Applications that are one `async fn` a flow.

use super::application::{Application, Context};
use super::build::Build;
use crate::packet::Burst;
use crate::reduce::Tally;
use crate::steer::key::PartitionKey;
use crate::task::{self, Flow, FlowLimits, Flows, State, TaskKind, TaskNeeds};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What somebody writes who thinks of one flow at a time: plain sequential code that waits for the packets of its flow, with
/// whatever it knows in local variables. Register it as [`PerFlow`].
///
/// `Self` is what all flows of a core share; each task has a [`State`] of it.
pub trait FlowTask: Sized + Send + 'static {
    /// Its part of the configuration, as for an [`Application`].
    type Config: DeserializeOwned + Serialize + Default + Send + Sync + 'static;

    /// What it finds out.
    type Tally: Tally;

    /// One line for `mnvkd apps`.
    const ABOUT: &'static str = "";

    /// Flows that may have a task at a time, on each core.
    fn flows(_config: &Self::Config) -> u32 {
        4096
    }

    /// Timers its tasks may have armed at a time, on each core: one for each that may sleep or wait with a limit.
    fn timers(config: &Self::Config) -> u32 {
        Self::flows(config)
    }

    /// What each flow may take, and when it is over.
    fn limits(_config: &Self::Config) -> FlowLimits {
        FlowLimits::default()
    }

    /// What the flows of a core share.
    ///
    /// # Errors
    /// What is wrong with the configuration, in words; the run does not start.
    fn new(config: &Self::Config, build: &mut Build<'_>) -> anyhow::Result<Self>;

    /// The life of one flow, from its first packet (which is in its mailbox) on. What it does not forward, consume or drop for a
    /// reason is dropped as `task-ended`.
    fn converse(flow: Flow, shared: State<Self>) -> impl Future<Output = ()> + 'static;

    /// What the flows of this core found out.
    fn tally(self) -> Self::Tally;
}

/// A [`FlowTask`] as an application: gives each new flow to a task of its own and later packets to that task. Packets without
/// ports are left to the next application.
pub struct PerFlow<T> {
    kind: TaskKind,
    flows: Flows,
    shared: State<T>,
}

impl<T: FlowTask> Application for PerFlow<T> {
    type Config = T::Config;
    type Tally = T::Tally;
    const KEY: PartitionKey = PartitionKey::FiveTuple;
    const ABOUT: &'static str = T::ABOUT;

    fn tasks(config: &T::Config) -> TaskNeeds {
        let room = task::room(|(flow, shared)| T::converse(flow, shared));
        let flows = T::flows(config);
        TaskNeeds::default().tasks_without_timers(room, flows).timers(T::timers(config)).flows(flows)
    }

    fn new(config: &T::Config, build: &mut Build<'_>) -> anyhow::Result<PerFlow<T>> {
        let name = build.application();
        let shared = T::new(config, build)?;
        Ok(PerFlow {
            kind: build.task(name)?,
            flows: build.flows(name, T::flows(config), T::limits(config))?,
            shared: build.state(shared)?,
        })
    }

    fn process(&mut self, burst: &mut Burst, _: &Context) {
        self.flows.dispatch(burst, self.kind, |flow| T::converse(flow, self.shared));
    }

    fn tally(self) -> T::Tally {
        self.shared.take().map(T::tally).unwrap_or_default()
    }
}
