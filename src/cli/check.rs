//! `mnvkd check` and `mnvkd config`.

use serde_json::json;

use super::DONE;
use super::args::{CheckArgs, ConfigArgs, ConfigCommand};
use super::output::Output;
use super::source;
use crate::config::DEFAULT;
use crate::daemon::Daemon;

/// Draws a configuration's wiring.
pub(super) fn check(daemon: &Daemon, args: &CheckArgs, output: &Output) -> anyhow::Result<u8> {
    let config = source::load(daemon, args.file.as_deref(), &args.changes)?;
    let plan = daemon.plan(config)?;
    output.result(|| plan.to_string(), || plan.json())?;
    Ok(DONE)
}

/// Prints a configuration.
pub(super) fn config(daemon: &Daemon, args: &ConfigArgs, output: &Output) -> anyhow::Result<u8> {
    match &args.command {
        ConfigCommand::Default => output.result(|| DEFAULT.to_owned(), || json!({ "toml": DEFAULT }))?,
        ConfigCommand::Show(args) => {
            let config = source::load(daemon, args.file.as_deref(), &args.changes)?;
            for warning in &config.warnings {
                output.complain(&format!("warning: {warning}"));
            }
            output.result(|| config.to_toml(), || config.to_json())?;
        }
    }
    Ok(DONE)
}
