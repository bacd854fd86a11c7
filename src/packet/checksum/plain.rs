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
mod tests;
