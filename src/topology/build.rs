//! Wiring becomes workers: arenas are reserved, carved and sealed, queues opened and given to their cores.

use std::sync::Arc;

use hugepages::{Arena, FramePool, PageSize, PoolShape};

use super::tasks::{self, TaskSeed};
use super::{Budget, Wiring, budget};
use crate::clock::Clock;
use crate::lane::{self, Lanes};
use crate::packet::{Burst, CoreId, Frames, PortId, Reasons};
use crate::pipeline::Build;
use crate::pipeline::StageCost;
use crate::pipeline::chain::{Chain, Link};
use crate::port::{Gate, Opening, Port, Queue, Receive, Transmit};
use crate::reduce::{Books, Meter, OutputDigest};
use crate::steer::bucket::BucketTable;
use crate::steer::key::PartitionKey;
use crate::steer::steering::{Hashing, Splitter, Steering};
use crate::worker::{
    Egress, Intake, Ledger, Orders, Outbox, OwnQueue, Phase, PortCount, Published, Running, Worker,
};

/// How a run differs from another over the same wiring.
#[derive(Clone, Debug)]
pub struct RunKind {
    /// The run's clock; a virtual one makes ports put their outputs in canonical order.
    pub clock: Clock,
    /// Digest everything transmitted?
    pub digest: bool,
    /// One in how many turns is measured regime by regime.
    pub measure_every: u32,
}

/// Workers ready to turn, and what stays with the control thread.
pub struct Built {
    /// By core number.
    pub workers: Vec<Worker>,
    /// By core number: what each publishes.
    pub published: Vec<Arc<Published>>,
    /// By core number: which task is being polled there; empty where no application has tasks.
    pub polled: Vec<hugepages::slots::Polled>,
    /// The phase they obey.
    pub orders: Arc<Orders>,
    /// By port number: name and driver instance.
    pub ports: Vec<(String, Box<dyn Port>)>,
    /// All drop reasons of the run.
    pub reasons: Reasons,
    /// All kinds of tasks of the run, by number.
    pub kinds: Vec<String>,
    /// Page size the arenas lie on: the smallest, where they differ.
    pub obtained: PageSize,
    /// Why it is less than asked for.
    pub pages_reason: Option<String>,
    /// Findings.
    pub notes: Vec<String>,
}

