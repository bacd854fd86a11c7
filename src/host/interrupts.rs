//! Interrupts: whose they are, how often they came, where they go (`Documentation/core-api/irq/irq-affinity.rst`).

use std::path::PathBuf;

use super::{Host, parse_list};

/// An interrupt of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// Its number.
    pub number: u32,
    /// What the kernel calls it: its controller, its kind, who asked for it.
    pub name: String,
    /// How often it came, by CPU as the first line of `/proc/interrupts` lists them.
    pub counts: Vec<(usize, u64)>,
    /// CPUs it may go to.
    pub allowed: Vec<usize>,
    /// CPUs it goes to, where the kernel tells; else those it may go to.
    pub effective: Vec<usize>,
}

impl Interrupt {
    /// How often it came.
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

/// The file that says where an interrupt may go.
pub fn affinity_file(host: &Host, number: u32) -> PathBuf {
    host.proc.join(format!("irq/{number}/smp_affinity_list"))
}

/// All numbered interrupts, by number.
pub fn interrupts(host: &Host) -> Vec<Interrupt> {
    let text = host.proc("interrupts").unwrap_or_default();
    let mut lines = text.lines();
    let cpus: Vec<usize> = lines
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix("CPU")?.parse().ok())
        .collect();
    let one = |line: &str| {
        let (number, rest) = line.trim_start().split_once(':')?;
        let number = number.parse().ok()?;
        let words: Vec<&str> = rest.split_ascii_whitespace().collect();
        let counts: Vec<u64> = words.iter().take(cpus.len()).map_while(|word| word.parse().ok()).collect();
        let name = words.get(counts.len()..).unwrap_or_default().join(" ");
        let list = |file: &str| parse_list(&host.proc(format!("irq/{number}/{file}"))?);
        let allowed = list("smp_affinity_list").unwrap_or_default();
        let effective = list("effective_affinity_list").filter(|cpus| !cpus.is_empty());
        let effective = effective.unwrap_or_else(|| allowed.clone());
        let counts = cpus.iter().copied().zip(counts).collect();
        Some(Interrupt { number, name, counts, allowed, effective })
    };
    let mut found: Vec<Interrupt> = lines.filter_map(one).collect();
    found.sort_by_key(|interrupt| interrupt.number);
    found
}

/// The numbers of a network device's interrupts: those of the card it sits on, else those that bear its name.
pub fn of_device(host: &Host, device: &str, all: &[Interrupt]) -> Vec<u32> {
    let folder = host.sys.join("class/net").join(device).join("device");
    // A virtio device has its interrupts one folder up, at the PCI device.
    for place in [folder.join("msi_irqs"), folder.join("../msi_irqs")] {
        let numbers: Vec<u32> = host.names(&place).iter().filter_map(|name| name.parse().ok()).collect();
        if !numbers.is_empty() {
            let asked_for = |number: &u32| all.iter().any(|interrupt| interrupt.number == *number);
            return numbers.into_iter().filter(asked_for).collect();
        }
    }
    let bears = |interrupt: &&Interrupt| {
        let mut words = interrupt.name.split_ascii_whitespace().rev().take(1);
        words
            .any(|word| word == device || word.strip_prefix(device).is_some_and(|rest| rest.starts_with('-')))
    };
    all.iter().filter(bears).map(|interrupt| interrupt.number).collect()
}
