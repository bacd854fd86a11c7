//! `[[port]]`: a name, a driver, and the driver's own keys.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeTable;

use super::check::{Check, IntoParts, Value, take};
use super::nearest::suggest;
use super::part;
use super::place::Place;
use crate::packet::PortId;
use crate::port::driver::{Drivers, MakePort};

/// One port of the configuration, its keys read and checked by its driver.
pub struct PortConfig {
    /// Its name, unlike any other port's.
    pub name: String,
    /// The driver's name.
    pub driver: &'static str,
    /// What makes the port.
    pub maker: Box<dyn MakePort>,
    /// Where it is written.
    pub place: Place,
}

impl std::fmt::Debug for PortConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PortConfig {{ name: {:?}, driver: {:?}, place: {} }}", self.name, self.driver, self.place)
    }
}

/// Names given so far, with their places; what is wrong with a name is found here.
#[derive(Default)]
pub(super) struct Names(BTreeMap<String, Place>);

impl Names {
    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn all(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// Takes the entry `name` out of a table and notes it.
    pub(super) fn take(&mut self, check: &mut Check<'_>, what: &str, table: &mut DeTable<'_>, at: std::ops::Range<usize>) -> Option<(String, Place)> {
        let Some(value) = take(table, "name") else {
            check.error(at, format!("a {what} without a name: write name = \"...\" in this [[{what}]]"));
            return None;
        };
        let name = check.string("name", &value)?;
        let place = check.place(value.span());
        if name.is_empty() || name.chars().any(char::is_control) {
            check.error(value.span(), "name: expected at least one character, and none that cannot be printed");
            return None;
        }
        if let Some(first) = self.0.get(&name) {
            check.error(value.span(), format!("two {what}s are named {name:?}; the first is at {first}"));
            return None;
        }
        self.0.insert(name.clone(), place.clone());
        Some((name, place))
    }
}

/// Reads all ports; the names of those that are at fault are known too.
pub(super) fn read(check: &mut Check<'_>, value: Option<Value<'_>>, drivers: &Drivers) -> (Vec<PortConfig>, Names) {
    let mut names = Names::default();
    let mut ports = Vec::new();
    let tables = value.map(|value| check.tables("port", value)).unwrap_or_default();
    if let Some(extra) = tables.get(PortId::LIMIT) {
        check.error(extra.span(), format!("more than {} ports", PortId::LIMIT));
    }
    for table in tables {
        ports.extend(port(check, table, &mut names, drivers));
    }
    (ports, names)
}

fn port(check: &mut Check<'_>, table: Spanned<DeTable<'_>>, names: &mut Names, drivers: &Drivers) -> Option<PortConfig> {
    let (span, mut table) = table.into_parts();
    let named = names.take(check, "port", &mut table, span.clone());
    let driver_value = take(&mut table, "driver");
    let known: Vec<&str> = drivers.names().collect();
    let Some(driver_value) = driver_value else {
        check.error(span, format!("a port without a driver: write driver = \"...\"; known: {}", known.join(", ")));
        return None;
    };
    let driver_name = check.string("driver", &driver_value)?;
    let Some(driver) = drivers.get(&driver_name) else {
        check.error(driver_value.span(), format!("unknown driver {driver_name:?}{}", suggest(&driver_name, &known)));
        return None;
    };
    let whose = match &named {
        Some((name, _)) => format!("port {name:?} (driver {driver_name})"),
        None => format!("a port (driver {driver_name})"),
    };
    let maker = part::read(check, &whose, Spanned::new(span, table), &*driver.configure)?;
    let (name, place) = named?;
    Some(PortConfig { name, driver: driver.name, maker, place })
}

