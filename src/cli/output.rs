//! What is printed, and where.

use std::io::{self, ErrorKind, Write};

use serde_json::Value;

/// Text for people, or JSON for machines.
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Output {
        Output { json }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a result on stdout, in the form that was asked for.
    ///
    /// # Errors
    /// Stdout cannot be written. That nobody reads it any more is no error.
    pub(super) fn result(
        &self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> anyhow::Result<()> {
        let text = if self.json { pretty(&json()) } else { text() };
        print(&text).map_err(|error| anyhow::anyhow!("cannot write to stdout: {error}"))
    }

    /// Tells of a failure: words on stderr, and with `--json` an object on stdout.
    pub(super) fn failure(&self, text: &str, json: &Value) {
        self.complain(text);
        if self.json {
            // The words are out already, and the exit code says the same.
            let _ = print(&pretty(json));
        }
    }

    /// A line on stderr.
    pub(super) fn complain(&self, line: &str) {
        // With stderr gone there is nobody left to tell.
        let _ = writeln!(io::stderr(), "{line}");
    }
}

fn pretty(json: &Value) -> String {
    format!("{json:#}\n")
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
