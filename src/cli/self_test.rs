//! `mnvkd doctor --port DEVICE`: every way to drive a device, tried.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::output::Output;
use super::{DONE, NOT_MET};
use crate::port::ladder::{Rung, try_rung};
use crate::port::self_test::{Outcome, SelfTest};
use crate::topology::auto::{AutoConfig, rungs};

/// Blanks before what goes on from the line above.
const INDENT: &str = "                      ";
/// Characters of a line of details.
const WIDTH: usize = 100;

/// What of a device's features bears on checksums and packet sizes, by the kernel's names.
const FEATURES: [&str; 8] = [
    "rx-checksum",
    "tx-checksum-ip-generic",
    "tx-checksum-ipv4",
    "tx-checksum-ipv6",
    "rx-gro",
    "rx-gro-hw",
    "rx-lro",
    "rx-vlan-hw-parse",
];

/// Tries all rungs; 3 when none bears.
pub(super) fn self_test(device: &str, output: &Output) -> anyhow::Result<u8> {
    let config = AutoConfig { device: device.to_owned(), ..AutoConfig::default() };
    let rungs = rungs(&config);
    // A device that is not there is no finding of a test: said as what it is.
    if let Some(lowest) = rungs.last() {
        (lowest.make)()?;
    }
    let tried: Vec<(Rung, SelfTest)> = rungs
        .into_iter()
        .map(|rung| {
            let test = try_rung(&rung);
            (rung, test)
        })
        .collect();
    let features = features(device);
    output.result(|| text(device, &tried, &features), || as_json(device, &tried, &features))?;
    Ok(if chosen(&tried).is_some() { DONE } else { NOT_MET })
}

/// Those of [`FEATURES`] that the device has, and whether they are on; none where the kernel does not say.
fn features(device: &str) -> Vec<(String, bool)> {
    let all = ffi::offloads::features(device).unwrap_or_default();
    let known = all.into_iter().filter(|feature| FEATURES.contains(&feature.name.as_str()));
    known
        .filter(|feature| feature.changeable || feature.active)
        .map(|feature| (feature.name, feature.active))
        .collect()
}

fn chosen(tried: &[(Rung, SelfTest)]) -> Option<&Rung> {
    tried.iter().find(|(_, test)| test.passed()).map(|(rung, _)| rung)
}

fn text(device: &str, tried: &[(Rung, SelfTest)], features: &[(String, bool)]) -> String {
    let mut text = format!("device {device}: ways to drive it, best first\n");
    for (rung, test) in tried {
        let outcome = if test.passed() { Outcome::Passed } else { Outcome::Failed };
        // Writing to a string does not fail.
        let _ = writeln!(text, "\n{}: {}; {}", rung.name, outcome.name(), rung.cost);
        for step in &test.steps {
            let _ = write!(text, "  {:<12}{:<8}", step.name, step.outcome.name());
            let _ = writeln!(text, "{}", wrapped(&step.detail));
        }
    }
    let states: Vec<String> =
        features.iter().map(|(name, on)| format!("{name} {}", if *on { "on" } else { "off" })).collect();
    if !states.is_empty() {
        let _ = writeln!(text, "\noffloads: {}", states.join(", "));
        if features.iter().any(|(name, on)| *on && name.starts_with("tx-checksum")) {
            text.push_str(
                "  what a local process sends here leaves its checksum to the card: af_packet says so of each packet, af_xdp cannot\n",
            );
        }
    }
    match chosen(tried) {
        Some(rung) => {
            let _ = writeln!(text, "\ndriver = \"auto\" takes {}", rung.name);
        }
        None => text.push_str("\nnone of them works\n"),
    }
    text
}

/// Words in lines, those after the first indented.
fn wrapped(detail: &str) -> String {
    let mut lines = vec![String::new()];
    for word in detail.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + word.len() >= WIDTH {
            lines.push(word.to_owned());
        } else {
            let space = if lines[last].is_empty() { "" } else { " " };
            lines[last] = format!("{}{space}{word}", lines[last]);
        }
    }
    lines.join(&format!("\n{INDENT}"))
}

fn as_json(device: &str, tried: &[(Rung, SelfTest)], features: &[(String, bool)]) -> Value {
    let steps = |test: &SelfTest| {
        let each = test.steps.iter();
        each.map(|step| json!({ "name": step.name, "outcome": step.outcome.name(), "detail": step.detail }))
            .collect::<Vec<_>>()
    };
    json!({
        "device": device,
        "rungs": tried.iter().map(|(rung, test)| json!({
            "name": rung.name, "cost": rung.cost, "passed": test.passed(), "steps": steps(test),
        })).collect::<Vec<_>>(),
        "chosen": chosen(tried).map(|rung| rung.name),
        "offloads": features.iter().cloned().collect::<std::collections::BTreeMap<String, bool>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::self_test::TestStep;

    fn rung(name: &'static str) -> Rung {
        Rung { name, cost: "a copy", make: Box::new(|| anyhow::bail!("no device here")) }
    }

    fn step(name: &'static str, outcome: Outcome, detail: &str) -> TestStep {
        TestStep { name, outcome, detail: detail.to_owned() }
    }

    #[test]
    fn the_first_that_passed_is_what_auto_takes() {
        let refused = try_rung(&rung("best"));
        let passed = SelfTest {
            steps: vec![
                step("open", Outcome::Passed, "eth0"),
                step("receive", Outcome::Open, "nothing came"),
            ],
            ..SelfTest::default()
        };
        let tried = [(rung("best"), refused), (rung("second"), passed.clone()), (rung("third"), passed)];
        let text = text("eth0", &tried, &[("rx-checksum".to_owned(), true)]);
        assert!(text.contains("best: failed; a copy\n  open        failed  no device here\n"), "{text}");
        assert!(
            text.contains(
                "second: passed; a copy\n  open        passed  eth0\n  receive     open    nothing came\n"
            ),
            "{text}"
        );
        assert!(text.ends_with("driver = \"auto\" takes second\n"), "{text}");
        let json = as_json("eth0", &tried, &[]);
        assert_eq!(
            (&json["chosen"], &json["rungs"][0]["passed"]),
            (&Value::from("second"), &Value::from(false))
        );
        assert!(chosen(&tried[..1]).is_none());
    }

    #[test]
    fn long_details_are_wrapped() {
        let text = wrapped(&"word ".repeat(50));
        assert!(text.lines().count() == 3 && text.lines().skip(1).all(|line| line.starts_with(INDENT)));
    }
}
