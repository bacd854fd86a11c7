//! The configuration as it holds: what was given, laid over every default.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::dataplane::Dataplane;
use crate::pipeline::Registry;
use crate::port::driver::Drivers;

/// The tree as plain TOML.
pub(super) fn plain(root: &DeTable<'_>) -> toml::Table {
    let whole = Spanned::new(0..0, DeValue::Table(root.clone()));
    toml::Table::deserialize(whole.into_deserializer()).unwrap_or_default()
}

/// Lays what was given over the defaults of the dataplane, of every port's driver and of every application in use.
pub(super) fn complete(
    given: toml::Table,
    dataplane: &Dataplane,
    used: &[&'static str],
    registry: &Registry,
    drivers: &Drivers,
) -> toml::Table {
    let mut whole = given;
    whole.insert("dataplane".to_owned(), toml::Value::Table(dataplane.to_table()));
    if let Some(toml::Value::Array(ports)) = whole.get_mut("port") {
        for port in ports.iter_mut().filter_map(toml::Value::as_table_mut) {
            let driver = port.get("driver").and_then(toml::Value::as_str).and_then(|name| drivers.get(name));
            lay_under(port, driver.map(|driver| (driver.defaults)()));
        }
    }
    let apps = whole.entry("app").or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let toml::Value::Table(apps) = apps {
        for name in used {
            let app = apps.entry(*name).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let toml::Value::Table(app) = app {
                lay_under(app, registry.get(name).map(|entry| (entry.defaults)()));
            }
        }
    }
    whole
}

fn lay_under(table: &mut toml::Table, defaults: Option<String>) {
    let defaults: toml::Table = defaults.and_then(|text| text.parse().ok()).unwrap_or_default();
    for (key, value) in defaults {
        table.entry(key).or_insert(value);
    }
}
