//! What an application needs, in one line: `use mnvkd::prelude::*;`.

pub use crate::daemon::Daemon;
pub use crate::packet::layers::{Layers, Malformed, Network, Transport};
pub use crate::packet::{Burst, Packet, PortId, Reason, Verdict};
pub use crate::pipeline::{Application, Build, Context, FlowTask, PerFlow, Reads};
pub use crate::reduce::{Occupancy, Tally};
pub use crate::steer::key::PartitionKey;
pub use crate::task::{Elapsed, Flow, Held, State};
/// What constructors of applications return.
pub use anyhow::Result;
/// How long tasks wait.
pub use std::time::Duration;