/// Reserves, carves, opens, seals.
///
/// # Errors
/// Memory, files or devices that cannot be had, an application that refuses its configuration.
pub fn build(wiring: &mut Wiring, budget: &Budget, kind: &RunKind) -> anyhow::Result<Built> {
    let mut notes = wiring.notes.clone();
    let mut arenas = Vec::with_capacity(wiring.cores.len());
    for seat in &wiring.cores {
        arenas.push(Arena::reserve(budget.total(), &wiring.pages, seat.node)?);
    }
    let pools = carve_pools(&mut arenas, budget)?;
    let lanes = lane::mesh(&mut arenas, budget.shape.frames as usize)?;
    let cores = wiring.cores.len();
    let needs = wiring.tasks();
    let mut tasks = tasks::carve(&mut arenas, &needs, kind.clock.is_virtual(), budget.shape.frames as usize)?;
    let (mut reasons, mut kinds) = (Reasons::default(), Vec::new());
    let pipelines = build_pipelines(wiring, &mut arenas, &mut reasons, &mut kinds, &mut tasks)?;
    tasks::connect(&mut tasks)?;
    let foreign = budget.shape.frames as usize * (cores - 1);
    let mut frames: Vec<Frames> = pools.into_iter().map(|pool| Frames::new(pool, foreign)).collect();
    let queues = open_ports(wiring, kind, &mut frames)?;
    let (obtained, pages_reason) = seal(arenas, &mut notes);

    let orders = Arc::new(Orders::default());
    let published: Vec<Arc<Published>> = tasks
        .iter_mut()
        .map(|seed| {
            let messages_sent = seed.as_mut().map(|seed| seed.local().mail().sent()).unwrap_or_default();
            Arc::new(Published { messages_sent, ..Published::default() })
        })
        .collect();
    let mut workers = Vec::with_capacity(wiring.cores.len());
    let (mut receives, mut transmits) = distribute(queues, wiring);
    let transmit_owners = owners(&transmits, wiring.ports.len());
    let drop_record = wiring.ports.iter().position(|seat| seat.port.records_drops()).and_then(PortId::new);
    let parts = frames.into_iter().zip(lanes).zip(pipelines).enumerate();
    for (number, ((frames, lanes), pipelines)) in parts {
        let id = core_id(number)?;
        let egress = egress_of(number, &mut transmits[number], &transmit_owners, &wiring.ports, &reasons);
        workers.push(Worker {
            id,
            clock: kind.clock.clone(),
            burst_size: wiring.burst,
            intakes: intakes_of(std::mem::take(&mut receives[number]), wiring),
            pipelines,
            pipeline_of: pipeline_of(wiring),
            tasks_rest: needs.is_none(),
            tasks: tasks[number].take().map(|seed| seed.finish(&needs)),
            outbox: outbox(frames, lanes, egress, drop_record, kind.digest, wiring.ports.len()),
            meter: Meter::new(kind.measure_every),
            gate: if kind.clock.is_virtual() { Gate::SHUT } else { Gate::OPEN },
            phase: Phase::Run,
            processed: 0,
            arrived: 0,
            turns: 0,
            previous_busy: false,
            poisoned: false,
            orders: orders.clone(),
            published: published[number].clone(),
        });
    }
    let ports = std::mem::take(&mut wiring.ports).into_iter().map(|seat| (seat.name, seat.port)).collect();
    let polled = workers.iter().filter_map(|worker| Some(worker.tasks.as_ref()?.polled())).collect();
    Ok(Built { workers, published, polled, orders, ports, reasons, kinds, obtained, pages_reason, notes })
}

pub(super) fn core_id(number: usize) -> anyhow::Result<CoreId> {
    CoreId::new(number).ok_or_else(|| anyhow::anyhow!("more than {} cores", CoreId::LIMIT))
}

fn carve_pools(arenas: &mut [Arena], budget: &Budget) -> anyhow::Result<Vec<FramePool>> {
    let mut pools = Vec::with_capacity(arenas.len());
    for (number, arena) in arenas.iter_mut().enumerate() {
        let shape = PoolShape { owner: u16::try_from(number)?, ..budget.shape };
        pools.push(arena.carve_pool("frames", shape)?);
    }
    Ok(pools)
}

/// Every pipeline of every core.
fn build_pipelines(
    wiring: &Wiring,
    arenas: &mut [Arena],
    reasons: &mut Reasons,
    kinds: &mut Vec<String>,
    tasks: &mut [Option<TaskSeed>],
) -> anyhow::Result<Vec<Vec<Running>>> {
    let cores = arenas.len();
    let addresses: Vec<_> = wiring.ports.iter().map(|seat| seat.port.mac_address()).collect();
    let flow_sets = wiring.tasks().flow_sets;
    let mut all = Vec::with_capacity(cores);
    for (number, arena) in arenas.iter_mut().enumerate() {
        let mut running = Vec::with_capacity(wiring.pipelines.len());
        for pipeline in &wiring.pipelines {
            let mut links = Vec::with_capacity(pipeline.stages.len());
            for (entry, configured) in &pipeline.stages {
                let messages = configured.tasks().messages;
                let mut build = Build {
                    core: core_id(number)?,
                    cores,
                    seed: wiring.seed,
                    routes: &pipeline.routes,
                    addresses: &addresses,
                    reasons,
                    arena,
                    application: entry.name,
                    kinds,
                    local: tasks[number].as_mut().map(TaskSeed::local),
                    shards: configured.shards(),
                    steering: &pipeline.steering,
                    flow_sets: &flow_sets,
                    messages: &messages,
                };
                let stage = configured.build(&mut build).map_err(|error| {
                    error.context(format!("application {:?} of pipeline {:?}", entry.name, pipeline.name))
                })?;
                links.push(Link { name: entry.name, stage, cost: StageCost::default() });
            }
            running.push(Running {
                name: pipeline.name.clone(),
                steering: pipeline.steering.clone(),
                chain: Chain { links },
                burst: Burst::default(),
            });
        }
        all.push(running);
    }
    Ok(all)
}

