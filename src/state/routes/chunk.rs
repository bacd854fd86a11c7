//! Chunks: units that are cut into blocks of one size.

/// Units of a block, by its class: what 1 to 65 runs take, and an even number for 1 to 64 children.
pub(super) const SIZES: [usize; CLASSES] =
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 24, 32, 48, 64, 96, 128];
pub(super) const CLASSES: usize = 20;
/// Units of a chunk, and of these what is known of it.
pub(super) const CHUNK: usize = 256;
pub(super) const HEAD: usize = 2;

/// The class of the smallest blocks with so many units, 1 to 128.
pub(super) fn class_for(units: usize) -> usize {
    SIZES.partition_point(|size| *size < units)
}

/// What is known of a chunk that is in use: its second word. The first one has its links: the next chunk below, the previous above.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    pub(super) class: u8,
    /// Blocks that are taken.
    pub(super) taken: u16,
    /// Blocks that have been taken at least once, from the first on.
    pub(super) touched: u16,
    /// The first block that was given back, in units from the chunk's beginning; 0 for none. Its first word names the next.
    pub(super) given_back: u16,
}

impl Chunk {
    pub(super) fn from_word(word: u64) -> Chunk {
        let part = |nth: u32| (word >> (16 * nth)) as u16;
        Chunk { class: part(0) as u8, taken: part(1), touched: part(2), given_back: part(3) }
    }

    pub(super) fn word(self) -> u64 {
        let parts = [self.class.into(), self.taken, self.touched, self.given_back];
        parts.iter().rev().fold(0, |word, part| word << 16 | u64::from(*part))
    }

    /// Units of each of its blocks.
    pub(super) fn size(self) -> usize {
        SIZES[self.class as usize]
    }

    pub(super) fn is_full(self) -> bool {
        self.taken as usize == (CHUNK - HEAD) / self.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_units_has_a_class() {
        for units in 1..=128 {
            let size = SIZES[class_for(units)];
            assert!(
                size >= units && size * 4 <= units * 6 && (units % 2 == 1 || size.is_multiple_of(2)),
                "{units}: {size}"
            );
        }
    }
}
