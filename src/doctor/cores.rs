//! Polling cores: isolation, the tick, RCU, frequency, physical cores (`Documentation/admin-guide/kernel-parameters.txt`).

use std::path::Path;

use super::finding::Finding;
use super::fix::Fix;
use super::scene::Scene;
use crate::host::{cpus, show_list};

/// CPUs that are wanted and not in a list.
fn lacking(wanted: &[usize], has: &[usize]) -> Vec<usize> {
    wanted.iter().copied().filter(|cpu| !has.contains(cpu)).collect()
}

fn at_boot(parameter: &str) -> String {
    format!(
        "{parameter} on the kernel's command line (GRUB_CMDLINE_LINUX in /etc/default/grub, update-grub, reboot)"
    )
}

/// Is everybody else kept off the CPUs that poll?
pub(super) fn isolation(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "isolation";
    const WHY: &str =
        "whoever the scheduler puts on a polling CPU takes turns with it: packets wait for milliseconds";
    if scene.polling.is_empty() && scene.is_configured() {
        let what = format!("{} cores are not pinned: there are fewer CPUs", scene.expect.cores);
        return vec![
            Finding::warning(CHECK, what)
                .because("the scheduler moves them about, and they take turns with each other")
                .mended_by(format!("cores = {} in [dataplane]", scene.cpus.online.len().max(1))),
        ];
    }
    if scene.polling.is_empty() {
        let last = scene.cpus.online.last().copied().unwrap_or(1);
        return vec![
            Finding::warning(CHECK, "no CPU is isolated, and no configuration says which poll")
                .because(WHY)
                .mended_by(at_boot(&format!("isolcpus=domain,managed_irq,{last}"))),
        ];
    }
    let others = scene.others();
    let mut found = Vec::new();
    if others.is_empty() {
        found.push(
            Finding::warning(CHECK, format!("every CPU polls ({})", show_list(&scene.polling)))
                .because("none is left for the control thread, interrupts and everybody else: they take from the cores")
                .mended_by(format!("cores = {} in [dataplane]", scene.polling.len().saturating_sub(1).max(1))),
        );
    }
    let open = lacking(&scene.polling, &scene.cpus.isolated);
    if open.is_empty() {
        found.push(Finding::well(CHECK, format!("kept for polling: CPUs {}", show_list(&scene.polling))));
    } else if !others.is_empty() {
        let list = show_list(&scene.polling);
        found.push(
            Finding::warning(CHECK, format!("polling CPUs {} are open to everybody", show_list(&open)))
                .because(WHY)
                .mended_by(at_boot(&format!("isolcpus=domain,managed_irq,{list}")))
                .mended_by(format!(
                    "at once, with systemd: sudo systemctl set-property --runtime -- user.slice AllowedCPUs={0}; the \
                     same for system.slice and init.scope",
                    show_list(&others)
                )),
        );
    }
    found
}

/// Do polling CPUs go without tick and RCU callbacks?
pub(super) fn tick(scene: &Scene<'_>) -> Vec<Finding> {
    if scene.polling.is_empty() {
        return Vec::new();
    }
    let list = show_list(&scene.polling);
    let tick = match &scene.cpus.without_tick {
        None => Finding::note("tick", "this kernel was built without nohz_full: its tick cannot be stopped"),
        Some(without) if lacking(&scene.polling, without).is_empty() => {
            Finding::well("tick", format!("CPUs {list} go without while one thread runs"))
        }
        Some(without) => {
            let with = show_list(&lacking(&scene.polling, without));
            Finding::warning("tick", format!("polling CPUs {with} have one"))
                .because(
                    "the scheduler looks in 100 to 1000 times a second, for a few microseconds each time",
                )
                .mended_by(at_boot(&format!("nohz_full={list}")))
        }
    };
    let with = lacking(&scene.polling, &scene.cpus.without_callbacks);
    let callbacks = if with.is_empty() {
        Finding::well("rcu callbacks", format!("run elsewhere than on CPUs {list}"))
    } else {
        Finding::warning("rcu callbacks", format!("run on polling CPUs {}", show_list(&with)))
            .because("memory others let go of is freed in bursts on the CPUs that poll")
            .mended_by(at_boot(&format!("rcu_nocbs={list}")))
    };
    vec![tick, callbacks]
}

