//! The wiring of a configuration, with its budget: what `check` prints and what a run is built from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::json;

use super::budget::{Budget, bytes};
use super::{CoreSeat, PortSeat, Wiring, files};
use crate::config::{Config, Cores};
use crate::packet::{CoreId, PortId};
use crate::pipeline::registry::Configured;
use crate::pipeline::{Registry, Routes};
use crate::worker::IdlePolicy;

/// The most queues of a port: four for each core there can be.
const MOST_QUEUES: usize = 4 * CoreId::LIMIT;

/// A wiring that holds together and fits its memory.
pub struct Plan {
    /// What is to be wired.
    pub wiring: Wiring,
    /// The memory of each core.
    pub budget: Budget,
    /// The applications in use, with their configuration.
    pub(crate) applications: BTreeMap<&'static str, Arc<dyn Configured>>,
}

impl Plan {
    /// Wires a configuration: opens what its ports need to know of their files and devices, derives steering,
    /// computes the budget. Maps no memory, opens no queue.
    ///
    /// # Errors
    /// What cannot be wired, named, with what to do.
    pub fn of(config: Config, registry: &Registry) -> anyhow::Result<Plan> {
        let mut notes: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        let (cores, idle) = seats(&config, &mut notes)?;
        let mut ports = Vec::with_capacity(config.ports.len());
        for port in &config.ports {
            let made = port.maker.make().map_err(|error| {
                error.context(format!("{}:{}: port {:?}", port.place.source(), port.place.line(), port.name))
            })?;
            let queues = made.queues(cores.len());
            anyhow::ensure!(
                queues <= MOST_QUEUES,
                "{}:{}: port {:?}: queues = {queues}: expected 1 to {MOST_QUEUES}",
                port.place.source(),
                port.place.line(),
                port.name
            );
            ports.push(PortSeat { name: port.name.clone(), port: made, queues });
        }
        check_drop_records(&ports)?;
        let data = &config.dataplane;
        let mut wiring = Wiring {
            cores,
            ports,
            pipelines: Vec::new(),
            arena_limit: data.arena_bytes,
            pages: data.pages,
            idle,
            burst: data.burst,
            seed: data.seed,
            frames: data.frames,
            privileges: data.privileges,
            notes,
        };
        wire_pipelines(&mut wiring, &config, registry)?;
        files::check(&wiring.ports, &config.apps)?;
        let budget = Budget::of(&wiring)?;
        Ok(Plan { wiring, budget, applications: config.apps })
    }

    /// Leaves every core where the scheduler puts it: simulated cores share one thread.
    pub fn unpin(&mut self) {
        for seat in &mut self.wiring.cores {
            *seat = CoreSeat { cpu: None, node: None };
        }
        self.wiring.notes.retain(|note| !note.starts_with(MORE_CORES));
    }

