//! One cache line of the table's index: eight tags, and which entry each belongs to.

use zerocopy::FromZeros;

/// Places in a bucket.
pub(super) const PLACES: usize = 8;

/// Four 16-bit lanes of a word.
const LANES_LOW: u64 = 0x0001_0001_0001_0001;
const LANES_HIGH: u64 = 0x8000_8000_8000_8000;

/// Sixteen bits of a key's hash that tell the keys of a bucket apart; 0 marks a place that is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(pub(super) u16);

impl Tag {
    const FREE: Tag = Tag(0);
}

/// A cache line of the index. All zeros is an empty one.
///
/// Place `p` has its tag in lane `p / 2` of word `p % 2`, which is where the bits of a comparison of
/// both words come out in order.
#[derive(Clone, Copy, Debug, FromZeros)]
#[repr(C, align(64))]
pub struct Bucket {
    tags: [u64; 2],
    entries: [u32; PLACES],
}

const _: () = assert!(size_of::<Bucket>() == hugepages::CACHE_LINE);

/// Places of a bucket, as bits: place `p` is bit `p / 2 * 16 + p % 2`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places(u64);

impl Iterator for Places {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit >> 3 | bit & 1)
    }
}

impl Bucket {
    /// The places that carry this tag.
    #[inline(always)]
    pub(super) fn tagged(&self, tag: Tag) -> Places {
        let wanted = u64::from(tag.0) * LANES_LOW;
        let [even, odd] = self.tags.map(|tags| zero_lanes(tags ^ wanted));
        Places(even >> 15 | odd >> 14)
    }

    /// The first place that is free.
    #[inline(always)]
    pub(super) fn free(&self) -> Option<usize> {
        self.tagged(Tag::FREE).next()
    }

    /// The entry at a place.
    #[inline(always)]
    pub(super) fn entry(&self, place: usize) -> usize {
        self.entries[place % PLACES] as usize
    }

    /// Fills a free place.
    #[inline]
    pub(super) fn fill(&mut self, place: usize, tag: Tag, entry: u32) {
        self.tags[place % 2] |= u64::from(tag.0) << (place / 2 * 16);
        self.entries[place % PLACES] = entry;
    }
}

/// The high bit of every 16-bit lane that is zero, and no other bit: adding 0x7fff to the low 15 bits
/// of a lane carries into its high bit unless they are zero, and never beyond it.
#[inline(always)]
const fn zero_lanes(word: u64) -> u64 {
    let low = word & !LANES_HIGH;
    !((low + !LANES_HIGH) | word) & LANES_HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_the_tags_that_were_filled_in(
            tags in proptest::collection::vec(prop_oneof![1u16..4, 0x7ffeu16..0x8002, 1u16..], 0..=PLACES),
            wanted in prop_oneof![1u16..4, 0x7ffeu16..0x8002, 1u16..],
        ) {
            let mut bucket = Bucket::new_zeroed();
            for (nth, tag) in tags.iter().enumerate() {
                let place = bucket.free();
                prop_assert_eq!(place, Some(nth));
                bucket.fill(nth, Tag(*tag), 100 + nth as u32);
            }
            let found: Vec<usize> = bucket.tagged(Tag(wanted)).collect();
            let model: Vec<usize> = (0..tags.len()).filter(|at| tags[*at] == wanted).collect();
            prop_assert_eq!(&found, &model);
            prop_assert!(found.iter().all(|place| bucket.entry(*place) == 100 + *place));
            prop_assert_eq!(bucket.free(), (tags.len() < PLACES).then_some(tags.len()));
        }
    }
}
