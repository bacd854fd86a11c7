//! `dns-cache`: a forwarding, caching DNS server.
#![allow(dead_code, unused_imports)]

mod cache;
mod config;
mod core;
mod datagram;
mod draw;
mod fate;
mod message;
mod neighbour;
mod pending;
mod settings;
mod tally;
#[cfg(test)]
mod tests;
