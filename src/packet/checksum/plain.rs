//! The short way for most packets: IPv4 without options, TCP or UDP, all of it here, both checksums right.

use super::{fold64, unfolded};
use crate::packet::layers::Layers;

/// Protocol numbers (IANA).
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Are both checksums of such a packet right? `false` says nothing but that the long way has to be taken.
#[inline]
pub(super) fn both_good(bytes: &[u8], layers: Layers) -> bool {
    if !layers.is_plain_ipv4() || layers.malformed().is_some() {
        return false;
    }
    let at = layers.network_offset();
    let Some(header) = bytes.get(at..).and_then(|rest| rest.first_chunk::<20>()) else { return false };
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let Some(segment) = bytes.get(at + 20..at + total) else { return false };
    let protocol = header[9];
    if !is_whole(protocol, segment) {
        return false;
    }
    let (words, _) = header.as_chunks::<4>();
    let word = |i: usize| u64::from(u32::from_ne_bytes(words[i]));
    let addresses = word(3) + word(4);
    let lengths = u64::from(u16::from(protocol).to_be()) + u64::from((segment.len() as u16).to_be());
    fold64(word(0) + word(1) + word(2) + addresses) == 0xffff
        && fold64(addresses + lengths + unfolded(segment)) == 0xffff
}

/// Does the segment hold a whole TCP header, or a UDP datagram of just its length with a checksum?
#[inline]
fn is_whole(protocol: u8, segment: &[u8]) -> bool {
    match (protocol, segment) {
        (TCP, segment) => segment.len() >= 20,
        (UDP, [_, _, _, _, high, low, sum @ ..]) => {
            usize::from(u16::from_be_bytes([*high, *low])) == segment.len()
                && !matches!(sum, [0, 0, ..] | [] | [_])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::checksum::{
        ChecksumState, fill_ipv4, fill_transport, ipv4_header_state, transport_state,
    };
    use crate::packet::layers::LinkClass;
    use crate::steer::parse::parse;
    use proptest::prelude::*;

    /// Ethernet, IPv4, TCP or UDP around a payload; checksums filled in.
    fn packet(udp: bool, payload: &[u8]) -> Vec<u8> {
        let head = if udp { 8 } else { 20 };
        let mut bytes = vec![0; 14 + 20 + head];
        bytes[12] = 8;
        bytes[14] = 0x45;
        bytes[16..18].copy_from_slice(&((20 + head + payload.len()) as u16).to_be_bytes());
        bytes[22] = 64;
        bytes[23] = if udp { UDP } else { TCP };
        bytes[26..34].copy_from_slice(&[198, 18, 0, 1, 198, 19, 255, 254]);
        bytes[34..38].copy_from_slice(&[0xc0, 1, 0, 53]);
        if udp {
            bytes[38..40].copy_from_slice(&((8 + payload.len()) as u16).to_be_bytes());
        } else {
            bytes[46] = 0x50;
        }
        bytes.extend_from_slice(payload);
        let layers = parse(LinkClass::Ethernet, &bytes, bytes.len() as u32);
        assert!(fill_ipv4(&mut bytes, layers) && fill_transport(&mut bytes, layers));
        bytes
    }

    proptest! {
        /// The short way says yes just where the long way says good twice, for whole plain packets; one changed
        /// byte, a cut, or padding behind the datagram included.
        #[test]
        fn agrees_with_the_long_way(
            udp: bool,
            payload in prop::collection::vec(any::<u8>(), 0..400),
            change in prop::option::of((0usize..500, 1u8..)),
            cut in prop::option::of(0usize..500),
            padding in 0usize..8,
        ) {
            let mut bytes = packet(udp, &payload);
            bytes.resize(bytes.len() + padding, 0xa5);
            if let Some((at, bits)) = change && let Some(byte) = bytes.get_mut(at) {
                *byte ^= bits;
            }
            let wire_len = bytes.len() as u32;
            bytes.truncate(cut.unwrap_or(bytes.len()));
            let layers = parse(LinkClass::Ethernet, &bytes, wire_len);
            let long = (ipv4_header_state(&bytes, layers), transport_state(&bytes, layers, wire_len));
            if both_good(&bytes, layers) {
                prop_assert_eq!(long, (Some(ChecksumState::Good), Some(ChecksumState::Good)));
            } else if change.is_none() && cut.is_none() {
                prop_assert!(long != (Some(ChecksumState::Good), Some(ChecksumState::Good)), "a whole plain packet");
            }
        }
    }
}
