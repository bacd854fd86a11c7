//! What the cores found out, reduced once into the report.

mod tasks;

use std::collections::BTreeMap;

use crate::clock::Rate;
use crate::packet::{Reason, Reasons};
use crate::pipeline::StageCost;
use crate::pipeline::registry::AnyTally;
use crate::reduce::report::{
    BooksReport, ContainerReport, CoreReport, DigestReport, InputTotals, PagesReport, PortReport, RateReport,
    Report, StageReport,
};
use crate::reduce::{Books, OutputDigest, REGIME_NAMES, TallyHasher};
use crate::topology::{Built, Plan, RunKind};
use crate::worker::{CoreResult, PortCount};

/// The report of a run that is over.
pub(super) fn report(
    plan: &Plan,
    built: Built,
    mut results: Vec<CoreResult>,
    mode: &'static str,
    kind: &RunKind,
    rate: Rate,
) -> Report {
    let mut notes = built.notes;
    let mut errors = Vec::new();
    notes.extend(
        built.ports.iter().flat_map(|(name, port)| {
            port.notes().into_iter().map(move |note| format!("port {name:?}: {note}"))
        }),
    );
    check(&mut results, &mut errors);
    let (tallies, tally_digest, containers) = tallies(plan, &mut results, &mut notes, &mut errors);
    let (rate, received) =
        (rates(&results, rate), results.iter().map(|result| result.books.received).sum::<u64>());
    debug_assert!(rate.packets_per_second >= 0.0 || received == 0);
    Report {
        mode,
        cores: results.len(),
        seed: plan.wiring.seed,
        virtual_time: kind.clock.is_virtual(),
        pages: PagesReport {
            policy: plan.wiring.pages.to_string(),
            obtained: built.obtained.to_string(),
            reason: built.pages_reason,
        },
        books: books(&results, &built.reasons),
        input: input(&built.ports),
        ports: ports(&results, &built.ports),
        per_core: results
            .iter()
            .map(|result| CoreReport {
                core: result.core.index(),
                packets: result.processed,
                cpu: plan.wiring.cores[result.core.index()].cpu,
                preempted: result.preemption.map(|preemption| preemption.times),
                waited_seconds: result
                    .preemption
                    .and_then(|preemption| preemption.waited_ns)
                    .map(|ns| ns as f64 / 1e9),
                regimes: REGIME_NAMES.into_iter().zip(result.meter.shares()).collect(),
            })
            .collect(),
        rate,
        digest: DigestReport { output: output_digest(&results), tally: tally_digest },
        tallies,
        tasks: tasks::tasks(&results, &built.kinds),
        containers,
        stages: stages(&results),
        notes,
        errors,
    }
}

/// Frames that did not come home, applications that panicked, files that could not be written.
fn check(results: &mut [CoreResult], errors: &mut Vec<String>) {
    for result in results {
        let core = result.core.index();
        if result.frames_missing > 0 {
            errors.push(format!(
                "core {core}: {} of {} frames did not come home; this is a bug in mnvkd or in an application that lost packets",
                result.frames_missing, result.frames_total
            ));
        }
        if result.panicked {
            errors.push(format!("core {core}: an application panicked; its packets were dropped as panicked, its tallies are lost"));
        }
        errors.append(&mut result.errors);
    }
}

fn output_digest(results: &[CoreResult]) -> Option<String> {
    let mut sum = OutputDigest::default();
    for result in results {
        sum.merge(result.digest.as_ref()?);
    }
    Some(sum.hex())
}

fn books(results: &[CoreResult], reasons: &Reasons) -> BooksReport {
    let mut books = Books::default();
    results.iter().for_each(|result| books.merge(&result.books));
    let mut dropped = BTreeMap::from([("total".to_owned(), books.dropped_total())]);
    for (number, name) in reasons.names().enumerate() {
        let count = Reason::new(number).map_or(0, |reason| books.dropped[reason.index()]);
        if count > 0 {
            dropped.insert(name.to_owned(), count);
        }
    }
    BooksReport {
        received: books.received,
        originated: books.originated,
        forwarded: books.forwarded,
        consumed: books.consumed,
        dropped,
        held: books.held,
        unaccounted: books.unaccounted(),
    }
}

type Ports = [(String, Box<dyn crate::port::Port>)];

