//! Applications by name, with their types behind them.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IntoDeserializer;

use super::application::{Application, Context, Reads};
use super::build::Build;
use crate::packet::Burst;
use crate::reduce::{Containers, Tally, TallyHasher};
use crate::steer::key::PartitionKey;
use crate::task::TaskNeeds;

/// An instance on a core: the one dynamic call per application and burst.
pub(crate) trait Stage: Send {
    fn start(&mut self, context: &Context);
    fn process(&mut self, burst: &mut Burst, context: &Context);
    fn into_tally(self: Box<Self>) -> Box<dyn AnyTally>;
}

/// A tally whose type only its application knows, and how full the application's containers were.
pub(crate) trait AnyTally: Send {
    fn merge(&mut self, other: Box<dyn AnyTally>);
    fn json(&self) -> serde_json::Value;
    fn digest(&self, hasher: &mut TallyHasher);
    fn containers(&self) -> &[Containers];
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
    fn as_any(&self) -> &dyn Any;
}

/// An application with its part of the configuration read and checked.
pub(crate) trait Configured: Send + Sync {
    fn arena_bytes(&self) -> usize;
    fn tasks(&self) -> TaskNeeds;
    fn shards(&self) -> Option<u16>;
    fn writes(&self) -> Option<PathBuf>;
    fn decides(&self) -> bool;
    fn build(&self, build: &mut Build<'_>) -> anyhow::Result<Box<dyn Stage>>;
    fn empty_tally(&self) -> Box<dyn AnyTally>;
    fn finish(&self, tally: &dyn AnyTally) -> anyhow::Result<Vec<String>>;
}

/// Reads an application's part of the configuration, if there is one.
pub(crate) type Configure =
    fn(Option<toml::Spanned<toml::de::DeValue<'_>>>) -> Result<Box<dyn Configured>, toml::de::Error>;

/// What is known of an application before its configuration is.
#[derive(Clone)]
pub struct Entry {
    /// The name it was registered under.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// What its state is keyed by.
    pub key: PartitionKey,
    /// What it reads of packets.
    pub reads: Reads,
    /// Does every packet get a verdict from it, whatever its configuration?
    pub decides: bool,
    pub(crate) defaults: fn() -> String,
    pub(crate) configure: Configure,
}

/// The applications a binary knows, by name.
#[derive(Clone, Default)]
pub struct Registry {
    entries: BTreeMap<&'static str, Entry>,
}

impl Registry {
    /// Adds an application under a name (kebab-case by custom), replacing one of the same name.
    pub fn register<A: Application>(&mut self, name: &'static str) {
        let reads = if A::KEY == PartitionKey::None { A::READS } else { A::READS.max(Reads::Headers) };
        let entry = Entry {
            name,
            about: A::ABOUT,
            key: A::KEY,
            reads,
            decides: A::DECIDES,
            defaults: || toml::to_string(&A::Config::default()).unwrap_or_default(),
            configure: |part| {
                let config = match part {
                    Some(part) => A::Config::deserialize(part.into_deserializer())?,
                    None => A::Config::default(),
                };
                Ok(Box::new(Typed::<A> { config }))
            },
        };
        self.entries.insert(name, entry);
    }

    /// The application of this name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.entries.keys().copied()
    }
}

struct Typed<A: Application> {
    config: A::Config,
}

impl<A: Application> Configured for Typed<A> {
    fn arena_bytes(&self) -> usize {
        A::arena_bytes(&self.config)
    }

    fn tasks(&self) -> TaskNeeds {
        A::tasks(&self.config)
    }

    fn shards(&self) -> Option<u16> {
        A::shards(&self.config)
    }

    fn writes(&self) -> Option<PathBuf> {
        A::writes(&self.config)
    }

    fn decides(&self) -> bool {
        A::decides(&self.config)
    }

    fn build(&self, build: &mut Build<'_>) -> anyhow::Result<Box<dyn Stage>> {
        Ok(Box::new(Instance(A::new(&self.config, build)?)))
    }

    fn empty_tally(&self) -> Box<dyn AnyTally> {
        Box::new(TallyOf { tally: A::Tally::default(), containers: Vec::new() })
    }

    fn finish(&self, tally: &dyn AnyTally) -> anyhow::Result<Vec<String>> {
        match tally.as_any().downcast_ref::<A::Tally>() {
            Some(tally) => A::finish(tally, &self.config),
            None => anyhow::bail!("two applications of different types share one name"),
        }
    }
}

struct Instance<A>(A);

impl<A: Application> Stage for Instance<A> {
    fn start(&mut self, context: &Context) {
        self.0.start(context);
    }

    #[inline]
    fn process(&mut self, burst: &mut Burst, context: &Context) {
        self.0.process(burst, context);
    }

    fn into_tally(self: Box<Self>) -> Box<dyn AnyTally> {
        let containers = Containers::of(self.0.occupancy());
        Box::new(TallyOf { tally: self.0.tally(), containers })
    }
}

struct TallyOf<T> {
    tally: T,
    containers: Vec<Containers>,
}

impl<T: Tally> AnyTally for TallyOf<T> {
    fn merge(&mut self, other: Box<dyn AnyTally>) {
        if let Ok(other) = other.into_any().downcast::<TallyOf<T>>() {
            self.tally.merge(other.tally);
            Containers::merge(&mut self.containers, other.containers);
        }
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(&self.tally).unwrap_or_else(|error| serde_json::Value::String(error.to_string()))
    }

    fn digest(&self, hasher: &mut TallyHasher) {
        self.tally.digest(hasher);
    }

    fn containers(&self) -> &[Containers] {
        &self.containers
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }

    fn as_any(&self) -> &dyn Any {
        &self.tally
    }
}
