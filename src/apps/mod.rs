//! The applications that come with mnvkd, one a file.

pub mod dns_cache;
mod drop;
pub mod echo;
pub mod flow_meter;
mod forward;
mod mac_swap;
mod sink;
pub mod station;

pub use dns_cache::DnsCache;
pub use drop::{Drop, DropConfig};
pub use echo::Echo;
pub use flow_meter::FlowMeter;
pub use forward::{Forward, ForwardConfig};
pub use mac_swap::{MacSwap, MacSwapConfig};
pub use sink::{Sink, SinkConfig};
