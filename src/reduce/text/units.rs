//! Numbers as people read them.

/// A whole number with its thousands set apart: `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits or four and the unit with its decimal prefix: `14.88 Mpkt/s`, `9.520 Gbit/s`, `640 B`.
pub fn decimal(number: f64, unit: &str) -> String {
    let number = if number.is_finite() { number.max(0.0) } else { 0.0 };
    // 999.95 would be rounded to 1000.0 by the format below: it belongs to the next prefix.
    let steps = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match steps.iter().find(|(step, _)| number >= step * 0.999_95) {
        Some((step, prefix)) => format!("{} {prefix}{unit}", digits(number / step)),
        None if number == number.trunc() => format!("{number} {unit}"),
        None => format!("{} {unit}", digits(number)),
    }
}

fn digits(number: f64) -> String {
    match number {
        n if n < 9.999_5 => format!("{n:.3}"),
        n if n < 99.995 => format!("{n:.2}"),
        n => format!("{n:.1}"),
    }
}

/// A share of 1 in whole percent; what is there but less than half a percent is `<1`.
pub fn percent(share: f64) -> String {
    match (share * 100.0).round() {
        0.0 if share > 0.0 => "<1".to_owned(),
        whole => format!("{}", whole.max(0.0)),
    }
}

/// Seconds: `12.3 s`, `45.6 ms`, `7.8 µs`.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s if s > 0.0 => format!("{:.1} µs", s * 1e6),
        _ => "0 s".to_owned(),
    }
}

/// Binary bytes of page sizes and limits: `2 MiB`, `64 KiB`; what is no whole number of a unit has one decimal.
pub fn binary(bytes: u64) -> String {
    let units = [(1u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) if bytes.is_multiple_of(*unit) => format!("{} {name}", bytes / unit),
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_set_apart() {
        let written = [0, 12, 999, 1000, 12_345, 1_234_567].map(thousands);
        assert_eq!(written, ["0", "12", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn rates_have_a_prefix_and_about_four_digits() {
        let written = [0.0, 7.0, 0.25, 999.0, 999.96, 1234.0, 14_880_952.0, 9.52e9, f64::NAN, -1.0]
            .map(|number| decimal(number, "b"));
        let expected =
            ["0 b", "7 b", "0.250 b", "999 b", "1.000 kb", "1.234 kb", "14.88 Mb", "9.520 Gb", "0 b", "0 b"];
        assert_eq!(written, expected);
    }

    #[test]
    fn shares_times_and_bytes() {
        assert_eq!([0.0, 0.001, 0.014, 1.0].map(percent), ["0", "<1", "1", "100"]);
        assert_eq!([0.0, 2.5e-6, 0.0123, 61.0].map(seconds), ["0 s", "2.5 µs", "12.3 ms", "61.00 s"]);
        assert_eq!([100, 4096, 1536 << 10, 1 << 30].map(binary), ["100 B", "4 KiB", "1.5 MiB", "1 GiB"]);
    }
}
