//! What is to be wired, checked: ports that are there, pipelines whose steering is derived, cores with their CPUs.

use std::sync::Arc;

use hugepages::PagePolicy;

use crate::config::PrivilegePolicy;
use crate::packet::layers::LinkClass;
use crate::packet::{BurstSize, PortId};
use crate::pipeline::registry::Configured;
use crate::pipeline::{Entry, Reads, Routes};
use crate::port::Port;
use crate::steer::bucket::BucketTable;
use crate::steer::key::{PartitionKey, derive};
use crate::steer::steering::{Hashing, Steering};
use crate::task::TaskNeeds;
use crate::worker::IdlePolicy;

/// A polling core to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreSeat {
    /// CPU to pin it to, if any.
    pub cpu: Option<usize>,
    /// NUMA node of that CPU, if known.
    pub node: Option<u32>,
}

/// A port to be wired.
pub struct PortSeat {
    /// Its name.
    pub name: String,
    /// The driver instance.
    pub port: Box<dyn Port>,
    /// Queues it will have.
    pub queues: usize,
}

/// A pipeline to be wired.
pub struct PipelineSeat {
    /// Its name.
    pub name: Arc<str>,
    /// Ports its packets come from.
    pub from: Vec<PortId>,
    /// Where `forward` sends.
    pub routes: Routes,
    /// Its applications, in order.
    pub(crate) stages: Vec<(Entry, Arc<dyn Configured>)>,
    /// Steering derived from them.
    pub steering: Steering,
    /// How its ports split what they bring over their queues.
    pub(crate) split: Hashing,
}

impl PipelineSeat {
    /// Shards of its applications' state: the fewest that any of them asks for.
    pub(crate) fn shards(&self) -> Option<u16> {
        shards(&self.stages)
    }

    /// Does steering or an application of it read packets?
    pub(crate) fn reads(&self) -> bool {
        let reads = |(entry, _): &(Entry, _)| entry.reads != Reads::Nothing;
        !matches!(self.steering, Steering::Direct) || self.stages.iter().any(reads)
    }
}

/// Everything that is to be wired.
pub struct Wiring {
    /// By core number.
    pub cores: Vec<CoreSeat>,
    /// By port number.
    pub ports: Vec<PortSeat>,
    /// In the order of the configuration.
    pub pipelines: Vec<PipelineSeat>,
    /// The most memory a core may have, bytes.
    pub arena_limit: u64,
    /// Pages behind it.
    pub pages: PagePolicy,
    /// What idle cores do.
    pub idle: IdlePolicy,
    /// Packets a burst.
    pub burst: BurstSize,
    /// The run's seed.
    pub seed: u64,
    /// Frames a core, where configured.
    pub frames: Option<u32>,
    /// What becomes of privileges once ports are open.
    pub privileges: PrivilegePolicy,
    /// Findings so far.
    pub notes: Vec<String>,
}

impl Wiring {
    /// Does each of these ports have exactly one queue for each core?
    fn queues_are_cores(&self, from: &[PortId]) -> bool {
        from.iter().all(|port| self.ports[port.index()].queues == self.cores.len())
    }

    /// Adds a pipeline: derives its steering and checks that its applications can read what its ports bring.
    ///
    /// # Errors
    /// No sound steering for two of its applications; a link layer an application cannot read. Both are named.
    pub(crate) fn add_pipeline(
        &mut self,
        name: &str,
        from: Vec<PortId>,
        routes: Routes,
        stages: Vec<(Entry, Arc<dyn Configured>)>,
    ) -> anyhow::Result<()> {
        self.check_links(name, &from, &stages)?;
        self.check_directions(name, &from, &routes)?;
        if let Some(twice) = twice(&stages) {
            anyhow::bail!(
                "pipeline {name:?}: application {twice:?} is in it twice: both would have one name in reports and tallies; \
                 put the second one in a pipeline of its own, or register it under another name"
            );
        }
        let keys: Vec<(&str, PartitionKey)> =
            stages.iter().map(|(entry, _)| (entry.name, entry.key)).collect();
        let cores = self.cores.len();
        let key = match derive(&keys) {
            Ok(key) => key,
            // One core holds all state: any combination is sound.
            Err(_) if cores == 1 => PartitionKey::FiveTuple,
            Err(conflict) => anyhow::bail!("pipeline {name:?}: {conflict}"),
        };
        let reads = stages.iter().map(|(entry, _)| entry.reads).max().unwrap_or(Reads::Nothing);
        let keyed = Hashing { key, seed: self.seed };
        let by_flow =
            Hashing { key: if key == PartitionKey::None { PartitionKey::FiveTuple } else { key }, ..keyed };
        let table = match self.shards_of(name, &stages)? {
            Some(shards) => BucketTable::with_buckets(usize::from(shards), u16::try_from(cores)?)?,
            None => self.buckets()?,
        };
        let sharded = shards(&stages).is_some();
        let steering = if key == PartitionKey::None && (cores == 1 || self.queues_are_cores(&from)) {
            if reads == Reads::Headers { Steering::Parse } else { Steering::Direct }
        } else if cores == 1 && !sharded {
            Steering::Hash(keyed)
        } else {
            Steering::Spread(by_flow, table)
        };
        if let Some((last, configured)) = stages.last()
            && !configured.decides()
        {
            self.notes.push(format!(
                "pipeline {name:?}: its last stage {:?} may leave packets undecided; they are dropped as no-verdict \
                 (add sink, drop or forward)",
                last.name
            ));
        }
        self.pipelines.push(PipelineSeat {
            name: name.into(),
            from,
            routes,
            stages,
            steering,
            split: by_flow,
        });
        Ok(())
    }

