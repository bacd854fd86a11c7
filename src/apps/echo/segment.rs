//! What an IP packet carries, where it lies and whether its checksum is right; the answer around it.

use super::fate::Fate;
use super::host::Request;
use crate::packet::checksum::{add, sum};
use crate::packet::{Packet, Reason};

/// The shortest Ethernet frame, without its checksum (IEEE 802.3, 3.2.8): shorter ones are padded.
const SHORTEST_FRAME: usize = 60;

/// A transport segment within a request, and where it goes in the answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// Where the network header starts.
    pub(super) network: usize,
    /// Bytes of the network header that the answer keeps; its segment goes right behind them.
    pub(super) head: usize,
    /// Where it starts.
    pub(super) start: usize,
    /// One past its last byte.
    pub(super) end: usize,
    /// Folded sum of what its checksum covers beside itself and its length, the addresses and the protocol; `None`
    /// where it covers nothing else (ICMP).
    pub(super) pseudo: Option<u16>,
}

/// How a request's checksum stands, if it is not wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is right.
    Complete,
    /// It is none, or left to a network card: the answer's has to be computed.
    Unfinished,
}

impl Segment {
    /// Its bytes.
    #[inline]
    pub(super) fn of<'p>(&self, packet: &'p Packet) -> &'p [u8] {
        packet.data().get(self.start..self.end).unwrap_or_default()
    }

    /// How its checksum stands, `value` being what is in the field.
    ///
    /// # Errors
    /// It is wrong.
    #[inline]
    pub(super) fn check(&self, request: &Request<'_>, value: u16) -> Result<Standing, Fate> {
        let bytes = self.of(request.packet);
        let pseudo = self.pseudo.map(|pseudo| add(pseudo, bytes.len() as u16));
        if add(pseudo.unwrap_or(0), sum(bytes)) == 0xffff {
            Ok(Standing::Complete)
        } else if request.packet.is_checksum_partial() || pseudo == Some(value) {
            Ok(Standing::Unfinished)
        } else {
            Err(Fate::Drop(request.host.reasons.bad_checksum))
        }
    }

    /// Makes the packet as long as an answer with a segment of `len` bytes, and moves what there is of the request's
    /// to its place. What the frame is padded with is zeros, and it gets no longer by it.
    ///
    /// # Errors
    /// The frame has no room for it; the packet is as it was.
    #[inline]
    pub(super) fn settle(&self, packet: &mut Packet, len: usize, no_room: Reason) -> Result<(), Fate> {
        let before = packet.len();
        let (start, end) = self.place(len);
        let whole = end.max(before.min(SHORTEST_FRAME));
        if whole > before && !packet.resize(whole) {
            return Err(Fate::Drop(no_room));
        }
        let data = packet.data_mut();
        if start != self.start {
            data.copy_within(self.start..self.end.min(self.start + len), start);
        }
        data[end..whole].fill(0);
        if whole != before || packet.wire_len() as usize != whole {
            packet.resize(whole);
        }
        Ok(())
    }

    /// The segment of an answer that was settled.
    #[inline]
    pub(super) fn settled<'p>(&self, packet: &'p mut Packet, len: usize) -> &'p mut [u8] {
        let (start, end) = self.place(len);
        packet.data_mut().get_mut(start..end).unwrap_or_default()
    }

    /// Where a segment of `len` bytes lies in the answer.
    fn place(&self, len: usize) -> (usize, usize) {
        let start = self.network + self.head;
        (start, start + len)
    }
}

/// Writes the checksum of a segment at `at` in it, `pseudo` being the sum of what it covers beside; what is in the
/// field does not matter. Returns what was written.
pub(super) fn write_checksum(segment: &mut [u8], at: usize, pseudo: u16) -> u16 {
    put(segment, at, 0);
    let value = !add(pseudo, sum(segment));
    put(segment, at, value);
    value
}

/// Writes a 16-bit field.
#[inline]
pub(super) fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(field) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>()) {
        *field = value.to_be_bytes();
    }
}
