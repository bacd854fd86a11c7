//! A core's time as a bar: one letter a regime, as many of it as its share.

use crate::reduce::REGIMES;

/// The letter of each regime, in the order of their numbers.
pub const LETTERS: [char; REGIMES] = ['.', 'R', 'S', 'P', 'K', 'T', 'H'];

/// What the letters mean, in the order of a turn.
pub const LEGEND: &str = "R receive  S steer  P pipeline  K tasks  T transmit  H housekeeping  . idle";

/// The order bars are drawn in: that of a turn, and idle time last.
const ORDER: [usize; REGIMES] = [1, 2, 3, 4, 5, 6, 0];

/// A bar of exactly `width` letters, the shares rounded by largest remainder; blanks where no time was billed.
pub fn bar(shares: &[f64; REGIMES], width: usize) -> String {
    let shares = shares.map(|share| if share.is_finite() { share.max(0.0) } else { 0.0 });
    let total: f64 = shares.iter().sum();
    if total <= 0.0 {
        return " ".repeat(width);
    }
    let exact = shares.map(|share| share / total * width as f64);
    let mut counts = exact.map(|letters| letters as usize);
    let mut by_remainder = ORDER;
    by_remainder.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()));
    let missing = width.saturating_sub(counts.iter().sum());
    for regime in by_remainder.into_iter().cycle().take(missing) {
        counts[regime] += 1;
    }
    ORDER
        .iter()
        .flat_map(|regime| std::iter::repeat_n(LETTERS[*regime], counts[*regime]))
        .take(width)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_its_width_whatever_the_shares() {
        assert_eq!(bar(&[0.25, 0.25, 0.0, 0.5, 0.0, 0.0, 0.0], 8), "RRPPPP..");
        assert_eq!(bar(&[0.01, 0.33, 0.33, 0.33, 0.0, 0.0, 0.0], 10), "RRRRSSSPPP");
        assert_eq!(bar(&[0.0; 7], 4), "    ");
        assert_eq!(bar(&[f64::NAN, 2.0, -1.0, 0.0, 0.0, 0.0, 0.0], 3), "RRR");
    }

    proptest::proptest! {
        #[test]
        fn any_shares_make_a_bar(shares in proptest::array::uniform7(0.0f64..1.0), width in 0usize..60) {
            proptest::prop_assert_eq!(bar(&shares, width).chars().count(), width);
        }
    }
}
