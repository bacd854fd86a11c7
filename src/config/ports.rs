//! `[[port]]`: a name, a driver, and the driver's own keys.

use std::collections::BTreeMap;
use std::ops::Range;

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
pub(super) struct Names {
    known: BTreeMap<String, Place>,
    /// Something that should have had a name has none: one that is not known may be that.
    incomplete: bool,
}

impl Names {
    /// Is there nothing of this name, for certain?
    pub(super) fn lacks(&self, name: &str) -> bool {
        !self.incomplete && !self.known.contains_key(name)
    }

    pub(super) fn all(&self) -> Vec<&str> {
        self.known.keys().map(String::as_str).collect()
    }

    /// Takes the entry `name` out of a table and notes it.
    pub(super) fn take(
        &mut self,
        check: &mut Check<'_>,
        what: &str,
        table: &mut DeTable<'_>,
        at: Range<usize>,
    ) -> Option<(String, Place)> {
        let Some((name, span)) = name(check, what, table, at) else {
            self.incomplete = true;
            return None;
        };
        if let Some(first) = self.known.get(&name) {
            check.error(span, format!("two {what}s are named {name:?}; the first is at {first}"));
            return None;
        }
        let place = check.place(span);
        self.known.insert(name.clone(), place.clone());
        Some((name, place))
    }
}

/// The entry `name` of a table, by itself.
fn name(
    check: &mut Check<'_>,
    what: &str,
    table: &mut DeTable<'_>,
    at: Range<usize>,
) -> Option<(String, Range<usize>)> {
    let Some(value) = take(table, "name") else {
        check.error(at, format!("a {what} without a name: write name = \"...\" in this [[{what}]]"));
        return None;
    };
    let name = check.string("name", &value)?;
    if name.is_empty() || name.chars().any(char::is_control) {
        let message = "name: expected at least one character, and none that cannot be printed";
        check.error(value.span(), message);
        return None;
    }
    Some((name, value.span()))
}

/// Reads all ports; the names of those that are at fault are known too.
pub(super) fn read(
    check: &mut Check<'_>,
    value: Option<Value<'_>>,
    drivers: &Drivers,
) -> (Vec<PortConfig>, Names) {
    let mut names = Names::default();
    let mut ports = Vec::new();
    let tables = value.map_or(Some(Vec::new()), |value| check.tables("port", value));
    names.incomplete = tables.is_none();
    let tables = tables.unwrap_or_default();
    if let Some(extra) = tables.get(PortId::LIMIT) {
        check.error(extra.span(), format!("more than {} ports", PortId::LIMIT));
    }
    for table in tables {
        ports.extend(port(check, table, &mut names, drivers));
    }
    (ports, names)
}

fn port(
    check: &mut Check<'_>,
    table: Spanned<DeTable<'_>>,
    names: &mut Names,
    drivers: &Drivers,
) -> Option<PortConfig> {
    let (span, mut table) = table.into_parts();
    let named = names.take(check, "port", &mut table, span.clone());
    let driver_value = take(&mut table, "driver");
    let known: Vec<&str> = drivers.names().collect();
    let Some(driver_value) = driver_value else {
        check.error(
            span,
            format!("a port without a driver: write driver = \"...\"; known: {}", known.join(", ")),
        );
        return None;
    };
    let driver_name = check.string("driver", &driver_value)?;
    let Some(driver) = drivers.get(&driver_name) else {
        check.error(
            driver_value.span(),
            format!("unknown driver {driver_name:?}{}", suggest(&driver_name, &known)),
        );
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
