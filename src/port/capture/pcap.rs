//! The pcap file format: a 24-byte file header, then records (draft-ietf-opsawg-pcap).

use super::bytes::{ByteOrder, header_at};
use super::patched;
use super::{Damage, DamageKind, LinkType, MAX_CAPTURED_LEN, Record, Refusal};

/// Bytes of the file header.
pub(super) const FILE_HEADER_LEN: usize = 24;
/// Bytes of a record header; the modified format has more.
const RECORD_HEADER_LEN: usize = 16;

/// Where a record keeps its captured and its original length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LengthOrder {
    /// Captured first, since version 2.3.
    CapturedFirst,
    /// Original first: before 2.3, and DG/UX's 543.0.
    OriginalFirst,
    /// Files that say 2.3 were written both ways: the smaller is the captured one.
    Unsure,
}

/// What the magic says: byte order, nanoseconds a unit of the fraction, and whether it is "modified".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Magic {
    order: ByteOrder,
    /// 1000 (microseconds) or 1 (nanoseconds).
    pub(super) ns_per_unit: u32,
    /// Kuznetzov's longer record headers.
    pub(super) modified: bool,
}

impl Magic {
    /// The meaning of the first four bytes of a file, if they are a pcap magic.
    pub(super) fn of(bytes: [u8; 4]) -> Option<Magic> {
        let meaning = |magic| match magic {
            0xa1b2_c3d4 => Some((1000, false)),
            0xa1b2_3c4d => Some((1, false)),
            0xa1b2_cd34 => Some((1000, true)),
            _ => None,
        };
        let (order, (ns_per_unit, modified)) = match meaning(u32::from_le_bytes(bytes)) {
            Some(found) => (ByteOrder::Little, found),
            None => (ByteOrder::Big, meaning(u32::from_be_bytes(bytes))?),
        };
        Some(Magic { order, ns_per_unit, modified })
    }
}

/// How the records of one file are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    magic: Magic,
    header_len: usize,
    lengths: LengthOrder,
    link: LinkType,
}

impl Layout {
    /// Reads the file header. The frame check sequence bits (26 to 31 of the link-type field) are
    /// allowed and ignored: such bytes stay at the end of the data.
    ///
    /// # Errors
    ///
    /// Refuses a version other than 2.x or 543.0, and reserved bits that are set, as libpcap does.
    pub(super) fn read(file: &[u8], magic: Magic, header: &[u8; FILE_HEADER_LEN]) -> Result<Self, Refusal> {
        let order = magic.order;
        let (major, minor) = (order.u16_at::<4, 24>(header), order.u16_at::<6, 24>(header));
        let lengths = match (major, minor) {
            (2, 0..=2) | (543, 0) => LengthOrder::OriginalFirst,
            (2, 3) => LengthOrder::Unsure,
            (2, _) => LengthOrder::CapturedFirst,
            _ => return Err(Refusal::PcapVersion { major, minor }),
        };
        let network = order.u32_at::<20, 24>(header);
        if network & 0x03ff_0000 != 0 {
            return Err(Refusal::ReservedLinkBits(network & 0x03ff_0000));
        }
        let header_len = match magic.modified {
            true => patched::record_header_len(file, FILE_HEADER_LEN, order),
            false => RECORD_HEADER_LEN,
        };
        Ok(Layout { magic, header_len, lengths, link: LinkType(network & 0xffff) })
    }

    /// The link type of the file.
    pub(super) fn link(&self) -> LinkType {
        self.link
    }

    /// The record at `at` and where the next one starts; nothing at the end of the file.
    ///
    /// # Errors
    ///
    /// Damage at `at`: a header or data cut short, a captured length above [`MAX_CAPTURED_LEN`].
    #[inline(always)]
    pub(super) fn record<'a>(
        &self,
        file: &'a [u8],
        at: usize,
    ) -> Result<Option<(Record<'a>, usize)>, Damage> {
        let rest = file.get(at..).unwrap_or_default();
        let (Some(header), Some(body)) = (rest.first_chunk::<16>(), rest.get(self.header_len..)) else {
            return if rest.is_empty() { Ok(None) } else { Err(self.cut_header(at, rest.len())) };
        };
        let (captured, wire_len) = self.lengths(header);
        let data = match body.get(..captured as usize) {
            Some(data) if captured <= MAX_CAPTURED_LEN => data,
            _ => return Err(bad_length(at, captured, body.len())),
        };
        let (time_ns, time_out_of_range) = self.time_ns(header);
        let record = Record {
            data,
            time_ns,
            offset: at as u64,
            wire_len,
            interface: 0,
            link: self.link,
            time_out_of_range,
            time_absent: false,
        };
        Ok(Some((record, at + self.header_len + data.len())))
    }

    /// Captured and original length, in that order.
    #[inline(always)]
    fn lengths(&self, header: &[u8; RECORD_HEADER_LEN]) -> (u32, u32) {
        let first = self.magic.order.u32_at::<8, 16>(header);
        let second = self.magic.order.u32_at::<12, 16>(header);
        match self.lengths {
            LengthOrder::CapturedFirst => (first, second),
            LengthOrder::OriginalFirst => (second, first),
            LengthOrder::Unsure => (first.min(second), first.max(second)),
        }
    }

    /// Nanoseconds since 1970, and whether the fraction was a second or more.
    ///
    /// Cannot overflow: `2^32 * (10^9 + 1000)` is below `2^63`.
    #[inline(always)]
    fn time_ns(&self, header: &[u8; RECORD_HEADER_LEN]) -> (u64, bool) {
        let seconds = self.magic.order.u32_at::<0, 16>(header);
        let fraction = self.magic.order.u32_at::<4, 16>(header);
        let fraction_ns = u64::from(fraction) * u64::from(self.magic.ns_per_unit);
        (u64::from(seconds) * 1_000_000_000 + fraction_ns, fraction_ns >= 1_000_000_000)
    }

    #[cold]
    fn cut_header(&self, at: usize, have: usize) -> Damage {
        let kind = DamageKind::TruncatedRecordHeader { have: have as u64, need: self.header_len as u64 };
        Damage { offset: at as u64, kind }
    }
}

#[cold]
fn bad_length(at: usize, captured: u32, have: usize) -> Damage {
    let kind = match captured > MAX_CAPTURED_LEN {
        true => DamageKind::CapturedLength { captured },
        false => DamageKind::TruncatedData { have: have as u64, need: u64::from(captured) },
    };
    Damage { offset: at as u64, kind }
}

/// The damage of a file that ends inside its header.
pub(super) fn cut_file_header(file: &[u8], need: usize) -> Damage {
    let kind = DamageKind::TruncatedFileHeader { have: file.len() as u64, need: need as u64 };
    Damage { offset: 0, kind }
}

/// The file header, if it is all there.
pub(super) fn file_header(file: &[u8]) -> Option<&[u8; FILE_HEADER_LEN]> {
    header_at(file, 0)
}
