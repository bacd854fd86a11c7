//! The report for people: the same object as the JSON, as aligned text.

pub mod bars;
mod progress;
mod table;
mod tasks;
pub mod units;

#[cfg(test)]
mod tests;

pub use progress::{Snapshot, progress_line};
pub use table::Table;

use super::report::{BooksReport, Report};
use super::{REGIME_NAMES, REGIMES};
use bars::{LEGEND, bar};
use units::{decimal, percent, seconds, thousands};

/// Letters of a core's bar.
const BAR: usize = 24;
/// Lines of an application's tally that are shown; the JSON has all.
const TALLY_LINES: usize = 60;

/// The whole report. Every line ends with a newline; sections with nothing to say are left out.
pub fn render(report: &Report) -> String {
    let mut text = heading(report);
    section(&mut text, "books", &books(&report.books));
    section(&mut text, "input", &input(report));
    section(&mut text, "ports", &ports(report));
    section(&mut text, "cores", &cores(report));
    section(&mut text, "stages (cycles)", &stages(report));
    section(&mut text, "tasks", &report.tasks.as_ref().map_or_else(String::new, tasks::lines));
    section(&mut text, "containers", &containers(report));
    section(&mut text, "rate", &rate(report));
    for (application, tally) in &report.tallies {
        section(&mut text, &format!("tally of {application}"), &tally_lines(tally));
    }
    section(&mut text, "digests", &digests(report));
    section(&mut text, "notes", &list(&report.notes));
    section(&mut text, "errors", &list(&report.errors));
    text
}

fn section(text: &mut String, name: &str, lines: &str) {
    if !lines.is_empty() {
        text.push_str(&format!("\n{name}\n{lines}"));
    }
}

fn heading(report: &Report) -> String {
    let cores = if report.cores == 1 { "core" } else { "cores" };
    let kind = if report.virtual_time { "simulated in virtual time" } else { "polling" };
    let pages = &report.pages;
    let why = pages.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    format!(
        "mnvkd {}: {} {cores}, {kind}, seed {}\npages {} (policy {}){why}\n",
        report.mode, report.cores, report.seed, pages.obtained, pages.policy
    )
}

fn books(books: &BooksReport) -> String {
    let mut table = Table::new(&["<", ""]);
    let total = books.dropped.get("total").copied().unwrap_or(0);
    table.row(["received".to_owned(), thousands(books.received)]);
    if books.originated > 0 {
        table.row(["originated".to_owned(), thousands(books.originated)]);
    }
    table.row(["forwarded".to_owned(), thousands(books.forwarded)]);
    table.row(["consumed".to_owned(), thousands(books.consumed)]);
    table.row(["dropped".to_owned(), thousands(total)]);
    for (reason, count) in books.dropped.iter().filter(|(reason, _)| *reason != "total") {
        table.row([format!("  {reason}"), thousands(*count)]);
    }
    table.row(["held".to_owned(), thousands(books.held)]);
    let sign = if books.unaccounted < 0 { "-" } else { "" };
    table.row(["unaccounted".to_owned(), format!("{sign}{}", thousands(books.unaccounted.unsigned_abs()))]);
    table.lines(2)
}

fn input(report: &Report) -> String {
    let input = &report.input;
    if input.packets == 0 && !input.damaged {
        return String::new();
    }
    let mut lines = format!("  {} packets in the files\n", thousands(input.packets));
    if input.damaged {
        let offset = input.offset.map_or(String::new(), |offset| format!(" at byte {}", thousands(offset)));
        let error = input.error.as_deref().unwrap_or("what cannot be read");
        lines.push_str(&format!("  damaged{offset}: {error}; what is before it was read\n"));
    }
    lines
}

fn ports(report: &Report) -> String {
    let mut table = Table::new(&["<", "received", "bytes", "transmitted", "bytes", "<lost"]);
    for (name, port) in &report.ports {
        let lost: Vec<String> = port
            .lost
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(why, n)| format!("{why} {}", thousands(*n)))
            .collect();
        table.row([
            name.clone(),
            thousands(port.received),
            decimal(port.received_bytes as f64, "B"),
            thousands(port.transmitted),
            decimal(port.transmitted_bytes as f64, "B"),
            if lost.is_empty() { "none".to_owned() } else { lost.join(", ") },
        ]);
    }
    if table.is_empty() { String::new() } else { table.lines(2) }
}

