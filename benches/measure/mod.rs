//! What the benches share: their arguments, two pinned threads, medians, `name value unit` lines.
#![allow(dead_code, reason = "every bench uses a part of it")]

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use ffi::affinity::{allowed_cpus, pin_current_thread};
use mnvkd::Daemon;
use mnvkd::config::Config;
use mnvkd::daemon::RunOptions;

/// How a bench runs: `[--quick] [WORD...]`, words choosing the figures whose names contain one.
pub struct Bench {
    /// Fewer and shorter runs.
    pub quick: bool,
    words: Vec<String>,
}

impl Bench {
    /// As the command line says. (Cargo adds `--bench` to it.)
    pub fn from_args() -> Bench {
        let (options, words): (Vec<_>, Vec<_>) =
            std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
        Bench { quick: options.iter().any(|option| option == "--quick"), words }
    }

    /// One of two numbers: the first, or the second when it has to be quick.
    pub fn pick<T>(&self, thorough: T, quick: T) -> T {
        if self.quick { quick } else { thorough }
    }

    /// Was this figure asked for?
    pub fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }

    /// Prints the median of several runs.
    pub fn report(&self, name: &str, unit: &str, mut run: impl FnMut() -> f64) {
        if self.wants(name) {
            let runs = (0..self.pick(9, 3)).map(|_| run()).collect();
            println!("{name} {:.2} {unit}", median(runs));
        }
    }

    /// Runs a configuration in this process and prints the cycles a packet took.
    pub fn report_run(&self, name: &str, config: &str) {
        self.report(name, "cycles/packet", || {
            let daemon = Daemon::new();
            let config = Config::load(config, name, &[], daemon.registry(), daemon.drivers());
            let config = config.unwrap_or_else(|errors| panic!("{errors}"));
            let for_ns = Some(self.pick(700_000_000, 200_000_000));
            let options = RunOptions { for_ns, ..RunOptions::default() };
            let report = daemon.execute_run(config, &options).expect("it starts");
            assert_eq!(
                (report.books.unaccounted, report.errors.len()),
                (0, 0),
                "{name}: {:?}",
                report.errors
            );
            report.rate.cycles_per_packet.expect("there were packets")
        });
    }
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What every run here has in common: one core on the last CPU we may use, always polling, bursts of 32.
pub fn one_core() -> String {
    let cpu = allowed_cpus().ok().and_then(|cpus| cpus.last().copied()).unwrap_or(0);
    format!("[dataplane]\ncores = [{cpu}]\nidle = \"spin\"\nburst = 32\nseed = 1\narena = \"128MiB\"\n")
}

/// The capture the peers are measured with too, 288 bytes a packet; `None`, with a message, where it is not.
pub fn capture() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures/large_ndpi_interleaved.pcap");
    let path = std::env::var_os("MNVKD_CAPTURE").map_or(beside, PathBuf::from);
    if path.is_file() {
        return Some(path);
    }
    println!("# skipped: no capture at {} (or where MNVKD_CAPTURE says)", path.display());
    None
}

/// Runs two threads on two CPUs at the same time; what they return. On one CPU they take turns on it.
pub fn on_two_cpus<A: Send, B: Send>(
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    let cpus = allowed_cpus().expect("sched_getaffinity");
    let start = Barrier::new(2);
    let ready = |cpu: usize| {
        pin_current_thread(cpu).expect("pin");
        start.wait();
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            ready(cpus[0]);
            first()
        });
        let second = scope.spawn(|| {
            ready(cpus[1 % cpus.len()]);
            second()
        });
        (first.join().expect("first thread"), second.join().expect("second thread"))
    })
}

/// Cycles a packet of a stream, stretch by stretch. The median stretch is what is told: where a thread
/// was taken off its CPU, that is one long stretch among thousands.
pub struct Stretches {
    cycles: Vec<f64>,
    last: u64,
    packets: u64,
}

impl Stretches {
    /// Packets between two readings of the counter: some ten thousands of cycles.
    pub const PACKETS: u64 = 4096;

    /// Starts now.
    pub fn start() -> Stretches {
        Stretches { cycles: Vec::with_capacity(1 << 16), last: ffi::cycles::cycles(), packets: 0 }
    }

    /// So many packets more are done.
    #[inline(always)]
    pub fn add(&mut self, packets: usize) {
        self.packets += packets as u64;
        if self.packets >= Self::PACKETS {
            let now = ffi::cycles::cycles();
            self.cycles.push((now - self.last) as f64 / self.packets as f64);
            (self.last, self.packets) = (now, 0);
        }
    }

    /// Cycles a packet in the median stretch.
    pub fn median(self) -> f64 {
        median(self.cycles)
    }
}
