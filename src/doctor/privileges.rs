//! Privileges: what ports need and what this user has.

use ffi::capabilities::{Capabilities, Capability};

use super::finding::Finding;
use super::scene::Scene;
use crate::host::Host;

/// What live ports need, and for what.
pub(super) const USES: [(Capability, &str); 6] = [
    (Capability::NET_RAW, "packet and XDP sockets"),
    (Capability::NET_ADMIN, "XDP programs attached, devices set, busy polling"),
    (Capability::BPF, "XDP programs and their maps loaded (before Linux 5.8: CAP_SYS_ADMIN)"),
    (Capability::IPC_LOCK, "memory locked beyond the limit, huge pages of all kinds"),
    (Capability::SYS_NICE, "real-time scheduling"),
    (Capability::PERFMON, "hardware counters"),
];

/// What this process may make effective, as the kernel shows it.
pub(super) fn permitted(host: &Host) -> Capabilities {
    let status = host.proc("self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapPrm:")).unwrap_or_default().trim();
    Capabilities::from_bits(u64::from_str_radix(mask, 16).unwrap_or(0))
}

/// Has this user what the configuration's ports need? In general: what has it?
pub(super) fn capabilities(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "privileges";
    let has = permitted(scene.host);
    if !scene.is_configured() {
        let lacking: Vec<String> = USES
            .iter()
            .filter(|(capability, _)| !has.contains(*capability))
            .map(|(capability, what)| format!("{capability} ({what})"))
            .collect();
        return vec![if lacking.is_empty() {
            Finding::well(CHECK, "all that live ports need, and more")
        } else {
            Finding::note(CHECK, format!("not permitted: {}", lacking.join("; ")))
                .because("live ports need some of them; captures, generator and null need none")
                .mended_by("sudo, or what the refusal of `mnvkd run` says: sudo setcap cap_...+ep mnvkd")
        }];
    }
    if scene.expect.privileges.is_empty() {
        return vec![Finding::well(CHECK, "its ports need none")];
    }
    let needed: Capabilities = scene.expect.privileges.iter().map(|(_, one)| one.capability).collect();
    let missing = needed.without(has);
    if missing.is_empty() {
        return vec![Finding::well(CHECK, format!("{needed}: permitted"))];
    }
    let uses = scene.expect.privileges.iter().filter(|(_, one)| missing.contains(one.capability));
    let uses: Vec<String> =
        uses.map(|(port, one)| format!("port {port:?} needs {} {}", one.capability, one.why)).collect();
    let names: Vec<String> = needed.iter().map(|one| one.to_string().to_lowercase()).collect();
    vec![
        Finding::fault(CHECK, format!("not permitted: {missing}"))
            .because(uses.join("; "))
            .mended_by("sudo mnvkd run ...")
            .mended_by(format!("sudo setcap {}+ep $(command -v mnvkd)", names.join(","))),
    ]
}

/// Who may load BPF programs.
pub(super) fn unprivileged_bpf(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "unprivileged bpf";
    let setting = scene.host.proc("sys/kernel/unprivileged_bpf_disabled");
    vec![match setting.as_deref() {
        None => Finding::note(CHECK, "this kernel does not say who may load BPF programs"),
        Some("0") => Finding::note(CHECK, "everybody may load some BPF programs")
            .because("mnvkd needs CAP_BPF all the same; most distributions forbid it for the sake of safety")
            .mended_by("echo 2 | sudo tee /proc/sys/kernel/unprivileged_bpf_disabled"),
        Some(_) => Finding::well(CHECK, "off: XDP programs are loaded with CAP_BPF"),
    }]
}
