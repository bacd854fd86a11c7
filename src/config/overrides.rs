//! `--set path.to.key=value`: changes to a configuration from the command line.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{Check, Value};
use super::nearest::suggest;
use super::place::Sources;

/// One change, as text, and the option of the command line it came by.
///
/// The text is `path.to.key=value`. The path is a TOML key: `dataplane.KEY`, `app.NAME.KEY`,
/// `port.NAME.KEY`, `pipeline.NAME.KEY`. The value is TOML; what is none is taken as a string, so that
/// `app.flow-meter.export=flows.csv` needs no quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    pub(super) option: &'static str,
    pub(super) text: String,
}

impl Override {
    /// A change by `--set`.
    pub fn set(text: impl Into<String>) -> Override {
        Override { option: "--set", text: text.into() }
    }

    /// A change by an option of its own, as `--cores` is.
    pub fn option(option: &'static str, text: impl Into<String>) -> Override {
        Override { option, text: text.into() }
    }
}

/// The texts that are parsed for one change: padded with blanks, so that spans are right as they come.
pub(super) struct Padded {
    whole: std::ops::Range<usize>,
    key: String,
    value: Option<String>,
    bare: String,
    value_start: usize,
}

impl Padded {
    /// Splits a change at its `=`; `index` is its text's among the sources.
    pub(super) fn new(change: &Override, sources: &Sources<'_>, index: usize) -> Padded {
        let start = sources.start(index);
        let equals = unquoted_equals(&change.text);
        let (key, value) = change.text.split_at(equals.unwrap_or(change.text.len()));
        let value_start = start + key.len() + 1;
        let value = value.strip_prefix('=');
        Padded {
            whole: start..start + change.text.len(),
            key: format!("{}{key}=0", " ".repeat(start)),
            value: value.map(|value| format!("{}v={value}", " ".repeat(value_start.saturating_sub(2)))),
            bare: value.unwrap_or_default().trim().to_owned(),
            value_start,
        }
    }

    /// Carries the change out on a configuration.
    pub(super) fn apply<'t>(&'t self, check: &mut Check<'_>, root: &mut DeTable<'t>) {
        let Some(value_text) = &self.value else {
            return check.error(self.whole.clone(), "expected path.to.key=value, found no \"=\"");
        };
        let Some(path) = self.path(check) else { return };
        let Some(value) = self.value(check, value_text) else { return };
        put(check, root, &path, value);
    }

    fn path(&self, check: &mut Check<'_>) -> Option<Vec<Spanned<String>>> {
        let mut table = match DeTable::parse(&self.key) {
            Ok(table) => table.into_inner(),
            Err(_) => {
                check.error(self.whole.clone(), "expected path.to.key=value; a name with blanks or signs needs quotes: port.\"my port\".size=64");
                return None;
            }
        };
        let mut path = Vec::new();
        while let Some((key, value)) = table.into_iter().next() {
            path.push(Spanned::new(key.span(), key.into_inner().into_owned()));
            match value.into_inner() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        Some(path)
    }

    fn value<'t>(&'t self, check: &mut Check<'_>, text: &'t str) -> Option<Value<'t>> {
        let end = self.whole.end.max(self.value_start);
        match DeTable::parse(text) {
            Ok(table) => {
                let mut entries = table.into_inner().into_iter();
                if let (Some((_, value)), None) = (entries.next(), entries.next()) {
                    return Some(value);
                }
                check.error(self.value_start..end, "expected one value");
                None
            }
            Err(error) if self.bare.starts_with(['"', '\'', '[', '{']) => {
                check.error(error.span().unwrap_or(self.value_start..end), error.message());
                None
            }
            Err(_) => Some(Spanned::new(self.value_start..end, DeValue::String(Cow::Borrowed(&self.bare)))),
        }
    }
}

/// Position of the first `=` outside quotes.
fn unquoted_equals(text: &str) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (None, '=') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        None
    })
}

/// Puts a value where a path leads from the root.
fn put<'t>(check: &mut Check<'_>, root: &mut DeTable<'t>, path: &[Spanned<String>], value: Value<'t>) {
    match path {
        [list, name, key @ ..] if is_list(list.get_ref()) => {
            if key.is_empty() {
                let message = format!("expected {0}.NAME.KEY=value, found no key of the {0}", list.get_ref());
                return check.error(name.span(), message);
            }
            let entries = match root.get_mut(list.get_ref().as_str()).map(Spanned::get_mut) {
                Some(DeValue::Array(entries)) => entries.as_mut(),
                _ => &mut [],
            };
            match position(entries, name.get_ref()) {
                Ok(at) => {
                    if let DeValue::Table(table) = entries[at].get_mut() {
                        descend(check, table, key, value);
                    }
                }
                Err(known) => {
                    let known: Vec<&str> = known.iter().map(String::as_str).collect();
                    let hint = suggest(name.get_ref(), &known);
                    check.error(
                        name.span(),
                        format!("no {} is named {:?}{hint}", list.get_ref(), name.get_ref()),
                    );
                }
            }
        }
        _ => descend(check, root, path, value),
    }
}

fn is_list(name: &str) -> bool {
    matches!(name, "port" | "pipeline")
}

/// Where the entry of this name is; or the names there are.
fn position(entries: &[Value<'_>], name: &str) -> Result<usize, Vec<String>> {
    let named =
        |entry: &Value<'_>| entry.get_ref().get("name").and_then(|n| n.get_ref().as_str().map(str::to_owned));
    let names: Vec<Option<String>> = entries.iter().map(named).collect();
    let found = names.iter().position(|found| found.as_deref() == Some(name));
    found.ok_or_else(|| names.into_iter().flatten().collect())
}

fn descend<'t>(
    check: &mut Check<'_>,
    mut table: &mut DeTable<'t>,
    path: &[Spanned<String>],
    value: Value<'t>,
) {
    let Some((last, way)) = path.split_last() else { return };
    for key in way {
        let spanned = Spanned::new(key.span(), Cow::Owned(key.get_ref().clone()));
        let empty = || Spanned::new(key.span(), DeValue::Table(DeTable::new()));
        match table.entry(spanned).or_insert_with(empty).get_mut() {
            DeValue::Table(inner) => table = inner,
            other => {
                let message =
                    format!("{:?} is no table: it is {}", key.get_ref(), super::check::describe(other));
                return check.error(key.span(), message);
            }
        }
    }
    table.remove(last.get_ref().as_str());
    table.insert(Spanned::new(last.span(), Cow::Owned(last.get_ref().clone())), value);
}
