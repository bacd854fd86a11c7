//! The report: one object, the same for people and for machines. Its JSON form is stable; README
//! documents it and a test pins it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::occupancy::Containers;

/// What came of a run. Serialises to the documented JSON object.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// `run` or `replay`.
    pub mode: &'static str,
    /// Polling cores.
    pub cores: usize,
    /// Seed of the run.
    pub seed: u64,
    /// Did simulated cores run in the capture's time?
    pub virtual_time: bool,
    /// Memory of the cores.
    pub pages: PagesReport,
    /// The account of packets, over all cores.
    pub books: BooksReport,
    /// What was read, over all ports that read files; zeros and nulls where none does.
    pub input: InputTotals,
    /// By name.
    pub ports: BTreeMap<String, PortReport>,
    /// By core number.
    pub per_core: Vec<CoreReport>,
    /// Speed.
    pub rate: RateReport,
    /// Digests.
    pub digest: DigestReport,
    /// By application name: the reduced tally.
    pub tallies: BTreeMap<String, serde_json::Value>,
    /// Green tasks, over all cores; null where no application has any.
    pub tasks: Option<TasksReport>,
    /// How full the containers of applications were, by application.
    pub containers: Vec<ContainerReport>,
    /// What each stage of each pipeline cost, from the turns that were measured.
    pub stages: Vec<StageReport>,
    /// Findings: what was less than asked for, and why; what applications had to say.
    pub notes: Vec<String>,
    /// What went wrong; a run with any is not a success.
    pub errors: Vec<String>,
}

/// Pages behind the arenas.
#[derive(Clone, Debug, Serialize)]
pub struct PagesReport {
    /// As configured: `prefer`, `require:2M`...
    pub policy: String,
    /// Page size the arenas lie on: `1G`, `2M`, `thp`, `4K`; the smallest where cores differ.
    pub obtained: String,
    /// Why it is less than asked for, with numbers; null when it is not.
    pub reason: Option<String>,
}

/// received + originated = forwarded + consumed + dropped.total + held; `unaccounted` is what is missing, 0.
#[derive(Clone, Debug, Serialize)]
pub struct BooksReport {
    /// Packets ports handed over.
    pub received: u64,
    /// Packets that tasks of applications made themselves.
    pub originated: u64,
    /// Packets ports took.
    pub forwarded: u64,
    /// Packets applications consumed.
    pub consumed: u64,
    /// `total`, and every reason that occurred.
    pub dropped: BTreeMap<String, u64>,
    /// Packets somebody still had at the end.
    pub held: u64,
    /// 0.
    pub unaccounted: i64,
}

/// Input files, added up.
#[derive(Clone, Debug, Default, Serialize)]
pub struct InputTotals {
    /// Packets the files hold, each counted once, up to their damage.
    pub packets: u64,
    /// Is one of them damaged?
    pub damaged: bool,
    /// Byte offset of the first damage in its file.
    pub offset: Option<u64>,
    /// What is damaged, in words.
    pub error: Option<String>,
}

/// One port, over all cores.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PortReport {
    /// Packets.
    pub received: u64,
    /// Bytes of them, as captured or received.
    pub received_bytes: u64,
    /// Packets.
    pub transmitted: u64,
    /// Bytes of them.
    pub transmitted_bytes: u64,
    /// Lost before they became packets, by the kernel's or the card's name for it.
    pub lost: BTreeMap<String, u64>,
}

/// One core.
#[derive(Clone, Debug, Serialize)]
pub struct CoreReport {
    /// Its number.
    pub core: usize,
    /// Packets its pipelines processed.
    pub packets: u64,
    /// CPU it was pinned to; null where it was not.
    pub cpu: Option<usize>,
    /// How often its thread was taken off the CPU while it could have gone on; null for a simulated core.
    pub preempted: Option<u64>,
    /// Seconds it could have run but others had the CPU; null for a simulated core, and where the kernel does
    /// not count them.
    pub waited_seconds: Option<f64>,
    /// Share of its time by regime, adding up to 1.
    pub regimes: BTreeMap<&'static str, f64>,
}

/// Speed of the run on this machine.
#[derive(Clone, Debug, Serialize)]
pub struct RateReport {
    /// Seconds of real time from the first turn to the last.
    pub seconds: f64,
    /// Packets received a second.
    pub packets_per_second: f64,
    /// Bits received a second.
    pub bits_per_second: f64,
    /// Busy cycles of the time-stamp counter, over all cores, divided by packets received; null without packets.
    pub cycles_per_packet: Option<f64>,
}

/// Digests: equal digests are equal results.
#[derive(Clone, Debug, Serialize)]
pub struct DigestReport {
    /// Over every transmitted packet (port, time, bytes) in canonical order; null in `run`, where times are the machine's.
    pub output: Option<String>,
    /// Over the reduced tallies.
    pub tally: String,
}

