//! Chance, from one seed: numbers, exact shares, a shuffle. Nothing here is for secrets.

/// A stream of random numbers: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). Eight bytes, so that every
/// flow has its own, and what one flow draws never depends on another.
#[derive(Clone, Debug)]
pub(super) struct Draw(u64);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's output function: a bijection in which every bit of the input reaches every bit of the output.
#[inline]
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Draw {
    /// The stream of this name (`purpose`, `index`) under this seed.
    pub(super) const fn new(seed: u64, purpose: u64, index: u64) -> Draw {
        Draw(mix(mix(mix(seed.wrapping_add(GOLDEN)) ^ purpose) ^ index))
    }

    /// The next 64 bits.
    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// The next number below `bound`, by multiplication of the upper 32 bits: uneven by less than
    /// `bound` / 2^32.
    #[inline]
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        scale(self.next(), bound)
    }
}

/// The upper 32 bits of a draw, scaled to below `bound`.
#[inline]
pub(super) const fn scale(draw: u64, bound: u32) -> u32 {
    (((draw >> 32) * bound as u64) >> 32) as u32
}

/// Picks an exact share of so many things, one thing after the other, every subset as likely as any other
/// (Knuth, The Art of Computer Programming 2, algorithm 3.4.2 S).
#[derive(Debug)]
pub(super) struct Share {
    wanted: u32,
    left: u32,
    draw: Draw,
}

impl Share {
    /// `share` (0 to 1) of `all` things, rounded to whole things.
    pub(super) fn new(share: f64, all: u32, draw: Draw) -> Share {
        Share { wanted: ((share * f64::from(all)).round() as u32).min(all), left: all, draw }
    }

    /// Is the next thing one of them?
    pub(super) fn take(&mut self) -> bool {
        let taken = self.left > 0 && self.draw.below(self.left) < self.wanted;
        self.left = self.left.saturating_sub(1);
        self.wanted -= u32::from(taken);
        taken
    }
}

/// A seeded shuffle of the numbers below a bound: every number has its own place, so what is told apart
/// before is told apart after. The bound is 2^29 to 2^30, so that a place is found in two steps on average.
#[derive(Debug)]
pub(super) struct Shuffle {
    keys: [u32; 2],
    bound: u32,
}

const SHUFFLE_MASK: u32 = (1 << 30) - 1;

impl Shuffle {
    /// A shuffle of the numbers below `bound`.
    pub(super) fn new(bound: u32, mut draw: Draw) -> Shuffle {
        debug_assert!((1 << 29..=1 << 30).contains(&bound));
        Shuffle { keys: [draw.next() as u32, draw.next() as u32], bound }
    }

    /// The place of `number`, which is below the bound. A place past the bound is shuffled again until it is
    /// not (cycle walking: Black and Rogaway, CT-RSA 2002), which keeps places apart.
    pub(super) fn place(&self, number: u32) -> u32 {
        let mut place = number;
        loop {
            // Each step is a bijection of 30 bits: adding a key, an odd factor, folding the upper half in.
            for key in self.keys {
                place = place.wrapping_add(key).wrapping_mul(0x2c1b_3c6d) & SHUFFLE_MASK;
                place ^= place >> 15;
            }
            if place < self.bound {
                return place;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn streams_differ_by_seed_purpose_and_index_and_only_by_these() {
        let first = |seed, purpose, index| Draw::new(seed, purpose, index).next();
        assert_eq!(first(1, 2, 3), first(1, 2, 3));
        let all = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 2, 3), (3, 2, 1)];
        assert_eq!(all.map(|(a, b, c)| first(a, b, c)).into_iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn below_is_below_and_even() {
        let (mut draw, mut seen) = (Draw::new(7, 0, 0), [0u32; 12]);
        for _ in 0..12_000 {
            seen[draw.below(12) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (850..1150).contains(count)), "{seen:?}");
    }

    #[test]
    fn a_share_is_exact() {
        for (share, all, wanted) in [(0.0, 9, 0), (1.0, 9, 9), (0.5, 1000, 500), (0.25, 2, 1), (0.1, 4, 0)] {
            let mut picks = Share::new(share, all, Draw::new(3, 1, 4));
            assert_eq!((0..all).filter(|_| picks.take()).count(), wanted, "{share} of {all}");
            assert!(!picks.take(), "nothing is left to pick");
        }
    }

    #[test]
    fn a_shuffle_keeps_numbers_apart() {
        let (bound, numbers) = ((1 << 29) + 12_345, 50_000);
        let shuffle = Shuffle::new(bound, Draw::new(9, 0, 0));
        let places: HashSet<u32> =
            (0..numbers).chain(bound - numbers..bound).map(|n| shuffle.place(n)).collect();
        assert!(places.len() == 2 * numbers as usize && places.iter().all(|place| *place < bound));
    }
}
