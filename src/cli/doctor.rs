//! `mnvkd doctor`: is this machine fit for a dataplane?

use super::args::DoctorArgs;
use super::output::Output;
use super::source;
use super::{DONE, NOT_MET};
use crate::daemon::Daemon;
use crate::doctor::{Change, DeviceFacts, Expectation, Finding, Sample, Scene, examine, report};
use crate::host::Host;

/// How long threads are watched, milliseconds.
const SAMPLE_MS: u64 = 250;

/// Examines the machine, mends what it is asked to, and says what is left: 3 where anything of it matters.
pub(super) fn doctor(daemon: &Daemon, args: &DoctorArgs, output: &Output) -> anyhow::Result<u8> {
    if let Some(device) = &args.port {
        return super::self_test::self_test(device, output);
    }
    let host = Host::here();
    let expect = expectation(daemon, args)?;
    let mut machine = Machine::look(&host, &expect);
    let mut findings = examine(&machine.scene(&host, &expect));
    let mut changes = Vec::new();
    if args.fix {
        changes = mend(&host, &findings);
        machine = Machine::look(&host, &expect);
        findings = examine(&machine.scene(&host, &expect));
    }
    let scene = machine.scene(&host, &expect);
    output.result(
        || report::text(&report::heading(&scene), &findings, &changes),
        || report::json(&scene, &findings, &changes),
    )?;
    Ok(if findings.iter().any(|finding| finding.level.matters()) { NOT_MET } else { DONE })
}

/// Against a configuration where a file is given, or a change of the embedded one; else in general.
fn expectation(daemon: &Daemon, args: &DoctorArgs) -> anyhow::Result<Expectation> {
    if args.config.is_none() && args.changes.cores.is_none() && args.changes.set.is_empty() {
        return Ok(Expectation::default());
    }
    let config = source::load(daemon, args.config.as_deref(), &args.changes)?;
    let name = args.config.as_ref().map_or(source::EMBEDDED.to_owned(), |path| path.display().to_string());
    Ok(Expectation::of(config, &name, daemon.registry()))
}

/// What of the machine changes while it is mended.
struct Machine {
    devices: Vec<DeviceFacts>,
    sample: Sample,
}

impl Machine {
    fn look(host: &Host, expect: &Expectation) -> Machine {
        let devices = if expect.configuration.is_none() {
            DeviceFacts::all()
        } else {
            let mut names: Vec<&str> = expect.ports.iter().map(|port| port.device.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            names.into_iter().filter_map(DeviceFacts::of).collect()
        };
        Machine { devices, sample: Sample::take(host, SAMPLE_MS) }
    }

    fn scene<'a>(&'a self, host: &'a Host, expect: &'a Expectation) -> Scene<'a> {
        Scene::of(host, expect, &self.devices, &self.sample)
    }
}

/// Carries out what can be taken back, of what matters.
fn mend(host: &Host, findings: &[Finding]) -> Vec<Change> {
    let matters = findings.iter().filter(|finding| finding.level.matters());
    matters.filter_map(|finding| finding.fix.as_ref()).map(|fix| fix.carry_out(host)).collect()
}
