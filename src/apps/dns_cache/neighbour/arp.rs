//! ARP (RFC 826) on the asker's side.

use super::Neighbour;
use crate::apps::station::{Addresses, Envelope, is_station};
use crate::packet::Packet;

/// Bytes of an Ethernet header and of a request or reply for IPv4 behind it; the frame is padded.
const LEN: usize = 14 + 28;
const FRAME: usize = 60;
/// Ethernet, IPv4, and their lengths.
const KINDS: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: u8 = 1;
const REPLY: u8 = 2;

/// Asks who has `hop`.
pub(in super::super) fn request(packet: &mut Packet, mac: &[u8; 6], own: [u8; 4], hop: [u8; 4]) -> bool {
    if !packet.resize(FRAME) {
        return false;
    }
    let data = packet.data_mut();
    data.fill(0);
    let parts: [&[u8]; 9] = [&[0xff; 6], mac, &[8, 6], &KINDS, &[0, REQUEST], mac, &own, &[0; 6], &hop];
    let mut at = 0;
    for part in parts {
        data[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    true
}

/// Who answers us in this frame, if it is a reply to us.
pub(in super::super) fn heard(data: &[u8], mac: &[u8; 6], addresses: &Addresses) -> Option<Neighbour> {
    let envelope =
        Envelope::of(data, mac).filter(|envelope| envelope.kind == 0x0806 && !envelope.to_group)?;
    let reply = data.get(envelope.at..)?.first_chunk::<{ LEN - 14 }>()?;
    let &[kinds @ .., 0, REPLY] = reply.first_chunk::<8>()? else { return None };
    let sender = reply[8..].first_chunk::<6>()?;
    let address = *reply[14..].first_chunk::<4>()?;
    let own = *reply[24..].first_chunk::<4>()?;
    let ours = kinds == KINDS && addresses.has_ipv4(own) && reply[18..24] == *mac;
    (ours && is_station(sender) && sender != mac).then(|| Neighbour { address: address.into(), mac: *sender })
}
