//! A token bucket: so many tokens a second, so many at once; exact to the nanosecond, without drift.
//!
//! Tokens are packets, bytes, answers, whatever is metered. The bucket holds at most `burst` of them, is full at first,
//! and gains `rate` a second. (RFC 2697 section 3 has such a bucket twice; RFC 3290 appendix A discusses the one that lends and
//! the one that does not. This one does not: what is not there is not given.)
//!
//! Its level is kept in thousand-millionths of a token, of which a nanosecond brings exactly `rate`. So nothing is ever rounded,
//! however often or seldom it is asked: over any stretch of time it gives `burst + rate * stretch` at most, and
//! who takes each token when it is due has taken `n` after exactly `n / rate` seconds (rounded up to a nanosecond; of a bucket that holds
//! two or more, as one for a single token is full before the nanosecond ends).
//!
//! | | time | memory |
//! |---|---|---|
//! | every operation but [`ready_ns`](TokenBucket::ready_ns) | a multiplication | 32 bytes |
//! | [`ready_ns`](TokenBucket::ready_ns) | a division | |

/// Parts of a token, of which a nanosecond brings one for every token a second.
const PARTS: u64 = 1_000_000_000;

/// The most tokens a bucket can hold: more parts than this has do not fit its level.
pub const MOST_BURST: u64 = u64::MAX / PARTS;

/// A bucket of tokens. The time is told by whoever asks, and never goes back: an earlier time than before is taken for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, zerocopy::FromZeros)]
#[repr(C)]
pub struct TokenBucket {
    /// Tokens a second; also parts a nanosecond.
    rate: u64,
    /// Parts it holds at most.
    most: u64,
    /// Parts in it at `since_ns`.
    level: u64,
    since_ns: u64,
}

impl TokenBucket {
    /// A full bucket that holds `burst` tokens and gains `rate` a second. A rate of 0 fills nothing again.
    ///
    /// # Panics
    /// If `burst` is more than [`MOST_BURST`].
    pub fn new(rate: u64, burst: u64, now_ns: u64) -> TokenBucket {
        assert!(burst <= MOST_BURST, "a burst of {burst} tokens: at most {MOST_BURST}");
        let most = burst * PARTS;
        TokenBucket { rate, most, level: most, since_ns: now_ns }
    }

    /// Tokens it gains a second.
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// Tokens it holds at most.
    pub fn burst(&self) -> u64 {
        self.most / PARTS
    }

    /// Whole tokens in it.
    pub fn tokens(&self, now_ns: u64) -> u64 {
        self.at(now_ns) / PARTS
    }

    /// Takes so many tokens, or none if there are fewer.
    #[inline]
    pub fn take(&mut self, now_ns: u64, tokens: u64) -> bool {
        self.fill(now_ns);
        let left = tokens.checked_mul(PARTS).and_then(|parts| self.level.checked_sub(parts));
        if let Some(left) = left {
            self.level = left;
        }
        left.is_some()
    }

    /// Takes so many tokens, or what is there if that is less: how many.
    #[inline]
    pub fn take_up_to(&mut self, now_ns: u64, tokens: u64) -> u64 {
        self.fill(now_ns);
        let taken = tokens.min(self.level / PARTS);
        self.level -= taken * PARTS;
        taken
    }

    /// When so many tokens will be in it, if nobody takes any: now at the earliest. `None` if never.
    pub fn ready_ns(&self, now_ns: u64, tokens: u64) -> Option<u64> {
        let now_ns = now_ns.max(self.since_ns);
        let wanted = tokens.checked_mul(PARTS).filter(|parts| *parts <= self.most)?;
        let missing = wanted.saturating_sub(self.at(now_ns));
        if missing == 0 {
            return Some(now_ns);
        }
        if self.rate == 0 { None } else { now_ns.checked_add(missing.div_ceil(self.rate)) }
    }

    /// Parts in it at a time.
    #[inline(always)]
    fn at(&self, now_ns: u64) -> u64 {
        let gained = u128::from(now_ns.saturating_sub(self.since_ns)) * u128::from(self.rate);
        let room = self.most - self.level;
        self.level + if gained < u128::from(room) { gained as u64 } else { room }
    }

