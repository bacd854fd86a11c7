//! Polling cores, and others on their CPUs.

use super::*;

#[test]
fn polling_cpus_are_to_be_isolated() {
    let machine = Machine::well().with("sys/devices/system/cpu/isolated", "2\n");
    let ill = machine.ill("isolation");
    assert_eq!(ill.what, "polling CPUs 3 are open to everybody");
    assert!(
        ill.mend[0].starts_with("isolcpus=domain,managed_irq,2-3 on the kernel's command line"),
        "{ill:?}"
    );
    assert!(ill.mend[1].contains("AllowedCPUs=0-1;"), "{ill:?}");
    // A cpuset partition does as well.
    let machine = machine.with("sys/fs/cgroup/cpuset.cpus.isolated", "3\n");
    assert_eq!(machine.found("isolation")[0].0, Level::Well);

    let every = Machine::well().with("sys/devices/system/cpu/online", "2-3\n");
    assert_eq!(every.ill("isolation").what, "every CPU polls (2-3)");
    assert_eq!(every.ill("isolation").mend, ["cores = 1 in [dataplane]"]);
    let loose = Machine::well().expecting(|expect| expect.polling.clear());
    assert_eq!(loose.ill("isolation").what, "2 cores are not pinned: there are fewer CPUs");
}

#[test]
fn in_general_the_isolated_cpus_are_those_that_poll() {
    let machine = Machine::well().expecting(|expect| *expect = Expectation::default());
    assert_eq!(machine.found("isolation"), [(Level::Well, "kept for polling: CPUs 2-3".into())]);
    let machine = machine.with("sys/devices/system/cpu/isolated", "\n");
    let ill = machine.ill("isolation");
    assert!(ill.mend[0].starts_with("isolcpus=domain,managed_irq,3 "), "{ill:?}");
    assert_eq!(machine.found("threads of others")[0].0, Level::Note);
    assert!(machine.found("tick").is_empty() && machine.found("interrupts").is_empty());
}

#[test]
fn polling_cpus_are_to_have_no_tick_and_no_callbacks() {
    let file = "sys/devices/system/cpu/nohz_full";
    let machine = Machine::well().with(file, "(null)\n").with("proc/cmdline", "quiet\n");
    assert_eq!(machine.ill("tick").what, "polling CPUs 2-3 have one");
    assert_eq!(machine.ill("rcu callbacks").what, "run on polling CPUs 2-3");
    // CPUs without a tick have no callbacks either.
    let machine = machine.with(file, "3\n");
    assert_eq!(
        (machine.ill("tick").what, machine.ill("rcu callbacks").what),
        ("polling CPUs 2 have one".into(), "run on polling CPUs 2".into())
    );
    let machine = machine.without(file).with("proc/cmdline", "rcu_nocbs=all\n");
    assert_eq!((machine.found("tick")[0].0, machine.found("rcu callbacks")[0].0), (Level::Note, Level::Well));
}

#[test]
fn polling_cpus_are_to_run_as_fast_as_they_can() {
    let file = "sys/devices/system/cpu/cpu3/cpufreq/scaling_governor";
    let machine = Machine::well().with(file, "schedutil\n");
    let ill = machine.ill("governor");
    assert_eq!((ill.about.as_deref(), ill.what.as_str()), (Some("CPU 3"), "schedutil"));
    assert_eq!(write(&ill, &machine.root), (file.into(), "performance".into(), "schedutil".into()));
    let without = machine.without(file).without("sys/devices/system/cpu/cpu2/cpufreq/scaling_governor");
    assert_eq!(without.found("governor")[0].0, Level::Note);
}

