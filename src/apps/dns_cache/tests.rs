//! Parts by themselves; the whole is in `tests/live_dns.rs` and `tests/dns_replay.rs`.

mod caching;
mod configs;
mod packets;
mod pending;
mod rig;
