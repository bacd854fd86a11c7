//! `mnvkd doctor`: is this machine fit for a dataplane, and what mends it where it is not?
//!
//! In the order it goes:
//!
//! 1. [`Expectation`]: what the machine is to carry, of a configuration or in general.
//! 2. [`DeviceFacts`], [`Sample`]: what the kernel says of its devices, and who runs where.
//! 3. [`Scene`]: all a check may look at. Nothing else is read: a test makes up a scene of files.
//! 4. The checks, a file a subject: `memory`, `cores`, `others`, `device`, `xdp` (with `drivers`), `system`, `privileges`.
//! 5. [`Finding`]: what, why it matters, what mends it; [`Fix`]: what `--fix` does, and what takes it back.
//! 6. [`report`]: all of it for people and for machines.

mod cores;
mod device;
mod drivers;
mod expect;
mod finding;
mod fix;
mod memory;
mod others;
mod privileges;
pub mod report;
mod scene;
mod system;
mod xdp;

pub use device::DeviceFacts;
pub use expect::{DevicePort, Expectation};
pub use finding::{Finding, Level};
pub use fix::{Change, Fix};
pub use scene::{Sample, Scene};

/// A check: what it finds of a scene; nothing where it does not apply.
type Check = fn(&Scene<'_>) -> Vec<Finding>;

/// All checks, in the order of the report.
const CHECKS: [Check; 24] = [
    configuration,
    privileges::capabilities,
    privileges::unprivileged_bpf,
    memory::huge_pages,
    memory::locked,
    memory::transparent,
    cores::isolation,
    cores::tick,
    cores::governor,
    cores::siblings,
    cores::quota,
    others::threads,
    others::device_interrupts,
    others::irqbalance,
    device::there,
    xdp::support,
    device::queues,
    device::offloads,
    device::nodes,
    system::version,
    system::bpf_compiler,
    system::mitigations,
    system::clock,
    system::hypervisor,
];

/// Carries out every check.
pub fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    CHECKS.iter().flat_map(|check| check(scene)).collect()
}

/// Would the configuration start?
fn configuration(scene: &Scene<'_>) -> Vec<Finding> {
    const CHECK: &str = "configuration";
    match (&scene.expect.configuration, &scene.expect.refused) {
        (None, _) => Vec::new(),
        (Some(name), None) => vec![Finding::well(CHECK, format!("{name}: can be wired"))],
        (Some(name), Some(why)) => {
            vec![Finding::fault(CHECK, format!("{name}: {why}")).because("it would not start")]
        }
    }
}

#[cfg(test)]
mod tests;
