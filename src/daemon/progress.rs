//! A line each second while a run is going on.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clock;
use crate::reduce::REGIMES;
use crate::reduce::text::{Snapshot, progress_line};
use crate::worker::Published;

/// Nanoseconds between two lines.
const EVERY_NS: u64 = 1_000_000_000;

/// Prints progress to stderr.
pub(super) struct Progress {
    published: Vec<Arc<Published>>,
    last: Option<Snapshot>,
    next_ns: u64,
}

impl Progress {
    /// Prints when `enabled`.
    pub(super) fn new(enabled: bool, published: &[Arc<Published>]) -> Progress {
        let mut progress = Progress { published: published.to_vec(), last: None, next_ns: u64::MAX };
        if enabled {
            progress.last = Some(progress.snapshot());
            progress.next_ns = clock::monotonic_ns() + EVERY_NS;
        }
        progress
    }

    /// Prints a line when it is time.
    #[inline]
    pub(super) fn tick(&mut self) {
        if self.next_ns != u64::MAX && clock::monotonic_ns() >= self.next_ns {
            self.print();
        }
    }

    #[cold]
    fn print(&mut self) {
        let now = self.snapshot();
        if let Some(last) = &self.last {
            // A closed stderr ends the progress, not the run.
            if writeln!(std::io::stderr(), "{}", progress_line(last, &now)).is_err() {
                self.next_ns = u64::MAX;
                return;
            }
        }
        self.next_ns += EVERY_NS;
        self.last = Some(now);
    }

    fn snapshot(&self) -> Snapshot {
        let sum = |pick: fn(&Published) -> u64| self.published.iter().map(|core| pick(core)).sum();
        Snapshot {
            time_ns: clock::monotonic_ns(),
            received: sum(|core| core.received.load(Ordering::Relaxed)),
            received_bytes: sum(|core| core.received_bytes.load(Ordering::Relaxed)),
            dropped: sum(|core| core.dropped.load(Ordering::Relaxed)),
            regimes: self.published.iter().map(|core| regimes(core)).collect(),
        }
    }
}

fn regimes(core: &Published) -> [f64; REGIMES] {
    std::array::from_fn(|i| core.shares[i].load(Ordering::Relaxed) as f64 / 10_000.0)
}
