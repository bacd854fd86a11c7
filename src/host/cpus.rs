//! The machine's CPUs: which there are, which are kept from others, what they share
//! (`Documentation/admin-guide/cputopology.rst`, `cpu-freq`, `kernel-parameters.txt`).

use std::path::Path;

use super::{Host, Kernel, parse_list};

/// CPUs as the kernel was told to treat them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpus {
    /// Those that are on.
    pub online: Vec<usize>,
    /// Those the scheduler puts nobody on by itself: `isolcpus=`, or an isolated cpuset partition.
    pub isolated: Vec<usize>,
    /// Those without a tick while one thread runs: `nohz_full=`. `None` where the kernel was built without it.
    pub without_tick: Option<Vec<usize>>,
    /// Those whose RCU callbacks run elsewhere: `rcu_nocbs=`, and all without a tick.
    pub without_callbacks: Vec<usize>,
}

impl Cpus {
    /// As the machine has them.
    pub fn of(host: &Host, kernel: &Kernel) -> Cpus {
        let online = host.cpus("devices/system/cpu/online").unwrap_or_default();
        let mut isolated = host.cpus("devices/system/cpu/isolated").unwrap_or_default();
        // Linux 6.7: what cpusets isolate shows here too.
        isolated.extend(host.cpus("fs/cgroup/cpuset.cpus.isolated").unwrap_or_default());
        isolated.sort_unstable();
        isolated.dedup();
        // The file says "(null)" where none is.
        let without_tick =
            host.sys("devices/system/cpu/nohz_full").map(|text| parse_list(&text).unwrap_or_default());
        let mut without_callbacks = kernel.parameter("rcu_nocbs").map_or(Vec::new(), |list| match list {
            "" | "all" => online.clone(),
            list => parse_list(list).unwrap_or_default(),
        });
        without_callbacks.extend(without_tick.iter().flatten());
        without_callbacks.sort_unstable();
        without_callbacks.dedup();
        Cpus { online, isolated, without_tick, without_callbacks }
    }
}

/// A CPU's folder below `/sys`.
fn folder(cpu: usize) -> String {
    format!("devices/system/cpu/cpu{cpu}")
}

/// The CPUs that share a physical core with this one, itself among them; `None` where that is not told.
pub fn siblings(host: &Host, cpu: usize) -> Option<Vec<usize>> {
    host.cpus(format!("{}/topology/thread_siblings_list", folder(cpu)))
}

/// Where a CPU's frequency governor is set.
pub fn governor_file(host: &Host, cpu: usize) -> std::path::PathBuf {
    host.sys.join(folder(cpu)).join("cpufreq/scaling_governor")
}

/// A CPU's frequency governor; `None` where the kernel does not control its frequency.
pub fn governor(host: &Host, cpu: usize) -> Option<String> {
    host.sys(governor_file(host, cpu).strip_prefix(&host.sys).unwrap_or(Path::new("")))
}

/// A CPU's NUMA node.
pub fn node(host: &Host, cpu: usize) -> Option<u32> {
    ffi::affinity::numa_node_below(&host.sys, cpu)
}

/// Flags of the processors (x86; `/proc/cpuinfo`); `None` where there are none of the kind.
pub fn flags(host: &Host) -> Option<Vec<String>> {
    let text = host.proc("cpuinfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("flags")?.trim_start().strip_prefix(':'))?;
    Some(line.split_ascii_whitespace().map(str::to_owned).collect())
}

/// Of the time since boot, the share a hypervisor gave to others, 0 to 1 (`/proc/stat`); `cpu` of `None` is all CPUs.
pub fn stolen(host: &Host, cpu: Option<usize>) -> Option<f64> {
    let name = cpu.map_or("cpu".to_owned(), |cpu| format!("cpu{cpu}"));
    let text = host.proc("stat")?;
    let line = text.lines().find(|line| line.split_ascii_whitespace().next() == Some(name.as_str()))?;
    let fields = line.split_ascii_whitespace().skip(1).map(str::parse);
    let fields: Vec<u64> = fields.collect::<Result<_, _>>().ok()?;
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are counted in user and nice.
    let all: u64 = fields.iter().take(8).fold(0, |sum: u64, field| sum.saturating_add(*field));
    let steal = *fields.get(7)?;
    (all > 0).then(|| steal as f64 / all as f64)
}
