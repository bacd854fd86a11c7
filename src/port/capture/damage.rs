//! What is wrong with a capture file: damage met on the way, or a reason not to start.

use thiserror::Error;

/// Why reading stopped before the end of the file, and at which byte.
///
/// Every record delivered before it is good. Text: `truncated record header: 9 of 16 bytes at offset
/// 298`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{kind} at offset {offset}")]
pub struct Damage {
    /// The byte where the damaged header, record or block starts, from the start of the file.
    pub offset: u64,
    /// What is wrong there.
    pub kind: DamageKind,
}

impl Damage {
    /// A word for the kind of damage, stable, for counters and tests: `trunc-data`, `epb-caplen`, ...
    pub const fn class(&self) -> &'static str {
        self.kind.class()
    }
}

/// The pcapng blocks that hold a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketBlock {
    /// Enhanced Packet Block, type 6.
    Enhanced,
    /// Simple Packet Block, type 3.
    Simple,
    /// Packet Block, type 2, obsolete since 2009 and still met.
    Obsolete,
}

/// The kinds of damage. Lengths in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DamageKind {
    /// The file ends inside its own header; a file of no bytes too.
    #[error("truncated file header: {have} of {need} bytes")]
    TruncatedFileHeader {
        /// Bytes there.
        have: u64,
        /// Bytes a header has.
        need: u64,
    },
    /// The file ends inside a record header (pcap) or the header of a block (pcapng).
    #[error("truncated record header: {have} of {need} bytes")]
    TruncatedRecordHeader {
        /// Bytes there.
        have: u64,
        /// Bytes a header has.
        need: u64,
    },
    /// The file ends inside the bytes of a packet (pcap) or inside a block (pcapng).
    #[error("truncated record: {have} of {need} bytes")]
    TruncatedData {
        /// Bytes there, without the record header in pcap.
        have: u64,
        /// Bytes the header says there are.
        need: u64,
    },
    /// A captured length above [`MAX_CAPTURED_LEN`](super::MAX_CAPTURED_LEN).
    #[error("captured length {captured} is above {}", super::MAX_CAPTURED_LEN)]
    CapturedLength {
        /// What the record says.
        captured: u32,
    },
    /// A packet block says it captured more bytes than it holds.
    #[error("captured length {captured} overruns a packet block with room for {room}")]
    PacketBeyondBlock {
        /// Which block.
        block: PacketBlock,
        /// What the block says.
        captured: u32,
        /// Bytes between its fixed fields and its end.
        room: u64,
    },
    /// A block's total length is below what its type needs.
    #[error("block of type {block_type:#x} says it is {len} bytes long, below {least}")]
    BlockLength {
        /// The block type code.
        block_type: u32,
        /// The total length it gives.
        len: u32,
        /// The least its type takes.
        least: u32,
    },
    /// The two copies of a block's total length differ.
    #[error("block lengths differ: {leading} before, {trailing} after")]
    BlockLengthMismatch {
        /// The copy at the start.
        leading: u32,
        /// The copy at the end.
        trailing: u32,
    },
    /// An option runs past the end of its block.
    #[error("option {code} of {len} bytes overruns its block")]
    OptionBeyondBlock {
        /// The option code.
        code: u16,
        /// The length it gives.
        len: u16,
    },
    /// A packet of an interface its section has not described.
    #[error("packet of interface {interface}, of {known} described")]
    UnknownInterface {
        /// The interface index in the packet block.
        interface: u32,
        /// Interfaces described so far in the section.
        known: u32,
    },
    /// A section header with a byte-order magic that is none.
    #[error("unknown byte-order magic {0:#010x}")]
    ByteOrderMagic(
        /// The magic, read as little-endian.
        u32,
    ),
    /// A later section of a version we do not read.
    #[error("unsupported pcapng version {major}.{minor}")]
    SectionVersion {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
}

impl DamageKind {
    /// A word for the kind, stable, for counters and tests.
    pub const fn class(&self) -> &'static str {
        match self {
            DamageKind::TruncatedFileHeader { .. } => "trunc-filehdr",
            DamageKind::TruncatedRecordHeader { .. } => "trunc-rechdr",
            DamageKind::TruncatedData { .. } => "trunc-data",
            DamageKind::CapturedLength { .. } => "bad-caplen",
            DamageKind::PacketBeyondBlock { block: PacketBlock::Enhanced, .. } => "epb-caplen",
            DamageKind::PacketBeyondBlock { block: PacketBlock::Simple, .. } => "spb-caplen",
            DamageKind::PacketBeyondBlock { block: PacketBlock::Obsolete, .. } => "pb-caplen",
            DamageKind::BlockLength { .. } => "bad-blen",
            DamageKind::BlockLengthMismatch { .. } => "blen-mismatch",
            DamageKind::OptionBeyondBlock { .. } => "option-overrun",
            DamageKind::UnknownInterface { .. } => "unknown-interface",
            DamageKind::ByteOrderMagic(_) => "unknown-byte-order",
            DamageKind::SectionVersion { .. } => "unsupported-version",
        }
    }
}

/// Why a file cannot be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The first four bytes belong to no capture format we know.
    #[error("not a capture file: unknown magic {:02x} {:02x} {:02x} {:02x}", .0[0], .0[1], .0[2], .0[3])]
    UnknownMagic(
        /// The first four bytes of the file.
        [u8; 4],
    ),
    /// pcap, of a version other than 2.x (and DG/UX's 543.0).
    #[error("unsupported pcap version {major}.{minor}")]
    PcapVersion {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// pcapng, of a version other than 1.x.
    #[error("unsupported pcapng version {major}.{minor}")]
    PcapngVersion {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// pcapng, with a byte-order magic that is none.
    #[error("unknown pcapng byte-order magic {0:#010x}")]
    PcapngByteOrder(
        /// The magic, read as little-endian.
        u32,
    ),
    /// Bits 16 to 25 of the pcap link-type field are reserved, and set.
    #[error("link-type reserved field not zero ({0:#010x})")]
    ReservedLinkBits(
        /// The reserved bits, in place.
        u32,
    ),
}

impl Refusal {
    /// A word for the reason, stable, for counters and tests.
    pub const fn class(&self) -> &'static str {
        match self {
            Refusal::UnknownMagic(_) => "unknown-magic",
            Refusal::PcapVersion { .. } | Refusal::PcapngVersion { .. } => "unsupported-version",
            Refusal::PcapngByteOrder(_) => "unknown-byte-order",
            Refusal::ReservedLinkBits(_) => "reserved-link-bits",
        }
    }
}
