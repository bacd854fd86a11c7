//! What a check found: how bad, what, why it matters, what mends it.

use serde::Serialize;

use super::fix::Fix;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Well,
    /// Good to know; nothing to mend, or nothing that can be mended here.
    Note,
    /// It runs, but slower or less evenly than it could, or with a risk.
    Warning,
    /// What is configured will not start, or not do what it should.
    Fault,
}

impl Level {
    /// All of them.
    pub const ALL: [Level; 4] = [Level::Well, Level::Note, Level::Warning, Level::Fault];

    /// Its name.
    pub fn name(self) -> &'static str {
        ["well", "note", "warning", "FAULT"][self as usize]
    }

    /// Is it an expectation that was not met?
    pub fn matters(self) -> bool {
        self >= Level::Warning
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check, as `hugepages`.
    pub check: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What it is about, where a check looks at several: a device, a port.
    pub about: Option<String>,
    /// What was found.
    pub what: String,
    /// Why it matters; empty where all is well.
    pub why: String,
    /// Commands and settings that mend it, each by itself.
    pub mend: Vec<String>,
    /// What `--fix` does about it.
    pub fix: Option<Fix>,
}

impl Finding {
    fn new(level: Level, check: &'static str, what: String) -> Finding {
        Finding { check, level, about: None, what, why: String::new(), mend: Vec::new(), fix: None }
    }

    pub(super) fn well(check: &'static str, what: impl Into<String>) -> Finding {
        Finding::new(Level::Well, check, what.into())
    }

    pub(super) fn note(check: &'static str, what: impl Into<String>) -> Finding {
        Finding::new(Level::Note, check, what.into())
    }

    pub(super) fn warning(check: &'static str, what: impl Into<String>) -> Finding {
        Finding::new(Level::Warning, check, what.into())
    }

    pub(super) fn fault(check: &'static str, what: impl Into<String>) -> Finding {
        Finding::new(Level::Fault, check, what.into())
    }

    /// A warning; or a fault, where the configuration cannot do without.
    pub(super) fn ill(check: &'static str, fault: bool, what: impl Into<String>) -> Finding {
        if fault { Finding::fault(check, what) } else { Finding::warning(check, what) }
    }

    pub(super) fn about(mut self, what: &str) -> Finding {
        self.about = Some(what.to_owned());
        self
    }

    pub(super) fn because(mut self, why: impl Into<String>) -> Finding {
        self.why = why.into();
        self
    }

    pub(super) fn mended_by(mut self, command: impl Into<String>) -> Finding {
        self.mend.push(command.into());
        self
    }

    /// `--fix` can do it; its command is shown too.
    pub(super) fn fixed_by(mut self, fix: Fix) -> Finding {
        self.mend.push(fix.command());
        self.fix = Some(fix);
        self
    }

    /// For machines; README documents it.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "check": self.check, "level": self.level, "about": self.about, "what": self.what, "why": self.why,
            "mend": self.mend, "fixable": self.fix.is_some(),
        })
    }
}
