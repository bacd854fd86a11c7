//! Machines made up of files.

use super::*;

/// A folder of files, gone with the test.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str, files: &[(&str, &str)]) -> Tree {
        let root = std::env::temp_dir().join(format!("mnvkd-host-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Tree(root)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn cpus_are_what_files_and_command_line_say() {
    let tree = Tree::new(
        "cpus",
        &[
            ("sys/devices/system/cpu/online", "0-7\n"),
            ("sys/devices/system/cpu/isolated", "2\n"),
            ("sys/fs/cgroup/cpuset.cpus.isolated", "3\n"),
            ("sys/devices/system/cpu/nohz_full", "4\n"),
            ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2,6\n"),
            ("sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "powersave\n"),
            ("sys/devices/system/cpu/cpu2/node1/x", ""),
            ("proc/cmdline", "quiet rcu_nocbs=2-3\n"),
            ("proc/sys/kernel/osrelease", "6.1.0\n"),
            ("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu constant_tsc\n"),
            ("proc/stat", "cpu  10 0 10 70 0 0 0 10 0 0\ncpu2 0 0 0 100 0 0 0 0 0 0\ncpu20 1 2 3\n"),
        ],
    );
    let host = Host::below(&tree.0);
    let kernel = Kernel::of(&host);
    let cpus = Cpus::of(&host, &kernel);
    assert_eq!((cpus.online.len(), &cpus.isolated[..], kernel.version), (8, &[2, 3][..], (6, 1)));
    assert_eq!((cpus.without_tick, cpus.without_callbacks), (Some(vec![4]), vec![2, 3, 4]));
    assert_eq!(cpus::siblings(&host, 2), Some(vec![2, 6]));
    assert_eq!(cpus::governor(&host, 2).as_deref(), Some("powersave"));
    assert_eq!((cpus::governor(&host, 3), cpus::siblings(&host, 3)), (None, None));
    assert_eq!((cpus::node(&host, 2), cpus::node(&host, 3)), (Some(1), None));
    assert_eq!(cpus::flags(&host), Some(vec!["fpu".into(), "constant_tsc".into()]));
    assert_eq!(cpus::stolen(&host, None), Some(0.1));
    assert_eq!((cpus::stolen(&host, Some(2)), cpus::stolen(&host, Some(20))), (Some(0.0), None));
}

#[test]
fn interrupts_are_those_of_the_card_or_of_the_name() {
    let tree = Tree::new(
        "irqs",
        &[
            (
                "proc/interrupts",
                "           CPU0       CPU2\n  37:          1          2 PCI-MSIX 1-edge      virtio2-input.0\n\
                 \x20 38:  5  6  IO-APIC   eth1-rx-0\n 40: 7 x eth10\n NMI:  0  0  Non-maskable interrupts\n ERR: 0\n",
            ),
            ("proc/irq/37/smp_affinity_list", "0-2\n"),
            ("proc/irq/37/effective_affinity_list", "2\n"),
            ("proc/irq/38/smp_affinity_list", "0\n"),
            ("sys/class/net/eth0/device/x", ""),
            ("sys/class/net/eth0/msi_irqs/37", "msix\n"),
            ("sys/class/net/eth0/msi_irqs/99", "msix\n"),
        ],
    );
    let host = Host::below(&tree.0);
    let all = interrupts::interrupts(&host);
    assert_eq!(all.iter().map(|one| one.number).collect::<Vec<_>>(), [37, 38, 40]);
    assert_eq!((&all[0].allowed[..], &all[0].effective[..], all[0].total()), (&[0, 1, 2][..], &[2][..], 3));
    assert_eq!(all[0].counts, [(0, 1), (2, 2)]);
    assert_eq!((&all[1].effective[..], all[1].name.as_str()), (&[0][..], "IO-APIC eth1-rx-0"));
    assert_eq!((all[2].counts.len(), all[2].allowed.len()), (1, 0));
    assert_eq!(interrupts::of_device(&host, "eth0", &all), [37]);
    assert_eq!(interrupts::of_device(&host, "eth1", &all), [38]);
    assert_eq!(interrupts::of_device(&host, "eth9", &all), [0; 0]);
}

#[test]
fn a_machine_that_shows_nothing_is_read_all_the_same() {
    let host = Host::below(Path::new("/nonexistent"));
    assert_eq!((Kernel::of(&host), Cpus::of(&host, &Kernel::default())), Default::default());
    assert!(interrupts::interrupts(&host).is_empty() && threads(&host).is_empty());
    assert_eq!((cpus::flags(&host), cpus::stolen(&host, None)), (None, None));
}
