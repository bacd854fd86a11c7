//! All findings, for people and for machines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Change, Finding, Level, Scene};
use crate::host::show_list;

/// Blanks before what belongs to a finding.
const INDENT: &str = "                   ";

/// What was looked at, in a line.
pub fn heading(scene: &Scene<'_>) -> String {
    let polling = match (&scene.expect.configuration, scene.polling.is_empty()) {
        (Some(name), false) => format!("polling CPUs {} ({name})", show_list(&scene.polling)),
        (Some(name), true) => format!("cores are not pinned ({name})"),
        (None, false) => {
            format!("polling CPUs {}, as they are isolated", show_list(&scene.polling))
        }
        (None, true) => "no configuration given".to_owned(),
    };
    let release = if scene.kernel.release.is_empty() { "unknown" } else { &scene.kernel.release };
    format!("Linux {release}, CPUs {}; {polling}", show_list(&scene.cpus.online))
}

/// Findings as text, what matters most first; then what was changed; then how many of each there are.
pub fn text(heading: &str, findings: &[Finding], changes: &[Change]) -> String {
    let mut text = format!("{heading}\n\n");
    for level in Level::ALL.into_iter().rev() {
        findings.iter().filter(|finding| finding.level == level).for_each(|finding| one(&mut text, finding));
    }
    if !changes.is_empty() {
        text.push_str("\nchanges\n");
    }
    for change in changes {
        match &change.error {
            None => {
                let _ = writeln!(text, "  done    {}\n    take it back: {}", change.what, change.undo);
            }
            Some(error) => {
                let _ = writeln!(text, "  FAILED  {}\n    {error}", change.what);
            }
        }
    }
    let _ = writeln!(text, "\n{}", counts(findings));
    let fixable = findings.iter().filter(|finding| finding.level.matters() && finding.fix.is_some()).count();
    if fixable > 0 && changes.is_empty() {
        let _ =
            writeln!(text, "{fixable} of them can be mended at once and taken back: sudo mnvkd doctor --fix");
    }
    text
}

fn one(text: &mut String, finding: &Finding) {
    let about = finding.about.as_ref().map_or(String::new(), |about| format!("{about}: "));
    let _ = writeln!(text, "{:<8} {:<17} {about}{}", finding.level.name(), finding.check, finding.what);
    // What is well needs no reasons.
    if finding.level == Level::Well {
        return;
    }
    if !finding.why.is_empty() {
        let _ = writeln!(text, "{INDENT}why: {}", finding.why);
    }
    for mend in &finding.mend {
        let _ = writeln!(text, "{INDENT}mend: {mend}");
    }
}

fn counts(findings: &[Finding]) -> String {
    let of = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    let several = |count: usize, name: &str| format!("{count} {name}{}", if count == 1 { "" } else { "s" });
    format!(
        "{}, {}, {}, {} well",
        several(of(Level::Fault), "fault"),
        several(of(Level::Warning), "warning"),
        several(of(Level::Note), "note"),
        of(Level::Well)
    )
}

/// Findings for machines.
pub fn json(scene: &Scene<'_>, findings: &[Finding], changes: &[Change]) -> Value {
    let of = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    json!({
        "kernel": scene.kernel.release,
        "cpus": scene.cpus.online,
        "polling": scene.polling,
        "configuration": scene.expect.configuration,
        "findings": findings.iter().map(Finding::json).collect::<Vec<_>>(),
        "changes": changes.iter().map(Change::json).collect::<Vec<_>>(),
        "counts": {
            "fault": of(Level::Fault), "warning": of(Level::Warning), "note": of(Level::Note), "well": of(Level::Well),
        },
    })
}
