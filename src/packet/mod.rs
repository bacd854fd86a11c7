//! What travels: ids, the packet and its frame, what is known of its headers, the burst and the verdicts.

mod burst;
pub mod checksum;
pub mod extent;
pub mod flow;
mod frames;
mod ids;
pub mod layers;
#[allow(clippy::module_inception, reason = "the room is named for what travels, and this is it")]
mod packet;
mod verdict;

pub use burst::{Burst, Packets, Undecided};
pub use frames::Frames;
pub use ids::{BurstSize, CoreId, PortId};
pub use packet::Packet;
pub use verdict::{Reason, Reasons, Verdict};
