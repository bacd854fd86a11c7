//! The pcapng file format: blocks, in sections of either byte order (draft-ietf-opsawg-pcapng).
//!
//! Tolerance follows Wireshark: the section length is ignored, a block whose length is no multiple of
//! four is padded, blocks of an unknown type are skipped, the two copies of a block's length must
//! agree.

use std::sync::Arc;

use super::bytes::{ByteOrder, header_at, padded_to_four};
use super::clock::Clock;
use super::options::{self, Options};
use super::{Damage, DamageKind, LinkType, PacketBlock, Record};

/// Section Header Block; the same bytes in either order, so it also serves as the file's magic.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
pub(super) const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
pub(super) const ENHANCED_PACKET: u32 = 6;

/// Bytes of type and length before a block's body; of the second length after it.
const BLOCK_HEADER_LEN: usize = 8;
const BLOCK_TRAILER_LEN: usize = 4;
/// Byte-order magic, version and section length: the fixed part of a section header's body.
const SECTION_FIXED_LEN: usize = 16;
const INTERFACE_FIXED_LEN: usize = 8;
/// Of an Enhanced and of an obsolete Packet Block.
pub(super) const PACKET_FIXED_LEN: usize = 20;
const SIMPLE_FIXED_LEN: usize = 4;

/// What is needed of an interface to read its packets.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    /// The most bytes a packet of it has captured; 0 for no limit.
    snaplen: u32,
    clock: Clock,
}

/// The section being read. A clone shares the interfaces until one of the two meets a new one.
#[derive(Clone, Debug)]
pub(super) struct Section {
    order: ByteOrder,
    interfaces: Arc<Vec<Interface>>,
    /// Interfaces of all sections so far.
    described: u32,
}

/// One block, its length checked at both ends.
pub(super) struct Block<'a> {
    block_type: u32,
    len: u32,
    at: usize,
    /// Between the header and the trailer, padded to a multiple of four.
    pub(super) body: &'a [u8],
    end: usize,
}

/// The byte-order magic and the version of a section header, as far as they are there.
pub(super) enum SectionStart {
    /// The file ends before the version.
    Cut,
    /// A section we read.
    Known(ByteOrder),
    /// A reason not to.
    Foreign(DamageKind),
}

impl SectionStart {
    /// Looks at the section header block that starts `bytes`.
    pub(super) fn of(bytes: &[u8]) -> SectionStart {
        let Some(magic) = header_at::<4>(bytes, BLOCK_HEADER_LEN) else { return SectionStart::Cut };
        let order = match u32::from_le_bytes(*magic) {
            0x1a2b_3c4d => ByteOrder::Little,
            0x4d3c_2b1a => ByteOrder::Big,
            other => return SectionStart::Foreign(DamageKind::ByteOrderMagic(other)),
        };
        let Some(version) = header_at::<4>(bytes, 12) else { return SectionStart::Cut };
        let (major, minor) = (order.u16_at::<0, 4>(version), order.u16_at::<2, 4>(version));
        match major {
            1 => SectionStart::Known(order),
            _ => SectionStart::Foreign(DamageKind::SectionVersion { major, minor }),
        }
    }
}

impl Section {
    /// Before the first section header. Its byte order is never used: a section header brings its own.
    pub(super) fn before_first() -> Self {
        Section { order: ByteOrder::Little, interfaces: Arc::default(), described: 0 }
    }

    /// Interface descriptions met so far, in all sections.
    pub(super) fn described(&self) -> u32 {
        self.described
    }

