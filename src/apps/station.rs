//! What every application needs that is a host on a link: its addresses, its Ethernet address, the Ethernet header.

mod addresses;
mod ethernet;
mod mac;
mod others;
mod prefix;
mod reasons;

pub(in crate::apps) use addresses::{ALL_NODES, Addresses, UNSPECIFIED, is_host_ipv6, solicited_node};
pub(in crate::apps) use ethernet::{Envelope, address, is_station};
pub use mac::Mac;
pub use others::Others;
pub use prefix::Prefix;
pub(in crate::apps) use reasons::reasons;