    /// Shards of a chain, checked.
    fn shards_of(&self, name: &str, stages: &[(Entry, Arc<dyn Configured>)]) -> anyhow::Result<Option<u16>> {
        for (entry, configured) in stages {
            let Some(shards) = configured.shards() else { continue };
            anyhow::ensure!(
                shards.is_power_of_two(),
                "pipeline {name:?}: application {:?} has {shards} shards: choose a power of two",
                entry.name
            );
            anyhow::ensure!(
                entry.key != PartitionKey::None,
                "pipeline {name:?}: application {:?} has shards and no key: what belongs together is for its key to say",
                entry.name
            );
            anyhow::ensure!(
                self.cores.len() <= usize::from(shards),
                "pipeline {name:?}: {} cores share {shards} shards of application {:?}, some would get none: \
                 give it more shards, or the dataplane fewer cores",
                self.cores.len(),
                entry.name
            );
        }
        Ok(shards(stages))
    }

    /// What the tasks of all applications need on each core; nothing, where none has any.
    pub(crate) fn tasks(&self) -> TaskNeeds {
        let mut all = TaskNeeds::default();
        let stages = self.pipelines.iter().flat_map(|pipeline| &pipeline.stages);
        stages.for_each(|(_, configured)| all.add(configured.tasks()));
        all
    }

    pub(crate) fn buckets(&self) -> anyhow::Result<BucketTable> {
        Ok(BucketTable::even(u16::try_from(self.cores.len())?)?)
    }

    fn check_links(
        &self,
        name: &str,
        from: &[PortId],
        stages: &[(Entry, Arc<dyn Configured>)],
    ) -> anyhow::Result<()> {
        for port in from {
            let port = &self.ports[port.index()];
            for link in port.port.links() {
                let refuses = |reads: Reads| match reads {
                    Reads::Nothing => false,
                    Reads::Ethernet => link.class != LinkClass::Ethernet,
                    Reads::Headers => link.class == LinkClass::Opaque,
                };
                if let Some((entry, _)) = stages.iter().find(|(entry, _)| refuses(entry.reads)) {
                    let needs = if entry.reads == Reads::Ethernet {
                        "needs Ethernet"
                    } else {
                        "reads headers, and mnvkd parses Ethernet, raw IP, Linux SLL, SLL2 and null/loopback"
                    };
                    anyhow::bail!(
                        "pipeline {name:?}: port {:?} brings packets of link type {} ({}); application {:?} {needs}; \
                         such packets can only be counted or copied (sink, drop, forward)",
                        port.name,
                        link.number,
                        link.name,
                        entry.name
                    );
                }
            }
        }
        Ok(())
    }

    fn check_directions(&self, name: &str, from: &[PortId], routes: &Routes) -> anyhow::Result<()> {
        for port in from {
            let port = &self.ports[port.index()];
            anyhow::ensure!(
                port.port.directions().0,
                "pipeline {name:?}: port {:?} brings no packets: give it a `file`, or take it out of `from`",
                port.name
            );
        }
        for (_, to) in routes.pairs() {
            let port = &self.ports[to.index()];
            anyhow::ensure!(
                port.port.directions().1,
                "pipeline {name:?}: port {:?} takes no packets",
                port.name
            );
        }
        Ok(())
    }
}

/// The fewest shards any application asks for: what is together modulo more is together modulo fewer, powers of two.
fn shards(stages: &[(Entry, Arc<dyn Configured>)]) -> Option<u16> {
    stages.iter().filter_map(|(_, configured)| configured.shards()).min()
}

/// An application that is in a chain more than once.
fn twice(stages: &[(Entry, Arc<dyn Configured>)]) -> Option<&'static str> {
    let again = |i: &usize| stages[..*i].iter().any(|(earlier, _)| earlier.name == stages[*i].0.name);
    (0..stages.len()).find(again).map(|i| stages[i].0.name)
}
