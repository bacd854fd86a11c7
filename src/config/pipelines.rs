//! `[[pipeline]]`: which applications, in which order, for the packets of which ports.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use super::check::{Check, IntoParts, Value, take};
use super::nearest::suggest;
use super::place::Place;
use super::ports::Names;
use crate::pipeline::Registry;

const KEYS: [&str; 4] = ["name", "from", "to", "stages"];

/// One pipeline of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineConfig {
    /// Its name, unlike any other pipeline's.
    pub name: String,
    /// Ports whose packets it processes, by name; a port is in one pipeline's `from` at most.
    pub from: Vec<String>,
    /// Ports `forward` sends to, by name, as written; [`PipelineConfig::routes`] tells what it means.
    pub to: Vec<String>,
    /// Applications, by name, in the order they are called.
    pub stages: Vec<String>,
    /// Where it is written.
    pub place: Place,
}

impl PipelineConfig {
    /// Where `forward` sends what comes in by each port of `from`: (in, out), in the order of `from`.
    ///
    /// Without `to`, two ports are each other's pair and any other number of ports are their own. One port
    /// in `to` is everyone's pair; as many as in `from` are paired by position.
    pub fn routes(&self) -> Vec<(String, String)> {
        let out = |index: usize, own: &String| match (&self.to[..], &self.from[..]) {
            ([], [first, second]) => if index == 0 { second } else { first }.clone(),
            ([], _) => own.clone(),
            ([all], _) => all.clone(),
            (each, _) => each.get(index).unwrap_or(own).clone(),
        };
        self.from.iter().enumerate().map(|(index, own)| (own.clone(), out(index, own))).collect()
    }
}

/// What pipelines are read against, and what they have claimed so far.
pub(super) struct Reading<'r> {
    pub(super) ports: &'r Names,
    pub(super) registry: &'r Registry,
    pub(super) names: Names,
    /// Which pipeline has a port in its `from`.
    pub(super) claimed: BTreeMap<String, String>,
    /// Ports that are named anywhere, applications that are a stage anywhere.
    pub(super) used_ports: Vec<String>,
    pub(super) used_apps: Vec<&'static str>,
}

impl<'r> Reading<'r> {
    pub(super) fn new(ports: &'r Names, registry: &'r Registry) -> Reading<'r> {
        let (names, claimed) = (Names::default(), BTreeMap::new());
        Reading { ports, registry, names, claimed, used_ports: Vec::new(), used_apps: Vec::new() }
    }

    /// Reads one pipeline.
    pub(super) fn pipeline(
        &mut self,
        check: &mut Check<'_>,
        table: Spanned<DeTable<'_>>,
    ) -> Option<PipelineConfig> {
        let (span, mut table) = table.into_parts();
        let named = self.names.take(check, "pipeline", &mut table, span.clone());
        let whose = named.as_ref().map_or("a pipeline".to_owned(), |(name, _)| format!("pipeline {name:?}"));
        let mut list = |check: &mut Check<'_>, key: &str| {
            take(&mut table, key).map(|value| List::read(check, key, &value))
        };
        let (from, to, stages) = (list(check, "from"), list(check, "to"), list(check, "stages"));
        check.unknown_keys(&table, &whose, &KEYS);

        let from = needed(check, from, &span, format!("{whose} has no port: write from = [\"PORT\"]"));
        let stages =
            needed(check, stages, &span, format!("{whose} has no stages: write stages = [\"APPLICATION\"]"));
        let to = to.unwrap_or(List { span, names: Some(Vec::new()) });
        check_lengths(check, &from, &to);
        let [from, to, stages] = [from.names, to.names, stages.names].map(Option::unwrap_or_default);
        self.known_ports(check, "from", &from);
        self.known_ports(check, "to", &to);
        self.claim(check, &from, &whose);
        self.known_stages(check, &stages);

        let (name, place) = named?;
        let plain = |list: Vec<Spanned<String>>| list.into_iter().map(Spanned::into_inner).collect();
        Some(PipelineConfig { name, from: plain(from), to: plain(to), stages: plain(stages), place })
    }

    fn known_ports(&mut self, check: &mut Check<'_>, key: &str, names: &[Spanned<String>]) {
        for name in names {
            if self.ports.lacks(name.get_ref()) {
                let hint = suggest(name.get_ref(), &self.ports.all());
                check.error(name.span(), format!("{key}: unknown port {:?}{hint}", name.get_ref()));
            }
            self.used_ports.push(name.get_ref().clone());
        }
    }

    fn claim(&mut self, check: &mut Check<'_>, from: &[Spanned<String>], whose: &str) {
        for name in from {
            let port = name.get_ref();
            match self.claimed.get(port) {
                Some(other) if other == whose => {
                    check.error(name.span(), format!("from: port {port:?} is listed twice"));
                }
                Some(other) => {
                    let message = format!(
                        "from: port {port:?} is in the from of {other} already; its packets go through one pipeline"
                    );
                    check.error(name.span(), message);
                }
                None => drop(self.claimed.insert(port.clone(), whose.to_owned())),
            }
        }
    }

    fn known_stages(&mut self, check: &mut Check<'_>, stages: &[Spanned<String>]) {
        for stage in stages {
            match self.registry.get(stage.get_ref()) {
                Some(entry) => self.used_apps.push(entry.name),
                None => {
                    let known: Vec<&str> = self.registry.names().collect();
                    let hint = suggest(stage.get_ref(), &known);
                    check.error(
                        stage.span(),
                        format!("stages: unknown application {:?}{hint}", stage.get_ref()),
                    );
                }
            }
        }
    }
}

/// A list of names as it is written; `None` when something in it is at fault.
struct List {
    span: Range<usize>,
    names: Option<Vec<Spanned<String>>>,
}

impl List {
    fn read(check: &mut Check<'_>, key: &str, value: &Value<'_>) -> List {
        List { span: value.span(), names: check.strings(key, value) }
    }
}

/// A list that may be neither left out nor empty.
fn needed(check: &mut Check<'_>, list: Option<List>, whole: &Range<usize>, message: String) -> List {
    let list = list.unwrap_or(List { span: whole.clone(), names: Some(Vec::new()) });
    if list.names.as_ref().is_some_and(Vec::is_empty) {
        check.error(list.span.clone(), message);
    }
    list
}

/// `to` has none, one, or as many ports as `from`.
fn check_lengths(check: &mut Check<'_>, from: &List, to: &List) {
    let (Some(ins), Some(outs)) = (&from.names, &to.names) else { return };
    let (ins, outs) = (ins.len(), outs.len());
    if outs > 1 && ins > 0 && outs != ins {
        let message = format!(
            "to: {outs} ports for the {ins} of from; expected none (ports are paired), one (all go there) or {ins}"
        );
        check.error(to.span.clone(), message);
    }
}