    #[inline(always)]
    fn fill(&mut self, now_ns: u64) {
        self.level = self.at(now_ns);
        self.since_ns = self.since_ns.max(now_ns);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_full_at_first_and_never_fuller() {
        let mut bucket = TokenBucket::new(10, 5, 77);
        assert_eq!(
            (bucket.tokens(77), bucket.tokens(u64::MAX), bucket.rate(), bucket.burst()),
            (5, 5, 10, 5)
        );
        assert!(!bucket.take(u64::MAX / 2, 6) && bucket.take(u64::MAX / 2, 5));
        assert!(!bucket.take(u64::MAX / 2, 1) && !bucket.take(0, u64::MAX));
        assert_eq!(bucket.ready_ns(0, 1), Some(u64::MAX / 2 + 100_000_000));
        assert_eq!((bucket.ready_ns(0, 6), bucket.ready_ns(0, u64::MAX)), (None, None));
        assert_eq!(TokenBucket::new(0, 3, 0).take_up_to(9, 7), 3);
        let mut dry = TokenBucket::new(0, 1, 0);
        assert!(dry.take(0, 1) && dry.ready_ns(5, 1).is_none() && dry.ready_ns(5, 0) == Some(5));
        assert_eq!(TokenBucket::new(u64::MAX, MOST_BURST, 0).tokens(u64::MAX), MOST_BURST);
    }

    #[test]
    #[should_panic(expected = "at most 18446744073")]
    fn a_burst_that_does_not_fit_is_refused() {
        TokenBucket::new(1, MOST_BURST + 1, 0);
    }

    proptest! {
        /// Who takes each token when it is due has `n` after exactly `n / rate` seconds: asking does not lose a fraction.
        #[test]
        fn does_not_drift(rate in 1..=PARTS, count in 1u64..200, asks in proptest::collection::vec(any::<u32>(), 0..8)) {
            let mut bucket = TokenBucket::new(rate, 2, 0);
            prop_assert!(bucket.take(0, 2));
            let mut now = 0;
            for n in 1..=count {
                let due = bucket.ready_ns(now, 1).expect("it has a rate");
                prop_assert_eq!(u128::from(due), (u128::from(n) * u128::from(PARTS)).div_ceil(rate.into()));
                for ask in &asks {
                    let between = now + u64::from(*ask) % (due - now + 1);
                    prop_assert!(between == due || bucket.take_up_to(between, 1) == 0);
                    now = between;
                    if now == due { break }
                }
                prop_assert!(due == now || !bucket.take(due - 1, 1));
                prop_assert!(bucket.take(due, 1));
                now = due;
            }
        }

        #[test]
        fn agrees_with_a_model_of_fractions(
            rate in prop_oneof![0u64..100, any::<u64>()],
            burst in prop_oneof![0u64..100, 0..=MOST_BURST],
            steps in proptest::collection::vec((prop_oneof![0u64..1_000_000_000, any::<u64>()], 0u64..150, 0u8..3), 0..100),
        ) {
            // Level in parts; times may go back.
            let (full, mut level, mut since) = (u128::from(burst) * u128::from(PARTS), u128::from(burst) * u128::from(PARTS), 0u64);
            let mut bucket = TokenBucket::new(rate, burst, 0);
            let mut now = 0u64;
            for (step, tokens, what) in steps {
                now = if what == 2 { step } else { now.saturating_add(step) };
                let elapsed = now.saturating_sub(since);
                let there = full.min(level.saturating_add(u128::from(elapsed) * u128::from(rate)));
                prop_assert_eq!(u128::from(bucket.tokens(now)), there / u128::from(PARTS));
                if let Some(ready) = bucket.ready_ns(now, tokens) {
                    prop_assert_eq!(u128::from(tokens * PARTS) <= there, ready == now.max(since));
                    prop_assert!(bucket.tokens(ready) >= tokens);
                    prop_assert!(ready == now.max(since) || bucket.tokens(ready - 1) < tokens);
                }
                (level, since) = (there, since.max(now));
                let wanted = u128::from(tokens) * u128::from(PARTS);
                if what == 0 {
                    let taken = bucket.take_up_to(now, tokens);
                    prop_assert_eq!(u128::from(taken), u128::from(tokens).min(level / u128::from(PARTS)));
                    level -= u128::from(taken) * u128::from(PARTS);
                } else {
                    prop_assert_eq!(bucket.take(now, tokens), wanted <= level);
                    level -= if wanted <= level { wanted } else { 0 };
                }
            }
        }
    }
}
