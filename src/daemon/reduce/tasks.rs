//! The tasks of all cores, reduced.

use crate::reduce::report::{FlowsReport, MessagesReport, SlotsReport, TaskKindReport, TasksReport};
use crate::task::{FlowCount, KindCount, MessageCount};
use crate::worker::{CoreResult, TaskResult};

/// What became of all tasks; `None` where no application has any.
pub(super) fn tasks(results: &[CoreResult], kinds: &[String]) -> Option<TasksReport> {
    let cores: Vec<&TaskResult> = results.iter().filter_map(|result| result.tasks.as_ref()).collect();
    if cores.is_empty() {
        return None;
    }
    let mut report = TasksReport::default();
    for (number, name) in kinds.iter().enumerate() {
        let mut sum = KindCount::default();
        cores.iter().filter_map(|core| core.kinds.get(number)).for_each(|count| sum.merge(count));
        report.kinds.insert(name.clone(), kind(&sum));
    }
    for core in cores {
        for (place, slots) in core.slots.iter().enumerate() {
            if report.slots.len() <= place {
                report.slots.push(SlotsReport { room_bytes: slots.room, ..SlotsReport::default() });
            }
            let sum = &mut report.slots[place];
            sum.slots += u64::from(slots.slots);
            sum.peak += u64::from(slots.peak);
            sum.refused += slots.refused;
        }
        for (name, count) in &core.flows {
            add_flows(report.flows.entry(name.clone()).or_default(), count);
        }
        for (name, count) in &core.messages {
            add_messages(report.messages.entry(name.clone()).or_default(), count);
        }
        let (capacity, peak) = core.mailboxes;
        report.mailboxes.capacity += capacity as u64;
        report.mailboxes.peak += peak as u64;
        let (capacity, peak, refused) = core.timers;
        report.timers.capacity += capacity as u64;
        report.timers.peak += peak as u64;
        report.timers.refused += refused;
        report.stalls_of_unknown += core.unknown.count;
    }
    Some(report)
}

fn add_flows(sum: &mut FlowsReport, count: &FlowCount) {
    sum.accepted += count.accepted;
    sum.opened += count.opened;
    sum.peak += count.peak;
    sum.refused += count.refused;
    sum.overflowed += count.overflowed;
    sum.late += count.late;
    sum.rested_short += count.rested_short;
    sum.no_port += count.no_port;
}

fn add_messages(sum: &mut MessagesReport, count: &MessageCount) {
    sum.room = sum.room.max(count.room);
    sum.sent += count.sent;
    sum.received += count.received;
    sum.refused += count.refused;
    sum.dropped += count.dropped;
    sum.peak = sum.peak.max(count.peak);
}

fn kind(count: &KindCount) -> TaskKindReport {
    TaskKindReport {
        spawned: count.spawned,
        refused: count.refused,
        panicked: count.panicked,
        restarted: count.restarted,
        stalls: count.stalls.count,
        stall_longest_ns: count.stalls.longest_ns,
    }
}
