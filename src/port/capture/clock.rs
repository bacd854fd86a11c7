//! pcapng timestamps: a count of units since an interface's epoch, turned into nanoseconds since 1970.
//!
//! draft-ietf-opsawg-pcapng, section 4.2: `if_tsresol` is one byte, `10^-n` or, with the top bit set,
//! `2^-n` seconds a unit; `if_tsoffset` is a signed number of seconds to add.

const NS_PER_S: u64 = 1_000_000_000;
/// Powers of ten a `u128` holds.
const MAX_POWER: u32 = 38;

/// The clock of one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    /// Nanoseconds a unit where that is a whole number and nothing is to be added; else 0.
    ns_per_unit: u64,
    tsresol: u8,
    offset_s: i64,
}

impl Default for Clock {
    /// Microseconds since 1970: what a file without `if_tsresol` and `if_tsoffset` means.
    fn default() -> Self {
        Clock::new(6, 0)
    }
}

impl Clock {
    /// The clock with this `if_tsresol` byte and this `if_tsoffset`, in seconds.
    pub(super) fn new(tsresol: u8, offset_s: i64) -> Self {
        let ns_per_unit = if tsresol <= 9 && offset_s == 0 { 10u64.pow(9 - u32::from(tsresol)) } else { 0 };
        Clock { ns_per_unit, tsresol, offset_s }
    }

    pub(super) fn with_tsresol(self, tsresol: u8) -> Self {
        Clock::new(tsresol, self.offset_s)
    }

    pub(super) fn with_offset_s(self, offset_s: i64) -> Self {
        Clock::new(self.tsresol, offset_s)
    }

    /// Nanoseconds since 1970 of a stored time, and whether it had to be saturated to fit a `u64`.
    #[inline]
    pub(super) fn nanoseconds(&self, units: u64) -> (u64, bool) {
        match units.checked_mul(self.ns_per_unit) {
            Some(ns) if self.ns_per_unit != 0 => (ns, false),
            _ => self.nanoseconds_wide(units),
        }
    }

    /// The same for every resolution and offset, in 128 bits: `u64 * 10^9` stays below `2^94`.
    fn nanoseconds_wide(&self, units: u64) -> (u64, bool) {
        let exponent = u32::from(self.tsresol & 0x7f);
        let scaled = u128::from(units) * u128::from(NS_PER_S);
        let since_epoch = match self.tsresol & 0x80 {
            0 if exponent > MAX_POWER => 0,
            0 => scaled / 10u128.pow(exponent),
            _ => scaled >> exponent,
        };
        let ns = since_epoch as i128 + i128::from(self.offset_s) * i128::from(NS_PER_S);
        match u64::try_from(ns) {
            Ok(ns) => (ns, false),
            Err(_) => (if ns < 0 { 0 } else { u64::MAX }, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_ten_and_two() {
        assert_eq!(Clock::default().nanoseconds(1_500_000), (1_500_000_000, false));
        assert_eq!(Clock::new(9, 0).nanoseconds(7), (7, false));
        assert_eq!(Clock::new(0, 0).nanoseconds(7), (7_000_000_000, false));
        assert_eq!(Clock::new(12, 0).nanoseconds(7_999), (7, false));
        assert_eq!(Clock::new(0x80 | 10, 0).nanoseconds(1536), (1_500_000_000, false));
        assert_eq!(Clock::new(0x80, 0).nanoseconds(3), (3_000_000_000, false));
    }

    #[test]
    fn an_offset_is_added_and_the_ends_saturate() {
        assert_eq!(Clock::new(6, 10).nanoseconds(1), (10_000_001_000, false));
        assert_eq!(Clock::new(6, -1).nanoseconds(2_000_000), (1_000_000_000, false));
        assert_eq!(Clock::new(6, -1).nanoseconds(0), (0, true));
        assert_eq!(Clock::new(6, 0).nanoseconds(u64::MAX), (u64::MAX, true));
        assert_eq!(Clock::new(9, 0).nanoseconds(u64::MAX), (u64::MAX, false));
    }

    #[test]
    fn every_resolution_takes_every_extreme() {
        for tsresol in 0..=u8::MAX {
            for offset_s in [i64::MIN, -1, 0, 1, i64::MAX] {
                for units in [0, 1, u64::MAX / 2, u64::MAX] {
                    let (ns, clamped) = Clock::new(tsresol, offset_s).nanoseconds(units);
                    assert!(!clamped || ns == 0 || ns == u64::MAX);
                }
            }
        }
    }
}
