//! The line printed each second while a run goes on.

use super::bars::bar;
use super::units::{decimal, thousands};
use crate::reduce::REGIMES;

/// Letters of a core's bar.
const BAR: usize = 10;
/// Cores that are shown each by itself.
const CORES_SHOWN: usize = 8;

/// The cores' counters at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The moment, nanoseconds of any one clock.
    pub time_ns: u64,
    /// Packets received so far, all cores.
    pub received: u64,
    /// Bytes of them.
    pub received_bytes: u64,
    /// Packets dropped so far, all cores.
    pub dropped: u64,
    /// Shares of each core's time by regime, since its start.
    pub regimes: Vec<[f64; REGIMES]>,
}

/// What happened between two snapshots, on one line: packets/s, bits/s, drops/s, all packets so far; and how
/// every core has spent its time since the start, as a bar of regimes.
pub fn progress_line(before: &Snapshot, now: &Snapshot) -> String {
    let elapsed_ns = now.time_ns.saturating_sub(before.time_ns);
    let rate = |before: u64, now: u64, unit: &str| {
        let count = now.saturating_sub(before) as f64;
        decimal(if elapsed_ns == 0 { 0.0 } else { count * 1e9 / elapsed_ns as f64 }, unit)
    };
    let bits = rate(before.received_bytes.saturating_mul(8), now.received_bytes.saturating_mul(8), "bit/s");
    let mut line = format!(
        "{:>13}  {:>13}  dropped {:>11}  {} packets",
        rate(before.received, now.received, "pkt/s"),
        bits,
        rate(before.dropped, now.dropped, "pkt/s"),
        thousands(now.received),
    );
    for (core, shares) in now.regimes.iter().take(CORES_SHOWN).enumerate() {
        line.push_str(&format!("  {core}[{}]", bar(shares, BAR)));
    }
    if let Some(more) = now.regimes.len().checked_sub(CORES_SHOWN).filter(|more| *more > 0) {
        line.push_str(&format!("  and {more} more cores"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES: [f64; REGIMES] = [0.2, 0.3, 0.1, 0.2, 0.0, 0.2, 0.0];

    #[test]
    fn a_line_tells_rates_and_regimes() {
        let before = Snapshot { time_ns: 5_000_000_000, received: 10, ..Snapshot::default() };
        let now = Snapshot {
            time_ns: 5_500_000_000,
            received: 7_440_486,
            received_bytes: 476_190_464,
            dropped: 50,
            regimes: vec![SHARES, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]],
        };
        assert_eq!(
            progress_line(&before, &now),
            " 14.88 Mpkt/s   7.619 Gbit/s  dropped   100 pkt/s  7,440,486 packets  0[RRRSPPTT..]  1[..........]"
        );
    }

    #[test]
    fn many_cores_are_counted_and_no_time_is_no_rate() {
        let now = Snapshot { regimes: vec![[0.0; REGIMES]; 10], received: 5, ..Snapshot::default() };
        let line = progress_line(&Snapshot::default(), &now);
        assert!(
            line.starts_with("      0 pkt/s        0 bit/s  dropped     0 pkt/s  5 packets  0[          ]"),
            "{line}"
        );
        assert!(line.ends_with("  7[          ]  and 2 more cores"), "{line}");
    }
}
