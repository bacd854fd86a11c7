//! Packet to core: parse once, hash, partition keys, bucket table, and what of that a pipeline needs.
pub mod bucket;
pub mod hash;
pub mod key;
pub mod parse;
pub mod steering;
pub mod toeplitz;
