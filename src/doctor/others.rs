//! Others on the CPUs that poll: interrupts, irqbalance, threads.

use super::finding::Finding;
use super::fix::Fix;
use super::scene::Scene;
use crate::host::{self, Interrupt, Thread, interrupts, show_list};
use crate::reduce::text::units::thousands;

/// Of the moment looked at, the share a thread must have run to be worth a warning: one part in so many.
const WORTH_A_WARNING: u64 = 100;
/// The most threads that are named.
const NAMED: usize = 6;

/// Do devices interrupt CPUs that poll?
pub(super) fn device_interrupts(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "interrupts";
    if scene.polling.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut of_devices = Vec::new();
    for device in scene.devices {
        let numbers = interrupts::of_device(scene.host, &device.device.name, &scene.interrupts);
        let mine = scene.interrupts.iter().filter(|interrupt| numbers.contains(&interrupt.number));
        let mine: Vec<&Interrupt> = mine.collect();
        of_devices.extend(numbers);
        let hit: Vec<&Interrupt> =
            mine.iter().copied().filter(|one| one.effective.iter().any(|cpu| scene.polls(*cpu))).collect();
        if hit.is_empty() {
            if !mine.is_empty() {
                found.push(Finding::well(CHECK, "none goes to a CPU that polls").about(&device.device.name));
            }
            continue;
        }
        let polled = scene.expect.ports_on(&device.device.name).any(|port| port.busy_poll);
        found.extend(hit.into_iter().map(|one| interrupt(scene, &device.device.name, one, polled)));
    }
    let strangers: Vec<&Interrupt> = scene
        .interrupts
        .iter()
        .filter(|one| !of_devices.contains(&one.number))
        .filter(|one| {
            one.counts
                .iter()
                .any(|(cpu, count)| *count > 0 && scene.polls(*cpu) && one.effective.contains(cpu))
        })
        .collect();
    if !strangers.is_empty() {
        let names: Vec<String> = strangers.iter().take(NAMED).map(|one| short(one)).collect();
        let more = if strangers.len() > NAMED { ", ..." } else { "" };
        found.push(
            Finding::note(
                CHECK,
                format!(
                    "{} of other devices go to CPUs that poll: {}{more}",
                    strangers.len(),
                    names.join(", ")
                ),
            )
            .because("each takes some microseconds; how many come is in /proc/interrupts")
            .mended_by(format!("echo {} | sudo tee /proc/irq/N/smp_affinity_list", elsewhere(scene))),
        );
    }
    found
}

fn interrupt(scene: &Scene<'_>, device: &str, one: &Interrupt, polled: bool) -> Finding {
    const CHECK: &str = "interrupts";
    let what = format!("{} goes to CPU {}, which polls", short(one), show_list(&one.effective));
    let finding = if polled {
        Finding::note(CHECK, what)
            .because("with busy polling the core runs the receive path itself, and interrupts wait for it")
    } else {
        Finding::warning(CHECK, what).because(
            "the kernel's receive path runs there, in place of the polling thread, for each batch of packets",
        )
    };
    if polled || scene.others().is_empty() {
        return finding.about(device);
    }
    let file = interrupts::affinity_file(scene.host, one.number);
    finding.about(device).fixed_by(Fix::Write {
        file,
        value: elsewhere(scene),
        before: show_list(&one.allowed),
    })
}

fn short(one: &Interrupt) -> String {
    let name = one.name.rsplit(' ').next().unwrap_or_default();
    format!("{} ({name}, {} so far)", one.number, thousands(one.total()))
}

/// CPUs that do not poll; the first of all where every one does.
fn elsewhere(scene: &Scene<'_>) -> String {
    let others = scene.others();
    if others.is_empty() { "0".to_owned() } else { show_list(&others) }
}

/// Does irqbalance move interrupts about?
pub(super) fn irqbalance(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "irqbalance";
    let running = scene.sample.threads.iter().find(|thread| thread.name == "irqbalance");
    let Some(daemon) = running else { return vec![Finding::well(CHECK, "does not run")] };
    let what = format!("runs (process {})", daemon.process);
    let isolated = scene.polling.iter().all(|cpu| scene.cpus.isolated.contains(cpu));
    if isolated && !scene.polling.is_empty() {
        return vec![
            Finding::note(CHECK, what)
                .because("it leaves isolated CPUs alone, and all that poll are isolated"),
        ];
    }
    let list = show_list(&scene.polling);
    let mut finding = Finding::warning(CHECK, what)
        .because("every ten seconds it puts interrupts where it likes, on CPUs that poll too")
        .mended_by("sudo systemctl stop irqbalance   (taken back by: sudo systemctl start irqbalance)");
    if !list.is_empty() {
        finding = finding.mended_by(format!("IRQBALANCE_BANNED_CPULIST={list} in /etc/default/irqbalance"));
    }
    vec![finding]
}

