//! `[app.NAME]`: an application's own part.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;

use super::check::{Check, IntoParts, Value};
use super::nearest::suggest;
use super::part;
use crate::pipeline::Registry;
use crate::pipeline::registry::Configured;

/// Applications by name, with their parts of the configuration read.
pub(crate) type Apps = BTreeMap<&'static str, Arc<dyn Configured>>;

/// Reads the parts there are and takes the defaults of the other applications in use. A part that no
/// pipeline uses is checked all the same, and warned of.
pub(super) fn read(
    check: &mut Check<'_>,
    value: Option<Value<'_>>,
    used: &[&'static str],
    registry: &Registry,
) -> Apps {
    let mut apps = Apps::new();
    let hint = "a table for each application: [app.NAME]";
    let parts = value.and_then(|value| check.table("app", hint, value)).unwrap_or_default();
    for (key, value) in parts {
        let name = key.get_ref();
        let known: Vec<&str> = registry.names().collect();
        let Some(entry) = registry.get(name) else {
            check.error(key.span(), format!("unknown application {name:?}{}", suggest(name, &known)));
            continue;
        };
        let Some(table) = check.table(&format!("app.{name}"), "a table", value_at(value, &key)) else {
            continue;
        };
        let whose = format!("[app.{name}]");
        let read =
            part::read(check, &whose, Spanned::new(key.span(), table), &|part| (entry.configure)(Some(part)));
        if used.contains(&entry.name) {
            apps.extend(read.map(|app| (entry.name, Arc::from(app))));
        } else {
            check
                .warn(key.span(), format!("[app.{name}] has no effect: {name:?} is in no pipeline's stages"));
        }
    }
    for entry in used.iter().filter_map(|name| registry.get(name)) {
        if !apps.contains_key(entry.name)
            && let Ok(app) = (entry.configure)(None)
        {
            apps.insert(entry.name, Arc::from(app));
        }
    }
    apps
}

/// The value with its key's span where it has none of its own (tables made by dotted keys).
fn value_at<'t>(value: Value<'t>, key: &Spanned<std::borrow::Cow<'t, str>>) -> Value<'t> {
    let (span, value) = value.into_parts();
    Spanned::new(if span.is_empty() { key.span() } else { span }, value)
}
