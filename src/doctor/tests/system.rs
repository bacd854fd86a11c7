//! The kernel, its clock, its hypervisor.

use super::*;

#[test]
fn what_a_kernel_lacks_is_told() {
    let lacks = |release: &str| Machine::well().with("proc/sys/kernel/osrelease", release).found("kernel");
    assert_eq!(lacks("6.17.0-rc1"), [(Level::Well, "6.17.0-rc1: lacks nothing that is of use".into())]);
    assert_eq!(lacks("6.16.9"), [(Level::Warning, "6.16.9: no AF_XDP transmit budget (since 6.17)".into())]);
    let levels: Vec<Level> = lacks("4.17.0").into_iter().map(|(level, _)| level).collect();
    assert_eq!(
        levels,
        [Level::Fault, Level::Warning, Level::Warning, Level::Warning, Level::Warning, Level::Warning]
    );
    assert!(lacks("5.9").iter().all(|(_, what)| !what.contains("BPF link")) && lacks("5.8").len() == 4);
    assert_eq!(lacks("x")[0].0, Level::Note);
    let without_xdp =
        Machine::well().with("proc/sys/kernel/osrelease", "4.0").expecting(|expect| expect.ports.clear());
    assert!(without_xdp.found("kernel").iter().all(|(level, _)| *level == Level::Note));
}

#[test]
fn programs_are_to_be_compiled() {
    let file = "proc/sys/net/core/bpf_jit_enable";
    for setting in ["0", "2"] {
        let machine = Machine::well().with(file, &format!("{setting}\n"));
        let ill = machine.ill("bpf compiler");
        assert_eq!(write(&ill, &machine.root), (file.into(), "1".into(), setting.into()));
    }
    assert_eq!(Machine::well().without(file).found("bpf compiler")[0].0, Level::Note);
}

#[test]
fn mitigations_in_force_are_named() {
    let folder = "sys/devices/system/cpu/vulnerabilities";
    let machine = Machine::well().with(&format!("{folder}/retbleed"), "Mitigation: IBPB\n");
    assert_eq!(machine.found("mitigations"), [(Level::Note, "1 in force: retbleed".into())]);
    assert_eq!(machine.without(&format!("{folder}/meltdown")).found("mitigations")[0].0, Level::Note);
}

#[test]
fn time_is_to_come_from_the_processor() {
    let folder = "sys/devices/system/clocksource/clocksource0";
    let (current, available) =
        (format!("{folder}/current_clocksource"), format!("{folder}/available_clocksource"));
    let machine = Machine::well().with(&current, "hpet\n");
    assert_eq!(write(&machine.ill("clock"), &machine.root), (current.clone(), "tsc".into(), "hpet".into()));
    let without = machine.with(&available, "hpet acpi_pm\n");
    assert!(without.ill("clock").fix.is_none());
    assert_eq!(Machine::well().with(&current, "arch_sys_counter\n").found("clock")[0].0, Level::Well);

    let cpuinfo = "proc/cpuinfo";
    let ill = Machine::well().with(cpuinfo, "flags : fpu constant_tsc\n").ill("cycle counter");
    assert_eq!(ill.what, "not invariant: no nonstop_tsc");
    assert!(Machine::well().with(cpuinfo, "Features : fp asimd\n").found("cycle counter").is_empty());
}

#[test]
fn time_a_hypervisor_took_is_told() {
    let machine = Machine::well().with("proc/cpuinfo", "flags : constant_tsc nonstop_tsc hypervisor\n");
    let (level, what) = machine.found("hypervisor").remove(0);
    assert_eq!(
        (level, what.as_str()),
        (Level::Note, "a virtual machine; 0.00 % of the time since boot went to others")
    );
    // The worst of the CPUs that poll counts.
    let machine = machine.with("proc/stat", "cpu2 500 0 0 490 0 0 0 10 0 0\ncpu3 1000 0 0 0 0 0 0 0 0 0\n");
    assert_eq!(machine.ill("hypervisor").what, "1.00 % of the time since boot went to others");
}
