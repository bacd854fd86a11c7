//! Kinds of tasks: what reports call them, and what became of them.

/// A kind of task, named by an application when it is built. The same on every core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskKind(u16);

impl TaskKind {
    /// The most kinds of a run.
    pub const LIMIT: usize = 1 << 12;

    pub(crate) fn new(number: usize) -> Option<TaskKind> {
        u16::try_from(number).ok().filter(|_| number < TaskKind::LIMIT).map(TaskKind)
    }

    /// Its number.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    #[inline]
    pub(super) fn tag(self) -> u16 {
        self.0
    }
}

/// How often tasks of a kind kept all others waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stalls {
    /// How often one ran, without giving way, for longer than a task may.
    pub count: u64,
    /// The longest of them, nanoseconds.
    pub longest_ns: u64,
}

impl Stalls {
    pub(crate) fn record(&mut self, ns: u64) {
        self.count += 1;
        self.longest_ns = self.longest_ns.max(ns);
    }
}

/// What became of the tasks of one kind, on one core or (merged) on all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindCount {
    /// Tasks that were started.
    pub spawned: u64,
    /// Futures that found no slot.
    pub refused: u64,
    /// Tasks that panicked and were unwound.
    pub panicked: u64,
    /// Tasks that a supervisor started again.
    pub restarted: u64,
    /// Tasks that kept all others waiting; on simulated cores nobody looks.
    pub stalls: Stalls,
}

impl KindCount {
    /// Adds another core's.
    pub fn merge(&mut self, other: &KindCount) {
        self.spawned += other.spawned;
        self.refused += other.refused;
        self.panicked += other.panicked;
        self.restarted += other.restarted;
        self.stalls.count += other.stalls.count;
        self.stalls.longest_ns = self.stalls.longest_ns.max(other.stalls.longest_ns);
    }
}