fn input(ports: &Ports) -> InputTotals {
    let mut totals = InputTotals::default();
    for input in ports.iter().filter_map(|(_, port)| port.input()) {
        totals.packets += input.packets;
        if !totals.damaged && input.error.is_some() {
            totals.damaged = true;
            totals.offset = input.offset;
            totals.error = input.error;
        }
    }
    totals
}

fn ports(results: &[CoreResult], ports: &Ports) -> BTreeMap<String, PortReport> {
    let one = |(number, (name, port)): (usize, &(String, Box<dyn crate::port::Port>))| {
        let mut count = PortCount::default();
        results.iter().for_each(|result| count.merge(&result.counts[number]));
        let report = PortReport {
            received: count.received,
            received_bytes: count.received_bytes,
            transmitted: count.transmitted,
            transmitted_bytes: count.transmitted_bytes,
            lost: port.losses().into_iter().map(|(why, count)| (why.to_owned(), count)).collect(),
        };
        (name.clone(), report)
    };
    ports.iter().enumerate().map(one).collect()
}

fn rates(results: &[CoreResult], rate: Rate) -> RateReport {
    let start = results.iter().map(|result| result.meter.span.0).min().unwrap_or(0);
    let end = results.iter().map(|result| result.meter.span.1).max().unwrap_or(0);
    let seconds = rate.ns(end.saturating_sub(start)) as f64 / 1e9;
    let packets: u64 = results.iter().map(|result| result.books.received).sum();
    let bytes: u64 = results.iter().flat_map(|result| &result.counts).map(|count| count.received_bytes).sum();
    let busy: u64 = results.iter().map(|result| result.meter.busy_cycles).sum();
    let per_second = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
    RateReport {
        seconds,
        packets_per_second: per_second(packets as f64),
        bits_per_second: per_second(bytes as f64 * 8.0),
        cycles_per_packet: (packets > 0).then(|| busy as f64 / packets as f64),
    }
}

/// Merges every application's tallies by name, in the order of the cores; its last word; the digest over all; their containers.
fn tallies(
    plan: &Plan,
    results: &mut [CoreResult],
    notes: &mut Vec<String>,
    errors: &mut Vec<String>,
) -> (BTreeMap<String, serde_json::Value>, String, Vec<ContainerReport>) {
    let mut merged: BTreeMap<&'static str, Box<dyn AnyTally>> = BTreeMap::new();
    for (name, configured) in &plan.applications {
        merged.insert(*name, configured.empty_tally());
    }
    for result in results {
        for (name, tally) in result.tallies.drain(..) {
            if let Some(sum) = merged.get_mut(name) {
                sum.merge(tally);
            }
        }
    }
    let mut hasher = TallyHasher::default();
    let (mut values, mut containers) = (BTreeMap::new(), Vec::new());
    for (name, tally) in &merged {
        if let Some(configured) = plan.applications.get(name) {
            match configured.finish(tally.as_ref()) {
                Ok(lines) => notes.extend(lines.into_iter().map(|line| format!("{name}: {line}"))),
                Err(error) => errors.push(format!("{name}: {error:#}")),
            }
        }
        hasher.bytes(name.as_bytes());
        tally.digest(&mut hasher);
        values.insert((*name).to_owned(), tally.json());
        containers.extend(tally.containers().iter().map(|container| ContainerReport::new(name, container)));
    }
    (values, hasher.finish(), containers)
}

fn stages(results: &[CoreResult]) -> Vec<StageReport> {
    let Some((first, others)) = results.split_first() else { return Vec::new() };
    let mut merged: Vec<(String, &str, StageCost)> = first
        .stages
        .iter()
        .map(|(pipeline, stage, cost)| (pipeline.to_string(), *stage, cost.clone()))
        .collect();
    for other in others {
        // Every core runs the same chains, in the same order.
        for ((_, _, sum), (_, _, cost)) in merged.iter_mut().zip(&other.stages) {
            sum.merge(cost);
        }
    }
    merged
        .into_iter()
        .map(|(pipeline, stage, cost)| StageReport {
            pipeline,
            stage: stage.to_owned(),
            packets_measured: cost.packets,
            cycles_per_packet: (cost.packets > 0).then(|| cost.cycles_sum as f64 / cost.packets as f64),
            burst_cycles_p50: cost.cycles.value_at_quantile(0.5),
            burst_cycles_p99: cost.cycles.value_at_quantile(0.99),
            burst_cycles_max: cost.cycles.max(),
        })
        .collect()
}
