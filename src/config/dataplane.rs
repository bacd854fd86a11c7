//! `[dataplane]`: cores, their memory, what they do when there is nothing to do.

use hugepages::PagePolicy;
use toml::de::{DeTable, DeValue};

use super::check::{Check, TOML_LARGEST, Value, take};
use super::cores::{self, Cores};
use super::privileges::PrivilegePolicy;
use super::size::{format_bytes, parse_bytes};
use crate::packet::BurstSize;
use crate::worker::IdlePolicy;

/// Keys of `[dataplane]`.
pub const DATAPLANE_KEYS: [&str; 8] =
    ["cores", "arena", "pages", "idle", "burst", "seed", "frames", "privileges"];

/// What holds for every core.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataplane {
    /// Which cores poll; all unless given.
    pub cores: Cores,
    /// Bytes of each core's arena; 64 MiB unless given.
    pub arena_bytes: u64,
    /// Which pages the arenas lie on.
    pub pages: PagePolicy,
    /// What a core does that has nothing to do; `None` leaves it to the daemon.
    pub idle: Option<IdlePolicy>,
    /// Packets handled together at most.
    pub burst: BurstSize,
    /// Seed of everything random; at most 2^63 - 1, the largest number TOML knows.
    pub seed: u64,
    /// Frames of each core; `None` is as many as are useful and fit.
    pub frames: Option<u32>,
    /// What becomes of the process's privileges once ports are open.
    pub privileges: PrivilegePolicy,
}

impl Default for Dataplane {
    fn default() -> Self {
        Dataplane {
            cores: Cores::All,
            arena_bytes: 64 << 20,
            pages: PagePolicy::default(),
            idle: None,
            burst: BurstSize::default(),
            seed: 1,
            frames: None,
            privileges: PrivilegePolicy::default(),
        }
    }
}

impl Dataplane {
    /// As a table of TOML, every key that has a value.
    pub(super) fn to_table(&self) -> toml::Table {
        let cores = match &self.cores {
            Cores::Number(number) => (*number as i64).into(),
            Cores::Cpus(cpus) => cpus.iter().map(|cpu| *cpu as i64).collect::<Vec<_>>().into(),
            Cores::All => "all".into(),
        };
        let mut table = toml::Table::new();
        let mut put = |key: &str, value: toml::Value| table.insert(key.to_owned(), value);
        put("cores", cores);
        put("arena", format_bytes(self.arena_bytes).into());
        put("pages", self.pages.to_string().into());
        put("burst", (self.burst.get() as i64).into());
        put("seed", (self.seed as i64).into());
        put("privileges", self.privileges.to_string().into());
        if let Some(idle) = self.idle {
            put("idle", idle.to_string().into());
        }
        if let Some(frames) = self.frames {
            put("frames", i64::from(frames).into());
        }
        table
    }
}

/// Reads the table; what is wrong is reported, and its default stands in until the end.
pub(super) fn read(check: &mut Check<'_>, mut table: DeTable<'_>, online: Option<&[usize]>) -> Dataplane {
    let mut read = Dataplane::default();
    let mut key = |key: &str| take(&mut table, key);
    if let Some(cores) = key("cores").and_then(|value| cores::read(check, &value, online)) {
        read.cores = cores;
    }
    if let Some(bytes) = key("arena").and_then(|value| arena(check, &value)) {
        read.arena_bytes = bytes;
    }
    if let Some(pages) = key("pages").and_then(|value| parsed(check, "pages", &value)) {
        read.pages = pages;
    }
    read.idle = key("idle").and_then(|value| parsed(check, "idle", &value));
    if let Some(burst) =
        key("burst").and_then(|value| check.integer("burst", 1..=BurstSize::MAX as u64, &value))
    {
        read.burst = BurstSize::new(burst as usize).unwrap_or_default();
    }
    if let Some(seed) = key("seed").and_then(|value| check.integer("seed", 0..=TOML_LARGEST, &value)) {
        read.seed = seed;
    }
    let frames = key("frames").and_then(|value| check.integer("frames", 1..=u64::from(u32::MAX), &value));
    read.frames = frames.and_then(|frames| u32::try_from(frames).ok());
    if let Some(policy) = take(&mut table, "privileges").and_then(|value| parsed(check, "privileges", &value))
    {
        read.privileges = policy;
    }
    check.unknown_keys(&table, "[dataplane]", &DATAPLANE_KEYS);
    read
}

fn arena(check: &mut Check<'_>, value: &Value<'_>) -> Option<u64> {
    let bytes = match value.get_ref() {
        DeValue::Integer(_) => check.integer("arena", 1..=TOML_LARGEST, value)?,
        DeValue::String(text) => match parse_bytes(text) {
            Ok(bytes) => bytes,
            Err(message) => {
                check.error(value.span(), format!("arena: {message}"));
                return None;
            }
        },
        _ => {
            check.mismatch("arena", "a size as \"64MiB\"", value);
            return None;
        }
    };
    if bytes == 0 {
        check.error(value.span(), "arena: no bytes at all; each core needs some MiB, as in \"64MiB\"");
        return None;
    }
    Some(bytes)
}

/// A string that says one of a few things.
fn parsed<T: std::str::FromStr<Err: ToString>>(
    check: &mut Check<'_>,
    key: &str,
    value: &Value<'_>,
) -> Option<T> {
    let text = check.string(key, value)?;
    match text.parse() {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            check.error(value.span(), format!("{key}: {}", error.to_string()));
            None
        }
    }
}