    /// The next packet at or after `at` and where the block after it starts; nothing at the end.
    ///
    /// Takes in section headers and interface descriptions on the way.
    ///
    /// # Errors
    ///
    /// Damage at the block it is in.
    #[inline]
    pub(super) fn record<'a>(
        &mut self,
        file: &'a [u8],
        mut at: usize,
    ) -> Result<Option<(Record<'a>, usize)>, Damage> {
        while at < file.len() {
            let damaged = |kind| Damage { offset: at as u64, kind };
            let block = self.block(file, at).map_err(damaged)?;
            if let Some(record) = self.take_in(&block).map_err(damaged)? {
                return Ok(Some((record, block.end)));
            }
            at = block.end;
        }
        Ok(None)
    }

    /// The block at `at`, and for a section header the byte order it switches to.
    #[inline]
    fn block<'a>(&mut self, file: &'a [u8], at: usize) -> Result<Block<'a>, DamageKind> {
        let rest = &file[at..];
        let Some(header) = rest.first_chunk::<BLOCK_HEADER_LEN>() else { return Err(cut_header(rest, 8)) };
        let block_type = self.order.u32_at::<0, 8>(header);
        if block_type == SECTION_HEADER {
            match SectionStart::of(rest) {
                SectionStart::Cut => return Err(cut_header(rest, 16)),
                SectionStart::Known(order) => self.order = order,
                SectionStart::Foreign(kind) => return Err(kind),
            }
        }
        Block::read(self.order, block_type, header, rest, at)
    }

    /// What a block says: a packet, or something about the section.
    #[inline]
    fn take_in<'a>(&mut self, block: &Block<'a>) -> Result<Option<Record<'a>>, DamageKind> {
        match block.block_type {
            ENHANCED_PACKET => self.packet(block, PacketBlock::Enhanced).map(Some),
            OBSOLETE_PACKET => self.packet(block, PacketBlock::Obsolete).map(Some),
            SIMPLE_PACKET => self.simple_packet(block).map(Some),
            INTERFACE_DESCRIPTION => self.describe_interface(block).map(|()| None),
            SECTION_HEADER => self.start(block).map(|()| None),
            _ => Ok(None),
        }
    }

    /// Section 4.1: a section starts without interfaces.
    fn start(&mut self, block: &Block<'_>) -> Result<(), DamageKind> {
        let (_, rest) = block.fixed::<SECTION_FIXED_LEN>()?;
        options::check(self.order, rest)?;
        self.interfaces = Arc::default();
        Ok(())
    }

    /// Section 4.2: interfaces are numbered in the order of their descriptions.
    fn describe_interface(&mut self, block: &Block<'_>) -> Result<(), DamageKind> {
        let (fixed, rest) = block.fixed::<INTERFACE_FIXED_LEN>()?;
        let mut clock = Clock::default();
        for option in Options::new(self.order, rest) {
            let option = option?;
            match (option.code, option.value) {
                (options::IF_TSRESOL, &[tsresol]) => clock = clock.with_tsresol(tsresol),
                (options::IF_TSOFFSET, &[a, b, c, d, e, f, g, h]) => {
                    clock = clock.with_offset_s(self.order.i64([a, b, c, d, e, f, g, h]));
                }
                _ => {}
            }
        }
        let link = LinkType(u32::from(self.order.u16_at::<0, 8>(fixed)));
        let snaplen = self.order.u32_at::<4, 8>(fixed);
        Arc::make_mut(&mut self.interfaces).push(Interface { link, snaplen, clock });
        self.described = self.described.saturating_add(1);
        Ok(())
    }

    /// Section 4.3 and appendix A: the two differ in where the interface is.
    #[inline]
    fn packet<'a>(&self, block: &Block<'a>, kind: PacketBlock) -> Result<Record<'a>, DamageKind> {
        let (fixed, rest) = block.fixed::<PACKET_FIXED_LEN>()?;
        let id = match kind {
            PacketBlock::Obsolete => u32::from(self.order.u16_at::<0, 20>(fixed)),
            _ => self.order.u32_at::<0, 20>(fixed),
        };
        let interface = self.interface(id)?;
        let captured = self.order.u32_at::<12, 20>(fixed);
        let (data, after) = packet_data(rest, captured, kind)?;
        if !after.is_empty() {
            options::check(self.order, after)?;
        }
        let (high, low) = (self.order.u32_at::<4, 20>(fixed), self.order.u32_at::<8, 20>(fixed));
        let (time_ns, clamped) = interface.clock.nanoseconds(u64::from(high) << 32 | u64::from(low));
        let wire_len = self.order.u32_at::<16, 20>(fixed);
        let base = block.untimed_record(data, wire_len, id, interface.link);
        Ok(Record { time_ns, time_out_of_range: clamped, time_absent: false, ..base })
    }

    /// Section 4.4: a packet of the first interface, cut at its snaplen, without a time.
    fn simple_packet<'a>(&self, block: &Block<'a>) -> Result<Record<'a>, DamageKind> {
        let (fixed, rest) = block.fixed::<SIMPLE_FIXED_LEN>()?;
        let interface = self.interface(0)?;
        let wire_len = self.order.u32_at::<0, 4>(fixed);
        let captured = if interface.snaplen == 0 { wire_len } else { wire_len.min(interface.snaplen) };
        let (data, _) = packet_data(rest, captured, PacketBlock::Simple)?;
        Ok(block.untimed_record(data, wire_len, 0, interface.link))
    }

    #[inline]
    fn interface(&self, id: u32) -> Result<&Interface, DamageKind> {
        let known = self.interfaces.len() as u32;
        self.interfaces.get(id as usize).ok_or(DamageKind::UnknownInterface { interface: id, known })
    }
}

