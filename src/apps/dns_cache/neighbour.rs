//! Ethernet addresses of next hops: upstream servers and gateways, asked for by ARP (RFC 826) and neighbour discovery (RFC
//! 4861, 7.2).
//!
//! What comes back goes to one core, and every core wants to know: what was heard is published to all cores of the run,
//! as counters are. It holds from 1 ms later on, so that it makes no difference on which core it was heard first, and for 60
//! seconds; then it is asked for again.

mod arp;
mod board;
mod solicitation;

use std::net::IpAddr;

pub(super) use arp::{heard as heard_arp, request};
pub(super) use board::{Board, Heard};
pub(super) use solicitation::{heard as heard_advertisement, solicit};

use crate::packet::Packet;

/// Who a next hop said it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neighbour {
    pub(super) address: IpAddr,
    pub(super) mac: [u8; 6],
}

/// Writes a question for the Ethernet address of `hop` into an empty packet; `false` where its frame has no room for it.
pub(super) fn ask(packet: &mut Packet, mac: &[u8; 6], own: IpAddr, hop: IpAddr) -> bool {
    match (own, hop) {
        (IpAddr::V4(own), IpAddr::V4(hop)) => request(packet, mac, own.octets(), hop.octets()),
        (IpAddr::V6(own), IpAddr::V6(hop)) => solicit(packet, mac, own.octets(), hop.octets()),
        _ => false,
    }
}