fn cores(report: &Report) -> String {
    // A run without tasks needs no column for them.
    let shown = |index: &usize| {
        let name = REGIME_NAMES[*index];
        name != "tasks"
            || report.per_core.iter().any(|core| core.regimes.get(name).is_some_and(|share| *share > 0.0))
    };
    let order: Vec<usize> = (1..REGIMES).chain([0]).filter(shown).collect();
    let mut heads = vec!["core", "cpu", "packets", "<time"];
    let named: Vec<String> = order.iter().map(|index| format!("{} %", REGIME_NAMES[*index])).collect();
    heads.extend(named.iter().map(String::as_str));
    // Nobody takes a simulated core's CPU from it.
    let threads = report.per_core.iter().any(|core| core.preempted.is_some());
    heads.extend(if threads { &["preempted", "waited"][..] } else { &[] });
    let mut table = Table::new(&heads);
    for core in &report.per_core {
        let shares: [f64; REGIMES] =
            std::array::from_fn(|i| core.regimes.get(REGIME_NAMES[i]).copied().unwrap_or(0.0));
        let cpu = core.cpu.map_or("-".to_owned(), |cpu| cpu.to_string());
        let percents = order.iter().map(|index| percent(shares[*index]));
        let first = [core.core.to_string(), cpu, thousands(core.packets), bar(&shares, BAR)];
        let or_nothing = |text: Option<String>| text.unwrap_or("-".to_owned());
        let lost = [core.preempted.map(thousands), core.waited_seconds.map(seconds)].map(or_nothing);
        table.row(first.into_iter().chain(percents).chain(lost.into_iter().filter(|_| threads)));
    }
    if table.is_empty() { String::new() } else { format!("{}  {LEGEND}\n", table.lines(2)) }
}

fn stages(report: &Report) -> String {
    let mut table = Table::new(&[
        "<pipeline",
        "<stage",
        "per packet",
        "burst p50",
        "burst p99",
        "burst max",
        "packets measured",
    ]);
    for stage in &report.stages {
        table.row([
            stage.pipeline.clone(),
            stage.stage.clone(),
            stage.cycles_per_packet.map_or("-".to_owned(), |cycles| format!("{cycles:.1}")),
            thousands(stage.burst_cycles_p50),
            thousands(stage.burst_cycles_p99),
            thousands(stage.burst_cycles_max),
            thousands(stage.packets_measured),
        ]);
    }
    if table.is_empty() { String::new() } else { table.lines(2) }
}

fn containers(report: &Report) -> String {
    let mut table = Table::new(&[
        "<application",
        "<container",
        "capacity",
        "used",
        "peak",
        "fullest core %",
        "evicted",
        "refused",
    ]);
    for container in &report.containers {
        table.row([
            container.application.clone(),
            container.name.to_owned(),
            thousands(container.capacity),
            thousands(container.used),
            thousands(container.peak),
            percent(container.fullest),
            thousands(container.evicted),
            thousands(container.refused),
        ]);
    }
    if table.is_empty() { String::new() } else { table.lines(2) }
}

fn rate(report: &Report) -> String {
    let rate = &report.rate;
    let cycles =
        rate.cycles_per_packet.map_or(String::new(), |cycles| format!(", {cycles:.1} cycles/packet"));
    format!(
        "  {}, {}{cycles}, in {}\n",
        decimal(rate.packets_per_second, "pkt/s"),
        decimal(rate.bits_per_second, "bit/s"),
        seconds(rate.seconds)
    )
}

fn digests(report: &Report) -> String {
    let mut table = Table::new(&["<", "<"]);
    if let Some(output) = &report.digest.output {
        table.row(["output".to_owned(), output.clone()]);
    }
    table.row(["tally".to_owned(), report.digest.tally.clone()]);
    table.lines(2)
}

/// A tally's values, each under its path, as many as can be read at a glance.
fn tally_lines(tally: &serde_json::Value) -> String {
    let mut rows = Vec::new();
    flatten(tally, String::new(), &mut rows);
    let more = rows.len().saturating_sub(TALLY_LINES);
    let mut table = Table::new(&["<", ""]);
    rows.into_iter().take(TALLY_LINES).for_each(|row| table.row(row));
    let mut lines = if table.is_empty() { String::new() } else { table.lines(2) };
    if more > 0 {
        lines.push_str(&format!("  and {} more; --json has all\n", thousands(more as u64)));
    }
    lines
}

fn flatten(value: &serde_json::Value, path: String, rows: &mut Vec<[String; 2]>) {
    use serde_json::Value;
    match value {
        Value::Null => {}
        Value::Object(entries) => {
            for (key, value) in entries {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(value, path, rows);
            }
        }
        Value::Array(items) => rows.push([path, format!("{} rows", thousands(items.len() as u64))]),
        Value::Number(number) => {
            rows.push([path, number.as_u64().map_or_else(|| number.to_string(), thousands)]);
        }
        Value::String(text) => rows.push([path, text.clone()]),
        Value::Bool(truth) => rows.push([path, truth.to_string()]),
    }
}

fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {}\n", line.trim_end().replace('\n', "\n    "))).collect()
}
