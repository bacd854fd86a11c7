//! Applications and how they are chained: the trait, what their constructors get, applications that are an `async fn` a flow,
//! the registry, the chain.

mod application;
mod build;
pub(crate) mod chain;
mod per_flow;
pub(crate) mod registry;

pub use application::{Application, Context, Reads};
pub use build::{Build, Routes};
pub use chain::StageCost;
pub use per_flow::{FlowTask, PerFlow};
pub use registry::{Entry, Registry};
