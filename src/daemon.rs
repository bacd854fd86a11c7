//! The daemon: build, pin, start, stop, join, reduce. It calls the applications; `main` only names them.

mod intruders;
mod poll;
mod privileges;
mod progress;
mod reduce;
mod stalls;
mod start;
mod stop;
mod watch;

use crate::clock::{self, Clock};
use crate::config::Config;
use crate::pipeline::{Application, Registry};
use crate::port::Port;
use crate::port::driver::Drivers;
use crate::reduce::Report;
use crate::replay;
use crate::topology::{self, Plan, RunKind};
use privileges::Privileges;
use stop::StopFlag;

/// Turns between two that are measured regime by regime, on polling cores and simulated ones.
const MEASURE_EVERY: u32 = 61;
const MEASURE_EVERY_SIMULATED: u32 = 16;

/// What is said of a replay that could not go on.
const STUCK: &str = "not all of the input was replayed: every frame waits for a transmit queue that takes none; \
                     set dataplane.frames to more than a burst, or send elsewhere";

/// How `run` runs.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Stop after so many nanoseconds.
    pub for_ns: Option<u64>,
    /// Print a line of progress each second.
    pub progress: bool,
    /// Say on stderr, once, that every core polls: whoever started the process need not guess.
    pub announce: bool,
}

/// How `replay` runs.
#[derive(Clone, Debug, Default)]
pub struct ReplayOptions {
    /// On real polling cores, as fast as they can, rather than simulated in virtual time.
    pub threads: bool,
    /// Print a line of progress each second.
    pub progress: bool,
}

/// A dataplane with its drivers and applications, not yet running.
///
/// ```no_run
/// # use mnvkd::Daemon;
/// fn main() -> std::process::ExitCode {
///     Daemon::new().main() // the whole command line: run, replay, check...
/// }
/// ```
#[derive(Clone)]
pub struct Daemon {
    registry: Registry,
    drivers: Drivers,
}

impl Default for Daemon {
    fn default() -> Self {
        Daemon::new()
    }
}

impl Daemon {
    /// A daemon with the drivers and applications that come with mnvkd.
    pub fn new() -> Daemon {
        Daemon { registry: topology::stock::applications(), drivers: topology::stock::drivers() }
    }

    /// Adds an application under a name; it can now be a stage of any pipeline.
    #[must_use]
    pub fn register<A: Application>(mut self, name: &'static str) -> Daemon {
        self.registry.register::<A>(name);
        self
    }

    /// Adds a driver: its keys are a `C`, its port is what `new` makes of them.
    #[must_use]
    pub fn driver<C, P>(
        mut self,
        name: &'static str,
        about: &'static str,
        new: fn(C) -> anyhow::Result<P>,
    ) -> Daemon
    where
        C: serde::de::DeserializeOwned + serde::Serialize + Default + Clone + Send + Sync + 'static,
        P: Port + 'static,
    {
        self.drivers.register(name, about, new);
        self
    }

    /// The applications it knows.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The drivers it knows.
    pub fn drivers(&self) -> &Drivers {
        &self.drivers
    }

    /// The wiring of a configuration, checked, with its budget; nothing is mapped, no port opened.
    ///
    /// # Errors
    /// What cannot be wired, named, with what to do.
    pub fn plan(&self, config: Config) -> anyhow::Result<Plan> {
        Plan::of(config, &self.registry)
    }

    /// Runs a configuration on polling cores until a signal, the duration or the end of all inputs.
    ///
    /// Where a port needs privileges, the calling thread gives them up for good once all ports are open, but for
    /// what ports need again; `privileges = "keep"` in `[dataplane]` leaves it all it has.
    ///
    /// # Errors
    /// It could not start.
    pub fn execute_run(&self, config: Config, options: &RunOptions) -> anyhow::Result<Report> {
        let plan = self.plan(config)?;
        let kind = RunKind { clock: Clock::real(), digest: false, measure_every: MEASURE_EVERY };
        poll::run(plan, &kind, "run", options)
    }

    /// Replays the captures of a configuration, on simulated cores in virtual time or on polling cores.
    ///
    /// # Errors
    /// It could not start.
    pub fn execute_replay(&self, config: Config, options: &ReplayOptions) -> anyhow::Result<Report> {
        let mut plan = self.plan(config)?;
        if options.threads {
            let kind = RunKind { clock: Clock::real(), digest: true, measure_every: MEASURE_EVERY };
            let options = RunOptions { progress: options.progress, ..RunOptions::default() };
            return poll::run(plan, &kind, "replay", &options);
        }
        plan.unpin();
        let kind = RunKind { clock: Clock::manual(), digest: true, measure_every: MEASURE_EVERY_SIMULATED };
        let rate = clock::Rate::measure(5_000_000);
        let mut privileges = Privileges::check(&plan)?;
        let mut built = topology::build(&mut plan.wiring, &plan.budget, &kind)?;
        privileges.give_up(&mut built)?;
        let stop = StopFlag::new()?;
        let mut progress = progress::Progress::new(options.progress, &built.published);
        let outcome = replay::simulate(&mut built.workers, || {
            progress.tick();
            stop.is_raised()
        });
        let mut results: Vec<_> =
            std::mem::take(&mut built.workers).into_iter().map(crate::worker::Worker::finish).collect();
        if outcome == replay::Outcome::Stuck {
            results[0].errors.push(STUCK.to_owned());
        }
        let _raised = privileges.raise_to_end();
        Ok(reduce::report(&plan, built, results, "replay", &kind, rate))
    }
}
