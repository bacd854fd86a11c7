//! `mnvkd apps` and `mnvkd ports`: what there is to build from.

use serde_json::json;

use super::DONE;
use super::output::Output;
use crate::config::{Key, keys_of_application, keys_of_driver};
use crate::daemon::Daemon;
use crate::pipeline::{Entry, Reads};
use crate::reduce::text::Table;

/// Lists applications.
pub(super) fn apps(daemon: &Daemon, output: &Output) -> anyhow::Result<u8> {
    let entries: Vec<&Entry> = daemon.registry().iter().collect();
    let text = || {
        let each = entries.iter().map(|entry| {
            let last = if entry.decides { "; gives every packet a verdict" } else { "" };
            let facts = format!("  keyed by {}, reads {}{last}\n", entry.key, reads(entry.reads));
            item(entry.name, entry.about, &facts, &keys_of_application(entry))
        });
        each.collect::<Vec<_>>().join("\n")
    };
    let json = || {
        let each = entries.iter().map(|entry| {
            json!({
                "name": entry.name, "about": entry.about, "key": entry.key.name(), "reads": reads(entry.reads),
                "decides": entry.decides, "keys": keys_of_application(entry),
            })
        });
        json!({ "apps": each.collect::<Vec<_>>() })
    };
    output.result(text, json)?;
    Ok(DONE)
}

/// Lists drivers.
pub(super) fn ports(daemon: &Daemon, output: &Output) -> anyhow::Result<u8> {
    let text = || {
        let each = daemon
            .drivers()
            .iter()
            .map(|driver| item(driver.name, driver.about, "", &keys_of_driver(driver)));
        each.collect::<Vec<_>>().join("\n")
    };
    let json = || {
        let each = daemon.drivers().iter().map(
            |driver| json!({ "name": driver.name, "about": driver.about, "keys": keys_of_driver(driver) }),
        );
        json!({ "drivers": each.collect::<Vec<_>>() })
    };
    output.result(text, json)?;
    Ok(DONE)
}

fn item(name: &str, about: &str, facts: &str, keys: &[Key]) -> String {
    let mut table = Table::new(&["<", "<"]);
    for key in keys {
        table.row([
            key.name.clone(),
            key.default.as_ref().map_or("not given".to_owned(), |value| format!("= {value}")),
        ]);
    }
    let keys = if table.is_empty() { "    no keys\n".to_owned() } else { table.lines(4) };
    let about = if about.is_empty() { String::new() } else { format!("  {about}") };
    format!("{name}{about}\n{facts}{keys}")
}

fn reads(reads: Reads) -> &'static str {
    match reads {
        Reads::Nothing => "nothing",
        Reads::Ethernet => "ethernet",
        Reads::Headers => "headers",
    }
}
