//! The polling core. In the order a packet meets it: the turn, the outbox where verdicts are matched, the ways
//! out, the ledger, its tasks; and what the core does when idle, and what it tells the control thread.

mod egress;
mod idle;
mod ledger;
mod outbox;
mod published;
mod tasks;
mod turn;

use std::sync::Arc;

pub(crate) use egress::{Egress, OwnQueue};
pub use idle::IdlePolicy;
pub(crate) use idle::Idler;
pub(crate) use ledger::Ledger;
pub use ledger::PortCount;
pub(crate) use outbox::Outbox;
pub use published::{Orders, Phase, Published};
pub use tasks::TaskResult;
pub(crate) use tasks::Tasks;
pub use turn::Activity;

use crate::clock::Clock;
use crate::packet::{Burst, BurstSize, CoreId, PortId};
use crate::pipeline::StageCost;
use crate::pipeline::chain::Chain;
use crate::pipeline::registry::AnyTally;
use crate::port::{Gate, Receive};
use crate::reduce::{Books, Meter, OutputDigest};
use crate::steer::steering::Steering;

/// A receive queue of this core.
pub(crate) struct Intake {
    pub(crate) port: PortId,
    pub(crate) pipeline: usize,
    pub(crate) queue: Box<dyn Receive>,
    pub(crate) ended: bool,
}

/// A pipeline as it runs on this core.
pub(crate) struct Running {
    pub(crate) name: Arc<str>,
    pub(crate) steering: Steering,
    pub(crate) chain: Chain,
    pub(crate) burst: Burst,
}

/// A polling core. Its thread's body is `while running { worker.turn() }`; a test or a replay calls
/// the turns of many on one thread.
pub struct Worker {
    pub(crate) id: CoreId,
    pub(crate) clock: Clock,
    pub(crate) burst_size: BurstSize,
    pub(crate) intakes: Vec<Intake>,
    pub(crate) pipelines: Vec<Running>,
    /// By port number: the pipeline its packets belong to.
    pub(crate) pipeline_of: Vec<usize>,
    pub(crate) outbox: Outbox,
    /// Where applications have some; `None` also while the core turns.
    pub(crate) tasks: Option<Box<Tasks>>,
    /// Tasks know that nothing more comes, and none is ready to run; also where there are none.
    pub(crate) tasks_rest: bool,
    pub(crate) meter: Meter,
    pub(crate) gate: Gate,
    pub(crate) phase: Phase,
    pub(crate) processed: u64,
    /// Messages that arrived here, and of which nothing is to be done any more.
    pub(crate) arrived: u64,
    pub(crate) turns: u64,
    pub(crate) previous_busy: bool,
    pub(crate) poisoned: bool,
    pub(crate) orders: Arc<Orders>,
    pub(crate) published: Arc<Published>,
}

/// How much of its CPU a core had to leave to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preemption {
    /// How often its thread was taken off the CPU while it could have gone on.
    pub times: u64,
    /// How long it could have run but did not, nanoseconds; `None` where the kernel does not count that.
    pub waited_ns: Option<u64>,
}

impl Preemption {
    /// What came on top of what was lost before.
    #[must_use]
    pub fn since(self, before: Preemption) -> Preemption {
        let waited = self.waited_ns.zip(before.waited_ns);
        Preemption {
            times: self.times.saturating_sub(before.times),
            waited_ns: waited.map(|(now, before)| now.saturating_sub(before)),
        }
    }
}

/// What a core has to say at the end.
pub struct CoreResult {
    /// Which.
    pub core: CoreId,
    /// Packets its pipelines processed.
    pub processed: u64,
    /// Its account of packets.
    pub books: Books,
    /// By port number.
    pub counts: Vec<PortCount>,
    /// Its time.
    pub meter: Meter,
    /// Digest of what it transmitted, where asked for.
    pub digest: Option<OutputDigest>,
    /// By pipeline and stage, in order: pipeline, application, cost.
    pub stages: Vec<(Arc<str>, &'static str, StageCost)>,
    /// What applications found out, by name, in the order of pipelines and chains.
    pub(crate) tallies: Vec<(&'static str, Box<dyn AnyTally>)>,
    /// Frames of its pool that did not come home; 0, or something is wrong with mnvkd.
    pub frames_missing: usize,
    /// Frames of its pool.
    pub frames_total: usize,
    /// What could not be written at the end.
    pub errors: Vec<String>,
    /// What became of its tasks, where applications have some.
    pub tasks: Option<TaskResult>,
    /// An application panicked here.
    pub panicked: bool,
    /// What others took of its CPU, where it had a thread of its own and the kernel tells.
    pub preemption: Option<Preemption>,
}
