//! Writing checksums into packets that are being built or were changed.

use super::verify::{Covered, field_of, ipv4_header};
use super::{add, sum};
use crate::packet::layers::{Layers, Network};

/// Writes the checksum of the outer IPv4 header into it. `false`, and nothing written, if there
/// is no sound IPv4 header.
pub fn fill_ipv4(bytes: &mut [u8], layers: Layers) -> bool {
    let offset = layers.network_offset();
    if layers.network() != Network::Ipv4 {
        return false;
    }
    let Some(header) = ipv4_header(bytes, offset) else {
        return false;
    };
    let before = u16::from_be_bytes([header[10], header[11]]);
    // Taking the old value out of the sum saves writing a zero first.
    let value = !without(sum(header), before);
    put(bytes, offset + 10, value)
}

/// Writes the checksum of the outer TCP or UDP header into it; a UDP checksum that comes out as
/// 0 is written as all ones (RFC 768). `false`, and nothing written, if it is neither, if the
/// datagram is a fragment or not all there, or if its lengths contradict each other.
pub fn fill_transport(bytes: &mut [u8], layers: Layers) -> bool {
    let Some(field) = field_of(layers).filter(|_| !layers.is_fragment()) else {
        return false;
    };
    let Some(covered) = Covered::of(bytes, layers, 0) else {
        return false;
    };
    let at = covered.start + field;
    if !put(bytes, at, 0) {
        return false;
    }
    let segment = bytes.get(covered.start..covered.end).unwrap_or_default();
    let value = !add(covered.pseudo, sum(segment));
    let udp = field == 6;
    put(bytes, at, if udp && value == 0 { 0xffff } else { value })
}

/// `sum` without the word `value` that is part of it.
fn without(sum: u16, value: u16) -> u16 {
    add(sum, !value)
}

fn put(bytes: &mut [u8], at: usize, value: u16) -> bool {
    match bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>()) {
        Some(field) => {
            *field = value.to_be_bytes();
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::checksum::{ChecksumState, states};
    use crate::packet::layers::Transport;

    /// A UDP datagram over IPv4, 4 bytes of payload, no checksums yet.
    fn packet() -> (Vec<u8>, Layers) {
        let mut bytes = vec![0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        bytes.extend([0x12, 0x34, 0, 53, 0, 12, 0, 0, b'a', b'b', b'c', b'd']);
        (bytes, Layers::new(Network::Ipv4, 0).with_transport(Transport::Udp, 5))
    }

    #[test]
    fn filled_is_good_again_and_again() {
        let (mut bytes, layers) = packet();
        let before = states(&bytes, layers, 0);
        assert_eq!(before, (Some(ChecksumState::OffloadPartial), Some(ChecksumState::Absent)));
        for _ in 0..2 {
            assert!(fill_ipv4(&mut bytes, layers) && fill_transport(&mut bytes, layers));
            assert_eq!(states(&bytes, layers, 0), (Some(ChecksumState::Good), Some(ChecksumState::Good)));
            bytes[31] ^= 0x55;
            bytes[8] -= 1;
            assert_eq!(states(&bytes, layers, 0), (Some(ChecksumState::Bad), Some(ChecksumState::Bad)));
        }
    }

    #[test]
    fn a_udp_checksum_is_never_zero() {
        let (mut bytes, layers) = packet();
        for word in 0..=u16::MAX {
            bytes[28..30].copy_from_slice(&word.to_be_bytes());
            assert!(fill_transport(&mut bytes, layers));
            assert_ne!(bytes[26..28], [0, 0]);
        }
        assert_eq!(states(&bytes, layers, 0).1, Some(ChecksumState::Good));
    }

    #[test]
    fn what_is_not_there_is_not_filled() {
        let (mut bytes, layers) = packet();
        bytes.truncate(30);
        let before = bytes.clone();
        assert!(!fill_transport(&mut bytes, layers));
        assert!(!fill_transport(&mut bytes, layers.with_fragment(true)));
        assert!(!fill_ipv4(&mut bytes[..19], layers));
        assert!(!fill_ipv4(&mut bytes, Layers::UNPARSED));
        assert_eq!(bytes, before);
    }

    #[test]
    fn the_sum_of_a_pseudo_header_is_offload() {
        let (mut bytes, layers) = packet();
        let pseudo = Covered::of(&bytes, layers, 0).unwrap().pseudo;
        bytes[26..28].copy_from_slice(&pseudo.to_be_bytes());
        assert_eq!(states(&bytes, layers, 0).1, Some(ChecksumState::OffloadPartial));
    }
}
