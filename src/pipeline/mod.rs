//! Applications and how they are chained: the trait, what their constructors get, the registry, the chain.

mod application;
mod build;
pub(crate) mod chain;
pub(crate) mod registry;

pub use application::{Application, Context, Reads};
pub use build::{Build, Routes};
pub use chain::StageCost;
pub use registry::{Entry, Registry};
