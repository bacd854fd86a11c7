//! Text in, checked types out.
//!
//! The modules, in the order a configuration passes them:
//!
//! 1. `place`: where something is written, and the picture of it.
//! 2. `overrides`: `--set` and its like, laid over the file.
//! 3. `check`: values of the right kind, and every fault found on the way.
//! 4. `dataplane` with `cores` and `privileges`, `ports`, `pipelines`, `apps`: the four parts.
//! 5. `part`: what a driver or an application reads by its own type; `ignored`: what that type passes over.
//! 6. `effective`: all of it as it holds, with the defaults filled in; `keys`: what can be said at all.
//!
//! A configuration is checked as a whole before anything is opened or mapped: [`Config::load`] gives every
//! fault there is, each with its line and column. Nothing that is accepted is ignored.

mod apps;
mod check;
mod cores;
mod dataplane;
mod effective;
mod error;
mod ignored;
mod keys;
mod nearest;
mod overrides;
mod part;
mod pipelines;
mod place;
mod ports;
mod privileges;
mod size;

use toml::de::DeTable;

pub(crate) use apps::Apps;
pub use cores::Cores;
pub use dataplane::{DATAPLANE_KEYS, Dataplane};
pub use error::{ConfigError, ConfigErrors};
pub use keys::{Key, keys_of_application, keys_of_driver};
pub use overrides::Override;
pub use pipelines::PipelineConfig;
pub use place::Place;
pub use ports::PortConfig;
pub use privileges::PrivilegePolicy;
pub use size::{format_bytes, parse_bytes};

use check::{Check, take};
use overrides::Padded;
use place::Sources;

use crate::pipeline::Registry;
use crate::port::driver::Drivers;

/// The configuration that holds where none is given, with comments: generator, flow-meter, mac-swap, all cores.
pub const DEFAULT: &str = include_str!("default.toml");

const KEYS: [&str; 4] = ["dataplane", "port", "pipeline", "app"];

/// A checked configuration.
pub struct Config {
    /// What holds for every core.
    pub dataplane: Dataplane,
    /// Ports, in the order they are written: a port's number is its position.
    pub ports: Vec<PortConfig>,
    /// Pipelines, in the order they are written.
    pub pipelines: Vec<PipelineConfig>,
    /// One for every application in any pipeline's stages.
    pub(crate) apps: Apps,
    /// What is odd but does no harm.
    pub warnings: Vec<ConfigError>,
    effective: toml::Table,
}

impl Config {
    /// Reads and checks a configuration: its text, the name to call it by in messages, and what was given
    /// by `--set`, carried out in order.
    ///
    /// # Errors
    /// Every fault found, each with its place.
    pub fn load(
        text: &str,
        file_name: &str,
        overrides: &[String],
        registry: &Registry,
        drivers: &Drivers,
    ) -> Result<Config, ConfigErrors> {
        let overrides: Vec<Override> = overrides.iter().map(Override::set).collect();
        Config::load_with(text, file_name, &overrides, registry, drivers)
    }

    /// The same, with changes that came by other options than `--set`.
    ///
    /// # Errors
    /// Every fault found, each with its place.
    pub fn load_with(
        text: &str,
        file_name: &str,
        overrides: &[Override],
        registry: &Registry,
        drivers: &Drivers,
    ) -> Result<Config, ConfigErrors> {
        let changes = overrides.iter().map(|change| (change.option, change.text.as_str()));
        let sources = Sources::new(std::iter::once((file_name, text)).chain(changes));
        let padded: Vec<Padded> = overrides
            .iter()
            .enumerate()
            .map(|(index, change)| Padded::new(change, &sources, index + 1))
            .collect();
        let mut check = Check::new(&sources);
        let mut root = parse(&mut check, text);
        if check.failed() {
            return Err(check.into_errors());
        }
        for change in &padded {
            change.apply(&mut check, &mut root);
        }
        read(check, root, registry, drivers)
    }

    /// The configuration as it holds, every default filled in, as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.effective).unwrap_or_default()
    }

    /// The configuration as it holds, every default filled in, as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(&self.effective).unwrap_or_default()
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_toml())
    }
}

/// Parses the file; of the faults of one line only the first is told, the others mostly follow from it.
fn parse<'t>(check: &mut Check<'_>, text: &'t str) -> DeTable<'t> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut last_line = 0;
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let line = check.place(span.clone()).line();
        if line != last_line {
            check.error(span, error.message());
        }
        last_line = line;
    }
    root.into_inner()
}

fn read(
    mut check: Check<'_>,
    mut root: DeTable<'_>,
    registry: &Registry,
    drivers: &Drivers,
) -> Result<Config, ConfigErrors> {
    let given = effective::plain(&root);
    let dataplane = take(&mut root, "dataplane");
    let dataplane = dataplane.and_then(|value| check.table("dataplane", "a table: [dataplane]", value));
    let dataplane = dataplane::read(&mut check, dataplane.unwrap_or_default(), cores::online().as_deref());
    let (ports, port_names) = ports::read(&mut check, take(&mut root, "port"), drivers);

    let mut reading = pipelines::Reading::new(&port_names, registry);
    let tables = take(&mut root, "pipeline").and_then(|value| check.tables("pipeline", value));
    if tables.as_ref().is_none_or(Vec::is_empty) && !check.failed() {
        check.error(0..0, "no pipeline: nothing would be done with any packet; write a [[pipeline]]");
    }
    let pipelines: Vec<PipelineConfig> =
        tables.into_iter().flatten().filter_map(|table| reading.pipeline(&mut check, table)).collect();
    let used = reading.used_apps;
    let apps = apps::read(&mut check, take(&mut root, "app"), &used, registry);
    check.unknown_keys(&root, "the configuration", &KEYS);

    for port in ports.iter().filter(|port| !reading.used_ports.contains(&port.name)) {
        check.warnings.push(port.place.error(format!("port {:?} is in no pipeline's from or to", port.name)));
    }
    if check.failed() {
        return Err(check.into_errors());
    }
    let effective = effective::complete(given, &dataplane, &used, registry, drivers);
    Ok(Config { dataplane, ports, pipelines, apps, warnings: check.warnings, effective })
}
