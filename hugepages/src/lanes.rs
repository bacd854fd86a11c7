//! Eight 16-bit numbers compared at once.

/// Which of eight lanes have this value: bit `n` is lane `n`, which is lane `n % 4`, from the lowest bits up, of word `n / 4`.
#[inline(always)]
#[must_use]
pub fn equal(lanes: [u64; 2], value: u16) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{
            _mm_cmpeq_epi16, _mm_movemask_epi8, _mm_packs_epi16, _mm_set_epi64x, _mm_set1_epi16,
        };
        // SAFETY: they need SSE2, which every x86-64 has, and touch no memory.
        unsafe {
            let lanes = _mm_set_epi64x(lanes[1].cast_signed(), lanes[0].cast_signed());
            let equal = _mm_cmpeq_epi16(lanes, _mm_set1_epi16(value.cast_signed()));
            _mm_movemask_epi8(_mm_packs_epi16(equal, equal)).cast_unsigned() & 0xff
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    one_by_one(lanes, value)
}

/// The same, whatever the machine.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn one_by_one(lanes: [u64; 2], value: u16) -> u32 {
    let lane = |at: usize| (lanes[at / 4] >> (at % 4 * 16)) as u16;
    (0..8).map(|at| u32::from(lane(at) == value) << at).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lanes_are_compared_alike_on_every_machine(lanes: [u64; 2], value: u16, at in 0usize..8) {
            let mut lanes = lanes;
            lanes[at / 4] &= !(0xffff << (at % 4 * 16));
            lanes[at / 4] |= u64::from(value) << (at % 4 * 16);
            prop_assert!(equal(lanes, value) >> at & 1 == 1);
            prop_assert_eq!(equal(lanes, value), one_by_one(lanes, value));
        }
    }
}
