//! Memory and privileges.

use ffi::capabilities::Capability;
use hugepages::{PagePolicy, PageSize};

use super::*;
use crate::port::Privilege;

#[test]
fn huge_pages_are_counted_on_the_node_of_the_cores() {
    let pool = "sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages";
    let machine = Machine::well();
    let what = "node 1: 70 of 100 pages of 2M can be had; 2 cores need 64 (128 MiB)";
    assert_eq!(machine.found("hugepages"), [(Level::Well, what.to_owned())]);

    let machine = machine.with(pool, "60\n");
    let ill = machine.ill("hugepages");
    assert_eq!(ill.level, Level::Warning);
    assert_eq!(ill.mend, ["sudo mnvkd hugepages reserve 2M 104 --node 1"]);
    let fix = Fix::Reserve { size: PageSize::Huge2M, count: 104, before: 100, node: Some(1) };
    assert_eq!(ill.fix, Some(fix.clone()));
    assert_eq!(fix.undo(), "sudo mnvkd hugepages reserve 2M 100 --node 1");

    let machine = machine.expecting(|expect| expect.pages = PagePolicy::Require(PageSize::Huge2M));
    assert_eq!(machine.ill("hugepages").level, Level::Fault);
    let machine = machine.expecting(|expect| expect.pages = PagePolicy::Prefer(Some(PageSize::Huge1G)));
    assert_eq!(machine.ill("hugepages").what, "this kernel keeps no pool of pages of 1G");
    let machine = machine.expecting(|expect| expect.pages = PagePolicy::Never);
    assert_eq!(machine.found("hugepages")[0].0, Level::Note);
}

#[test]
fn the_limit_of_locked_memory_is_compared_with_what_is_needed() {
    let limit = |bytes: &str| format!("Max locked memory  {bytes}  {bytes}  bytes\n");
    let limits = "proc/self/limits";
    let poor = || Machine::well().with("proc/self/status", "CapPrm: 0\n");
    assert_eq!(poor().with(limits, &limit("134217728")).found("memlock")[0].0, Level::Well);
    let machine = poor().with(limits, &limit("134217727"));
    let ill = machine.ill("memlock");
    assert_eq!((ill.level, ill.what.as_str()), (Level::Fault, "128.0 MiB may be locked, 128 MiB are needed"));
    assert!(ill.mend[0].contains("prlimit"), "{ill:?}");
    // Without an XDP port it is only a pity.
    let machine = machine.expecting(|expect| expect.ports.clear());
    assert_eq!(machine.ill("memlock").level, Level::Warning);
    // CAP_IPC_LOCK goes beyond any limit.
    let rich = Machine::well().with(limits, &limit("0"));
    assert_eq!(
        rich.found("memlock"),
        [(Level::Well, "0 B, and of no effect: CAP_IPC_LOCK goes beyond it".into())]
    );
    assert_eq!(poor().with(limits, &limit("lots")).found("memlock")[0].0, Level::Note);
}

#[test]
fn transparent_pages_are_for_those_who_ask() {
    let file = "sys/kernel/mm/transparent_hugepage/enabled";
    for (text, before) in [("[always] madvise never", "always"), ("always madvise [never]", "never")] {
        let machine = Machine::well().with(file, text);
        let ill = machine.ill("transparent pages");
        assert_eq!(write(&ill, &machine.root), (file.into(), "madvise".into(), before.into()));
    }
    assert_eq!(Machine::well().without(file).found("transparent pages")[0].0, Level::Note);
}

#[test]
fn what_ports_need_is_compared_with_what_is_permitted() {
    let asking = |mask: &str| {
        Machine::well().with("proc/self/status", &format!("CapPrm:\t{mask}\n")).expecting(|expect| {
            expect.privileges = vec![
                ("east".into(), Privilege::to_open(Capability::NET_RAW, "to open an XDP socket")),
                ("east".into(), Privilege::to_the_end(Capability::NET_ADMIN, "to attach a program")),
            ];
        })
    };
    assert_eq!(
        asking("3000").found("privileges"),
        [(Level::Well, "CAP_NET_ADMIN, CAP_NET_RAW: permitted".into())]
    );
    let ill = asking("2000").ill("privileges");
    assert_eq!((ill.level, ill.what.as_str()), (Level::Fault, "not permitted: CAP_NET_ADMIN"));
    assert_eq!(ill.why, "port \"east\" needs CAP_NET_ADMIN to attach a program");
    assert_eq!(ill.mend[1], "sudo setcap cap_net_admin,cap_net_raw+ep $(command -v mnvkd)");
    // In general nothing is missing; what there is is said.
    let general = asking("2000").expecting(|expect| *expect = Expectation::default());
    let (level, what) = general.found("privileges").remove(0);
    assert!(
        level == Level::Note && what.contains("CAP_BPF (XDP programs") && !what.contains("CAP_NET_RAW"),
        "{what}"
    );
}

#[test]
fn who_may_load_programs_is_told() {
    let file = "proc/sys/kernel/unprivileged_bpf_disabled";
    assert_eq!(Machine::well().with(file, "0\n").found("unprivileged bpf")[0].0, Level::Note);
    assert_eq!(Machine::well().with(file, "1\n").found("unprivileged bpf")[0].0, Level::Well);
    assert_eq!(Machine::well().without(file).found("unprivileged bpf")[0].0, Level::Note);
}

#[test]
fn a_configuration_that_would_not_start_is_a_fault() {
    let machine = Machine::well().expecting(|expect| expect.refused = Some("no such file".into()));
    assert_eq!(machine.ill("configuration").what, "mnvkd.toml: no such file");
}
