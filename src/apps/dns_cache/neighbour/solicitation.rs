//! Neighbour discovery (RFC 4861) on the asker's side.

use super::super::message::{get, put};
use super::Neighbour;
use crate::apps::station::{Addresses, Envelope, address, is_station, solicited_node};
use crate::packet::Packet;
use crate::packet::checksum::{add, sum};
use crate::packet::layers::{Network, Transport};

const ETHERNET: usize = 14;
const IPV6: usize = 40;
/// Type, code, checksum, flags, target; and an option with an Ethernet address.
const FIXED: usize = 24;
const MESSAGE: usize = FIXED + 8;
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const SOURCE_LINK_ADDRESS: u8 = 1;
const TARGET_LINK_ADDRESS: u8 = 2;
/// What no router lets pass: it came from this link (RFC 4861, 7.1.2).
const HOP_LIMIT: u8 = 255;

/// Asks the group of `hop` for its Ethernet address (RFC 4861, 7.2.2).
pub(in super::super) fn solicit(packet: &mut Packet, mac: &[u8; 6], own: [u8; 16], hop: [u8; 16]) -> bool {
    if !packet.resize(ETHERNET + IPV6 + MESSAGE) {
        return false;
    }
    let group = solicited_node(&hop);
    let data = packet.data_mut();
    data.fill(0);
    // The Ethernet address of a group (RFC 2464, section 7).
    let [.., a, b, c, d] = group;
    address(data, &[0x33, 0x33, a, b, c, d], mac);
    put(data, 12, 0x86dd);
    let (header, message) = data[ETHERNET..].split_at_mut(IPV6);
    header[0] = 0x60;
    put(header, 4, MESSAGE as u16);
    (header[6], header[7]) = (ICMPV6, HOP_LIMIT);
    header[8..24].copy_from_slice(&own);
    header[24..].copy_from_slice(&group);
    message[0] = SOLICITATION;
    message[8..FIXED].copy_from_slice(&hop);
    message[FIXED..FIXED + 2].copy_from_slice(&[SOURCE_LINK_ADDRESS, 1]);
    message[FIXED + 2..].copy_from_slice(mac);
    let value = !add(add(sum(&header[8..]), add(MESSAGE as u16, ICMPV6.into())), sum(message));
    put(message, 2, value);
    true
}

/// Who answers us in this packet, if it is a valid advertisement (RFC 4861, 7.1.2) to an address of ours.
pub(in super::super) fn heard(packet: &Packet, mac: &[u8; 6], addresses: &Addresses) -> Option<Neighbour> {
    let (data, layers) = (packet.data(), packet.layers());
    if (layers.network(), layers.transport()) != (Network::Ipv6, Transport::Icmpv6) || layers.is_fragment() {
        return None;
    }
    Envelope::of(data, mac)
        .filter(|envelope| !envelope.to_group && envelope.at == layers.network_offset())?;
    let network = data.get(layers.network_offset()..)?;
    let (header, rest) = network.split_first_chunk::<IPV6>()?;
    let message = rest.get(..usize::from(get(header, 4)))?;
    let own = header[24..].first_chunk::<16>()?;
    if header[6] != ICMPV6 || header[7] != HOP_LIMIT || !addresses.has_ipv6(own) {
        return None;
    }
    if message.len() < FIXED || message[..2] != [ADVERTISEMENT, 0] {
        return None;
    }
    let total = add(add(sum(&header[8..]), add(message.len() as u16, ICMPV6.into())), sum(message));
    if total != 0xffff && !packet.is_checksum_partial() {
        return None;
    }
    let target = *message[8..].first_chunk::<16>()?;
    let sender = target_address(&message[FIXED..])?;
    (is_station(&sender) && sender != *mac).then(|| Neighbour { address: target.into(), mac: sender })
}

/// The Ethernet address among the options.
fn target_address(mut options: &[u8]) -> Option<[u8; 6]> {
    loop {
        let (&[kind, words], rest) = options.split_first_chunk::<2>()?;
        let len = usize::from(words) * 8;
        if len == 0 {
            return None;
        }
        if kind == TARGET_LINK_ADDRESS {
            return rest.first_chunk::<6>().copied();
        }
        options = options.get(len..)?;
    }
}
