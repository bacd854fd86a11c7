//! What the tests of the whole daemon share.

pub mod apps;
mod base;
pub mod ports;

pub use base::*;
