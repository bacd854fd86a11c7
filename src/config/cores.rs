//! Which cores poll.

use std::fmt;
use std::str::FromStr;

use toml::de::DeValue;

use super::check::{Check, Value, whole};
use crate::packet::CoreId;

/// The polling cores: `cores = 4`, `cores = [0, 2]` or `cores = "all"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cores {
    /// So many, on CPUs of the daemon's choice. More than there are CPUs is possible.
    Number(usize),
    /// One on each of these CPUs.
    Cpus(Vec<usize>),
    /// One on every CPU this process may run on.
    All,
}

impl Cores {
    /// How many cores that is on a machine that lends so many CPUs; at least 1.
    pub fn count(&self, cpus: usize) -> usize {
        match self {
            Cores::Number(number) => *number,
            Cores::Cpus(cpus) => cpus.len(),
            Cores::All => cpus.clamp(1, CoreId::LIMIT),
        }
    }
}

/// As it is written in the configuration.
impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cores::Number(number) => write!(f, "{number}"),
            Cores::Cpus(cpus) => write!(f, "{cpus:?}"),
            Cores::All => f.write_str("\"all\""),
        }
    }
}

/// As it is written on the command line: `4`, `0,2` (one CPU: `0,`) or `all`.
impl FromStr for Cores {
    type Err = String;

    fn from_str(text: &str) -> Result<Cores, String> {
        let text = text.trim();
        let number = |part: &str| part.trim().parse::<usize>().ok();
        if text == "all" {
            return Ok(Cores::All);
        }
        let read = if text.contains(',') {
            let list = text.trim_start_matches('[').trim_end_matches(']');
            let parts = list.strip_suffix(',').unwrap_or(list).split(',');
            parts.map(number).collect::<Option<Vec<_>>>().map(Cores::Cpus)
        } else {
            number(text).map(Cores::Number)
        };
        read.ok_or_else(|| {
            format!("{text:?} is neither a number of cores, a list of CPUs as \"0,2\", nor \"all\"")
        })
    }
}

const EXPECTED: &str = "a number of cores, a list of CPUs or \"all\"";

/// Reads `cores`; `online` are the machine's CPUs, where that is known.
pub(super) fn read(check: &mut Check<'_>, value: &Value<'_>, online: Option<&[usize]>) -> Option<Cores> {
    match value.get_ref() {
        DeValue::String(text) if text == "all" => Some(Cores::All),
        DeValue::String(text) if text.parse::<Cores>().is_ok_and(|cores| matches!(cores, Cores::Cpus(_))) => {
            check.error(value.span(), format!("cores: a list of CPUs is written cores = [{text}]"));
            None
        }
        DeValue::Integer(_) => {
            let count = check.integer("cores", 1..=CoreId::LIMIT as u64, value)?;
            Some(Cores::Number(count as usize))
        }
        DeValue::Array(items) if items.is_empty() => {
            check.error(value.span(), format!("cores: an empty list; expected {EXPECTED}"));
            None
        }
        DeValue::Array(items) => cpus(check, items, online).map(Cores::Cpus),
        _ => {
            check.mismatch("cores", EXPECTED, value);
            None
        }
    }
}

fn cpus(check: &mut Check<'_>, items: &[Value<'_>], online: Option<&[usize]>) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    let mut good = true;
    for item in items {
        match cpu(item, &cpus, online) {
            Ok(cpu) => cpus.push(cpu),
            Err(message) => {
                check.error(item.span(), message);
                good = false;
            }
        }
    }
    if cpus.len() > CoreId::LIMIT {
        check.error(items[CoreId::LIMIT].span(), format!("cores: more than {} CPUs", CoreId::LIMIT));
        good = false;
    }
    good.then_some(cpus)
}

fn cpu(item: &Value<'_>, before: &[usize], online: Option<&[usize]>) -> Result<usize, String> {
    let number = whole(item.get_ref()).and_then(|number| usize::try_from(number).ok());
    let Some(cpu) = number else {
        return Err(format!(
            "cores: expected the number of a CPU, found {}",
            super::check::describe(item.get_ref())
        ));
    };
    if before.contains(&cpu) {
        return Err(format!("cores: CPU {cpu} is listed twice; a CPU polls for one core"));
    }
    match online {
        Some(online) if !online.contains(&cpu) => {
            Err(format!("cores: there is no CPU {cpu}; this machine has {}", ranges(online)))
        }
        _ => Ok(cpu),
    }
}

/// The CPUs of this machine that are online; `None` where the kernel does not say.
pub(super) fn online() -> Option<Vec<usize>> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?;
    parse_ranges(text.trim())
}

/// Reads the kernel's `0-3,5`.
fn parse_ranges(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        cpus.extend(first..=last.min(first + 65_535));
    }
    Some(cpus)
}

/// Writes CPUs as the kernel does.
fn ranges(cpus: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => parts.push((cpu, cpu)),
        }
    }
    let text = parts.iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") });
    format!("CPUs {}", text.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_writes_cores_in_three_ways() {
        assert_eq!("4".parse(), Ok(Cores::Number(4)));
        assert_eq!(" 0, 2 ".parse(), Ok(Cores::Cpus(vec![0, 2])));
        assert_eq!("1,".parse(), Ok(Cores::Cpus(vec![1])));
        assert_eq!("all".parse(), Ok(Cores::All));
        for text in ["", ",", "a", "0,,2", "-1", "0-3"] {
            assert!(text.parse::<Cores>().is_err(), "{text}");
        }
    }

    #[test]
    fn cpu_ranges_are_the_kernels() {
        assert_eq!(parse_ranges("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(parse_ranges(""), None);
        assert_eq!(ranges(&[0, 1, 2, 5]), "CPUs 0-2,5");
    }

    #[test]
    fn all_is_at_least_one_core() {
        assert_eq!(Cores::All.count(0), 1);
        assert_eq!(Cores::All.count(9999), CoreId::LIMIT);
        assert_eq!(Cores::Cpus(vec![3, 1]).count(1), 2);
    }
}
