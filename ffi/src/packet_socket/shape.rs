//! How a ring is cut into blocks and slots.

use super::layout::{BEFORE_PACKET, BLOCK_HEADER, SEND_AT};

/// The format of a receive ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingVersion {
    /// `TPACKET_V2`: a slot a packet, visible as soon as it is in.
    V2,
    /// `TPACKET_V3`: packets close together in blocks; a block is handed over when it is full, or a millisecond or
    /// more after its first packet.
    V3,
}

/// What a ring is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingShape {
    /// The largest packet, bytes.
    pub packet: u32,
    /// Packets of that size; rounded up to what blocks hold.
    pub packets: u32,
}

/// Bytes of a block, at least: few enough that the kernel finds them in one piece.
const BLOCK_BYTES: usize = 64 << 10;
const CACHE_LINE: usize = 64;

/// A ring as the kernel is asked for it (`tpacket_req`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) block_bytes: usize,
    pub(super) blocks: usize,
    pub(super) slot_bytes: usize,
    pub(super) slots_per_block: usize,
}

impl Cut {
    /// Bytes of the whole ring.
    pub(super) fn bytes(&self) -> usize {
        self.block_bytes * self.blocks
    }

    /// Slots of the whole ring.
    pub(super) fn slots(&self) -> usize {
        self.slots_per_block * self.blocks
    }
}

impl RingShape {
    /// The cut of a receive ring. At least two blocks: the kernel fills one while we read the other.
    pub(super) fn to_receive(self, version: RingVersion) -> Cut {
        let least = if version == RingVersion::V3 { 2 } else { 1 };
        let mut cut = self.cut(BEFORE_PACKET, least);
        if version == RingVersion::V3 {
            // Slots are not cut out of a V3 block; the kernel wants the numbers to agree all the same.
            cut.block_bytes = cut
                .block_bytes
                .max((cut.slot_bytes + BLOCK_HEADER).next_multiple_of(crate::memory::page_size()));
            cut.slots_per_block = cut.block_bytes / cut.slot_bytes;
        }
        cut
    }

    /// The cut of a transmit ring.
    pub(super) fn to_transmit(self) -> Cut {
        self.cut(SEND_AT, 1)
    }

    /// Slots of an odd number of cache lines, so that headers of successive ones fall into different sets of the
    /// cache; as many to a block as fit.
    fn cut(self, before: usize, least_blocks: usize) -> Cut {
        let slot_bytes = ((before + self.packet as usize).div_ceil(CACHE_LINE) | 1) * CACHE_LINE;
        let wanted = (self.packets as usize).max(1);
        let whole = (slot_bytes * wanted).min(BLOCK_BYTES).max(slot_bytes);
        let block_bytes = whole.next_multiple_of(crate::memory::page_size());
        let slots_per_block = block_bytes / slot_bytes;
        let blocks = wanted.div_ceil(slots_per_block).max(least_blocks);
        Cut { block_bytes, blocks, slot_bytes, slots_per_block }
    }

    /// Bytes of memory a receive ring of this shape takes.
    #[must_use]
    pub fn receive_bytes(self, version: RingVersion) -> u64 {
        self.to_receive(version).bytes() as u64
    }

    /// Bytes of memory a transmit ring of this shape takes.
    #[must_use]
    pub fn transmit_bytes(self) -> u64 {
        self.to_transmit().bytes() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_fits_and_the_kernel_s_rules_hold() {
        let page = crate::memory::page_size();
        for packet in [60, 1514, 1522, 9022, 65_600] {
            for packets in [1, 2, 7, 512, 4096] {
                let shape = RingShape { packet, packets };
                let cuts = [
                    shape.to_receive(RingVersion::V2),
                    shape.to_receive(RingVersion::V3),
                    shape.to_transmit(),
                ];
                for cut in cuts {
                    // packet_set_ring: blocks of whole pages, slots of whole 16 bytes, as many as the blocks hold.
                    assert!(
                        cut.block_bytes.is_multiple_of(page) && cut.slot_bytes.is_multiple_of(16),
                        "{cut:?}"
                    );
                    assert!(
                        cut.slots_per_block >= 1 && cut.slots_per_block == cut.block_bytes / cut.slot_bytes
                    );
                    assert!(cut.slots() >= packets as usize && cut.slot_bytes >= packet as usize + SEND_AT);
                }
                assert!(
                    cuts[1].blocks >= 2
                        && cuts[1].block_bytes >= packet as usize + BEFORE_PACKET + BLOCK_HEADER
                );
            }
        }
    }
}
