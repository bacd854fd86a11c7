//! Containers whose memory is carved from a core's arena: fixed in size, never allocating.

mod bucket;
pub mod flow_records;
pub mod flow_table;
mod hash;
mod index;
pub mod routes;
mod stamp;
pub mod timer_wheel;

pub use hash::Key;
