//! Packet to core: parse once, hash, bucket table, partition keys.
pub mod bucket;
pub mod hash;
pub mod key;
pub mod parse;
pub mod toeplitz;
