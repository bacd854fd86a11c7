//! Threads of others on the CPUs of polling cores: noticed while a run is going on, named, and said.
//!
//! What a core lost is read of its thread (`/proc/self/task/TID`) by the control thread: it costs the core
//! nothing. Only where a core lost time worth a word are all threads of the machine looked at, for those that ran
//! on its CPU since the last look.

mod culprit;

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use culprit::Culprits;

use crate::clock;
use crate::host::{self, Host};
use crate::reduce::text::units::{seconds, thousands};
use crate::topology::CoreSeat;
use crate::worker::{Preemption, Published};

/// Nanoseconds between two looks at what cores lost.
const EVERY_NS: u64 = 1_000_000_000;
/// The longest pause between two lines, nanoseconds; it doubles from [`EVERY_NS`] to this while a core goes on
/// losing time.
const LONGEST_PAUSE_NS: u64 = 32_000_000_000;
/// A core that lost less than one part in so many of its time has lost nothing worth a word.
const WORTH_A_WORD: u64 = 1000;
/// The same where the kernel does not count time lost: preemptions a second.
const TIMES_A_SECOND: u64 = 10;

/// A polling core that is pinned to a CPU.
struct Watched {
    core: usize,
    cpu: usize,
    thread: u32,
    /// At the start of the run, and when the machine's threads were looked at last.
    start: Preemption,
    last: Preemption,
}

/// What a thread had run when it was looked at.
#[derive(Clone, Copy)]
struct Ran {
    /// In ticks of 10 ms: known of all.
    coarse_ns: u64,
    /// To the nanosecond: known of those on a polling core's CPU.
    fine_ns: Option<u64>,
}

/// Looks for threads of others, on the control thread.
pub(super) struct Intruders {
    host: Host,
    process: u32,
    control: u32,
    watched: Vec<Watched>,
    ran: HashMap<u32, Ran>,
    culprits: Culprits,
    started_ns: u64,
    /// When the machine's threads were looked at last.
    scanned_ns: u64,
    next_ns: u64,
    /// No line before this.
    quiet_until_ns: u64,
    pause_ns: u64,
}

impl Intruders {
    /// Notes how things are at the start of a run; the cores' threads have started.
    pub(super) fn new(seats: &[CoreSeat], published: &[Arc<Published>]) -> Intruders {
        let host = Host::here();
        let process = std::process::id();
        let cores = seats.iter().zip(published).enumerate();
        let watched = cores.filter_map(|(core, (seat, published))| {
            let (cpu, thread) = (seat.cpu?, published.thread.load(Ordering::Acquire));
            let start = read(&host, process, thread)?;
            Some(Watched { core, cpu, thread, start, last: start })
        });
        let watched: Vec<Watched> = watched.collect();
        let now_ns = clock::monotonic_ns();
        let mut intruders = Intruders {
            host,
            process,
            control: ffi::process::thread_id(),
            watched,
            ran: HashMap::new(),
            culprits: Culprits::default(),
            started_ns: now_ns,
            scanned_ns: now_ns,
            next_ns: now_ns + EVERY_NS,
            quiet_until_ns: now_ns,
            pause_ns: EVERY_NS,
        };
        if intruders.watched.is_empty() {
            intruders.next_ns = u64::MAX;
        } else {
            intruders.scan(&[]);
        }
        intruders
    }

    /// Looks, when it is time; what is found goes to stderr, less and less often while it goes on.
    #[inline]
    pub(super) fn tick(&mut self) {
        let now_ns = clock::monotonic_ns();
        if now_ns >= self.next_ns {
            self.next_ns = now_ns + EVERY_NS;
            self.look(now_ns);
        }
    }

    fn look(&mut self, now_ns: u64) {
        if now_ns < self.quiet_until_ns {
            return;
        }
        let elapsed_ns = now_ns - self.scanned_ns;
        let lost = self.lost_since(|watched| watched.last);
        if !lost.iter().any(|lost| is_worth_a_word(*lost, elapsed_ns)) {
            self.pause_ns = EVERY_NS;
            return;
        }
        let found = self.scan(&lost);
        for (index, lost) in lost.iter().enumerate().filter(|(_, lost)| is_worth_a_word(**lost, elapsed_ns)) {
            let Watched { core, cpu, .. } = self.watched[index];
            // That its own control thread runs is no news; the report has what it took.
            if found.of(core).next().is_none() || found.of(core).any(|culprit| culprit.thread != self.control)
            {
                let who = found.names(core, self.control);
                let line = format!("{}: {who}", told(core, cpu, *lost, elapsed_ns));
                // A closed stderr ends the telling, not the run.
                let _ = writeln!(std::io::stderr(), "{line}; keep others off that CPU (see `mnvkd doctor`)");
            }
        }
        self.culprits.merge(found);
        self.mark(now_ns);
        self.quiet_until_ns = now_ns + self.pause_ns;
        self.pause_ns = (self.pause_ns * 2).min(LONGEST_PAUSE_NS);
    }

