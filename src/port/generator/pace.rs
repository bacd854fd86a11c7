//! When packets are due: an absolute schedule, so that no rounding and no delay ever adds up.

/// Nanoseconds of a second.
const SECOND: u128 = 1_000_000_000;

/// A number of packets each second, evenly: packet `k` is due `k` / rate after the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    per_second: u64,
}

impl Pace {
    /// A pace of at least one packet each second.
    pub(super) fn new(per_second: u64) -> Pace {
        Pace { per_second: per_second.max(1) }
    }

    /// Nanoseconds after the start at which packet `k`, counted from 0, is due; rounded down.
    #[inline]
    pub(super) fn due_ns(self, k: u64) -> u64 {
        saturated(u128::from(k) * SECOND / u128::from(self.per_second))
    }

    /// Packets due in the first `ns` nanoseconds, the last of these included: those `k` with
    /// `due_ns(k) <= ns`.
    #[inline]
    pub(super) fn due_by(self, ns: u64) -> u64 {
        // k * SECOND / rate < ns + 1, for the k that are less than what this is.
        saturated(((u128::from(ns) + 1) * u128::from(self.per_second)).div_ceil(SECOND))
    }
}

#[inline]
fn saturated(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_second_brings_the_rate() {
        for rate in [1, 3, 999, 1_000_000, 14_880_952, 3_000_000_000] {
            let pace = Pace::new(rate);
            assert_eq!(pace.due_by(999_999_999), rate);
            assert_eq!(
                (pace.due_ns(0), pace.due_ns(rate), pace.due_ns(7 * rate)),
                (0, 1_000_000_000, 7_000_000_000)
            );
        }
        assert_eq!(Pace::new(u64::MAX).due_by(u64::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn due_by_is_the_inverse_of_due_ns(rate in 1u64..=1_000_000_000_000, k in 0u64..1 << 40) {
            let pace = Pace::new(rate);
            let ns = pace.due_ns(k);
            prop_assert!(pace.due_by(ns) > k);
            prop_assert!(ns == 0 || pace.due_by(ns - 1) <= k);
        }
    }
}
