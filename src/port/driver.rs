//! Drivers by name: how a `[[port]]` of the configuration becomes a port.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer};

use super::Port;

/// A port's keys, read and checked by themselves; the port itself (files, devices) comes with `make`.
pub trait MakePort: Send + Sync {
    /// Opens what the port needs: its file, its device.
    ///
    /// # Errors
    /// What is wrong and what to do, in words.
    fn make(&self) -> anyhow::Result<Box<dyn Port>>;
}

/// Reads a port's keys.
pub(crate) type Configure =
    dyn Fn(toml::Spanned<toml::de::DeValue<'_>>) -> Result<Box<dyn MakePort>, toml::de::Error> + Send + Sync;

/// A driver: what it is called, what it is, how its keys are read.
#[derive(Clone)]
pub struct Driver {
    /// `driver = "..."`.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    pub(crate) defaults: fn() -> String,
    pub(crate) configure: Arc<Configure>,
}

/// The drivers a binary knows, by name.
#[derive(Clone, Default)]
pub struct Drivers {
    drivers: BTreeMap<&'static str, Driver>,
}

impl Drivers {
    /// Adds a driver: its keys are a `C` (all of the port's table but `name` and `driver`), its port is
    /// what `new` makes of them.
    pub fn register<C, P>(&mut self, name: &'static str, about: &'static str, new: fn(C) -> anyhow::Result<P>)
    where
        C: DeserializeOwned + Serialize + Default + Clone + Send + Sync + 'static,
        P: Port + 'static,
    {
        let driver = Driver {
            name,
            about,
            defaults: || toml::to_string(&C::default()).unwrap_or_default(),
            configure: Arc::new(move |part| {
                let config = C::deserialize(part.into_deserializer())?;
                Ok(Box::new(Typed { config, new, port: PhantomData }))
            }),
        };
        self.drivers.insert(name, driver);
    }

    /// The driver of this name.
    pub fn get(&self, name: &str) -> Option<&Driver> {
        self.drivers.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Driver> {
        self.drivers.values()
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.drivers.keys().copied()
    }
}

struct Typed<C, P> {
    config: C,
    new: fn(C) -> anyhow::Result<P>,
    port: PhantomData<fn() -> P>,
}

impl<C: Clone + Send + Sync, P: Port + 'static> MakePort for Typed<C, P> {
    fn make(&self) -> anyhow::Result<Box<dyn Port>> {
        Ok(Box::new((self.new)(self.config.clone())?))
    }
}
