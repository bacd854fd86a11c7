//! The short way against the long way.

use super::*;
use crate::packet::checksum::{ChecksumState, fill_ipv4, fill_transport, ipv4_header_state, transport_state};
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
