//! The kernel, its clock, and what is below it.

use super::finding::Finding;
use super::fix::Fix;
use super::scene::Scene;
use crate::host::cpus;

/// What a kernel older than this lacks: version, is it a fault for XDP ports, what, why.
const LACKS: [((u32, u32), bool, &str, &str); 6] = [
    // `AF_XDP` (linux/if_xdp.h), commit fbfc504a24f5.
    ((4, 18), true, "no AF_XDP", "af_xdp ports cannot open; af_packet can"),
    // `XDP_USE_NEED_WAKEUP` (linux/if_xdp.h).
    ((5, 4), false, "no need-wakeup flag", "each burst costs a system call, wanted or not"),
    // `BPF_LINK_CREATE` with `BPF_XDP` (linux/bpf.h).
    ((5, 9), false, "no BPF link for XDP", "a process that is killed leaves its XDP program on the device"),
    // `SO_PREFER_BUSY_POLL` (asm-generic/socket.h).
    (
        (5, 11),
        false,
        "no preferred busy polling",
        "the kernel's receive path runs by interrupts, wherever they go",
    ),
    // `XDP_USE_SG` (linux/if_xdp.h).
    (
        (6, 6),
        false,
        "no AF_XDP packets of several buffers",
        "packets above some 3,500 bytes cannot be received by af_xdp",
    ),
    // `XDP_MAX_TX_SKB_BUDGET` (linux/if_xdp.h).
    ((6, 17), false, "no AF_XDP transmit budget", "in copy mode a system call sends 32 packets at most"),
];

/// What does the kernel lack?
pub(super) fn version(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "kernel";
    let kernel = &scene.kernel;
    if kernel.version == (0, 0) {
        return vec![Finding::note(CHECK, "its version is not told")];
    }
    let lacks = LACKS.iter().filter(|((major, minor), ..)| kernel.is_before(*major, *minor));
    let mut found: Vec<Finding> = lacks
        .map(|((major, minor), fault, what, why)| {
            let what = format!("{}: {what} (since {major}.{minor})", kernel.release);
            let finding = match scene.has_xdp() {
                true => Finding::ill(CHECK, *fault, what),
                false => Finding::note(CHECK, what),
            };
            finding.because(*why).mended_by(format!("a kernel of {major}.{minor} or later"))
        })
        .collect();
    if found.is_empty() {
        found.push(Finding::well(CHECK, format!("{}: lacks nothing that is of use", kernel.release)));
    }
    found
}

/// Are XDP programs compiled?
pub(super) fn bpf_compiler(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "bpf compiler";
    let file = "sys/net/core/bpf_jit_enable";
    vec![match scene.host.proc(file).as_deref() {
        None => Finding::note(CHECK, "not told: built in for good, absent, or for root to see"),
        Some("0") => Finding::warning(CHECK, "off")
            .because(
                "XDP programs are interpreted: each packet costs several times as much before it is here",
            )
            .fixed_by(Fix::Write { file: scene.host.proc.join(file), value: "1".into(), before: "0".into() }),
        Some("2") => Finding::warning(CHECK, "on, with debugging output")
            .because("every program is written to the kernel's log as it is compiled")
            .fixed_by(Fix::Write { file: scene.host.proc.join(file), value: "1".into(), before: "2".into() }),
        Some(_) => Finding::well(CHECK, "on"),
    }]
}

/// What do the mitigations of processors' faults cost?
pub(super) fn mitigations(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "mitigations";
    let folder = "devices/system/cpu/vulnerabilities";
    let names = scene.host.names(&scene.host.sys.join(folder));
    let state = |name: &String| Some((name.clone(), scene.host.sys(format!("{folder}/{name}"))?));
    let on: Vec<String> = names
        .iter()
        .filter_map(state)
        .filter(|(_, state)| state.starts_with("Mitigation"))
        .map(|(name, _)| name)
        .collect();
    vec![if names.is_empty() {
        Finding::note(CHECK, "not told")
    } else if on.is_empty() {
        Finding::well(CHECK, "none in force")
    } else {
        Finding::note(CHECK, format!("{} in force: {}", on.len(), on.join(", "))).because(
            "they make system calls dearer, some by hundreds of cycles; leave them unless the machine does nothing else",
        )
    }]
}

/// Can time be read of the processor?
pub(super) fn clock(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let folder = "devices/system/clocksource/clocksource0";
    let current = scene.host.sys(format!("{folder}/current_clocksource"));
    let available = scene.host.sys(format!("{folder}/available_clocksource")).unwrap_or_default();
    let of_processor = ["tsc", "arch_sys_counter", "timebase", "riscv_clocksource"];
    found.push(match current {
        None => Finding::note("clock", "not told"),
        Some(current) if of_processor.contains(&current.as_str()) => Finding::well("clock", current),
        Some(current) => {
            let finding = Finding::warning("clock", current.clone()).because(
                "whoever asks for the time asks the kernel or the hypervisor, at up to a microsecond each",
            );
            if available.split_ascii_whitespace().any(|name| name == "tsc") {
                let file = scene.host.sys.join(folder).join("current_clocksource");
                finding.fixed_by(Fix::Write { file, value: "tsc".into(), before: current })
            } else {
                finding.mended_by(
                    "tsc=reliable on the kernel's command line, where the processors' counters agree",
                )
            }
        }
    });
    if let Some(flags) = cpus::flags(scene.host) {
        let lacking: Vec<&str> = ["constant_tsc", "nonstop_tsc"]
            .into_iter()
            .filter(|flag| !flags.iter().any(|has| has == flag))
            .collect();
        found.push(if lacking.is_empty() {
            Finding::well("cycle counter", "invariant")
        } else {
            Finding::warning("cycle counter", format!("not invariant: no {}", lacking.join(", no ")))
                .because("mnvkd times by it: measured times follow the frequency, or stand still while a core sleeps")
                .mended_by("another machine, or another type of virtual processor (the host's own)")
        });
    }
    found
}

/// Shares of time a hypervisor took, above which it is worth a warning.
const STOLEN: f64 = 0.001;

/// Is there a hypervisor, and what does it take?
pub(super) fn hypervisor(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "hypervisor";
    let flags = cpus::flags(scene.host).unwrap_or_default();
    let virtual_machine = flags.iter().any(|flag| flag == "hypervisor");
    let looked_at: Vec<Option<usize>> =
        if scene.polling.is_empty() { vec![None] } else { scene.polling.iter().copied().map(Some).collect() };
    let worst = looked_at.into_iter().filter_map(|cpu| cpus::stolen(scene.host, cpu)).fold(0.0, f64::max);
    let percent = format!("{:.2} % of the time since boot went to others", worst * 100.0);
    vec![if worst > STOLEN {
        Finding::warning(CHECK, percent)
            .because("a polling core stands still meanwhile and cannot see it; no counter of this machine shows it")
            .mended_by("of the host: a processor of its own for each virtual one (pinning), or no overcommitment")
    } else if virtual_machine {
        Finding::note(CHECK, format!("a virtual machine; {percent}"))
            .because("what the host does with its processors is not seen from here")
    } else {
        Finding::well(CHECK, "none")
    }]
}
