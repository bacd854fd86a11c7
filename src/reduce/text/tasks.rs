//! Green tasks, for people.

use super::Table;
use super::units::{seconds, thousands};
use crate::reduce::report::{TaskKindReport, TasksReport};

/// Kinds of tasks, then slots and timers.
pub(super) fn lines(report: &TasksReport) -> String {
    format!("{}{}{}{}", kinds(report), flows(report), messages(report), memory(report))
}

fn kinds(report: &TasksReport) -> String {
    let mut table =
        Table::new(&["<kind", "started", "refused", "panicked", "restarted", "stalls", "longest stall"]);
    for (name, kind) in &report.kinds {
        table.row([
            name.clone(),
            thousands(kind.spawned),
            thousands(kind.refused),
            thousands(kind.panicked),
            thousands(kind.restarted),
            thousands(kind.stalls),
            longest(kind),
        ]);
    }
    let mut lines = if table.is_empty() { String::new() } else { table.lines(2) };
    if report.stalls_of_unknown > 0 {
        let count = thousands(report.stalls_of_unknown);
        lines.push_str(&format!("  and {count} stalls of one of several tasks: which was not known yet\n"));
    }
    lines
}

fn flows(report: &TasksReport) -> String {
    let mut table = Table::new(&[
        "<flows",
        "accepted",
        "opened",
        "at a time",
        "refused",
        "overflowed",
        "late",
        "rested short",
        "no port",
    ]);
    for (name, flows) in &report.flows {
        let counts = [
            flows.accepted,
            flows.opened,
            flows.peak,
            flows.refused,
            flows.overflowed,
            flows.late,
            flows.rested_short,
            flows.no_port,
        ];
        table.row(std::iter::once(name.clone()).chain(counts.map(thousands)));
    }
    if table.is_empty() { String::new() } else { table.lines(2) }
}

fn messages(report: &TasksReport) -> String {
    let mut table =
        Table::new(&["<messages", "room a pair", "sent", "received", "refused", "dropped", "at a time"]);
    for (name, messages) in &report.messages {
        let counts = [
            messages.room,
            messages.sent,
            messages.received,
            messages.refused,
            messages.dropped,
            messages.peak,
        ];
        table.row(std::iter::once(name.clone()).chain(counts.map(thousands)));
    }
    if table.is_empty() { String::new() } else { table.lines(2) }
}

fn longest(kind: &TaskKindReport) -> String {
    if kind.stalls == 0 { "-".to_owned() } else { seconds(kind.stall_longest_ns as f64 / 1e9) }
}

fn memory(report: &TasksReport) -> String {
    let mut table = Table::new(&["<memory", "there are", "most used", "refused"]);
    for slots in &report.slots {
        table.row([
            format!("slots of {} B", thousands(slots.room_bytes as u64)),
            thousands(slots.slots),
            thousands(slots.peak),
            thousands(slots.refused),
        ]);
    }
    let mailboxes = &report.mailboxes;
    if mailboxes.capacity > 0 {
        let row = [thousands(mailboxes.capacity), thousands(mailboxes.peak), "-".to_owned()];
        table.row(std::iter::once("mailboxes".to_owned()).chain(row));
    }
    let timers = &report.timers;
    table.row([
        "timers".to_owned(),
        thousands(timers.capacity),
        thousands(timers.peak),
        thousands(timers.refused),
    ]);
    table.lines(2)
}
