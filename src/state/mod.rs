//! Containers whose memory is carved from a core's arena: fixed in size, never allocating.

pub mod flow_table;
pub mod routes;
pub mod timer_wheel;
