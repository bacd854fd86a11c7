//! Who ran on a core's CPU, and for how long.

use std::collections::BTreeMap;

use crate::host::Thread;
use crate::reduce::text::units::seconds;

/// Less than this is not worth a name, nanoseconds.
const LEAST_NS: u64 = 50_000;
/// The most that are named of a core.
const NAMED: usize = 4;

/// A thread that ran on a core's CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Culprit {
    pub(super) name: String,
    pub(super) process: u32,
    pub(super) thread: u32,
    pub(super) kernel: bool,
    pub(super) ran_ns: u64,
}

/// By core and thread.
#[derive(Debug, Default)]
pub(super) struct Culprits(BTreeMap<(usize, u32), Culprit>);

impl Culprits {
    /// A thread ran on a core's CPU, for so long.
    pub(super) fn add(&mut self, core: usize, thread: &Thread, ran_ns: u64) {
        if ran_ns >= LEAST_NS {
            let culprit = Culprit {
                name: thread.name.clone(),
                process: thread.process,
                thread: thread.thread,
                kernel: thread.kernel,
                ran_ns,
            };
            self.put(core, culprit);
        }
    }

    fn put(&mut self, core: usize, culprit: Culprit) {
        self.0
            .entry((core, culprit.thread))
            .and_modify(|known| known.ran_ns = known.ran_ns.saturating_add(culprit.ran_ns))
            .or_insert(culprit);
    }

    pub(super) fn merge(&mut self, other: Culprits) {
        for ((core, _), culprit) in other.0 {
            self.put(core, culprit);
        }
    }

    /// Those of a core.
    pub(super) fn of(&self, core: usize) -> impl Iterator<Item = &Culprit> {
        self.0.iter().filter(move |((of, _), _)| *of == core).map(|(_, culprit)| culprit)
    }

    /// Those of a core in words, who ran longest first; `control` is the control thread of this process.
    pub(super) fn names(&self, core: usize, control: u32) -> String {
        let mut found: Vec<&Culprit> = self.of(core).collect();
        found.sort_by_key(|culprit| (std::cmp::Reverse(culprit.ran_ns), culprit.thread));
        if found.is_empty() {
            return "who ran there instead is gone, or cannot be seen from here".to_owned();
        }
        let named = found.iter().take(NAMED).map(|culprit| culprit.in_words(control));
        let more = found.len().saturating_sub(NAMED);
        let mut words: Vec<String> = named.collect();
        if more > 0 {
            words.push(format!("and {more} more"));
        }
        format!("there ran {}", words.join(", "))
    }
}

impl Culprit {
    fn in_words(&self, control: u32) -> String {
        let ran = seconds(self.ran_ns as f64 / 1e9);
        let Culprit { name, process, thread, .. } = self;
        if *thread == control {
            format!("mnvkd's control thread {ran} (leave it a CPU)")
        } else if self.kernel {
            format!("{name} of the kernel {ran}")
        } else if thread == process {
            format!("{name:?} (process {process}) {ran}")
        } else {
            format!("{name:?} (thread {thread} of process {process}) {ran}")
        }
    }
}