    /// The plan for machines.
    pub fn json(&self) -> serde_json::Value {
        let name = |port: &PortId| self.wiring.ports[port.index()].name.clone();
        json!({
            "cores": self.wiring.cores.iter().enumerate().map(|(core, seat)| json!({
                "core": core, "cpu": seat.cpu, "node": seat.node,
                "queues": self.queues_of(core),
            })).collect::<Vec<_>>(),
            "ports": self.wiring.ports.iter().map(|seat| json!({
                "name": seat.name, "driver": seat.port.driver(), "queues": seat.queues,
                "about": seat.port.describe(), "memory": seat.port.memory(),
                "privileges": seat.port.privileges().iter().map(|privilege| json!({
                    "capability": privilege.capability.to_string(), "why": privilege.why, "again": privilege.again,
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "pipelines": self.wiring.pipelines.iter().map(|pipeline| json!({
                "name": &*pipeline.name,
                "from": pipeline.from.iter().map(name).collect::<Vec<_>>(),
                "stages": pipeline.stages.iter().map(|(entry, _)| entry.name).collect::<Vec<_>>(),
                "routes": pipeline.routes.pairs().iter().map(|(a, b)| [name(a), name(b)]).collect::<Vec<_>>(),
                "steering": pipeline.steering.describe(),
            })).collect::<Vec<_>>(),
            "budget": {
                "lines": self.budget.lines.iter().map(|(what, bytes)| json!({"what": what, "bytes": bytes})).collect::<Vec<_>>(),
                "core_bytes": self.budget.total(),
                "limit_bytes": self.budget.limit,
                "all_cores_bytes": self.budget.total().saturating_mul(self.wiring.cores.len()),
            },
            "pages": self.wiring.pages.to_string(),
            "idle": self.wiring.idle.to_string(),
            "burst": self.wiring.burst.get(),
            "seed": self.wiring.seed,
            "notes": self.wiring.notes,
        })
    }

    /// The queues a core polls, as `port.queue`.
    fn queues_of(&self, core: usize) -> Vec<String> {
        let cores = self.wiring.cores.len();
        let of_port = |seat: &PortSeat| {
            let name = seat.name.clone();
            (0..seat.queues)
                .filter(move |queue| queue % cores == core)
                .map(move |queue| format!("{name}.{queue}"))
        };
        self.wiring.ports.iter().flat_map(of_port).collect()
    }
}

/// Dropped packets are written down once.
fn check_drop_records(ports: &[PortSeat]) -> anyhow::Result<()> {
    let mut keeping = ports.iter().filter(|seat| seat.port.records_drops());
    if let (Some(first), Some(second)) = (keeping.next(), keeping.next()) {
        anyhow::bail!(
            "ports {:?} and {:?} both have drop-comments: one port writes down what is dropped, of all ports; \
             leave it to one of them",
            first.name,
            second.name
        );
    }
    Ok(())
}

/// How the note begins that says there are more cores than CPUs.
const MORE_CORES: &str = "more cores than CPUs";

/// The CPUs a configuration's cores will sit on.
///
/// # Errors
/// Cores that cannot be had.
pub(crate) fn core_seats(config: &Config) -> anyhow::Result<Vec<CoreSeat>> {
    seats(config, &mut Vec::new()).map(|(seats, _)| seats)
}

/// The CPUs of the cores, and what they do when idle.
fn seats(config: &Config, notes: &mut Vec<String>) -> anyhow::Result<(Vec<CoreSeat>, IdlePolicy)> {
    let allowed = ffi::affinity::allowed_cpus().unwrap_or_else(|_| vec![0]);
    let count = config.dataplane.cores.count(allowed.len());
    let cpus: Vec<Option<usize>> = match &config.dataplane.cores {
        Cores::Cpus(cpus) => cpus.iter().copied().map(Some).collect(),
        _ if count <= allowed.len() => allowed.iter().take(count).copied().map(Some).collect(),
        _ => vec![None; count],
    };
    let crowded = count > allowed.len();
    let idle =
        config.dataplane.idle.unwrap_or(if crowded { IdlePolicy::Yield } else { IdlePolicy::Adaptive });
    if crowded {
        notes.push(format!(
            "{MORE_CORES}: {count} cores share {} CPUs, none is pinned, idle cores {}; expect less of each",
            allowed.len(),
            match idle {
                IdlePolicy::Yield => "yield",
                IdlePolicy::Adaptive => "yield and sleep",
                IdlePolicy::Spin | IdlePolicy::Pause =>
                    "do not yield, as configured: they take time from each other",
            }
        ));
    }
    let seat =
        |cpu: &Option<usize>| CoreSeat { cpu: *cpu, node: cpu.and_then(ffi::affinity::numa_node_of_cpu) };
    Ok((cpus.iter().map(seat).collect(), idle))
}

fn wire_pipelines(wiring: &mut Wiring, config: &Config, registry: &Registry) -> anyhow::Result<()> {
    let numbers: BTreeMap<&str, PortId> = config
        .ports
        .iter()
        .enumerate()
        .filter_map(|(i, port)| Some((port.name.as_str(), PortId::new(i)?)))
        .collect();
    let number = |name: &str| {
        numbers
            .get(name)
            .copied()
            .ok_or_else(|| anyhow::anyhow!("no port {name:?}: at most {} ports", PortId::LIMIT))
    };
    for pipeline in &config.pipelines {
        let from = pipeline.from.iter().map(|name| number(name)).collect::<anyhow::Result<Vec<_>>>()?;
        let mut pairs = Vec::new();
        for (ingress, egress) in pipeline.routes() {
            pairs.push((number(&ingress)?, number(&egress)?));
        }
        let mut stages = Vec::with_capacity(pipeline.stages.len());
        for stage in &pipeline.stages {
            let (Some(entry), Some(configured)) = (registry.get(stage), config.apps.get(stage.as_str()))
            else {
                anyhow::bail!("pipeline {:?}: no application {stage:?} is registered", pipeline.name);
            };
            stages.push((entry.clone(), configured.clone()));
        }
        wiring.add_pipeline(&pipeline.name, from, Routes::new(pairs), stages)?;
    }
    Ok(())
}

impl fmt::Display for Plan {
    /// The wiring as a picture in text: ports, what they feed, cores, memory.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wiring = &self.wiring;
        for pipeline in &wiring.pipelines {
            writeln!(f, "pipeline {}", pipeline.name)?;
            let chain: Vec<&str> = pipeline.stages.iter().map(|(entry, _)| entry.name).collect();
            for (i, port) in pipeline.from.iter().enumerate() {
                let seat = &wiring.ports[port.index()];
                let joint =
                    if i == 0 { format!("─▶ {}", chain.join(" ─▶ ")) } else { "─┘".to_owned() };
                write!(f, "  {} ×{} {joint}", seat.name, seat.queues)?;
                match pipeline.routes.paired(*port) {
                    Some(to) => {
                        writeln!(f, "  (forward: {} ─▶ {})", seat.name, wiring.ports[to.index()].name)?
                    }
                    None => writeln!(f)?,
                }
            }
            writeln!(f, "  steering: {}", pipeline.steering.describe())?;
        }
        writeln!(f, "ports")?;
        let width = wiring.ports.iter().map(|seat| seat.name.len()).max().unwrap_or(0);
        for seat in &wiring.ports {
            writeln!(f, "  {:width$}  {:10} {}", seat.name, seat.port.driver(), seat.port.describe())?;
            for privilege in seat.port.privileges() {
                writeln!(f, "  {:width$}    needs {} {}", "", privilege.capability, privilege.why)?;
            }
        }
        writeln!(f, "cores ({} idle, bursts of {})", wiring.idle, wiring.burst.get())?;
        for (core, seat) in wiring.cores.iter().enumerate() {
            let place = seat.cpu.map_or("not pinned".to_owned(), |cpu| format!("CPU {cpu}"));
            let node = seat.node.map_or(String::new(), |node| format!(", node {node}"));
            writeln!(f, "  core {core}  {place}{node}  polls {}", self.queues_of(core).join(" "))?;
        }
        writeln!(f, "memory (pages: {})", wiring.pages)?;
        writeln!(f, "{}", self.budget)?;
        let outside: u64 = wiring.ports.iter().map(|seat| seat.port.memory()).sum();
        if outside > 0 {
            writeln!(f, "    preloaded captures beside the arenas: {}", bytes(outside))?;
        }
        for note in &wiring.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}
