//! Neighbour solicitations (RFC 4861, 4.3 and 7.2), those of duplicate address detection (RFC 4862, 5.4) included.

use super::fate::{Fate, Kind};
use super::host::Request;
use super::icmp::{self, CHECKSUM};
use super::ipv6::{self, Asked};
use super::segment::write_checksum;
use crate::apps::station;
use crate::apps::station::{ALL_NODES, UNSPECIFIED, is_host_ipv6, solicited_node};

/// ICMPv6's neighbour solicitation.
pub(super) const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// What no router lets pass: it came from this link (RFC 4861, 7.1.1).
const HOP_LIMIT: u8 = 255;
/// Type, code, checksum, flags, target address.
const FIXED: usize = 24;
/// The same with one option, the target's Ethernet address.
const LEN: usize = FIXED + 8;
const SOURCE_LINK_ADDRESS: u8 = 1;
const TARGET_LINK_ADDRESS: u8 = 2;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
/// Ethernet address of the group of all nodes (RFC 2464, section 7).
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

/// Advertises an address of ours: to who asked, or to all nodes where somebody is about to take it.
pub(super) fn answer(request: Request<'_>, asked: &Asked) -> Result<Kind, Fate> {
    let target = target(&request, asked)?;
    check(&request, asked, &target)?;
    let Request { host, packet, envelope, mac, .. } = request;
    asked.segment.settle(packet, LEN, host.reasons.no_room)?;
    let probes = asked.source == UNSPECIFIED;
    let to = if probes { ALL_NODES } else { asked.source };
    let pseudo = ipv6::write(packet, asked, LEN, HOP_LIMIT, [&target, &to]);
    advertise(asked.segment.settled(packet, LEN), !probes, &mac, pseudo);
    match probes {
        true => station::address(packet.data_mut(), &ALL_NODES_MAC, &mac),
        false => envelope.turn(packet.data_mut(), &mac),
    }
    packet.set_checksum_complete();
    Ok(Kind::Neighbour)
}

/// The address of ours that is asked for.
fn target(request: &Request<'_>, asked: &Asked) -> Result<[u8; 16], Fate> {
    let message = asked.segment.of(request.packet);
    let target = message.get(8..FIXED).and_then(|bytes| bytes.first_chunk::<16>());
    match target {
        Some(target) if request.host.addresses.has_ipv6(target) => Ok(*target),
        Some(_) => Err(request.host.not_for_us()),
        None => Err(Fate::Drop(request.host.reasons.bad_solicitation)),
    }
}

/// Refuses a solicitation that is not valid (RFC 4861, 7.1.1; RFC 6980), or comes from nobody.
fn check(request: &Request<'_>, asked: &Asked, target: &[u8; 16]) -> Result<(), Fate> {
    let (host, reasons) = (request.host, &request.host.reasons);
    if asked.fragment_header {
        return Err(Fate::Drop(reasons.fragment));
    }
    if asked.hop_limit != HOP_LIMIT {
        return Err(Fate::Drop(reasons.hop_limit));
    }
    request.check_station()?;
    icmp::check(request, &asked.segment)?;
    let options = asked.segment.of(request.packet).get(FIXED..).unwrap_or_default();
    let named = names_source(options).ok_or(Fate::Drop(reasons.bad_solicitation))?;
    if asked.source == UNSPECIFIED {
        return match !named && asked.destination == solicited_node(target) {
            true => Ok(()),
            false => Err(Fate::Drop(reasons.bad_solicitation)),
        };
    }
    if host.addresses.has_ipv6(&asked.source) {
        return Err(Fate::Drop(reasons.address_conflict));
    }
    match is_host_ipv6(&asked.source) {
        true => Ok(()),
        false => Err(Fate::Drop(reasons.bad_source)),
    }
}

/// Is the sender's Ethernet address among the options? `None` where they cannot be followed.
fn names_source(mut options: &[u8]) -> Option<bool> {
    let mut named = false;
    while let Some((&kind, rest)) = options.split_first() {
        let len = usize::from(*rest.first()?) * 8;
        if len == 0 {
            return None;
        }
        named |= kind == SOURCE_LINK_ADDRESS;
        options = options.get(len..)?;
    }
    Some(named)
}

/// Makes a solicitation the advertisement of its target.
fn advertise(message: &mut [u8], solicited: bool, mac: &[u8; 6], pseudo: u16) {
    if message.len() != LEN {
        return;
    }
    message[..2].copy_from_slice(&[ADVERTISEMENT, 0]);
    message[4..8].copy_from_slice(&[if solicited { SOLICITED | OVERRIDE } else { OVERRIDE }, 0, 0, 0]);
    message[FIXED..FIXED + 2].copy_from_slice(&[TARGET_LINK_ADDRESS, 1]);
    message[FIXED + 2..].copy_from_slice(mac);
    write_checksum(message, CHECKSUM, pseudo);
}
