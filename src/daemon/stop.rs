//! Signals that end a run in order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

/// How long after a signal others are taken for the same one: `timeout` and shells send it to the process and to
/// its group.
const SAME_ONE: Duration = Duration::from_millis(300);

/// A flag that SIGINT and SIGTERM raise, for as long as this lives; a second one ends the process at once. With no
/// run going on they do again what they do by default: a report that nobody reads can be broken off.
pub(super) struct StopFlag {
    raised: Arc<AtomicBool>,
}

/// Who is to be stopped in this process; its signals are watched from the first run on.
struct Runs {
    watched: bool,
    going_on: Vec<Arc<AtomicBool>>,
    /// When the last signal came that meant something.
    asked: Option<Instant>,
}

static RUNS: Mutex<Runs> = Mutex::new(Runs { watched: false, going_on: Vec::new(), asked: None });

fn runs() -> MutexGuard<'static, Runs> {
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runs {
    fn watch(&mut self) -> std::io::Result<()> {
        if self.watched {
            return Ok(());
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let watcher = move || {
            // It needs no privileges, and runs keep none for it. A kernel that does not let go of them says so
            // where it matters: to threads that poll.
            let _ = super::privileges::give_up_all();
            signals.forever().for_each(|signal| runs().take(signal));
        };
        thread::Builder::new().name("mnvkd-signals".to_owned()).spawn(watcher)?;
        // A limit on the size of files is a write that fails, and is reported; by default it would end the process.
        flag::register(SIGXFSZ, Arc::default())?;
        self.watched = true;
        Ok(())
    }

    fn take(&mut self, signal: i32) {
        if self.asked.is_some_and(|asked| asked.elapsed() < SAME_ONE) {
            return;
        }
        self.asked = Some(Instant::now());
        if self.going_on.is_empty() {
            // It fails for signals there are none of, and then there is nothing else to do.
            let _ = low_level::emulate_default_handler(signal);
        } else if self.going_on.iter().all(|run| run.load(Ordering::Relaxed)) {
            low_level::exit(1);
        } else {
            self.going_on.iter().for_each(|run| run.store(true, Ordering::Relaxed));
        }
    }
}

impl StopFlag {
    pub(super) fn new() -> anyhow::Result<StopFlag> {
        let mut runs = runs();
        runs.watch().context("cannot watch for signals")?;
        let raised = Arc::new(AtomicBool::new(false));
        runs.going_on.push(raised.clone());
        Ok(StopFlag { raised })
    }

    pub(super) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }
}

impl Drop for StopFlag {
    fn drop(&mut self) {
        runs().going_on.retain(|run| !Arc::ptr_eq(run, &self.raised));
    }
}