    /// The run is over, its threads are still there: what cores lost in all, and to whom.
    pub(super) fn finish(mut self, notes: &mut Vec<String>) {
        let now_ns = clock::monotonic_ns();
        let since_scan = now_ns - self.scanned_ns;
        let recent = self.lost_since(|watched| watched.last);
        if recent.iter().any(|lost| is_worth_a_word(*lost, since_scan)) {
            let found = self.scan(&recent);
            self.culprits.merge(found);
        }
        let whole_ns = now_ns - self.started_ns;
        for (watched, lost) in self.watched.iter().zip(self.lost_since(|watched| watched.start)) {
            if is_worth_a_word(lost, whole_ns) {
                let who = self.culprits.names(watched.core, self.control);
                notes.push(format!("{}: {who}", told(watched.core, watched.cpu, lost, whole_ns)));
            }
        }
    }

    fn lost_since(&self, when: fn(&Watched) -> Preemption) -> Vec<Preemption> {
        let lost = |watched: &Watched| {
            let before = when(watched);
            let now = read(&self.host, self.process, watched.thread).unwrap_or(before);
            now.since(before)
        };
        self.watched.iter().map(lost).collect()
    }

    fn mark(&mut self, now_ns: u64) {
        self.scanned_ns = now_ns;
        for watched in &mut self.watched {
            watched.last = read(&self.host, self.process, watched.thread).unwrap_or(watched.last);
        }
    }

    /// Looks at all threads of the machine: who ran since the last time, and was last seen on a core's CPU? Where else
    /// it ran is not told; on that CPU it was no longer than the core had to wait.
    fn scan(&mut self, lost: &[Preemption]) -> Culprits {
        let mut found = Culprits::default();
        let before = std::mem::take(&mut self.ran);
        for thread in host::threads(&self.host) {
            let at = self.watched.iter().position(|watched| watched.cpu == thread.cpu);
            let fine_ns = at
                .and_then(|_| host::scheduling(&self.host, thread.process, thread.thread))
                .map(|scheduling| scheduling.ran_ns);
            let now = Ran { coarse_ns: thread.ran_ns, fine_ns };
            let ran_ns = match before.get(&thread.thread) {
                Some(Ran { fine_ns: Some(before), .. }) if fine_ns.is_some() => {
                    fine_ns.unwrap_or(0).saturating_sub(*before)
                }
                Some(before) => now.coarse_ns.saturating_sub(before.coarse_ns),
                None => fine_ns.unwrap_or(now.coarse_ns),
            };
            self.ran.insert(thread.thread, now);
            if let Some(at) = at
                && !self.watched.iter().any(|watched| watched.thread == thread.thread)
            {
                let waited_ns = lost.get(at).and_then(|lost| lost.waited_ns).unwrap_or(u64::MAX);
                found.add(self.watched[at].core, &thread, ran_ns.min(waited_ns));
            }
        }
        found
    }
}

/// What was taken of a thread's CPU since it was started.
fn read(host: &Host, process: u32, thread: u32) -> Option<Preemption> {
    let times = host::preemptions(host, process, thread)?;
    let waited_ns = host::scheduling(host, process, thread).map(|scheduling| scheduling.waited_ns);
    Some(Preemption { times, waited_ns })
}

fn is_worth_a_word(lost: Preemption, elapsed_ns: u64) -> bool {
    match lost.waited_ns {
        Some(waited_ns) => lost.times > 0 && waited_ns.saturating_mul(WORTH_A_WORD) >= elapsed_ns.max(1),
        None => lost.times.saturating_mul(1_000_000_000) >= elapsed_ns.saturating_mul(TIMES_A_SECOND).max(1),
    }
}

fn told(core: usize, cpu: usize, lost: Preemption, elapsed_ns: u64) -> String {
    let in_seconds = |ns: u64| seconds(ns as f64 / 1e9);
    let waited = lost.waited_ns.map_or(String::new(), |ns| format!(" and had to wait {}", in_seconds(ns)));
    let times = if lost.times == 1 { "once".to_owned() } else { format!("{} times", thousands(lost.times)) };
    format!("core {core} (CPU {cpu}) was preempted {times}{waited} in {}", in_seconds(elapsed_ns))
}

#[cfg(test)]
mod tests;
