//! Keys that a driver's or an application's type passes over without a word.
//!
//! A type that does not deny unknown keys would let misspelt ones pass. Whether it looks at a key is found out
//! by giving the key values that nothing accepts but what ignores them: a number of 128 bits, and a table with
//! a strange key. Limit: inside `#[serde(flatten)]` and untagged types such keys are not found, since serde
//! refuses that number there before anything can ignore it.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{Check, Value};
use super::part::Configure;

/// A step into a value: a key of a table, an item of a list.
#[derive(Clone)]
enum Step {
    Key(String),
    Item(usize),
}

/// Reports every key that nothing reads; were there any? The table has been read without fault before.
pub(super) fn report<T>(
    check: &mut Check<'_>,
    whose: &str,
    table: &DeTable<'_>,
    span: Range<usize>,
    configure: Configure<'_, T>,
) -> bool {
    let whole = Spanned::new(span, DeValue::Table(table.clone()));
    let accepts = |way: &[Step], value: Value<'static>| {
        let mut changed = whole.clone();
        replace(&mut changed, way, value) && configure(changed).is_ok()
    };
    let mut found = Vec::new();
    search(&whole, &mut Vec::new(), &accepts, &mut found);
    for (span, name) in &found {
        check.error(span.clone(), format!("unknown key {name:?} in {whose}: nothing reads it"));
    }
    !found.is_empty()
}

type Accepts<'a> = &'a dyn Fn(&[Step], Value<'static>) -> bool;

/// Looks at every key below a value that is at the end of `way`.
fn search(
    value: &Value<'_>,
    way: &mut Vec<Step>,
    accepts: Accepts<'_>,
    found: &mut Vec<(Range<usize>, String)>,
) {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table {
                way.push(Step::Key(key.get_ref().clone().into_owned()));
                if absurd().into_iter().all(|value| accepts(way, value)) {
                    found.push((key.span(), key.get_ref().clone().into_owned()));
                } else {
                    search(value, way, accepts, found);
                }
                way.pop();
            }
        }
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                way.push(Step::Item(index));
                search(item, way, accepts, found);
                way.pop();
            }
        }
        _ => {}
    }
}

/// Puts another value at the end of a way; is there such a place?
fn replace<'t>(whole: &mut Value<'t>, way: &[Step], value: Value<'t>) -> bool {
    let Some((step, rest)) = way.split_first() else {
        *whole = value;
        return true;
    };
    let inner = match (whole.get_mut(), step) {
        (DeValue::Table(table), Step::Key(key)) => table.get_mut(key.as_str()),
        (DeValue::Array(items), Step::Item(index)) => items.get_mut(*index),
        _ => None,
    };
    inner.is_some_and(|inner| replace(inner, rest, value))
}

/// Values that are accepted only by what ignores them.
fn absurd() -> Vec<Value<'static>> {
    let parse = |text| DeTable::parse(text).ok().and_then(|table| table.into_inner().remove("v"));
    let texts = ["v = 340282366920938463463374607431768211455", "v = { \"\\u0001\" = \"\\u0001\" }"];
    texts.into_iter().filter_map(parse).collect()
}
