//! One cache line of a table's index: eight tags, and which entry each belongs to.

use hugepages::lanes;
use zerocopy::FromZeros;

/// Places in a bucket.
pub(super) const PLACES: usize = 8;

/// Places in a word of tags.
const LANES: usize = 4;

/// Sixteen bits of a key's hash that tell the keys of a bucket apart; 0 marks a place that is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(pub(super) u16);

impl Tag {
    const FREE: Tag = Tag(0);
}

/// A cache line of the index. All zeros is an empty one.
///
/// Place `p` has its tag in lane `p % 4` of word `p / 4`.
#[derive(Clone, Copy, Debug, FromZeros)]
#[repr(C, align(64))]
pub struct Bucket {
    tags: [u64; PLACES / LANES],
    entries: [u32; PLACES],
    /// Entries whose search passed over this bucket because it was full, and which are in a later one of theirs. A table that
    /// removes nothing needs no count: there, a bucket that was full still is.
    passed: u32,
}

const _: () = assert!(size_of::<Bucket>() == hugepages::CACHE_LINE);

/// Places of a bucket, as bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places(u32);

impl Iterator for Places {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let place = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(place)
    }
}

impl Bucket {
    /// The places that carry this tag.
    #[inline(always)]
    pub(super) fn tagged(&self, tag: Tag) -> Places {
        Places(lanes::equal(self.tags, tag.0))
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
        self.tags[place / LANES] |= u64::from(tag.0) << (place % LANES * 16);
        self.entries[place % PLACES] = entry;
    }

    /// The place, among those with this tag, that names this entry.
    #[inline]
    pub(super) fn place_of(&self, tag: Tag, entry: usize) -> Option<usize> {
        self.tagged(tag).find(|place| self.entry(*place) == entry)
    }

    /// Makes a place free.
    #[inline]
    pub(super) fn clear(&mut self, place: usize) {
        self.tags[place / LANES] &= !(u64::from(u16::MAX) << (place % LANES * 16));
    }

    /// The entries of the places that are taken.
    pub(super) fn taken(&self) -> impl Iterator<Item = usize> + '_ {
        let Places(free) = self.tagged(Tag::FREE);
        Places(!free & ((1 << PLACES) - 1)).map(|place| self.entry(place))
    }

    /// Has the search for some entry passed over it?
    #[inline(always)]
    pub(super) fn is_passed(&self) -> bool {
        self.passed != 0
    }

    /// One entry more is in a later bucket because this one was full.
    #[inline]
    pub(super) fn pass(&mut self) {
        self.passed += 1;
    }

    /// One such entry was removed.
    #[inline]
    pub(super) fn unpass(&mut self) {
        self.passed -= 1;
    }
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
            cleared in 0..PLACES,
        ) {
            let mut bucket = Bucket::new_zeroed();
            for (nth, tag) in tags.iter().enumerate() {
                let place = bucket.free();
                prop_assert_eq!(place, Some(nth));
                bucket.fill(nth, Tag(*tag), 100 + nth as u32);
                prop_assert!(bucket.place_of(Tag(*tag), 100 + nth) == Some(nth));
            }
            let found: Vec<usize> = bucket.tagged(Tag(wanted)).collect();
            let model: Vec<usize> = (0..tags.len()).filter(|at| tags[*at] == wanted).collect();
            prop_assert_eq!(&found, &model);
            prop_assert!(found.iter().all(|place| bucket.entry(*place) == 100 + *place));
            prop_assert_eq!(bucket.free(), (tags.len() < PLACES).then_some(tags.len()));
            prop_assert!(bucket.taken().eq(100..100 + tags.len()));
            bucket.clear(cleared);
            prop_assert_eq!(bucket.free(), Some(cleared.min(tags.len())));
            prop_assert!(bucket.taken().eq((100..100 + tags.len()).filter(|entry| *entry != 100 + cleared)));
        }
    }
}
