//! Who runs on which CPU, and for how long: `/proc/PID/task/TID` (proc_pid_stat(5); `schedstat` is described in the
//! kernel's `scheduler/sched-stats.rst`).

use std::path::{Path, PathBuf};

use super::{Host, parse_list};

/// Nanoseconds of a tick in `stat`: `/proc` counts in hundredths of a second, whatever the kernel's own tick.
const TICK_NS: u64 = 10_000_000;
/// The flag of a thread of the kernel's own (`PF_KTHREAD`).
const KERNEL_THREAD: u64 = 0x0020_0000;

/// A thread as the scheduler knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its process.
    pub process: u32,
    /// Its own number; that of the process for the first thread.
    pub thread: u32,
    /// Its name, 15 bytes at most.
    pub name: String,
    /// Is it the kernel's own?
    pub kernel: bool,
    /// Does it run, or wait for a CPU to run on?
    pub runnable: bool,
    /// The CPU it ran on last.
    pub cpu: usize,
    /// How long it ran in its life, nanoseconds, in steps of 10 ms.
    pub ran_ns: u64,
}

/// A thread's time since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// It ran, nanoseconds.
    pub ran_ns: u64,
    /// It could have run, but others had the CPU, nanoseconds.
    pub waited_ns: u64,
}

/// All threads of the machine that can be seen.
pub fn threads(host: &Host) -> Vec<Thread> {
    let numbers = |folder: &Path| {
        let names = host.names(folder);
        names.into_iter().filter_map(|name| name.parse::<u32>().ok()).collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    for process in numbers(&host.proc) {
        for thread in numbers(&host.proc.join(format!("{process}/task"))) {
            let stat = host.proc(place(process, thread, "stat"));
            found.extend(stat.and_then(|stat| parse(process, thread, &stat)));
        }
    }
    found
}

/// How long a thread ran and waited; `None` where it is gone, or the kernel does not count it.
pub fn scheduling(host: &Host, process: u32, thread: u32) -> Option<Scheduling> {
    read_scheduling(&host.proc(place(process, thread, "schedstat"))?)
}

/// The same of the calling thread.
pub fn own_scheduling() -> Option<Scheduling> {
    read_scheduling(&Host::here().proc("thread-self/schedstat")?)
}

fn read_scheduling(text: &str) -> Option<Scheduling> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
    let mut next = || numbers.next()?.ok();
    let (ran_ns, waited_ns, turns) = (next()?, next()?, next()?);
    // A kernel that was told not to count shows zeros; who is there to be asked about has had a turn.
    (turns > 0).then_some(Scheduling { ran_ns, waited_ns })
}

/// How often a thread was taken off its CPU while it could have gone on.
pub fn preemptions(host: &Host, process: u32, thread: u32) -> Option<u64> {
    let status = host.proc(place(process, thread, "status"))?;
    field(&status, "nonvoluntary_ctxt_switches")?.parse().ok()
}

/// The CPUs a thread may run on.
pub fn allowed_cpus(host: &Host, process: u32, thread: u32) -> Option<Vec<usize>> {
    parse_list(field(&host.proc(place(process, thread, "status"))?, "Cpus_allowed_list")?)
}

/// The name of a process.
pub fn name_of(host: &Host, process: u32) -> Option<String> {
    host.proc(format!("{process}/comm"))
}

fn place(process: u32, thread: u32, file: &str) -> PathBuf {
    format!("{process}/task/{thread}/{file}").into()
}

/// A line of a status file.
fn field<'s>(status: &'s str, name: &str) -> Option<&'s str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Reads a `stat`: `number (name) state ...`, where the name may hold blanks and brackets.
fn parse(process: u32, thread: u32, stat: &str) -> Option<Thread> {
    let (before, after) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    // Counted as proc_pid_stat(5) does; the first field after the name is its third.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let ticks = number(14)?.saturating_add(number(15)?);
    Some(Thread {
        process,
        thread,
        name,
        kernel: number(9)? & KERNEL_THREAD != 0,
        runnable: fields.first() == Some(&"R"),
        cpu: number(39)? as usize,
        ran_ns: ticks.saturating_mul(TICK_NS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "77 (a) b (c)) R 1 77 77 0 -1 4194304 0 0 0 0 150 50 0 0 20 0 1 0 99 0 0 0 0 0 0 0 0 0 0 0 \
                        0 0 0 0 17 3 0 0 0 0 0";

    #[test]
    fn a_stat_is_read_whatever_the_name_holds() {
        let thread = parse(70, 77, STAT).unwrap();
        let expected = Thread {
            process: 70,
            thread: 77,
            name: "a) b (c)".into(),
            kernel: false,
            runnable: true,
            cpu: 3,
            ran_ns: 2_000_000_000,
        };
        assert_eq!(thread, expected);
        let kernel = parse(1, 1, &STAT.replace("4194304", "69238848").replace(" R ", " S ")).unwrap();
        assert!(kernel.kernel && !kernel.runnable);
        for odd in ["", ")", "1 (x)", "1 (x) R", "1 x R 2 3", &STAT.replace(" 150 ", " x ")] {
            assert_eq!(parse(1, 1, odd), None, "{odd:?}");
        }
    }

    #[test]
    fn this_thread_is_among_those_of_the_machine() {
        std::thread::spawn(|| {
            ffi::affinity::name_current_thread("odd) (name").unwrap();
            let (host, own) = (Host::here(), std::process::id());
            let all = threads(&host);
            let this = all.iter().find(|thread| thread.name == "odd) (name").unwrap();
            assert!(this.process == own && this.runnable && !this.kernel);
            assert_eq!(allowed_cpus(&host, own, this.thread), Some(ffi::affinity::allowed_cpus().unwrap()));
            assert!(preemptions(&host, own, this.thread).is_some());
            let before = scheduling(&host, own, this.thread).unwrap();
            let after = own_scheduling().unwrap();
            assert!(after.ran_ns >= before.ran_ns && after.waited_ns >= before.waited_ns);
            assert!(name_of(&host, own).is_some() && name_of(&host, u32::MAX).is_none());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn what_the_kernel_does_not_count_is_not_known() {
        assert_eq!(read_scheduling("12 34 5"), Some(Scheduling { ran_ns: 12, waited_ns: 34 }));
        for odd in ["", "0 0 0", "12", "1 2", "x 1 1", "1 -1 1"] {
            assert_eq!(read_scheduling(odd), None, "{odd:?}");
        }
    }
}
