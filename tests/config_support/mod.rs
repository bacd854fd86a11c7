//! A few drivers and applications of known keys, so that tests of the configuration need none of mnvkd's own.
#![allow(dead_code)]

use mnvkd::config::{Config, ConfigErrors, Override};
use mnvkd::packet::Burst;
use mnvkd::pipeline::{Application, Build, Context, Registry};
use mnvkd::port::driver::Drivers;
use mnvkd::port::null::{Null, NullConfig};
use serde::{Deserialize, Serialize};

/// Keys of `count`.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CountConfig {
    /// Rows.
    pub table_rows: u32,
    /// File.
    pub export: Option<String>,
    /// Mode.
    pub mode: Mode,
}

impl Default for CountConfig {
    fn default() -> Self {
        CountConfig { table_rows: 64, export: None, mode: Mode::Fast }
    }
}

/// A choice.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One.
    Fast,
    /// Other.
    Careful,
}

/// A table in a list, lax too.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// A number.
    pub port: u16,
}

/// Keys of `lax`, whose author forgot to deny unknown ones.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LaxConfig {
    /// A number.
    pub depth: u8,
    /// Any values at all.
    pub any: std::collections::BTreeMap<String, toml::Value>,
    /// Tables.
    pub rules: Vec<Rule>,
}

macro_rules! application {
    ($name:ident, $config:ty) => {
        /// An application that does nothing.
        pub struct $name;

        impl Application for $name {
            type Config = $config;
            type Tally = ();
            const ABOUT: &'static str = "does nothing";
            fn new(_: &$config, _: &mut Build<'_>) -> anyhow::Result<Self> {
                Ok($name)
            }
            fn process(&mut self, _: &mut Burst, _: &Context) {}
            fn tally(self) {}
        }
    };
}

/// Keys of an application without any.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoConfig {}

application!(Count, CountConfig);
application!(Lax, LaxConfig);
application!(Swap, NoConfig);

/// The applications of these tests: count, lax, swap.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.register::<Count>("count");
    registry.register::<Lax>("lax");
    registry.register::<Swap>("swap");
    registry
}

/// Keys of `nest`: tables, lists, alternatives inside.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NestConfig {
    /// A table.
    pub deep: Option<Deep>,
    /// A list.
    pub list: Vec<u16>,
    /// One or many.
    pub either: Option<Either>,
}

/// A table with a key that is needed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deep {
    /// Needed.
    pub path: String,
}

/// One or many.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Either {
    /// One.
    One(String),
    /// Many.
    Many(Vec<String>),
}

/// The drivers of these tests: null, nest.
pub fn drivers() -> Drivers {
    let mut drivers = Drivers::default();
    drivers.register("null", "packets of a size", Null::new);
    drivers.register("nest", "keys of many kinds", |_: NestConfig| Null::new(NullConfig::default()));
    drivers
}

/// Loads a text as `test.toml`.
pub fn load(text: &str) -> Result<Config, ConfigErrors> {
    load_set(text, &[])
}

/// The same with `--set`s.
pub fn load_set(text: &str, set: &[&str]) -> Result<Config, ConfigErrors> {
    let set: Vec<Override> = set.iter().map(|text| Override::set(*text)).collect();
    Config::load_with(text, "test.toml", &set, &registry(), &drivers())
}

/// A small configuration without fault.
pub const GOOD: &str = r#"[dataplane]
cores = 2

[[port]]
name = "in"
driver = "null"

[[pipeline]]
name = "main"
from = ["in"]
stages = ["count", "swap"]

[app.count]
table-rows = 1_000
"#;
