//! The pcapng file format: blocks, in sections of either byte order (draft-ietf-opsawg-pcapng).
//!
//! Tolerance follows Wireshark: the section length is ignored, a block whose length is no multiple of
//! four is padded, blocks of an unknown type are skipped, the two copies of a block's length must
//! agree.

use std::sync::Arc;

use super::block::{
    Block, ENHANCED_PACKET, HEADER_LEN, INTERFACE_DESCRIPTION, OBSOLETE_PACKET, PACKET_FIXED_LEN,
    SECTION_HEADER, SIMPLE_PACKET, packet_data,
};
use super::bytes::{ByteOrder, header_at};
use super::clock::Clock;
use super::options::{self, Options};
use super::{Damage, DamageKind, LinkType, PacketBlock, Record};

/// Byte-order magic, version and section length: the fixed part of a section header's body.
const SECTION_FIXED_LEN: usize = 16;
const INTERFACE_FIXED_LEN: usize = 8;
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
    /// Interfaces of all sections, in the order of their descriptions: those met so far, or more where
    /// somebody has been further before.
    interfaces: Arc<Vec<Interface>>,
    /// The first of this section's.
    first: usize,
    /// Interfaces of all sections so far.
    described: usize,
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
        let Some(magic) = header_at::<4>(bytes, HEADER_LEN) else { return SectionStart::Cut };
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
        Section { order: ByteOrder::Little, interfaces: Arc::default(), first: 0, described: 0 }
    }

    /// Interface descriptions met so far, in all sections.
    pub(super) fn described(&self) -> u32 {
        u32::try_from(self.described).unwrap_or(u32::MAX)
    }

    /// Takes over the interfaces that a walk of the same file has met: walking it again allocates nothing.
    pub(super) fn learn(&mut self, walked: &Section) {
        self.interfaces = walked.interfaces.clone();
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
        let Some(header) = rest.first_chunk::<HEADER_LEN>() else { return Err(cut_header(rest, 8)) };
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
        self.first = self.described;
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
        if self.described == self.interfaces.len() {
            Arc::make_mut(&mut self.interfaces).push(Interface { link, snaplen, clock });
        }
        self.described += 1;
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
        let known = &self.interfaces[self.first..self.described];
        let unknown = DamageKind::UnknownInterface { interface: id, known: known.len() as u32 };
        known.get(id as usize).ok_or(unknown)
    }
}

#[cold]
fn cut_header(rest: &[u8], need: u64) -> DamageKind {
    DamageKind::TruncatedRecordHeader { have: rest.len() as u64, need }
}
