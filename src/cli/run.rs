//! `mnvkd run`, and how a report is handed out.

use std::io::IsTerminal;

use super::args::RunArgs;
use super::output::Output;
use super::source;
use crate::daemon::{Daemon, RunOptions};
use crate::reduce::Report;
use crate::reduce::text::render;

/// Runs a configuration to its end.
pub(super) fn run(daemon: &Daemon, args: &RunArgs, output: &Output) -> anyhow::Result<u8> {
    let config = source::load(daemon, args.config.as_deref(), &args.changes)?;
    let options = RunOptions { for_ns: args.for_ns, progress: shows_progress(output), announce: true };
    let report = daemon.execute_run(config, &options)?;
    hand_out(&report, output)
}

/// Progress is for somebody who watches.
pub(super) fn shows_progress(output: &Output) -> bool {
    !output.is_json() && std::io::stderr().is_terminal()
}

/// Prints a report; what went wrong is told on stderr too, where a report that went to a file cannot hide it.
pub(super) fn hand_out(report: &Report, output: &Output) -> anyhow::Result<u8> {
    let json = || {
        serde_json::to_value(report).unwrap_or_else(|error| serde_json::json!({"error": error.to_string()}))
    };
    output.result(|| render(report), json)?;
    for error in &report.errors {
        output.complain(&format!("error: {error}"));
    }
    if report.books.unaccounted != 0 {
        output.complain(&format!(
            "error: {} packets are unaccounted for; this is a bug in mnvkd",
            report.books.unaccounted
        ));
    }
    if report.input.damaged {
        let offset =
            report.input.offset.map_or(String::new(), |offset| format!(", then error at offset {offset}"));
        let error = report.input.error.as_deref().unwrap_or("damaged input");
        output.complain(&format!("damaged input: {} packets{offset}: {error}", report.input.packets));
    }
    Ok(report.exit_code())
}