/// Do polling CPUs run as fast as they can?
pub(super) fn governor(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "governor";
    let looked_at = if scene.polling.is_empty() { &scene.cpus.online } else { &scene.polling };
    let set: Vec<(usize, String)> =
        looked_at.iter().filter_map(|cpu| Some((*cpu, cpus::governor(scene.host, *cpu)?))).collect();
    if set.is_empty() {
        return vec![Finding::note(
            CHECK,
            "the kernel sets no frequencies here (a virtual machine, or firmware does)",
        )];
    }
    let slow: Vec<&(usize, String)> = set.iter().filter(|(_, governor)| governor != "performance").collect();
    if slow.is_empty() {
        return vec![Finding::well(CHECK, "performance")];
    }
    let one = |(cpu, governor): &(usize, String)| {
        Finding::warning(CHECK, governor.clone())
            .about(&format!("CPU {cpu}"))
            .because(
                "frequency follows load as the governor sees it, late; a burst after quiet finds a slow CPU",
            )
            .fixed_by(Fix::Write {
                file: cpus::governor_file(scene.host, *cpu),
                value: "performance".to_owned(),
                before: governor.clone(),
            })
    };
    slow.into_iter().map(one).collect()
}

/// Do polling CPUs share physical cores?
pub(super) fn siblings(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "smt";
    let mut found = Vec::new();
    let (mut shared, mut open, mut told) = (Vec::new(), Vec::new(), false);
    for cpu in &scene.polling {
        let Some(siblings) = cpus::siblings(scene.host, *cpu) else { continue };
        told = true;
        let others: Vec<usize> = siblings.into_iter().filter(|other| other != cpu).collect();
        let polling = others.iter().filter(|other| scene.polls(**other) && *other > cpu);
        shared.extend(polling.map(|other| (*cpu, *other)));
        open.extend(
            others.into_iter().filter(|other| scene.cpus.online.contains(other) && !scene.polls(*other)),
        );
    }
    for (cpu, other) in shared {
        found.push(
            Finding::warning(CHECK, format!("polling CPUs {cpu} and {other} are one physical core"))
                .because("they share its units and caches: together they do little more than one alone")
                .mended_by("cores = [...] in [dataplane]: one CPU of each physical core"),
        );
    }
    open.sort_unstable();
    open.dedup();
    if !open.is_empty() {
        let mut finding =
            Finding::note(CHECK, format!("CPUs {} share physical cores with polling ones", show_list(&open)))
                .because("what runs there slows the polling core by up to half");
        for cpu in &open {
            finding = finding.mended_by(format!("echo 0 | sudo tee /sys/devices/system/cpu/cpu{cpu}/online"));
        }
        found.push(finding);
    }
    if found.is_empty() && told {
        found.push(Finding::well(CHECK, "each polling CPU has a physical core of its own"));
    }
    found
}

/// May polling cores run all the time (`Documentation/admin-guide/cgroup-v2.rst`, `cpu.max`)?
pub(super) fn quota(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "cpu quota";
    let groups = scene.host.proc("self/cgroup").unwrap_or_default();
    let Some(group) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return vec![Finding::note(CHECK, "not told: control groups of version 1, or none")];
    };
    // Every group above limits too.
    let above = Path::new(group).ancestors();
    let limits = above.filter_map(|group| {
        let file = Path::new("fs/cgroup").join(group).join("cpu.max");
        let text = scene.host.sys(&file)?;
        let (quota, period) = text.split_once(' ')?;
        let share = quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?.max(1.0);
        Some((share, scene.host.sys.join(file)))
    });
    let cores = scene.expect.cores.max(scene.polling.len()).max(1);
    match limits.min_by(|(a, _), (b, _)| a.total_cmp(b)) {
        Some((share, file)) if share < cores as f64 => {
            let what = format!("{share:.1} CPUs of time for {cores} polling cores ({})", file.display());
            vec![
                Finding::warning(CHECK, what)
                    .because(
                        "when it is used up, all cores stand still for the rest of each tenth of a second",
                    )
                    .mended_by(
                        "no CPU limit for this container or service (docker --cpus, limits.cpu, CPUQuota=)",
                    ),
            ]
        }
        _ => vec![Finding::well(CHECK, "none that matters")],
    }
}
