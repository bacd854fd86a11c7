//! What a receive ring hands out.

use super::layout::Found;

/// A VLAN tag that was taken off a packet (IEEE 802.1Q): it belongs after the two addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanTag {
    /// Its type: 0x8100, 0x88a8.
    pub protocol: u16,
    /// Priority, drop eligibility, VLAN number.
    pub control: u16,
}

/// A checksum that is left to the card: the field holds the sum of the pseudo-header only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialChecksum {
    /// First byte it covers, from the packet's start (VLAN tag off); it covers all after that.
    pub start: u16,
    /// Where its field is, from `start`.
    pub field: u16,
}

/// A packet in the ring, ours until the ring is asked for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived<'a> {
    /// Its bytes, from the link header on, without `vlan`.
    pub bytes: &'a [u8],
    /// Bytes it had: more than are here where it did not fit into the ring's slot.
    pub wire_len: u32,
    /// The tag that was taken off it.
    pub vlan: Option<VlanTag>,
    /// The checksum that is not complete.
    pub checksum: Option<PartialChecksum>,
}

impl<'a> Arrived<'a> {
    /// The packet found in these bytes (positions were checked against them).
    #[inline]
    pub(super) fn new(bytes: &'a [u8], found: &Found) -> Arrived<'a> {
        Arrived {
            bytes: bytes.get(found.start..found.end).unwrap_or_default(),
            wire_len: found.wire_len,
            vlan: found.vlan.map(|(control, protocol)| VlanTag { protocol, control }),
            checksum: found.checksum.map(|(start, field)| PartialChecksum { start, field }),
        }
    }

    /// Is some of it missing?
    #[inline]
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.bytes.len() < self.wire_len as usize
    }
}
