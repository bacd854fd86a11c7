//! Reading values of the right kind, and keeping account of every fault on the way.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::suggest;
use super::place::{Place, Sources};
use super::{ConfigError, ConfigErrors};

/// The largest number TOML knows.
pub(super) const TOML_LARGEST: u64 = i64::MAX as u64;

/// A value with the place it is written at.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// Faults found so far, and the texts they are in.
pub(super) struct Check<'s> {
    sources: &'s Sources<'s>,
    errors: Vec<ConfigError>,
    pub(super) warnings: Vec<ConfigError>,
}

impl<'s> Check<'s> {
    pub(super) fn new(sources: &'s Sources<'s>) -> Check<'s> {
        Check { sources, errors: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        self.sources.place(span)
    }

    /// Something is wrong here.
    pub(super) fn error(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.errors.push(self.sources.place(span).error(message));
    }

    /// Something is odd here, but does no harm.
    pub(super) fn warn(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.warnings.push(self.sources.place(span).error(message));
    }

    pub(super) fn failed(&self) -> bool {
        !self.errors.is_empty()
    }

    pub(super) fn into_errors(self) -> ConfigErrors {
        ConfigErrors::sorted(self.errors)
    }

    /// The value is of another kind than expected.
    pub(super) fn mismatch(&mut self, key: &str, expected: &str, found: &Value<'_>) {
        let message = format!("{key}: expected {expected}, found {}", describe(found.get_ref()));
        self.error(found.span(), message);
    }

    /// A table.
    pub(super) fn table<'t>(&mut self, key: &str, hint: &str, value: Value<'t>) -> Option<DeTable<'t>> {
        match value.into_parts() {
            (_, DeValue::Table(table)) => Some(table),
            (span, other) => {
                self.mismatch(key, hint, &Spanned::new(span, other));
                None
            }
        }
    }

    /// A list of tables, each with its span; `None` when something else stands there.
    pub(super) fn tables<'t>(&mut self, key: &str, value: Value<'t>) -> Option<Vec<Spanned<DeTable<'t>>>> {
        let hint = format!("a list of tables, each under its own [[{key}]]");
        match value.into_parts() {
            (_, DeValue::Array(items)) => {
                let count = items.len();
                let read: Vec<_> = items
                    .into_iter()
                    .filter_map(|item| Some(Spanned::new(item.span(), self.table(key, &hint, item)?)))
                    .collect();
                (read.len() == count).then_some(read)
            }
            (span, other) => {
                self.mismatch(key, &hint, &Spanned::new(span, other));
                None
            }
        }
    }

    /// A string.
    pub(super) fn string(&mut self, key: &str, value: &Value<'_>) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => {
                self.mismatch(key, "a string", value);
                None
            }
        }
    }

    /// A list of strings, each with its span; a single string is a list of one. `None` when something in it
    /// is at fault.
    pub(super) fn strings(&mut self, key: &str, value: &Value<'_>) -> Option<Vec<Spanned<String>>> {
        match value.get_ref() {
            DeValue::String(text) => Some(vec![Spanned::new(value.span(), text.clone().into_owned())]),
            DeValue::Array(items) => {
                let read: Vec<_> = items
                    .iter()
                    .filter_map(|item| Some(Spanned::new(item.span(), self.string(key, item)?)))
                    .collect();
                (read.len() == items.len()).then_some(read)
            }
            _ => {
                self.mismatch(key, "a list of strings", value);
                None
            }
        }
    }

    /// A whole number in a range.
    pub(super) fn integer(
        &mut self,
        key: &str,
        range: RangeInclusive<u64>,
        value: &Value<'_>,
    ) -> Option<u64> {
        let number = whole(value.get_ref()).filter(|number| range.contains(number));
        if number.is_none() {
            let expected = match *range.end() {
                TOML_LARGEST => format!("a whole number of {} or more", range.start()),
                end => format!("a whole number from {} to {end}", range.start()),
            };
            self.mismatch(key, &expected, value);
        }
        number
    }

    /// What is left of a table is not known there.
    pub(super) fn unknown_keys(&mut self, rest: &DeTable<'_>, whose: &str, known: &[&str]) {
        for key in rest.keys() {
            let name = key.get_ref();
            self.error(key.span(), format!("unknown key {name:?} in {whose}{}", suggest(name, known)));
        }
    }
}

/// A whole number that is not negative.
pub(super) fn whole(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A value in words, for "found ...".
pub(super) fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.chars().count() <= 40 => format!("string {text:?}"),
        DeValue::String(_) => "a string".to_owned(),
        DeValue::Integer(number) => format!("integer {number}"),
        DeValue::Float(number) => format!("number {number}"),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => format!("date {time}; a string has quotes"),
        DeValue::Array(items) => format!("a list of {}", items.len()),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// Takes an entry out of a table.
pub(super) fn take<'t>(table: &mut DeTable<'t>, key: &str) -> Option<Value<'t>> {
    table.remove(key)
}

/// Splits a spanned value in two.
pub(super) trait IntoParts<T> {
    fn into_parts(self) -> (Range<usize>, T);
}

impl<T> IntoParts<T> for Spanned<T> {
    fn into_parts(self) -> (Range<usize>, T) {
        (self.span(), self.into_inner())
    }
}
