//! A device's self-test, for people and for machines.

use serde_json::{Value, json};

use crate::port::{Outcome, TestStep};
use crate::reduce::text::Table;

/// Steps as a table, and which rung bears: the first of which no step failed.
pub fn text(device: &str, steps: &[TestStep]) -> String {
    let mut table = Table::new(&["<way", "<step", "<result", "<what it means"]);
    let mut last = "";
    for step in steps {
        let rung = if step.rung == last { "" } else { step.rung };
        last = step.rung;
        table.row([rung, step.step, step.outcome.name(), &step.means].map(str::to_owned));
    }
    let verdict = match bears(steps) {
        Some(rung) => format!("{device} can be reached by {rung}"),
        None => format!("{device} cannot be reached in any way that was tried"),
    };
    format!("{}\n{verdict}\n", table.lines(0))
}

/// The same for machines.
pub fn json(device: &str, steps: &[TestStep]) -> Value {
    let one = |step: &TestStep| {
        json!({
            "way": step.rung, "step": step.step, "result": step.outcome.name().to_lowercase(), "means": step.means,
        })
    };
    json!({ "device": device, "way": bears(steps), "steps": steps.iter().map(one).collect::<Vec<_>>() })
}

/// The first rung of which something passed and nothing failed.
pub fn bears(steps: &[TestStep]) -> Option<&'static str> {
    let all = |rung: &str, test: fn(Outcome) -> bool| {
        steps.iter().filter(|step| step.rung == rung).all(|step| test(step.outcome))
    };
    let mut rungs = steps.iter().map(|step| step.rung);
    rungs.find(|rung| {
        all(rung, |outcome| outcome != Outcome::Failed) && !all(rung, |outcome| outcome == Outcome::Skipped)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(rung: &'static str, step: &'static str, outcome: Outcome, means: &str) -> TestStep {
        TestStep { rung, step, outcome, means: means.to_owned() }
    }

    #[test]
    fn steps_are_drawn_to_the_letter() {
        let steps = [
            step("zero-copy", "attach", Outcome::Passed, "native, in the driver"),
            step("zero-copy", "bind", Outcome::Failed, "EOPNOTSUPP: veth has no zero-copy"),
            step("zero-copy", "receive", Outcome::Skipped, ""),
            step("copy", "bind", Outcome::Passed, "each packet is copied once"),
            step("copy", "receive", Outcome::Skipped, "nobody sends"),
        ];
        let expected = "\
way        step     result   what it means
zero-copy  attach   passed   native, in the driver
           bind     FAILED   EOPNOTSUPP: veth has no zero-copy
           receive  skipped
copy       bind     passed   each packet is copied once
           receive  skipped  nobody sends

veth0 can be reached by copy
";
        assert_eq!(text("veth0", &steps), expected);
        let json = json("veth0", &steps);
        assert_eq!((&json["way"], &json["steps"][1]["result"]), (&"copy".into(), &"failed".into()));
        assert_eq!(bears(&steps[..3]), None);
        assert_eq!(bears(&steps[2..3]), None, "what was not tried does not bear");
        assert!(
            text("veth0", &steps[..3]).ends_with("\nveth0 cannot be reached in any way that was tried\n")
        );
    }
}
