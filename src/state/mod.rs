//! Containers whose memory is carved from a core's arena: fixed in size, never allocating.
//!
//! | | holds | when full |
//! |---|---|---|
//! | [`flow_table`] | plain keys and values that come and go | refuses, or evicts one of the longest unused |
//! | [`flow_records`] | flows and their values, for good, in the order of arrival | refuses |
//! | [`lru`] | plain keys and values of any type | evicts the longest unused |
//! | [`slab`] | values of any type, under handles | refuses |
//! | [`queue`] | values of any type, first in first out | refuses |
//! | [`list`] | the order of elements that lie elsewhere | |
//! | [`timer_wheel`] | values by when they are due | refuses |
//! | [`heap`] | hashbrown maps, vectors | refuses |
//! | [`token_bucket`] | tokens, by rate and burst | gives none |
//!
//! Each says how many it has room for, holds, held at most, refused and evicted; each module says what its operations cost, in time and in
//! memory.

mod bucket;
pub mod flow_records;
pub mod flow_table;
mod hash;
pub mod heap;
mod index;
pub mod list;
pub mod lru;
pub mod queue;
pub mod routes;
pub mod slab;
mod stamp;
pub mod timer_wheel;
pub mod token_bucket;

pub use hash::Key;
