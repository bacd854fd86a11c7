//! What travels: the packet, the burst, what is known of the headers.
pub mod checksum;
pub mod extent;
pub mod flow;
pub mod layers;