#[test]
fn polling_cpus_are_to_have_physical_cores_of_their_own() {
    let file = |cpu: usize| format!("sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    let machine = Machine::well().with(&file(2), "2-3\n").with(&file(3), "2-3\n");
    assert_eq!(machine.ill("smt").what, "polling CPUs 2 and 3 are one physical core");
    let machine = Machine::well().with(&file(2), "0,2\n").with(&file(3), "1,3\n");
    let open = machine.findings("smt").remove(0);
    assert_eq!(
        (open.level, open.what.as_str()),
        (Level::Note, "CPUs 0-1 share physical cores with polling ones")
    );
    assert_eq!(open.mend[1], "echo 0 | sudo tee /sys/devices/system/cpu/cpu1/online");
    // A sibling that is off takes nothing.
    let machine = machine.with("sys/devices/system/cpu/online", "2-3\n");
    assert_eq!(
        machine.found("smt"),
        [(Level::Well, "each polling CPU has a physical core of its own".into())]
    );
}

#[test]
fn polling_cores_are_to_have_all_the_time_there_is() {
    let (own, above) = ("sys/fs/cgroup/mnvkd.slice/run/cpu.max", "sys/fs/cgroup/mnvkd.slice/cpu.max");
    let machine = Machine::well().with(above, "150000 100000\n");
    let ill = machine.ill("cpu quota");
    assert!(
        ill.what.starts_with("1.5 CPUs of time for 2 polling cores (")
            && ill.what.ends_with("slice/cpu.max)"),
        "{ill:?}"
    );
    assert_eq!(machine.with(own, "50000 100000\n").ill("cpu quota").what.split(' ').next(), Some("0.5"));
    assert_eq!(Machine::well().with(own, "200000 100000\n").found("cpu quota")[0].0, Level::Well);
    assert_eq!(Machine::well().with("proc/self/cgroup", "3:cpu:/x\n").found("cpu quota")[0].0, Level::Note);
}

#[test]
fn busy_threads_of_others_are_named() {
    let status = "proc/77/task/77/status";
    let machine = Machine::well().thread(thread("yes", 77, 3), 40).with(status, "Cpus_allowed_list:\t0-3\n");
    let ill = machine.ill("threads of others");
    assert_eq!(ill.what, "\"yes\" (thread 77 of process 77) ran on CPU 3 for 40 % of a moment");
    assert_eq!(ill.mend, ["sudo taskset -pc 0-1 77   (taken back by: sudo taskset -pc 0-3 77)"]);

    let quiet = Machine::well().thread(thread("sshd", 77, 2), 0);
    assert_eq!(quiet.found("threads of others")[0].0, Level::Note);
    let elsewhere = Machine::well().thread(thread("yes", 77, 1), 90);
    assert_eq!(elsewhere.found("threads of others"), [(Level::Well, "none on CPUs 2-3".into())]);
    // A thread of the kernel's that is bound to its CPU cannot go elsewhere; one that is not could.
    let kernel = || Machine::well().thread(Thread { kernel: true, ..thread("kworker/2:1", 5, 2) }, 30);
    let bound = kernel().with("proc/5/task/5/status", "Cpus_allowed_list: 2\n");
    assert_eq!(bound.found("threads of others")[0].0, Level::Well);
    let loose = kernel().with("proc/5/task/5/status", "Cpus_allowed_list: 0-3\n");
    assert!(loose.ill("threads of others").what.starts_with("\"kworker/2:1\" of the kernel"));
}

#[test]
fn dataplanes_that_run_already_are_no_strangers() {
    let polling = |number: u32, core: u32, cpu: usize| Thread {
        process: number,
        ..thread(&format!("mnvkd-{core}"), number + core, cpu)
    };
    let machine = Machine::well().thread(polling(70, 0, 2), 100).thread(polling(70, 1, 3), 100);
    let expected = [
        (Level::Note, "a dataplane polls there already (process 70)".into()),
        (Level::Well, "none on CPUs 2-3".into()),
    ];
    assert_eq!(machine.found("threads of others"), expected);
    let machine = machine.thread(polling(90, 0, 2), 50);
    assert_eq!(machine.ill("threads of others").what, "several dataplanes poll there (processes 70, 90)");
    let control = Machine::well().thread(thread("mnvkd-signals", 95, 2), 50);
    assert!(control.ill("threads of others").what.starts_with("\"mnvkd-signals\" (thread 95"));
}

#[test]
fn interrupts_are_to_go_elsewhere() {
    let (allowed, effective) = ("proc/irq/31/smp_affinity_list", "proc/irq/31/effective_affinity_list");
    let machine = Machine::well().with(allowed, "0-3\n").with(effective, "2\n");
    let ill = machine.ill("interrupts");
    assert_eq!(ill.what, "31 (eth0-rx-1, 100 so far) goes to CPU 2, which polls");
    assert_eq!(write(&ill, &machine.root), (allowed.into(), "0-1".into(), "0-3".into()));
    // With busy polling the core runs the receive path itself.
    let polled = machine.expecting(|expect| expect.ports[0].busy_poll = true);
    assert_eq!(polled.found("interrupts")[0].0, Level::Note);

    let disk = Machine::well()
        .with("proc/irq/40/smp_affinity_list", "3\n")
        .with("proc/interrupts", "      CPU0 CPU3\n 30:  1 0 x eth0-rx-0\n 40:  0 7 IO-APIC disk\n");
    let notes: Vec<_> =
        disk.found("interrupts").into_iter().filter(|(level, _)| *level == Level::Note).collect();
    assert_eq!(notes, [(Level::Note, "1 of other devices go to CPUs that poll: 40 (disk, 7 so far)".into())]);
}

#[test]
fn irqbalance_is_to_leave_polling_cpus_alone() {
    let running = || Machine::well().thread(thread("irqbalance", 9, 0), 0);
    assert_eq!(running().found("irqbalance")[0].0, Level::Note, "isolated CPUs are left alone");
    let machine = running().with("sys/devices/system/cpu/isolated", "\n");
    let ill = machine.ill("irqbalance");
    assert_eq!(ill.what, "runs (process 9)");
    assert_eq!(ill.mend[1], "IRQBALANCE_BANNED_CPULIST=2-3 in /etc/default/irqbalance");
}
