//! Numbers of bytes as people write them.

/// The units that are read, and the bytes of one.
const UNITS: [(&str, u64); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("TiB", 1 << 40),
    ("B", 1),
];

/// Reads `64MiB`, `1G`, `4096`: a whole number and a unit (B, KiB or K, MiB or M, GiB or G, TiB; powers of 1024).
///
/// # Errors
/// What was expected, in words.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(|b| b.is_ascii_digit() || *b == b'_').count();
    let (number, unit) = trimmed.split_at(digits);
    let unit = unit.trim_start();
    let factor = match UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
        Some((_, factor)) => *factor,
        None if unit.is_empty() => 1,
        None => return Err(expected(text)),
    };
    let number: u64 = number.replace('_', "").parse().map_err(|_| expected(text))?;
    number.checked_mul(factor).ok_or_else(|| format!("{text:?} is more bytes than 64 bits can say"))
}

fn expected(text: &str) -> String {
    format!("{text:?} is no size: expected a whole number with a unit, as in \"64MiB\" or \"1GiB\"")
}

/// Writes bytes as [`parse_bytes`] reads them, in the largest unit that divides them.
pub fn format_bytes(bytes: u64) -> String {
    let units = [("TiB", 1u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        let read = [("0", 0), ("64MiB", 64 << 20), ("1 gib", 1 << 30), ("2M", 2 << 20), ("1_024K", 1 << 20)];
        for (text, bytes) in read {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "64MB", "1.5G", "-1K", "64 M iB", "99999999TiB", "64 MiB?"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for (bytes, text) in
            [(0, "0B"), (1000, "1000B"), (1 << 20, "1MiB"), (3 << 30, "3GiB"), (1536, "1536B")]
        {
            assert_eq!(format_bytes(bytes), text);
            assert_eq!(parse_bytes(text), Ok(bytes));
        }
    }
}
