//! The keys a driver or an application has, found out from what reads them.

use serde::Serialize;
use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

use super::part::quoted;
use crate::pipeline::Entry;
use crate::port::driver::Driver;

/// A key, and what holds where it is not given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// Its default as it would be written in TOML; `None` where leaving it out means something else.
    pub default: Option<String>,
}

/// The keys of a driver's `[[port]]`, beside `name` and `driver`.
pub fn keys_of_driver(driver: &Driver) -> Vec<Key> {
    keys(&(driver.defaults)(), (driver.configure)(probe()).err())
}

/// The keys of an application's `[app.NAME]`.
pub fn keys_of_application(entry: &Entry) -> Vec<Key> {
    keys(&(entry.defaults)(), (entry.configure)(Some(probe())).err())
}

/// A table with a key nobody has.
fn probe() -> Spanned<DeValue<'static>> {
    let table = DeTable::parse("\"\\u0001\" = 1").map(Spanned::into_inner).unwrap_or_default();
    Spanned::new(0..0, DeValue::Table(table))
}

/// Those of the defaults, and those the refusal of an unknown key names.
fn keys(defaults: &str, refusal: Option<toml::de::Error>) -> Vec<Key> {
    let defaults: toml::Table = defaults.parse().unwrap_or_default();
    let refusal = refusal.map(|error| error.message().to_owned()).unwrap_or_default();
    let mut names: Vec<&str> = Vec::new();
    if refusal.starts_with("unknown field") {
        names.extend(quoted(&refusal).into_iter().skip(1));
    }
    let unnamed: Vec<&str> =
        defaults.keys().map(String::as_str).filter(|name| !names.contains(name)).collect();
    names.extend(unnamed);
    let key =
        |name: &str| Key { name: name.to_owned(), default: defaults.get(name).map(toml::Value::to_string) };
    names.into_iter().map(key).collect()
}
