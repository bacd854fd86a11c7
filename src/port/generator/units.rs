//! What people write in the configuration: a size, a rate, a time. Read strictly, with words for what is
//! wrong, and written back the way they are read.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// Length of the packets: from the Ethernet header on, without the frame check sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// All of this many bytes.
    Bytes(u32),
    /// The simple internet mix, `"imix"`: 7 parts of 60 bytes, 4 of 590 and 1 of 1514, which with the frame
    /// check sequence are the 64, 594 and 1518 that the mix is known by (IP packets of 40 to 1500 bytes).
    Imix,
}

/// Packets a second: an integer, or a string like `"1Mpps"`, `"500k"`, `"14.88 Mpps"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub u64);

/// A time: a string like `"10s"`, `"1.5s"`, `"250ms"`, `"2m"`. Units are `ns`, `us`, `ms`, `s`, `m` and `h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Nanoseconds.
    pub ns: u64,
}

/// Longest unit first; the last is the one that everything is a multiple of.
const SPANS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1000),
    ("ns", 1),
];

/// A number and what stands after it, trimmed.
fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

/// `number` units of `unit`, as a whole number; `None` if it is too large for one.
fn whole(number: f64, unit: u64) -> Option<u64> {
    let all = (number * unit as f64).round();
    (all < 2f64.powi(63)).then_some(all as u64)
}

impl Size {
    fn parse(text: &str) -> Option<Size> {
        text.eq_ignore_ascii_case("imix").then_some(Size::Imix)
    }
}

impl Rate {
    fn parse(text: &str) -> Option<Rate> {
        let (number, unit) = number_and_unit(text)?;
        let unit = unit.strip_suffix("pps").unwrap_or(unit);
        let unit = match unit {
            "" => 1,
            "k" | "K" => 1000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            _ => return None,
        };
        whole(number, unit).map(Rate)
    }
}

impl Span {
    fn parse(text: &str) -> Option<Span> {
        let (number, unit) = number_and_unit(text)?;
        let (_, ns) = SPANS.into_iter().find(|(name, _)| *name == unit)?;
        whole(number, ns).map(|ns| Span { ns })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Bytes(bytes) => write!(f, "{bytes}"),
            Size::Imix => f.write_str("imix"),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = SPANS.into_iter().find(|(_, ns)| self.ns > 0 && self.ns.is_multiple_of(*ns));
        let (name, ns) = unit.unwrap_or(("s", 1_000_000_000));
        write!(f, "{}{name}", self.ns / ns)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Size::Bytes(bytes) => to.serialize_u32(*bytes),
            Size::Imix => to.serialize_str("imix"),
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(self.0)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Reads a value from an integer, where `integer` takes one, or a string.
struct Reader<T> {
    expected: &'static str,
    integer: fn(u64) -> Option<T>,
    text: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        (self.integer)(value).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(value), &self))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        let read = u64::try_from(value).ok().and_then(self.integer);
        read.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Signed(value), &self))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        (self.text)(value).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(value), &self))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader {
            expected: "a number of bytes, or \"imix\"",
            integer: |bytes| u32::try_from(bytes).ok().map(Size::Bytes),
            text: Size::parse,
        })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader {
            expected: "packets a second: an integer, or a string such as \"500k\" or \"1.5Mpps\"",
            integer: |rate| Some(Rate(rate)),
            text: Rate::parse,
        })
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader {
            expected: "a time with its unit, such as \"10s\", \"250ms\" or \"2m\"",
            integer: |_| None,
            text: Span::parse,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        for (text, rate) in [
            ("500k", 500_000),
            ("1Mpps", 1_000_000),
            ("14.88 Mpps", 14_880_000),
            ("7", 7),
            ("2Gpps", 2_000_000_000),
        ] {
            assert_eq!(Rate::parse(text), Some(Rate(rate)), "{text}");
        }
        for text in ["", "M", "1 X", "1kk", "-1", "1e6", "nan", "inf", "1.2.3", "99999999999G"] {
            assert_eq!(Rate::parse(text), None, "{text}");
        }
    }

    #[test]
    fn spans_are_written_as_they_are_read() {
        for text in ["10s", "250ms", "2m", "3h", "7us", "1ns", "1500ms"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Span::parse(" 1.5 s ").unwrap().ns, 1_500_000_000);
        assert_eq!(Span { ns: 0 }.to_string(), "0s");
        for text in ["10", "s", "10 sec", "-1s", ""] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