/// Who else runs on CPUs that poll?
pub(super) fn threads(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "threads of others";
    if scene.polling.is_empty() {
        return vec![Finding::note(
            CHECK,
            "not looked for: no CPU is known to poll (give a configuration, or isolate some)",
        )];
    }
    let own = std::process::id();
    let there = scene.sample.threads.iter().filter(|thread| scene.polls(thread.cpu) && thread.process != own);
    let mut there: Vec<(&Thread, u64)> =
        there.map(|thread| (thread, scene.sample.ran_ns.get(&thread.thread).copied().unwrap_or(0))).collect();
    // A thread of the kernel's that is bound to one CPU belongs to that CPU; nothing can be done about it.
    there.retain(|(thread, _)| !thread.kernel || allowed(scene, thread).is_none_or(|cpus| cpus.len() > 1));
    let dataplanes = dataplanes(&mut there);
    there.sort_by_key(|(thread, ran)| (std::cmp::Reverse(*ran), thread.thread));
    let busy: Vec<&(&Thread, u64)> = there
        .iter()
        .filter(|(_, ran)| ran.saturating_mul(WORTH_A_WARNING) >= scene.sample.window_ns.max(1))
        .collect();
    if busy.is_empty() {
        let list = show_list(&scene.polling);
        let others = if there.is_empty() {
            Finding::well(CHECK, format!("none on CPUs {list}"))
        } else {
            Finding::note(CHECK, format!("{} were seen on CPUs {list}, none of them busy", there.len()))
                .because("what is quiet now may not stay so; isolated CPUs are left alone")
        };
        return dataplanes.into_iter().chain([others]).collect();
    }
    let named = busy.into_iter().take(NAMED).map(|(thread, ran)| busy_thread(scene, thread, *ran));
    dataplanes.into_iter().chain(named).collect()
}

/// Takes polling threads of a dataplane that runs already out of the list, and says that it does.
fn dataplanes(there: &mut Vec<(&Thread, u64)>) -> Option<Finding> {
    let polls = |thread: &Thread| {
        let number = thread.name.strip_prefix("mnvkd-");
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut processes: Vec<u32> =
        there.iter().filter(|(thread, _)| polls(thread)).map(|(thread, _)| thread.process).collect();
    processes.sort_unstable();
    processes.dedup();
    there.retain(|(thread, _)| !polls(thread));
    let finding = match &processes[..] {
        [] => return None,
        [one] => {
            Finding::note("threads of others", format!("a dataplane polls there already (process {one})"))
                .because("another one on the same CPUs would take turns with it")
        }
        several => {
            let list: Vec<String> = several.iter().map(u32::to_string).collect();
            Finding::warning(
                "threads of others",
                format!("several dataplanes poll there (processes {})", list.join(", ")),
            )
            .because("they take turns: each does half, and packets wait for milliseconds")
            .mended_by("cores = [...] in [dataplane]: CPUs of its own for each")
        }
    };
    Some(finding)
}

fn allowed(scene: &Scene<'_>, thread: &Thread) -> Option<Vec<usize>> {
    host::allowed_cpus(scene.host, thread.process, thread.thread)
}

fn busy_thread(scene: &Scene<'_>, thread: &Thread, ran_ns: u64) -> Finding {
    let share = ran_ns as f64 / scene.sample.window_ns.max(1) as f64 * 100.0;
    let kind = if thread.kernel { " of the kernel" } else { "" };
    let what = format!(
        "{:?}{kind} (thread {} of process {}) ran on CPU {} for {share:.0} % of a moment",
        thread.name, thread.thread, thread.process, thread.cpu
    );
    let finding = Finding::warning("threads of others", what)
        .because("for as long as it runs there, the core that polls does not, and packets wait");
    let others = scene.others();
    if others.is_empty() {
        return finding.mended_by("fewer cores in [dataplane]: every CPU polls");
    }
    let now = allowed(scene, thread).map_or(String::new(), |cpus| {
        format!("   (taken back by: sudo taskset -pc {} {})", show_list(&cpus), thread.thread)
    });
    finding.mended_by(format!("sudo taskset -pc {} {}{now}", show_list(&others), thread.thread))
}
