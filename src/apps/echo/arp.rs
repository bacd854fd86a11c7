//! ARP (RFC 826) over Ethernet for IPv4, probes and announcements by RFC 5227.

use super::fate::{Fate, Kind};
use super::host::Request;
use crate::apps::station::is_station;

/// Ethernet (1), IPv4 (0x0800), addresses of 6 and 4 bytes, request (1).
const REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];
/// Bytes of such a message.
const LEN: usize = 28;
/// No address yet: the sender probes (RFC 5227, 2.1.1).
const PROBE: [u8; 4] = [0; 4];

/// Answers a request for an address of ours: to the Ethernet address it came from, for the sender it names.
pub(super) fn answer(request: Request<'_>) -> Result<Kind, Fate> {
    let (host, at) = (request.host, request.envelope.at);
    let message = request.packet.data().get(at..).and_then(|rest| rest.first_chunk::<LEN>());
    let Some(message) = message else { return Err(host.not_for_us()) };
    let Some((sender_mac, sender)) = asked(message, |target| host.addresses.has_ipv4(target)) else {
        return Err(host.not_for_us());
    };
    if host.addresses.has_ipv4(sender) {
        return Err(Fate::Drop(host.reasons.address_conflict));
    }
    request.check_station()?;
    if !is_station(&sender_mac) || sender != PROBE && !host.addresses.is_host_ipv4(sender) {
        return Err(Fate::Drop(host.reasons.bad_source));
    }
    let Request { packet, envelope, mac, .. } = request;
    let data = packet.data_mut();
    envelope.turn(data, &mac);
    if let Some(message) = data.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<LEN>()) {
        reply(message, &mac);
    }
    // A capture may have cut padding off, and a port may have said what it likes of a checksum that is not there.
    packet.set_wire_len(packet.len() as u32);
    packet.set_checksum_complete();
    Ok(Kind::Arp)
}

/// The sender of a request for an address `is_ours` says yes to.
fn asked(message: &[u8; LEN], is_ours: impl Fn([u8; 4]) -> bool) -> Option<([u8; 6], [u8; 4])> {
    let target = *message[24..].first_chunk::<4>()?;
    if !message.starts_with(&REQUEST) || !is_ours(target) {
        return None;
    }
    Some((*message[8..].first_chunk::<6>()?, *message[14..].first_chunk::<4>()?))
}

/// Makes the reply of a request: sender and target change places, and the sender now has its address.
fn reply(message: &mut [u8; LEN], mac: &[u8; 6]) {
    message[7] = 2;
    let (sender, target) = message[8..].split_at_mut(10);
    sender.swap_with_slice(target);
    sender[..6].copy_from_slice(mac);
}
