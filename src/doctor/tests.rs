//! Machines made up of files: one that is well, and each way to be ill.

mod cores;
mod devices;
mod memory;
mod odd;
mod reports;
mod system;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use ffi::device::{Device, Driver, Queues};
use ffi::offloads::Feature;
use ffi::xdp_support::XdpSupport;

use super::*;
use crate::host::{Host, Thread};

/// Of a machine of four CPUs on two nodes: 2 and 3, on node 1, poll.
const WELL: &[(&str, &str)] = &[
    ("proc/sys/kernel/osrelease", "6.18.0\n"),
    ("proc/cmdline", "quiet isolcpus=2,3 nohz_full=2,3 rcu_nocbs=2,3\n"),
    ("proc/cpuinfo", "processor : 0\nflags : fpu constant_tsc nonstop_tsc\n"),
    (
        "proc/stat",
        "cpu  1000 0 0 1000 0 0 0 0 0 0\ncpu2 500 0 0 500 0 0 0 0 0 0\ncpu3 500 0 0 500 0 0 0 0 0 0\n",
    ),
    (
        "proc/interrupts",
        "      CPU0 CPU1 CPU2 CPU3\n 30:  100 0 0 0 PCI-MSIX eth0-rx-0\n 31:  100 0 0 0 PCI-MSIX eth0-rx-1\n\
         \x2040:  7 0 0 0 IO-APIC disk\n",
    ),
    ("proc/irq/30/smp_affinity_list", "0-1\n"),
    ("proc/irq/30/effective_affinity_list", "0\n"),
    ("proc/irq/31/smp_affinity_list", "0-1\n"),
    ("proc/irq/31/effective_affinity_list", "1\n"),
    ("proc/irq/40/smp_affinity_list", "0-1\n"),
    (
        "proc/self/limits",
        "Limit   Soft Limit  Hard Limit  Units\nMax locked memory   unlimited unlimited bytes\n",
    ),
    ("proc/self/cgroup", "0::/mnvkd.slice/run\n"),
    ("sys/fs/cgroup/mnvkd.slice/run/cpu.max", "max 100000\n"),
    ("proc/self/status", "Name: mnvkd\nCapPrm:\t000001ffffffffff\n"),
    ("proc/sys/kernel/unprivileged_bpf_disabled", "2\n"),
    ("proc/sys/net/core/bpf_jit_enable", "1\n"),
    ("sys/devices/system/cpu/online", "0-3\n"),
    ("sys/devices/system/cpu/isolated", "2-3\n"),
    ("sys/devices/system/cpu/nohz_full", "2-3\n"),
    ("sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n"),
    ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2\n"),
    ("sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "3\n"),
    ("sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "performance\n"),
    ("sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "performance\n"),
    ("sys/devices/system/cpu/cpu0/node0/x", ""),
    ("sys/devices/system/cpu/cpu1/node0/x", ""),
    ("sys/devices/system/cpu/cpu2/node1/x", ""),
    ("sys/devices/system/cpu/cpu3/node1/x", ""),
    ("sys/devices/system/node/node0/cpulist", "0-1\n"),
    ("sys/devices/system/node/node1/cpulist", "2-3\n"),
    ("sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "10\n"),
    ("sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "10\n"),
    ("sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "100\n"),
    ("sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "70\n"),
    ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "110\n"),
    ("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "80\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
    ("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet\n"),
    ("sys/class/net/eth0/device/numa_node", "1\n"),
];

/// A machine, gone with the test.
struct Machine {
    root: PathBuf,
    expect: Expectation,
    devices: Vec<DeviceFacts>,
    sample: Sample,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.root);
    }
}

impl Machine {
    /// One that is well: an AF_XDP port on `eth0` with a queue for each of two cores.
    fn well() -> Machine {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("mnvkd-doctor-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let expect = Expectation {
            configuration: Some("mnvkd.toml".into()),
            polling: vec![2, 3],
            cores: 2,
            core_bytes: 64 << 20,
            ports: vec![DevicePort {
                port: "east".into(),
                driver: "af_xdp".into(),
                device: "eth0".into(),
                queues: None,
                busy_poll: false,
            }],
            ..Expectation::default()
        };
        let sample = Sample { window_ns: 100_000_000, ..Sample::default() };
        let machine =
            Machine { root: std::env::temp_dir().join(name), expect, devices: vec![eth0()], sample };
        WELL.iter().for_each(|(path, text)| machine.put(path, text));
        machine
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// With another text in a file.
    fn with(self, path: &str, text: &str) -> Machine {
        self.put(path, text);
        self
    }

    /// Without a file.
    fn without(self, path: &str) -> Machine {
        std::fs::remove_file(self.root.join(path)).unwrap();
        self
    }

    fn expecting(mut self, change: impl FnOnce(&mut Expectation)) -> Machine {
        change(&mut self.expect);
        self
    }

    fn device(mut self, change: impl FnOnce(&mut DeviceFacts)) -> Machine {
        change(&mut self.devices[0]);
        self
    }

    /// With a thread that ran so many of the sample's 100 milliseconds on a CPU.
    fn thread(mut self, thread: Thread, ran_ms: u64) -> Machine {
        self.sample.ran_ns.insert(thread.thread, ran_ms * 1_000_000);
        self.sample.threads.push(thread);
        self
    }

    fn host(&self) -> Host {
        Host::below(&self.root)
    }

    fn all(&self) -> Vec<Finding> {
        examine(&Scene::of(&self.host(), &self.expect, &self.devices, &self.sample))
    }

    /// What a check finds, as level and words.
    fn found(&self, check: &str) -> Vec<(Level, String)> {
        self.findings(check).into_iter().map(|finding| (finding.level, finding.what)).collect()
    }

    fn findings(&self, check: &str) -> Vec<Finding> {
        self.all().into_iter().filter(|finding| finding.check == check).collect()
    }

    /// The one finding of a check that matters, which says why and what mends it.
    #[track_caller]
    fn ill(&self, check: &str) -> Finding {
        let mut ill: Vec<Finding> =
            self.findings(check).into_iter().filter(|finding| finding.level.matters()).collect();
        assert_eq!(ill.len(), 1, "{check}: {ill:?}");
        let finding = ill.remove(0);
        assert!(!finding.why.is_empty(), "{finding:?}");
        finding
    }
}

fn eth0() -> DeviceFacts {
    let queues = Queues { receive: 2, transmit: 2, receive_most: 8, transmit_most: 8 };
    let driver = Some(Driver { name: "ice".into(), bus: "0000:01:00.0".into() });
    let feature = |name: &str| Feature { name: name.into(), active: false, changeable: true };
    DeviceFacts {
        device: Device {
            index: 2,
            name: "eth0".into(),
            mtu: 1500,
            ethernet: true,
            up: true,
            running: true,
            queues,
            driver,
            ..Device::default()
        },
        features: ["rx-lro", "rx-gro-hw", "rx-vlan-hw-parse"].map(feature).to_vec(),
        support: Some(XdpSupport {
            native: true,
            redirect: true,
            zero_copy: true,
            multi_buffer: true,
            zero_copy_buffers: 8,
        }),
    }
}

fn thread(name: &str, number: u32, cpu: usize) -> Thread {
    Thread {
        process: number,
        thread: number,
        name: name.into(),
        kernel: false,
        runnable: true,
        cpu,
        ran_ns: 0,
    }
}

#[test]
fn a_machine_that_is_well_has_nothing_to_mend() {
    let machine = Machine::well();
    let found = machine.all();
    let not_well: Vec<&Finding> = found.iter().filter(|finding| finding.level != Level::Well).collect();
    assert!(not_well.is_empty(), "{not_well:#?}");
    let mut checks: Vec<&str> = found.iter().map(|finding| finding.check).collect();
    checks.dedup();
    let expected = [
        "configuration",
        "privileges",
        "unprivileged bpf",
        "hugepages",
        "memlock",
        "transparent pages",
        "isolation",
        "tick",
        "rcu callbacks",
        "governor",
        "smt",
        "cpu quota",
        "threads of others",
        "interrupts",
        "irqbalance",
        "device",
        "xdp",
        "queues",
        "offloads",
        "numa",
        "kernel",
        "bpf compiler",
        "mitigations",
        "clock",
        "cycle counter",
        "hypervisor",
    ];
    assert_eq!(checks, expected);
}

/// What a fix would write where.
fn write(finding: &Finding, root: &Path) -> (String, String, String) {
    match &finding.fix {
        Some(Fix::Write { file, value, before }) => {
            (file.strip_prefix(root).unwrap().display().to_string(), value.clone(), before.clone())
        }
        other => panic!("{other:?}"),
    }
}
