//! Tasks that do not give way: told while they run, since the core they are on can tell nothing.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hugepages::slots::Polled;

use crate::clock;
use crate::worker::Published;

/// Nanoseconds between two looks.
const LOOK_EVERY_NS: u64 = 100_000_000;

/// What is known of one core.
struct Core {
    polled: Polled,
    published: Arc<Published>,
    /// Seen at the last look: the task's tag, the core's turns.
    seen: Option<(u16, u64)>,
    /// Since when the same is seen, nanoseconds; and was it told?
    since_ns: u64,
    told: bool,
}

/// Looks at what every core's tasks are doing.
pub(super) struct Stalls {
    cores: Vec<Core>,
    kinds: Vec<String>,
    looked_ns: u64,
}

impl Stalls {
    /// Watches these cores, whose kinds of tasks have these names.
    pub(super) fn new(polled: &[Polled], published: &[Arc<Published>], kinds: &[String]) -> Stalls {
        let core = |(polled, published): (&Polled, &Arc<Published>)| Core {
            polled: polled.clone(),
            published: published.clone(),
            seen: None,
            since_ns: 0,
            told: false,
        };
        Stalls {
            cores: polled.iter().zip(published).map(core).collect(),
            kinds: kinds.to_vec(),
            looked_ns: 0,
        }
    }

    /// Looks, if it is time to.
    pub(super) fn tick(&mut self, notes: &mut Vec<String>) {
        let now_ns = clock::monotonic_ns();
        if self.cores.is_empty() || now_ns - self.looked_ns < LOOK_EVERY_NS {
            return;
        }
        self.looked_ns = now_ns;
        for (number, core) in self.cores.iter_mut().enumerate() {
            // The core writes its turn before tasks run in it, for some microseconds: the same task of the same turn is the same poll.
            let turns = core.published.turns.load(Ordering::Relaxed);
            let seen = core.polled.now().map(|tag| (tag, turns));
            if seen.is_none() || seen != core.seen {
                (core.seen, core.since_ns, core.told) = (seen, now_ns, false);
                continue;
            }
            if core.told {
                continue;
            }
            core.told = true;
            let name = seen.and_then(|(tag, _)| self.kinds.get(usize::from(tag))).map_or("?", String::as_str);
            let ms = (now_ns - core.since_ns) / 1_000_000;
            let line = format!(
                "core {number}: a task {name:?} has not given way for {ms} ms and more: nothing else runs on that core; \
                 long work belongs in parts, with task::yield_now() between them"
            );
            // A closed stderr ends the telling, not the run.
            let _ = writeln!(std::io::stderr(), "warning: {line}");
            notes.push(line);
        }
    }
}
