//! Memory: huge pages, the limit of what may be locked, transparent pages.

use std::collections::BTreeMap;

use ffi::capabilities::Capability;
use hugepages::inventory::{self, PageCounts};
use hugepages::{PagePolicy, PageSize};

use super::finding::Finding;
use super::fix::Fix;
use super::privileges::permitted;
use super::scene::Scene;
use crate::host::cpus;
use crate::reduce::text::units::{binary, thousands};

/// Are there huge pages for every core, on its node?
pub(super) fn huge_pages(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "hugepages";
    let (size, required) = match scene.expect.pages {
        PagePolicy::Never => return vec![Finding::note(CHECK, "the configuration asks for none")],
        PagePolicy::Require(size) => (size, true),
        PagePolicy::Prefer(size) => (size.unwrap_or(PageSize::Huge2M), false),
    };
    let size = if size.hugetlb_bits().is_some() { size } else { PageSize::Huge2M };
    let each = scene.expect.core_bytes.div_ceil(size.bytes() as u64);
    let mut found = Vec::new();
    for (node, cores) in cores_by_node(scene) {
        let needed = each.saturating_mul(cores as u64);
        match pool(scene, size, node) {
            Some(pool) => found.push(pages_on(&pool, size, needed, cores, required)),
            None => found.push(
                Finding::ill(CHECK, required, format!("this kernel keeps no pool of pages of {size}"))
                    .because(WHY_HUGE),
            ),
        }
    }
    found
}

const WHY_HUGE: &str = "without them a core's memory lies on 4 KiB pages: its packets miss the TLB, each time some \
                        tens of cycles";

/// The pool a core on this node takes its pages from: the kernel counts promised pages for the whole machine only.
fn pool(scene: &Scene<'_>, size: PageSize, node: Option<u32>) -> Option<PageCounts> {
    let whole = inventory::counts(&scene.host.sys, size, None)?;
    match node.and_then(|node| inventory::counts(&scene.host.sys, size, Some(node))) {
        Some(of_node) if inventory::nodes(&scene.host.sys).len() > 1 => Some(of_node),
        _ => Some(whole),
    }
}

fn pages_on(pool: &PageCounts, size: PageSize, needed: u64, cores: usize, required: bool) -> Finding {
    const CHECK: &str = "hugepages";
    let place = pool.node.map_or(String::new(), |node| format!("node {node}: "));
    let obtainable = pool.obtainable();
    let cores = if cores == 1 { "1 core needs".to_owned() } else { format!("{cores} cores need") };
    let what = format!(
        "{place}{} of {} pages of {size} can be had; {cores} {} ({})",
        thousands(obtainable),
        thousands(pool.total),
        thousands(needed),
        binary(needed.saturating_mul(size.bytes() as u64))
    );
    if obtainable >= needed {
        return Finding::well(CHECK, what);
    }
    Finding::ill(CHECK, required, what).because(WHY_HUGE).fixed_by(Fix::Reserve {
        size,
        count: pool.total.saturating_add(needed - obtainable),
        before: pool.total,
        node: pool.node,
    })
}

/// How many cores take their memory from which node.
fn cores_by_node(scene: &Scene<'_>) -> BTreeMap<Option<u32>, usize> {
    let several = inventory::nodes(&scene.host.sys).len() > 1;
    let mut nodes = BTreeMap::new();
    let general = if scene.polling.is_empty() { &scene.cpus.online } else { &scene.polling };
    let cpus = if scene.is_configured() { &scene.polling } else { general };
    for cpu in cpus {
        *nodes.entry(cpus::node(scene.host, *cpu).filter(|_| several)).or_insert(0) += 1;
    }
    if cpus.is_empty() {
        nodes.insert(None, scene.expect.cores.max(1));
    }
    nodes
}

/// May as much be locked as is needed?
pub(super) fn locked(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "memlock";
    let limits = scene.host.proc("self/limits").unwrap_or_default();
    let Some(limit) = limits.lines().find_map(|line| line.strip_prefix("Max locked memory")) else {
        return vec![Finding::note(CHECK, "the limit is not told")];
    };
    let soft = limit.split_ascii_whitespace().next().unwrap_or_default();
    let finding = match (soft, soft.parse::<u64>()) {
        ("unlimited", _) => Finding::well(CHECK, "without limit"),
        (_, Ok(bytes)) if permitted(scene.host).contains(Capability::IPC_LOCK) => {
            Finding::well(CHECK, format!("{}, and of no effect: CAP_IPC_LOCK goes beyond it", binary(bytes)))
        }
        (_, Ok(bytes)) => {
            let cores = scene.expect.cores.max(scene.polling.len()).max(1) as u64;
            let needed = scene.expect.core_bytes.saturating_mul(cores);
            let what = format!("{} may be locked, {} are needed", binary(bytes), binary(needed));
            if bytes >= needed {
                Finding::well(CHECK, what)
            } else {
                Finding::ill(CHECK, scene.has_xdp(), what)
                    .because("memory that is not locked can be swapped out; AF_XDP refuses memory beyond the limit")
                    .mended_by("sudo prlimit --pid $$ --memlock=unlimited   (this shell)")
                    .mended_by("LimitMEMLOCK=infinity in the service's unit, or memlock in /etc/security/limits.d/")
            }
        }
        _ => Finding::note(CHECK, format!("the limit makes no sense: {soft:?}")),
    };
    vec![finding]
}

/// What stands in where there are no huge pages.
pub(super) fn transparent(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "transparent pages";
    let Some(mode) = inventory::transparent_mode(&scene.host.sys) else {
        return vec![Finding::note(CHECK, "this kernel has none")];
    };
    let fix = || Fix::Write {
        file: scene.host.sys.join("kernel/mm/transparent_hugepage/enabled"),
        value: "madvise".to_owned(),
        before: mode.clone(),
    };
    let finding = match mode.as_str() {
        "madvise" => Finding::well(CHECK, "for those who ask (madvise)"),
        "always" => Finding::warning(CHECK, "for everybody (always)")
            .because("the kernel puts pages of all processes together behind their backs: it moves memory, stops them")
            .fixed_by(fix()),
        "never" => Finding::warning(CHECK, "for nobody (never)")
            .because("where huge pages run out, a core's memory falls back to 4 KiB pages instead of these")
            .fixed_by(fix()),
        other => Finding::note(CHECK, format!("{other:?}")),
    };
    vec![finding]
}
