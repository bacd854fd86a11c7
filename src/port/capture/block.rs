//! One block of a pcapng file: its lengths checked, its fixed fields and its packet taken out.
//!
//! draft-ietf-opsawg-pcapng, section 3.1: type, total length, body, total length again.

use super::bytes::{ByteOrder, padded_to_four};
use super::options::{self, Options};
use super::{DamageKind, LinkType, PacketBlock, Record};

/// Section Header Block; the same bytes in either order, so it also serves as the file's magic.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
/// Interface Description Block.
pub(super) const INTERFACE_DESCRIPTION: u32 = 1;
/// Packet Block, obsolete.
pub(super) const OBSOLETE_PACKET: u32 = 2;
/// Simple Packet Block.
pub(super) const SIMPLE_PACKET: u32 = 3;
/// Enhanced Packet Block.
pub(super) const ENHANCED_PACKET: u32 = 6;

/// Bytes of type and length before a block's body.
pub(super) const HEADER_LEN: usize = 8;
/// Bytes of the second length after it.
const TRAILER_LEN: usize = 4;
/// Bytes before the packet in an Enhanced and in an obsolete Packet Block.
pub(super) const PACKET_FIXED_LEN: usize = 20;

/// One block, its length checked at both ends.
pub(super) struct Block<'a> {
    pub(super) block_type: u32,
    len: u32,
    at: usize,
    /// Between the header and the trailer, padded to a multiple of four.
    body: &'a [u8],
    pub(super) end: usize,
}

impl<'a> Block<'a> {
    /// Checks the lengths of the block that starts `rest`, at byte `at` of the file.
    #[inline]
    pub(super) fn read(
        order: ByteOrder,
        block_type: u32,
        header: &[u8; HEADER_LEN],
        rest: &'a [u8],
        at: usize,
    ) -> Result<Self, DamageKind> {
        let len = order.u32_at::<4, 8>(header);
        let padded = padded_to_four(len as usize);
        if padded < HEADER_LEN + TRAILER_LEN {
            return Err(DamageKind::BlockLength { block_type, len, least: 12 });
        }
        let Some((body, trailer)) = rest.get(HEADER_LEN..padded).and_then(<[u8]>::split_last_chunk) else {
            return Err(DamageKind::TruncatedData { have: rest.len() as u64, need: padded as u64 });
        };
        let trailing = order.u32_at::<0, TRAILER_LEN>(trailer);
        if trailing != len {
            return Err(DamageKind::BlockLengthMismatch { leading: len, trailing });
        }
        Ok(Block { block_type, len, at, body, end: at + padded })
    }

    /// The fixed fields of the body and what follows them.
    #[inline]
    pub(super) fn fixed<const N: usize>(&self) -> Result<(&'a [u8; N], &'a [u8]), DamageKind> {
        let least = (HEADER_LEN + N + TRAILER_LEN) as u32;
        let too_short = DamageKind::BlockLength { block_type: self.block_type, len: self.len, least };
        self.body.split_first_chunk::<N>().ok_or(too_short)
    }

    #[inline]
    pub(super) fn untimed_record(
        &self,
        data: &'a [u8],
        wire_len: u32,
        interface: u32,
        link: LinkType,
    ) -> Record<'a> {
        Record {
            data,
            time_ns: 0,
            offset: self.at as u64,
            wire_len,
            interface,
            link,
            time_out_of_range: false,
            time_absent: true,
        }
    }
}

/// The captured bytes of a packet block, and what follows their padding.
#[inline]
pub(super) fn packet_data(
    rest: &[u8],
    captured: u32,
    block: PacketBlock,
) -> Result<(&[u8], &[u8]), DamageKind> {
    match rest.get(..captured as usize) {
        None => Err(DamageKind::PacketBeyondBlock { block, captured, room: rest.len() as u64 }),
        Some(_) if captured > super::MAX_CAPTURED_LEN => Err(DamageKind::CapturedLength { captured }),
        Some(data) => Ok((data, rest.get(padded_to_four(data.len())..).unwrap_or_default())),
    }
}

/// The first comment of the Enhanced Packet Block at `at`, in either byte order.
pub(super) fn comment(file: &[u8], at: usize) -> Option<&str> {
    let rest = file.get(at..)?;
    let header = rest.first_chunk::<HEADER_LEN>()?;
    let is_enhanced = |order: &ByteOrder| order.u32_at::<0, 8>(header) == ENHANCED_PACKET;
    let order = [ByteOrder::Little, ByteOrder::Big].into_iter().find(is_enhanced)?;
    let (fixed, rest) = Block::read(order, ENHANCED_PACKET, header, rest, at).ok()?.fixed().ok()?;
    let captured = order.u32_at::<12, PACKET_FIXED_LEN>(fixed);
    let (_, after) = packet_data(rest, captured, PacketBlock::Enhanced).ok()?;
    let comment = Options::new(order, after).flatten().find(|option| option.code == options::COMMENT)?;
    std::str::from_utf8(comment.value).ok()
}
