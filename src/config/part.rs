//! The part of a configuration that belongs to a driver or an application: read by its own type, with every
//! fault in it found and put in words.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{Check, Value, describe};
use super::ignored;
use super::nearest::suggest;

/// Faults in one part after which its reading is given up.
const MOST_FAULTS: usize = 20;

/// What reads a part.
pub(super) type Configure<'c, T> = &'c dyn Fn(Value<'_>) -> Result<T, toml::de::Error>;

/// Reads a part: `whose` names it in messages. An entry at fault is reported and left out, and the rest is
/// read again, until there is nothing left to find.
pub(super) fn read<T>(
    check: &mut Check<'_>,
    whose: &str,
    part: Spanned<DeTable<'_>>,
    configure: Configure<'_, T>,
) -> Option<T> {
    let span = part.span();
    let mut table = part.into_inner();
    let mut left_out: Vec<String> = Vec::new();
    for _ in 0..MOST_FAULTS {
        let error = match configure(Spanned::new(span.clone(), DeValue::Table(table.clone()))) {
            Ok(read) => {
                let ignored = ignored::report(check, whose, &table, span, configure);
                return (left_out.is_empty() && !ignored).then_some(read);
            }
            Err(error) => error,
        };
        let at = error.span().unwrap_or(span.clone());
        let Some((key, key_span)) = culprit(&table, &at) else {
            if !missing(error.message()).is_some_and(|field| left_out.iter().any(|key| key == field)) {
                check.error(at, in_words(error.message(), None, whose, None));
            }
            return None;
        };
        let at = if error.span().is_some() { at } else { key_span };
        let found = written(table.values(), &at).map(describe);
        check.error(at, in_words(error.message(), Some(&key), whose, found));
        table.remove(key.as_str());
        left_out.push(key);
    }
    None
}

/// The entry of a table that a span lies in.
fn culprit(table: &DeTable<'_>, at: &Range<usize>) -> Option<(String, Range<usize>)> {
    let (key, _) = table.iter().find(|(key, value)| key.span() == *at || covers(value, at))?;
    Some((key.get_ref().clone().into_owned(), key.span()))
}

/// Does a value, or one inside it, lie around a span? Parts of a value can come from another text.
fn covers(value: &Value<'_>, at: &Range<usize>) -> bool {
    let span = value.span();
    (span.start <= at.start && at.end <= span.end)
        || match value.get_ref() {
            DeValue::Table(table) => table.iter().any(|(key, value)| key.span() == *at || covers(value, at)),
            DeValue::Array(items) => items.iter().any(|item| covers(item, at)),
            _ => false,
        }
}

/// The value that is written at a span.
fn written<'v, 't>(
    mut values: impl Iterator<Item = &'v Value<'t>>,
    at: &Range<usize>,
) -> Option<&'v DeValue<'t>>
where
    't: 'v,
{
    let found = values.find(|value| covers(value, at))?;
    match found.get_ref() {
        value if found.span() == *at => Some(value),
        DeValue::Table(table) => written(Box::new(table.values()) as Box<dyn Iterator<Item = _>>, at),
        DeValue::Array(items) => written(Box::new(items.iter()) as Box<dyn Iterator<Item = _>>, at),
        _ => None,
    }
}

/// The field a "missing field" message is about.
fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

/// All words between back quotes.
pub(super) fn quoted(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// serde's message in the words of a configuration.
fn in_words(message: &str, key: Option<&str>, whose: &str, value: Option<String>) -> String {
    if let Some(field) = missing(message) {
        return format!("{whose} needs the key {field:?}");
    }
    let names = quoted(message);
    if let (Some(rest), [wrong, known @ ..]) = (message.strip_prefix("unknown "), &names[..]) {
        let what = if rest.starts_with("field") { "key" } else { "value" };
        let hint = suggest(wrong, known);
        return match (what, key) {
            ("value", Some(key)) => format!("{key}: unknown value {wrong:?}{hint}"),
            _ => format!("unknown {what} {wrong:?} in {whose}{hint}"),
        };
    }
    let prefix = key.map_or_else(String::new, |key| format!("{key}: "));
    if message.starts_with("data did not match any variant") {
        return format!("{prefix}expected another kind of value");
    }
    match message.strip_prefix("invalid type: ").or(message.strip_prefix("invalid value: ")) {
        Some(rest) => match rest.rsplit_once(", expected ") {
            Some((found, expected)) => {
                let found = value.unwrap_or_else(|| found.replace('`', ""));
                format!("{prefix}expected {}, found {found}", kind(expected))
            }
            None => format!("{prefix}{rest}"),
        },
        None => format!("{prefix}{message}"),
    }
}

/// A Rust type's name in words.
fn kind(expected: &str) -> String {
    let unsigned = |bits: u32| format!("a whole number from 0 to {}", u64::MAX >> (64 - bits));
    match expected {
        "u8" => unsigned(8),
        "u16" => unsigned(16),
        "u32" => unsigned(32),
        "u64" | "usize" | "nonzero usize" => "a whole number that is not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}
