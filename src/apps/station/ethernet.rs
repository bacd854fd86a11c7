//! The Ethernet header and its tags: whom a frame is for, what it holds, and sending it back.

/// IEEE 802.1Q, 802.1ad, and the types used before it.
const TAGS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
/// Tags that are looked through: more than two are not in use.
const MOST_TAGS: usize = 4;

/// What the Ethernet header of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::apps) struct Envelope {
    /// Is it for a group of stations, all of them among these?
    pub(in crate::apps) to_group: bool,
    /// The type of what it holds, behind all tags.
    pub(in crate::apps) kind: u16,
    /// Where that begins.
    pub(in crate::apps) at: usize,
    /// Whom it comes from.
    source: [u8; 6],
}

impl Envelope {
    /// Reads the header of a frame that is for this station or for a group; `None` where it is neither, or is cut off.
    #[inline]
    pub(in crate::apps) fn of(frame: &[u8], mac: &[u8; 6]) -> Option<Envelope> {
        let head = frame.first_chunk::<14>()?;
        let to_group = head[0] & 1 != 0;
        if !to_group && head[..6] != *mac {
            return None;
        }
        let (mut kind, mut at) = (u16::from_be_bytes([head[12], head[13]]), 14);
        for _ in 0..MOST_TAGS {
            if !TAGS.contains(&kind) {
                break;
            }
            let [_, _, high, low] = *frame.get(at..)?.first_chunk::<4>()?;
            (kind, at) = (u16::from_be_bytes([high, low]), at + 4);
        }
        let source = *head[6..].first_chunk::<6>()?;
        Some(Envelope { to_group, kind, at, source })
    }

    /// Could a station other than this one have sent it?
    #[inline]
    pub(in crate::apps) fn is_from_station(&self, mac: &[u8; 6]) -> bool {
        is_station(&self.source) && self.source != *mac
    }

    /// Turns the frame round: to whom it came from, from this station.
    #[inline]
    pub(in crate::apps) fn turn(&self, frame: &mut [u8], mac: &[u8; 6]) {
        address(frame, &self.source, mac);
    }
}

/// Writes both addresses of a frame.
#[inline]
pub(in crate::apps) fn address(frame: &mut [u8], to: &[u8; 6], from: &[u8; 6]) {
    if let Some(addresses) = frame.first_chunk_mut::<12>() {
        addresses[..6].copy_from_slice(to);
        addresses[6..].copy_from_slice(from);
    }
}

/// Is it the address of one station: not of a group, not all zeros?
#[inline]
pub(in crate::apps) fn is_station(mac: &[u8; 6]) -> bool {
    mac[0] & 1 == 0 && *mac != [0; 6]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn frame(to: [u8; 6], rest: &[u8]) -> Vec<u8> {
        [&to[..], &[2, 0, 0, 0, 0, 2], rest].concat()
    }

    #[test]
    fn tags_are_looked_through() {
        let plain = Envelope::of(&frame(MAC, &[8, 0]), &MAC).unwrap();
        assert_eq!((plain.to_group, plain.kind, plain.at), (false, 0x0800, 14));
        let twice = frame([0xff; 6], &[0x88, 0xa8, 0, 1, 0x81, 0, 0xe0, 2, 0x86, 0xdd]);
        let tagged = Envelope::of(&twice, &MAC).unwrap();
        assert_eq!((tagged.to_group, tagged.kind, tagged.at), (true, 0x86dd, 22));
        for cut in 0..twice.len() {
            assert_eq!(Envelope::of(&twice[..cut], &MAC), None, "{cut}");
        }
    }

    #[test]
    fn other_stations_frames_are_not_ours() {
        assert_eq!(Envelope::of(&frame([2, 0, 0, 0, 0, 9], &[8, 0]), &MAC), None);
        let own = Envelope::of(&frame(MAC, &[8, 0]), &MAC).unwrap();
        assert!(own.is_from_station(&MAC) && !own.is_from_station(&[2, 0, 0, 0, 0, 2]));
        let mut bytes = frame(MAC, &[8, 0]);
        own.turn(&mut bytes, &MAC);
        assert_eq!(bytes, [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
    }
}
