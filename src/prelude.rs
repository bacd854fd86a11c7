//! What an application needs, in one line: `use mnvkd::prelude::*;`.

pub use crate::daemon::Daemon;
pub use crate::packet::layers::{Layers, Malformed, Network, Transport};
pub use crate::packet::{Burst, Packet, PortId, Reason, Verdict};
pub use crate::pipeline::{Application, Build, Context, Reads};
pub use crate::reduce::{Occupancy, Tally};
pub use crate::steer::key::PartitionKey;
/// What constructors of applications return.
pub use anyhow::Result;
