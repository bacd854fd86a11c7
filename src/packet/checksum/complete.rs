//! Completing a checksum that the sender's kernel left to the network card (`CHECKSUM_PARTIAL`).

use super::{fill_transport, sum};
use crate::packet::Packet;

/// Completes the checksum of a packet that is marked as partial and takes the mark off: what a card would have done
/// (`skb_checksum_help`). The field holds the sum of the pseudo-header, so the sum from the transport header on, the
/// field included, is the sum of all; one that comes out as 0 is written as all ones, which is the same number.
///
/// Where the port that brought the packet did not say where the checksum is, it is that of the outer TCP or UDP header,
/// as far as steering found one. `false`, and the packet as it was, where there is none to be found or it lies outside
/// the packet; `true` also for a packet that is not marked.
pub fn complete(packet: &mut Packet) -> bool {
    if !packet.is_checksum_partial() {
        return true;
    }
    let done = match packet.partial_checksum() {
        Some((start, field)) => complete_at(packet.data_mut(), start.into(), field.into()),
        None => {
            let layers = packet.layers();
            fill_transport(packet.data_mut(), layers)
        }
    };
    if done {
        packet.set_checksum_complete();
    }
    done
}

/// Writes the checksum over everything from `start` on into the field `field` bytes after it.
fn complete_at(bytes: &mut [u8], start: usize, field: usize) -> bool {
    let Some(covered) = bytes.get_mut(start..) else { return false };
    let value = match !sum(covered) {
        0 => 0xffff,
        value => value,
    };
    match covered.get_mut(field..).and_then(|rest| rest.first_chunk_mut::<2>()) {
        Some(place) => {
            *place = value.to_be_bytes();
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::checksum::{ChecksumState, states};
    use crate::packet::layers::{Layers, LinkClass, Network, Transport};
    use crate::packet::{Frames, PortId};
    use hugepages::{Arena, PagePolicy, PoolShape};

    fn frames() -> Frames {
        let shape = PoolShape { frame_room: 1920, headroom: 64, frames: 4, owner: 0, chunk: 64 };
        let mut arena =
            Arena::reserve(hugepages::arena::pool_bytes(&shape), &PagePolicy::Never, None).unwrap();
        let pool = arena.carve_pool("frames", shape).unwrap();
        Frames::new(pool, 0)
    }

    /// A UDP datagram over IPv4 whose checksum field holds the sum of the pseudo-header.
    fn partial(frames: &mut Frames) -> Packet {
        let mut bytes = vec![0x45, 0, 0, 33, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        bytes.extend([0x12, 0x34, 0, 53, 0, 13, 0, 0, b'a', b'b', b'c', b'd', b'e']);
        let pseudo = [10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 0, 13];
        bytes[26..28].copy_from_slice(&sum(&pseudo).to_be_bytes());
        let mut frame = frames.acquire(bytes.len()).unwrap();
        frame.bytes_mut().copy_from_slice(&bytes);
        Packet::new(frame, PortId::new(0).unwrap(), LinkClass::RawIp, 0)
    }

    fn layers() -> Layers {
        Layers::new(Network::Ipv4, 0).with_transport(Transport::Udp, 5)
    }

    #[test]
    fn what_is_completed_verifies() {
        let mut frames = frames();
        let mut packet = partial(&mut frames);
        let state = |packet: &Packet| states(packet.data(), layers(), 0).1;
        assert_eq!(state(&packet), Some(ChecksumState::OffloadPartial));
        packet.set_checksum_partial_at(20, 6);
        assert!(complete(&mut packet) && !packet.is_checksum_partial());
        assert_eq!(state(&packet), Some(ChecksumState::Good));
        let before = packet.data().to_vec();
        assert!(complete(&mut packet) && packet.data() == before, "what is complete stays as it is");
        frames.release(packet.into_frame());
    }

    #[test]
    fn the_place_is_found_by_the_headers_or_not_at_all() {
        let mut frames = frames();
        let mut packet = partial(&mut frames);
        packet.set_checksum_partial();
        assert!(!complete(&mut packet) && packet.is_checksum_partial(), "nothing is known of its headers");
        packet.set_layers(layers());
        assert!(complete(&mut packet));
        assert_eq!(states(packet.data(), layers(), 0).1, Some(ChecksumState::Good));
        frames.release(packet.into_frame());
    }

    #[test]
    fn a_place_outside_the_packet_is_refused() {
        let mut frames = frames();
        let mut packet = partial(&mut frames);
        let before = packet.data().to_vec();
        for (start, field) in [(20, 12), (34, 0), (u16::MAX, u16::MAX), (1, u16::MAX)] {
            packet.set_checksum_partial_at(start, field);
            assert!(!complete(&mut packet) && packet.is_checksum_partial(), "{start} {field}");
            assert_eq!(packet.data(), before);
        }
        frames.release(packet.into_frame());
    }
}
