//! THE map: ports × queues × cores × pipelines, wired here and nowhere else. In order: what is to be wired and
//! whether it can be; the memory it needs; the workers it becomes; its picture. Concrete ports and
//! applications are named in [`stock`] alone.

pub mod auto;
mod budget;
mod build;
mod files;
mod plan;
pub mod stock;
mod tasks;
mod wiring;

pub use budget::{Budget, bytes};
pub use build::{Built, RunKind, build};
pub use plan::Plan;
pub(crate) use plan::core_seats;
pub use wiring::{CoreSeat, PipelineSeat, PortSeat, Wiring};