fn seal(arenas: Vec<Arena>, notes: &mut Vec<String>) -> (PageSize, Option<String>) {
    let mut obtained = None::<(PageSize, Option<String>)>;
    for (core, sealed) in arenas.into_iter().map(Arena::seal).enumerate() {
        notes.extend(sealed.node_reason.map(|reason| format!("core {core}: {reason}")));
        notes.extend(sealed.lock_reason.filter(|_| core == 0).map(|reason| format!("memory is {reason}")));
        if obtained
            .as_ref()
            .is_none_or(|(size, _)| sealed.obtained.bytes() <= size.bytes() && sealed.reason.is_some())
        {
            obtained = Some((sealed.obtained, sealed.reason));
        }
    }
    obtained.unwrap_or((PageSize::Base4K, None))
}

/// Opens every port's queues.
fn open_ports(wiring: &mut Wiring, kind: &RunKind, frames: &mut [Frames]) -> anyhow::Result<Vec<Vec<Queue>>> {
    let table = wiring.buckets()?;
    let mut opened = Vec::with_capacity(wiring.ports.len());
    let by_flow = Hashing { key: PartitionKey::FiveTuple, seed: wiring.seed };
    for number in 0..wiring.ports.len() {
        let id = PortId::new(number).ok_or_else(|| anyhow::anyhow!("more than {} ports", PortId::LIMIT))?;
        let pipeline = wiring.pipelines.iter().find(|p| p.from.contains(&id));
        let split = pipeline.map_or(by_flow, |p| p.split);
        let table = match pipeline.map(|p| &p.steering) {
            Some(Steering::Spread(_, own)) => own.clone(),
            _ => table.clone(),
        };
        let carries = carried_to(wiring, id);
        let (seed, pages, cores) = (wiring.seed, wiring.pages, wiring.cores.len());
        let receives = wiring.pipelines.iter().any(|pipeline| pipeline.from.contains(&id));
        let reads = wiring.pipelines.iter().any(|pipeline| pipeline.from.contains(&id) && pipeline.reads());
        let frames_per_queue = budget::granted(wiring, number, frames.first().map_or(0, Frames::total));
        let seat = &mut wiring.ports[number];
        let mut opening = Opening {
            id,
            cores,
            queues: seat.queues,
            seed,
            name: seat.name.clone(),
            pages,
            carries,
            spread: spread(split, table, seat.queues),
            virtual_time: kind.clock.is_virtual(),
            receives,
            reads,
            frames_per_queue,
            frames: &mut *frames,
        };
        opened.push(
            seat.port.open(&mut opening).map_err(|error| error.context(format!("port {:?}", seat.name)))?,
        );
    }
    Ok(opened)
}

/// Link layers of the ports whose packets are forwarded to `port`; of all ports, where it keeps what is dropped.
fn carried_to(wiring: &Wiring, port: PortId) -> Vec<crate::port::Link> {
    let mut links = Vec::new();
    let keeps_drops = wiring.ports[port.index()].port.records_drops();
    let dropped_from = wiring.pipelines.iter().flat_map(|p| &p.from).filter(|_| keeps_drops);
    let routed = wiring.pipelines.iter().flat_map(|p| p.routes.pairs()).filter(|(_, to)| *to == port);
    for from in routed.map(|(from, _)| from).chain(dropped_from) {
        for link in wiring.ports[from.index()].port.links() {
            if !links.contains(&link) {
                links.push(link);
            }
        }
    }
    links
}