impl<'a> Block<'a> {
    /// Checks the lengths of the block that starts `rest`, at byte `at` of the file.
    #[inline]
    pub(super) fn read(
        order: ByteOrder,
        block_type: u32,
        header: &[u8; BLOCK_HEADER_LEN],
        rest: &'a [u8],
        at: usize,
    ) -> Result<Self, DamageKind> {
        let len = order.u32_at::<4, 8>(header);
        let padded = padded_to_four(len as usize);
        if padded < BLOCK_HEADER_LEN + BLOCK_TRAILER_LEN {
            return Err(DamageKind::BlockLength { block_type, len, least: 12 });
        }
        let Some((body, trailer)) = rest.get(BLOCK_HEADER_LEN..padded).and_then(<[u8]>::split_last_chunk)
        else {
            return Err(DamageKind::TruncatedData { have: rest.len() as u64, need: padded as u64 });
        };
        let trailing = order.u32_at::<0, BLOCK_TRAILER_LEN>(trailer);
        if trailing != len {
            return Err(DamageKind::BlockLengthMismatch { leading: len, trailing });
        }
        Ok(Block { block_type, len, at, body, end: at + padded })
    }

    /// The fixed fields of the body and what follows them.
    #[inline]
    pub(super) fn fixed<const N: usize>(&self) -> Result<(&'a [u8; N], &'a [u8]), DamageKind> {
        let least = (BLOCK_HEADER_LEN + N + BLOCK_TRAILER_LEN) as u32;
        let too_short = DamageKind::BlockLength { block_type: self.block_type, len: self.len, least };
        self.body.split_first_chunk::<N>().ok_or(too_short)
    }

    #[inline]
    fn untimed_record(&self, data: &'a [u8], wire_len: u32, interface: u32, link: LinkType) -> Record<'a> {
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

#[cold]
fn cut_header(rest: &[u8], need: u64) -> DamageKind {
    DamageKind::TruncatedRecordHeader { have: rest.len() as u64, need }
}

/// The first comment of the Enhanced Packet Block at `at`, in either byte order.
pub(super) fn comment(file: &[u8], at: usize) -> Option<&str> {
    let rest = file.get(at..)?;
    let header = rest.first_chunk::<BLOCK_HEADER_LEN>()?;
    let is_enhanced = |order: &ByteOrder| order.u32_at::<0, 8>(header) == ENHANCED_PACKET;
    let order = [ByteOrder::Little, ByteOrder::Big].into_iter().find(is_enhanced)?;
    let (fixed, rest) = Block::read(order, ENHANCED_PACKET, header, rest, at).ok()?.fixed().ok()?;
    let captured = order.u32_at::<12, PACKET_FIXED_LEN>(fixed);
    let (_, after) = packet_data(rest, captured, PacketBlock::Enhanced).ok()?;
    let comment = Options::new(order, after).flatten().find(|option| option.code == options::COMMENT)?;
    std::str::from_utf8(comment.value).ok()
}
