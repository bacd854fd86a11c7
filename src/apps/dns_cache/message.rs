//! DNS messages (RFC 1035, section 4) as they lie in packets: queries read, responses checked, answers and upstream
//! queries written, all in place.
//!
//! What a hit in the cache needs is read by hand, byte for byte; records of responses are followed by NLnet Labs'
//! `domain`, over the bytes as they lie there.

mod answer;
mod key;
mod query;
mod response;
#[cfg(test)]
mod tests;
mod truncate;
mod upstream;
mod wire;

pub(super) use answer::{finish, refuse};
pub(super) use key::{Key, Variant};
pub(super) use query::{Fault, Query, Refusal, parse};
pub(super) use response::{Kind, Lives, Wrong, belongs, read};
pub(super) use truncate::fit;
pub(super) use upstream::{ask, ask_len};
pub(super) use wire::{HEADER, MOST_QUESTION, OPT, get, put, rcode};