/// One application of one pipeline, over all cores.
#[derive(Clone, Debug, Serialize)]
pub struct StageReport {
    /// Pipeline.
    pub pipeline: String,
    /// Application.
    pub stage: String,
    /// Packets in the bursts that were measured.
    pub packets_measured: u64,
    /// Mean cycles a packet; null where none was measured.
    pub cycles_per_packet: Option<f64>,
    /// Cycles a burst, half of the bursts take at most.
    pub burst_cycles_p50: u64,
    /// Cycles a burst, 99 of 100 take at most.
    pub burst_cycles_p99: u64,
    /// The longest, cycles.
    pub burst_cycles_max: u64,
}

/// Green tasks and what they had of the cores' memory.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TasksReport {
    /// By kind.
    pub kinds: BTreeMap<String, TaskKindReport>,
    /// Flows that had a task, by the name of their set.
    pub flows: BTreeMap<String, FlowsReport>,
    /// Messages between shards or cores, by their name.
    pub messages: BTreeMap<String, MessagesReport>,
    /// Mailboxes for flows.
    pub mailboxes: MailboxesReport,
    /// Slots for futures, by size.
    pub slots: Vec<SlotsReport>,
    /// Timers.
    pub timers: TimersReport,
    /// How often one of several tasks, and nobody knows which, kept the others waiting.
    pub stalls_of_unknown: u64,
}

/// Tasks of one kind.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TaskKindReport {
    /// Tasks that were started.
    pub spawned: u64,
    /// Futures that found no slot.
    pub refused: u64,
    /// Tasks that panicked.
    pub panicked: u64,
    /// Tasks that a supervisor started again.
    pub restarted: u64,
    /// How often one ran for more than a millisecond without giving way; nobody looks on simulated cores.
    pub stalls: u64,
    /// The longest of them, nanoseconds.
    pub stall_longest_ns: u64,
}

/// Flows of one set, over all cores.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FlowsReport {
    /// Flows that began with a packet.
    pub accepted: u64,
    /// Flows that tasks opened.
    pub opened: u64,
    /// The most there were at a time, added up over the cores.
    pub peak: u64,
    /// Flows for which there was no mailbox, or no slot for their task.
    pub refused: u64,
    /// Packets that found their mailbox full.
    pub overflowed: u64,
    /// Packets of flows that were over.
    pub late: u64,
    /// Flows whose ports rested for a shorter time than they should have: more were over than may rest.
    pub rested_short: u64,
    /// Flows that a task wanted to open and no port was left for, or no mailbox.
    pub no_port: u64,
}

/// Messages of one name, over all cores: sent = received + dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MessagesReport {
    /// Messages that there is room for, for each pair of sender and receiver.
    pub room: u64,
    /// Messages that were sent, once for each receiver.
    pub sent: u64,
    /// Messages that were received.
    pub received: u64,
    /// Messages there was no room for: once for every time.
    pub refused: u64,
    /// Messages that nobody had received when the run was over.
    pub dropped: u64,
    /// The most that waited to be received by one shard, or core.
    pub peak: u64,
}

/// Mailboxes, over all cores.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MailboxesReport {
    /// How many there are.
    pub capacity: u64,
    /// The most that were open at a time, added up over the cores.
    pub peak: u64,
}

/// Slots of one size, over all cores.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SlotsReport {
    /// Bytes of a future that fit.
    pub room_bytes: usize,
    /// How many there are.
    pub slots: u64,
    /// The most that were in use at a time, added up over the cores.
    pub peak: u64,
    /// Futures that found none of this size or larger.
    pub refused: u64,
}

/// Timers, over all cores.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TimersReport {
    /// How many there are.
    pub capacity: u64,
    /// The most that were armed at a time, added up over the cores.
    pub peak: u64,
    /// How often all were armed when one more was needed.
    pub refused: u64,
}

/// One container of an application, added up over all cores.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerReport {
    /// Application.
    pub application: String,
    /// What the application calls it.
    pub name: &'static str,
    /// Elements it has room for.
    pub capacity: u64,
    /// Elements in it at the end.
    pub used: u64,
    /// The most elements each core had, added up.
    pub peak: u64,
    /// Peak of the fullest core as a share of its capacity, 0 to 1.
    pub fullest: f64,
    /// Elements that made room for others.
    pub evicted: u64,
    /// Elements there was no room for: once for every time.
    pub refused: u64,
}

impl ContainerReport {
    /// Of an application's containers of one name.
    pub fn new(application: &str, Containers { sum, fullest }: &Containers) -> ContainerReport {
        ContainerReport {
            application: application.to_owned(),
            name: sum.name,
            capacity: sum.capacity,
            used: sum.used,
            peak: sum.peak,
            fullest: *fullest,
            evicted: sum.evicted,
            refused: sum.refused,
        }
    }
}

impl Report {
    /// 0 done; 1 failed; 2 done, but the input was damaged.
    pub fn exit_code(&self) -> u8 {
        if !self.errors.is_empty() || self.books.unaccounted != 0 {
            1
        } else if self.input.damaged {
            2
        } else {
            0
        }
    }
}
