//! Where a configuration comes from: a file or the embedded one, with the changes of the command line.

use std::path::Path;

use anyhow::Context as _;

use super::args::ChangeArgs;
use crate::config::{Config, DEFAULT, Override};
use crate::daemon::Daemon;

/// What the embedded configuration is called in messages.
pub(super) const EMBEDDED: &str = "(embedded configuration)";

/// Reads and checks a configuration file, or the embedded one.
pub(super) fn load(daemon: &Daemon, file: Option<&Path>, changes: &ChangeArgs) -> anyhow::Result<Config> {
    let Some(path) = file else { return load_text(daemon, DEFAULT, EMBEDDED, changes) };
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
        anyhow::anyhow!(
            "{}:{line}: not UTF-8 at byte {good}; a configuration is TOML, and TOML is UTF-8",
            path.display()
        )
    })?;
    load_text(daemon, &text, &path.display().to_string(), changes)
}

/// Reads and checks a configuration given as text.
pub(super) fn load_text(
    daemon: &Daemon,
    text: &str,
    name: &str,
    changes: &ChangeArgs,
) -> anyhow::Result<Config> {
    let cores =
        changes.cores.iter().map(|cores| Override::option("--cores", format!("dataplane.cores={cores}")));
    let overrides: Vec<Override> = changes.set.iter().map(Override::set).chain(cores).collect();
    Ok(Config::load_with(text, name, &overrides, daemon.registry(), daemon.drivers())?)
}
