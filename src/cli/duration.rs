//! Durations as people write them.

/// Units, and the nanoseconds of one.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("min", 60e9),
    ("h", 3600e9),
];

/// Reads `500ms`, `10s`, `1.5s`, `2m` as nanoseconds.
///
/// # Errors
/// What was expected, in words.
pub(super) fn parse_duration(text: &str) -> Result<u64, String> {
    let expected = || "expected a number and a unit: ns, us, ms, s, m or h, as in 10s".to_owned();
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(expected)?;
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.parse().map_err(|_| expected())?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim_start()).ok_or_else(expected)?;
    match number * factor {
        ns if ns >= 1.0 && ns < u64::MAX as f64 => Ok(ns as u64),
        ns if ns < 1.0 => Err("no time at all".to_owned()),
        _ => Err("longer than 64 bits of nanoseconds can say".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        let read =
            [("10s", 10_000_000_000), ("500ms", 500_000_000), ("2m", 120_000_000_000), ("1.5 us", 1500)];
        for (text, ns) in read {
            assert_eq!(parse_duration(text), Ok(ns), "{text}");
        }
        for text in ["", "10", "s", "1.2.3s", "-1s", "10 days", "0s", "99999999999h", "1e9s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
