//! How tasks come to be, and who decides when one has panicked.

use std::time::Duration;

use hugepages::slots::{self, Ended, Join, NotSpawned};

use super::kind::TaskKind;
use super::local::with;
use super::time::sleep;

/// Starts a task: its future goes into a slot of the core's arena and is polled for the first time when the pipelines have
/// run.
///
/// # Errors
/// [`NotSpawned`] with the future: every slot that is large enough has a task, or none is large enough (then
/// [`Application::tasks`](crate::pipeline::Application::tasks) declared too few, or too small ones); counted.
#[inline]
pub fn spawn<F>(kind: TaskKind, future: F) -> Result<Join<F::Output>, NotSpawned<F>>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let spawned = slots::spawn(kind.tag(), future);
    with(|local| {
        if let Some(count) = local.count(kind.tag()) {
            match &spawned {
                Ok(_) => count.spawned += 1,
                Err(_) => count.refused += 1,
            }
        }
    });
    spawned
}

/// When a supervisor starts a task again that panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// How often at most; after that it gives up.
    pub times: u32,
    /// How long it waits before the first time; each time twice as long as before.
    pub first_wait: Duration,
    /// The longest it waits.
    pub longest_wait: Duration,
}

impl Default for Restart {
    /// Eight times, after 10 ms, 20 ms... at most 1 s.
    fn default() -> Restart {
        let (first_wait, longest_wait) = (Duration::from_millis(10), Duration::from_secs(1));
        Restart { times: 8, first_wait, longest_wait }
    }
}

/// Keeps a task of this kind alive: starts what `make` returns, and when it panics starts it again as `restart` says. Its output is
/// the task's; an error when it panicked once too often, was cancelled, or found no slot.
///
/// This is a future to be spawned or awaited, and needs a slot and a timer of its own.
///
/// # Errors
/// How the last one ended.
pub async fn supervise<M, F>(kind: TaskKind, restart: Restart, mut make: M) -> Result<F::Output, Ended>
where
    M: FnMut() -> F,
    F: Future + 'static,
    F::Output: 'static,
{
    let mut wait = restart.first_wait;
    for attempt in 0..=restart.times {
        if attempt > 0 {
            sleep(wait).await;
            wait = (wait * 2).min(restart.longest_wait);
            with(|local| local.count(kind.tag()).map(|count| count.restarted += 1));
        }
        let Ok(join) = spawn(kind, make()) else { return Err(Ended::Cancelled) };
        match join.await {
            Err(Ended::Panicked) => {}
            ended => return ended,
        }
    }
    Err(Ended::Panicked)
}
