//! What the checks look at: the machine, and what it is to carry.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use super::device::DeviceFacts;
use super::expect::Expectation;
use crate::host::{self, Cpus, Host, Interrupt, Kernel, Thread, interrupts};

/// Everything a check may look at.
pub struct Scene<'a> {
    /// The machine.
    pub host: &'a Host,
    /// Its kernel.
    pub kernel: Kernel,
    /// Its CPUs.
    pub cpus: Cpus,
    /// Its interrupts.
    pub interrupts: Vec<Interrupt>,
    /// Its network devices: those of the configuration, or all.
    pub devices: &'a [DeviceFacts],
    /// Who ran where for a moment.
    pub sample: &'a Sample,
    /// What it is to carry.
    pub expect: &'a Expectation,
    /// CPUs that poll: the configuration's, else those that are isolated.
    pub polling: Vec<usize>,
}

impl<'a> Scene<'a> {
    /// Looks at a machine.
    pub fn of(
        host: &'a Host,
        expect: &'a Expectation,
        devices: &'a [DeviceFacts],
        sample: &'a Sample,
    ) -> Scene<'a> {
        let kernel = Kernel::of(host);
        let cpus = Cpus::of(host, &kernel);
        let polling =
            if expect.configuration.is_some() { expect.polling.clone() } else { cpus.isolated.clone() };
        Scene {
            host,
            kernel,
            cpus,
            interrupts: interrupts::interrupts(host),
            devices,
            sample,
            expect,
            polling,
        }
    }

    /// Does this CPU poll?
    pub(super) fn polls(&self, cpu: usize) -> bool {
        self.polling.contains(&cpu)
    }

    /// CPUs that do not poll.
    pub(super) fn others(&self) -> Vec<usize> {
        self.cpus.online.iter().copied().filter(|cpu| !self.polls(*cpu)).collect()
    }

    /// Does a configured port run an XDP program?
    pub(super) fn has_xdp(&self) -> bool {
        self.expect.ports.iter().any(super::expect::DevicePort::is_xdp)
    }

    /// Is it against a configuration?
    pub(super) fn is_configured(&self) -> bool {
        self.expect.configuration.is_some()
    }
}

/// Threads of the machine, and how long each ran for a moment.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Those there were at its end.
    pub threads: Vec<Thread>,
    /// By thread: how long it ran, nanoseconds.
    pub ran_ns: HashMap<u32, u64>,
    /// How long the moment was, nanoseconds.
    pub window_ns: u64,
}

impl Sample {
    /// Looks twice, so many milliseconds apart.
    pub fn take(host: &Host, milliseconds: u64) -> Sample {
        let before = run_times(host, &host::threads(host));
        thread::sleep(Duration::from_millis(milliseconds));
        let threads = host::threads(host);
        let after = run_times(host, &threads);
        let ran = |(thread, after): (&u32, &u64)| {
            (*thread, after.saturating_sub(before.get(thread).copied().unwrap_or(0)))
        };
        Sample { ran_ns: after.iter().map(ran).collect(), threads, window_ns: milliseconds * 1_000_000 }
    }
}

fn run_times(host: &Host, threads: &[Thread]) -> HashMap<u32, u64> {
    let ran = |thread: &Thread| {
        let fine = host::scheduling(host, thread.process, thread.thread);
        (thread.thread, fine.map_or(thread.ran_ns, |scheduling| scheduling.ran_ns))
    };
    threads.iter().map(ran).collect()
}
