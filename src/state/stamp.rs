//! When entries were used last, four bytes each; free entries are linked through the same bytes.

use zerocopy::FromZeros;

/// Nanoseconds of a stamp's unit, as a power of two: about a millisecond.
const UNIT_BITS: u32 = 20;
/// Set in the stamp of an entry that is free; the other bits are the next free one then.
const FREE: u32 = 1 << 31;
/// Times are counted modulo this; of two times less than half of it apart one knows which is later.
const ROUND: u32 = FREE;

/// When an entry was used last, in units of 2^20 ns (1.05 ms) that start over after 26 days; or that it is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
#[repr(transparent)]
pub struct Stamp(u32);

impl Stamp {
    /// The end of the list of free entries.
    pub(super) const NO_ENTRY: Stamp = Stamp(u32::MAX);

    /// Of an entry that is used now.
    #[inline(always)]
    pub(super) fn at(now_ns: u64) -> Stamp {
        Stamp((now_ns >> UNIT_BITS) as u32 % ROUND)
    }

    /// Of a free entry before this one in the list.
    #[inline(always)]
    pub(super) fn free_before(entry: usize) -> Stamp {
        Stamp(FREE | entry as u32)
    }

    #[inline(always)]
    pub(super) fn is_free(self) -> bool {
        self.0 & FREE != 0
    }

    /// The free entry it leads to.
    #[inline(always)]
    pub(super) fn next_free(self) -> Option<usize> {
        (self != Stamp::NO_ENTRY).then_some((self.0 % ROUND) as usize)
    }

    /// Units from then to `now`; 0 where that was not before now. What is more than 13 days ago looks like to come.
    #[inline(always)]
    pub(super) fn idle(self, now: Stamp) -> u32 {
        let units = now.0.wrapping_sub(self.0) % ROUND;
        if units < ROUND / 2 { units } else { 0 }
    }
}

/// More units of idleness than this are this long or longer, whatever was cut off.
pub(super) fn idle_units(idle_ns: u64) -> u32 {
    idle_ns.div_ceil(1 << UNIT_BITS).min(u64::from(ROUND)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UNIT: u64 = 1 << UNIT_BITS;

    #[test]
    fn free_ones_lead_to_the_next() {
        assert_eq!(Stamp::free_before(7).next_free(), Some(7));
        assert!(Stamp::free_before(0).is_free() && Stamp::NO_ENTRY.is_free());
        assert_eq!(Stamp::NO_ENTRY.next_free(), None);
        assert!(!Stamp::at(u64::MAX).is_free());
    }

    proptest! {
        /// Never idle too early, and at most two units too late.
        #[test]
        fn idleness_is_told_in_time(used: u64, spent in 0..UNIT << 29, idle in 0..UNIT << 29) {
            let used = used / 2;
            let units = Stamp::at(used).idle(Stamp::at(used + spent));
            let told = units > idle_units(idle);
            prop_assert!(!told || spent >= idle);
            prop_assert!(told || spent < idle + 2 * UNIT);
        }

        #[test]
        fn what_is_to_come_is_not_idle(used: u64, ahead in 0..UNIT << 29) {
            let used = used / 2 + (UNIT << 30);
            prop_assert_eq!(Stamp::at(used + ahead).idle(Stamp::at(used)), 0);
        }
    }
}