fn spread(split: Hashing, table: BucketTable, queues: usize) -> crate::port::Spread {
    let splitter = Splitter::new(split, table, queues);
    Arc::new(move |link, bytes, wire_len| splitter.queue_of(link, bytes, wire_len))
}

type Receives = Vec<(PortId, Box<dyn Receive>)>;
type Transmits = Vec<(PortId, Box<dyn Transmit>)>;

/// Queue q of a port goes to core q modulo cores.
fn distribute(queues: Vec<Vec<Queue>>, wiring: &Wiring) -> (Vec<Receives>, Vec<Transmits>) {
    let cores = wiring.cores.len();
    let mut receives: Vec<Receives> = (0..cores).map(|_| Vec::new()).collect();
    let mut transmits: Vec<Transmits> = (0..cores).map(|_| Vec::new()).collect();
    for (port, queues) in queues.into_iter().enumerate() {
        let Some(id) = PortId::new(port) else { continue };
        let read = wiring.pipelines.iter().any(|pipeline| pipeline.from.contains(&id));
        for (number, queue) in queues.into_iter().enumerate() {
            let core = number % cores;
            receives[core].extend(queue.receive.filter(|_| read).map(|queue| (id, queue)));
            transmits[core].extend(queue.transmit.map(|queue| (id, queue)));
        }
    }
    (receives, transmits)
}

/// By port number: the cores that own a transmit queue of it.
fn owners(transmits: &[Transmits], ports: usize) -> Vec<Vec<usize>> {
    let owns = |core: usize, port: usize| transmits[core].iter().any(|(id, _)| id.index() == port);
    (0..ports).map(|port| (0..transmits.len()).filter(|core| owns(*core, port)).collect()).collect()
}

fn egress_of(
    core: usize,
    transmits: &mut Transmits,
    owners: &[Vec<usize>],
    ports: &[super::PortSeat],
    reasons: &Reasons,
) -> Vec<Egress> {
    let mut egress: Vec<Egress> = owners
        .iter()
        .map(|owners| match owners.get(core % owners.len().max(1)).copied().and_then(CoreId::new) {
            Some(owner) => Egress::Through(owner),
            None => Egress::Never,
        })
        .collect();
    for (port, mut queue) in transmits.drain(..) {
        queue.name_reasons(reasons);
        // The first queue of a port on this core is the one it sends by; a second one has no other use here.
        if !matches!(egress[port.index()], Egress::Own(_)) {
            egress[port.index()] =
                Egress::Own(Box::new(OwnQueue::new(queue, port, &ports[port.index()].name)));
        }
    }
    egress
}

fn intakes_of(receives: Receives, wiring: &Wiring) -> Vec<Intake> {
    let pipelines = pipeline_of(wiring);
    receives
        .into_iter()
        .map(|(port, queue)| Intake { port, pipeline: pipelines[port.index()], queue, ended: false })
        .collect()
}

/// By port number: the pipeline that takes its packets (0 where none does: nothing is received there).
fn pipeline_of(wiring: &Wiring) -> Vec<usize> {
    (0..wiring.ports.len())
        .map(|port| {
            wiring.pipelines.iter().position(|p| p.from.iter().any(|from| from.index() == port)).unwrap_or(0)
        })
        .collect()
}

fn outbox(
    frames: Frames,
    lanes: Lanes,
    egress: Vec<Egress>,
    drop_record: Option<PortId>,
    digest: bool,
    ports: usize,
) -> Outbox {
    let ledger = Ledger {
        frames,
        books: Books::default(),
        counts: vec![PortCount::default(); ports],
        digest: digest.then(OutputDigest::default),
    };
    Outbox { ledger, lanes, egress, drop_record, stirred: false }
}
