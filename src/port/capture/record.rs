//! One captured packet, borrowed from the file it was read from.

use super::LinkType;

/// The most bytes one record may hold: 262,144, the limit libpcap (`MAXIMUM_SNAPLEN`) and Wireshark
/// (`WTAP_MAX_PACKET_SIZE_STANDARD`) set for network captures.
///
/// A length above it means a damaged file: nothing downstream needs to be sized for more.
pub const MAX_CAPTURED_LEN: u32 = 262_144;

/// One captured packet. The bytes stay where they are, in the file.
///
/// Neither length is to be trusted beyond what it says here: `wire_len` is whatever the file claims
/// (it may be 4 GB, and it may be less than `data.len()`); only `data` is really there. A frame check
/// sequence, where the capture holds one, is still at the end of `data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The captured bytes: 0 to [`MAX_CAPTURED_LEN`] of them.
    pub data: &'a [u8],
    /// When it was captured, nanoseconds since 1970-01-01 UTC; 0 where `time_absent`.
    pub time_ns: u64,
    /// Where the record starts in the file, in bytes: its record header (pcap) or block (pcapng).
    pub offset: u64,
    /// How long the packet was on the wire, in bytes, as the file says.
    pub wire_len: u32,
    /// The interface it was seen on: an index into the section's interfaces (pcapng), 0 in pcap.
    pub interface: u32,
    /// What `data` starts with.
    pub link: LinkType,
    /// The stored time does not fit its field and was normalised (a fraction of a second or more) or
    /// saturated (before 1970 or after 2554).
    pub time_out_of_range: bool,
    /// The file holds no time for this packet (pcapng Simple Packet Block).
    pub time_absent: bool,
}

// One is made per packet and handed out by value: it stays within a cache line.
const _: () = assert!(size_of::<Record<'_>>() <= 48);

impl Record<'_> {
    /// Whether the capture kept fewer bytes than were on the wire.
    #[inline]
    pub fn is_snapped(&self) -> bool {
        self.data.len() < self.wire_len as usize
    }
}
