//! A table's own hash of its keys.
//!
//! Not the packet's: steering may hash by less than the key (an address pair, or nothing at all when an
//! application before wants everything on one core), and its low bits have already chosen the core, so
//! that all flows of a core share some of them.

use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::bucket::Tag;

/// What a table can have as its key: plain bytes without padding (`[u8; 16]`, `u64`, `FlowKey`, a `repr(C)` struct that derives
/// the three). Two keys are the same when their bytes are.
pub trait Key: Copy + FromZeros + IntoBytes + Immutable + 'static {}

impl<K: Copy + FromZeros + IntoBytes + Immutable + 'static> Key for K {}

/// A key, hashed with a table's seed; of use with that table only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct KeyHash(u64);

impl KeyHash {
    /// Of no key: for places in an array that are filled before they are read.
    pub(super) const NONE: KeyHash = KeyHash(0);

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

/// Hashes keys: the same seed, the same hashes, on every machine. Who knows the seed can make keys that collide.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyHasher {
    secrets: [u64; 4],
}

impl KeyHasher {
    pub(super) fn new(seed: u64) -> KeyHasher {
        let mut state = seed;
        KeyHasher { secrets: [(); 4].map(|()| split_mix(&mut state)) }
    }

    /// A folded multiply for every two words, in two chains side by side, and one more. A word that is left over is the first, and
    /// goes into the last multiply. So 16 bytes take two, a flow key's 40 three.
    #[inline(always)]
    pub(super) fn hash<K: Key>(&self, key: &K) -> KeyHash {
        let [p, q, r, s] = self.secrets;
        let count = size_of::<K>().div_ceil(8);
        let word = |at: usize| word(key, at);
        let (first, start) = if count % 2 == 1 && count > 1 { (word(0), 1) } else { (0, 0) };
        let (mut a, mut b) = (0, 0);
        for pair in 0..(count - start).div_ceil(2) {
            let at = start + 2 * pair;
            match pair % 2 {
                0 => a = fold(word(at) ^ p ^ a, word(at + 1) ^ q),
                _ => b = fold(word(at) ^ q ^ b, word(at + 1) ^ r),
            }
        }
        KeyHash(fold(a ^ first ^ s, b.rotate_left(32) ^ p))
    }
}

/// Eight bytes of a key, little-endian on every machine; zeros past its end.
#[inline(always)]
fn word<K: Key>(key: &K, at: usize) -> u64 {
    let (words, rest) = key.as_bytes().as_chunks::<8>();
    match words.get(at) {
        Some(word) => u64::from_le_bytes(*word),
        None if at == words.len() => {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            u64::from_le_bytes(last)
        }
        None => 0,
    }
}

/// Are they equal? Word by word: `==` of forty bytes is a call of `memcmp`, and a table asks once a packet.
#[inline(always)]
pub(super) fn same<K: Key>(one: &K, other: &K) -> bool {
    let count = size_of::<K>().div_ceil(8);
    let differences = (0..count).map(|at| word(one, at) ^ word(other, at));
    differences.fold(0, |all, difference| all | difference) == 0
}

/// Multiplies and folds: both halves of the 128-bit product (the mixing step of wyhash and foldhash).
#[inline(always)]
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

/// The next number of the generator SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom
/// number generators, 2014).
pub(super) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Keys that differ in one byte have different hashes, tags and places, whatever the key's size and whichever byte.
    fn spreads<const BYTES: usize>()
    where
        [u8; BYTES]: Key,
    {
        let hasher = KeyHasher::new(1);
        for at in 0..BYTES {
            let hashes: Vec<KeyHash> = (0..=255u8)
                .map(|byte| {
                    let mut key = [7; BYTES];
                    key[at] = byte;
                    hasher.hash(&key)
                })
                .collect();
            let all: HashSet<u64> = hashes.iter().map(|hash| hash.0).collect();
            assert_eq!(all.len(), 256, "byte {at} of {BYTES}");
            // 256 balls in 4,096 places leave 248 taken on average; with fewer than 200 something is wrong.
            for taken in
                [|hash: &KeyHash| hash.home() & 4095, |hash: &KeyHash| usize::from(hash.tag().0) & 4095]
            {
                let places: HashSet<usize> = hashes.iter().map(taken).collect();
                assert!(places.len() > 200, "byte {at} of {BYTES}: {} places", places.len());
            }
        }
    }

    #[test]
    fn every_byte_of_a_key_counts() {
        spreads::<1>();
        spreads::<2>();
        spreads::<4>();
        spreads::<8>();
        spreads::<12>();
        spreads::<16>();
        spreads::<24>();
        spreads::<37>();
        spreads::<40>();
        spreads::<64>();
        assert_ne!(KeyHasher::new(1).hash(&5u64), KeyHasher::new(2).hash(&5u64));
    }

    #[test]
    fn keys_are_the_same_when_all_their_bytes_are() {
        let key: [u8; 37] = std::array::from_fn(|at| at as u8);
        assert!(same(&key, &key.clone()));
        for at in 0..key.len() {
            let mut other = key;
            other[at] ^= 0x80;
            assert!(!same(&key, &other), "byte {at}");
        }
        assert!(same(&(), &()));
    }
}
