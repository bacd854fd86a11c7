//! The table's own hash of a flow key.
//!
//! Not the packet's: steering may hash by less than the key (an address pair, or nothing at all when an
//! application before wants everything on one core), and its low bits have already chosen the core, so
//! that all flows of a core share some of them.

use zerocopy::IntoBytes;

use super::bucket::Tag;
use crate::packet::flow::FlowKey;

/// A flow key, hashed with a table's seed; of use with that table only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(u64);

impl KeyHash {
    /// Tells keys of one bucket apart.
    #[inline(always)]
    pub(super) fn tag(self) -> Tag {
        Tag(((self.0 >> 48) as u16).max(1))
    }

    /// Where the search for the key starts, any number.
    #[inline(always)]
    pub(super) fn home(self) -> usize {
        self.0 as usize
    }

    /// How far it goes on from bucket to bucket: odd, so that it meets every bucket of a power of two.
    #[inline(always)]
    pub(super) fn stride(self) -> usize {
        (self.0 >> 32 | 1) as usize
    }
}

/// Hashes flow keys: the same seed, the same hashes, on every machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyHasher {
    secrets: [u64; 4],
}

impl KeyHasher {
    pub(super) fn new(seed: u64) -> KeyHasher {
        let mut state = seed;
        KeyHasher { secrets: [(); 4].map(|()| split_mix(&mut state)) }
    }

    /// Three folded multiplies, the first two side by side.
    #[inline(always)]
    pub(super) fn hash(&self, key: &FlowKey) -> KeyHash {
        let [p, q, r, s] = self.secrets;
        let (words, _) = key.as_bytes().as_chunks::<8>();
        let word = |at: usize| u64::from_le_bytes(words[at]);
        let a = fold(word(1) ^ p, word(2) ^ q);
        let b = fold(word(3) ^ q, word(4) ^ r);
        KeyHash(fold(a ^ word(0) ^ s, b.rotate_left(32) ^ p))
    }
}

/// Multiplies and folds: both halves of the 128-bit product (the mixing step of wyhash and foldhash).
#[inline(always)]
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

/// The next number of the generator SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom
/// number generators, 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
