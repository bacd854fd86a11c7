//! What the machine itself takes from a thread that does nothing but look at the clock: the floor under every percentile measured here.
//!
//! `cargo bench --bench hiccups [-- [--quick] [WORD...]]`: by CPU, alone and with all others looking too, the share of time that went in gaps of
//! more than 20 µs, and the longest. Neither scheduler nor report of a run see what a hypervisor takes; this does.

mod measure;

use std::sync::Barrier;
use std::thread;

use ffi::affinity::{allowed_cpus, pin_current_thread};
use ffi::time::monotonic_ns;
use measure::Bench;

/// Two looks at the clock that are farther apart than this have something between them, nanoseconds.
const GAP_NS: u64 = 20_000;

/// Time lost in gaps, and the longest of them, nanoseconds.
#[derive(Clone, Copy, Default)]
struct Lost {
    all_ns: u64,
    longest_ns: u64,
}

fn look(cpu: usize, for_ns: u64, begin: &Barrier) -> Lost {
    pin_current_thread(cpu).expect("pin");
    begin.wait();
    let mut lost = Lost::default();
    let first_ns = monotonic_ns();
    let mut before_ns = first_ns;
    while before_ns - first_ns < for_ns {
        let now_ns = monotonic_ns();
        let gap_ns = now_ns - before_ns;
        if gap_ns > GAP_NS {
            lost.all_ns += gap_ns;
            lost.longest_ns = lost.longest_ns.max(gap_ns);
        }
        before_ns = now_ns;
    }
    lost
}

/// Looks on all of these CPUs at once.
fn report(bench: &Bench, name: &str, cpus: &[usize]) {
    if !bench.wants(name) {
        return;
    }
    let for_ns = bench.pick(5_000_000_000, 1_000_000_000);
    let begin = Barrier::new(cpus.len());
    let lost: Vec<Lost> = thread::scope(|scope| {
        let looking: Vec<_> = cpus.iter().map(|cpu| scope.spawn(|| look(*cpu, for_ns, &begin))).collect();
        looking.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    for (cpu, lost) in cpus.iter().zip(lost) {
        println!("{name}_cpu{cpu} {:.2} %", 100.0 * lost.all_ns as f64 / for_ns as f64);
        println!("{name}_longest_cpu{cpu} {:.2} ms", lost.longest_ns as f64 / 1e6);
    }
}

fn main() {
    let bench = Bench::from_args();
    let cpus = allowed_cpus().expect("sched_getaffinity");
    cpus.iter().for_each(|cpu| report(&bench, "hiccups_alone", &[*cpu]));
    if cpus.len() > 1 {
        report(&bench, "hiccups_together", &cpus);
    }
}
