//! A filter's text becomes an expression.
//!
//! ```text
//! filter  = part { "and" part } | part { "or" part }
//! part    = "not" part | "(" filter ")" | test
//! test    = "ether" "proto" NUMBER | "ip" | "ip6" | "arp" | "vlan" [ID]
//!         | [ "ip" | "ip6" ] [ "src" | "dst" ] ( "host" ADDRESS | "net" PREFIX )
//!         | "proto" PROTOCOL | "tcp" | "udp" | "sctp" | "icmp" | "icmp6"
//!         | [ "tcp" | "udp" | "sctp" ] [ "src" | "dst" ] ( "port" | "portrange" ) NUMBER [ "-" NUMBER ]
//! ```
//! `&&`, `||` and `!` mean "and", "or" and "not".

use std::net::IpAddr;

use super::expression::{Expression, Prefix, Side, Test, number};

/// How deep parentheses and "not" go.
const DEEPEST: usize = 64;
/// Protocols by name (IANA's registry of protocol numbers).
const PROTOCOLS: [(&str, u8); 11] = [
    ("icmp", number::ICMP),
    ("igmp", 2),
    ("tcp", number::TCP),
    ("udp", number::UDP),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", number::ICMP6),
    ("ospf", 89),
    ("vrrp", 112),
    ("sctp", number::SCTP),
];

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    /// Characters before it.
    pub(crate) column: usize,
    /// What is wrong.
    pub(crate) message: String,
}

impl ParseError {
    /// The error under the text, with a caret.
    pub(crate) fn shown(&self, text: &str) -> anyhow::Error {
        let before = "match = \"".len() + self.column;
        anyhow::anyhow!("match = {text:?}\n{:before$}^ column {}: {}", "", self.column + 1, self.message)
    }
}

/// A word of the text, and where it starts.
#[derive(Clone, Copy, Debug)]
struct Word<'a> {
    text: &'a str,
    column: usize,
}

/// Splits the text at spaces, parentheses and the signs that mean and, or, not.
fn split(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = text;
    let mut column = 0;
    loop {
        let spaces = rest.len() - rest.trim_start().len();
        column += rest[..spaces].chars().count();
        rest = &rest[spaces..];
        let Some(first) = rest.chars().next() else { return words };
        let sign = ["&&", "||"].iter().find(|sign| rest.starts_with(**sign));
        let bytes = match (sign, first) {
            (Some(sign), _) => sign.len(),
            (None, '(' | ')' | '!') => 1,
            _ => rest
                .find(|c: char| c.is_whitespace() || "()!&|".contains(c))
                .map_or(rest.len(), |end| end.max(first.len_utf8())),
        };
        words.push(Word { text: &rest[..bytes], column });
        column += rest[..bytes].chars().count();
        rest = &rest[bytes..];
    }
}

/// The expression a text describes.
///
/// # Errors
/// The first thing that is wrong, and where.
pub(crate) fn parse(text: &str) -> Result<Expression, ParseError> {
    let mut parser = Parser { words: split(text), at: 0, end: text.chars().count(), depth: 0 };
    let expression = parser.filter()?;
    match parser.peek() {
        None => Ok(expression),
        Some(word) if word.text == ")" => Err(parser.wrong("a ) without its (")),
        Some(_) => Err(parser.expected("`and` or `or`")),
    }
}

struct Parser<'a> {
    words: Vec<Word<'a>>,
    at: usize,
    end: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Word<'a>> {
        self.words.get(self.at).copied()
    }

    /// The next word is consumed if it is one of these.
    fn take(&mut self, these: &[&str]) -> Option<&'a str> {
        let word = self.peek().filter(|word| these.contains(&word.text))?;
        self.at += 1;
        Some(word.text)
    }

    fn wrong(&self, message: impl Into<String>) -> ParseError {
        let column = self.peek().map_or(self.end, |word| word.column);
        ParseError { column, message: message.into() }
    }

    fn expected(&self, what: &str) -> ParseError {
        match self.peek() {
            Some(word) => self.wrong(format!("expected {what}, found {:?}", word.text)),
            None => self.wrong(format!("expected {what}, and the text ends")),
        }
    }

    fn filter(&mut self) -> Result<Expression, ParseError> {
        let mut left = self.part()?;
        let mut joined = None;
        while let Some(word) = self.take(&["and", "&&", "or", "||"]) {
            let is_or = matches!(word, "or" | "||");
            if *joined.get_or_insert(is_or) != is_or {
                self.at -= 1;
                return Err(
                    self.wrong("`and` and `or` side by side: put parentheses around what belongs together")
                );
            }
            let right = Box::new(self.part()?);
            left = if is_or {
                Expression::Or(Box::new(left), right)
            } else {
                Expression::And(Box::new(left), right)
            };
        }
        Ok(left)
    }

    fn part(&mut self) -> Result<Expression, ParseError> {
        if self.depth == DEEPEST {
            return Err(self.wrong(format!("more than {DEEPEST} levels deep")));
        }
        self.depth += 1;
        let part = self.part_inside();
        self.depth -= 1;
        part
    }

    fn part_inside(&mut self) -> Result<Expression, ParseError> {
        if self.take(&["not", "!"]).is_some() {
            return Ok(Expression::Not(Box::new(self.part()?)));
        }
        if self.take(&["("]).is_some() {
            let inner = self.filter()?;
            return if self.take(&[")"]).is_some() { Ok(inner) } else { Err(self.expected("`)`")) };
        }
        self.test()
    }

    fn test(&mut self) -> Result<Expression, ParseError> {
        let Some(word) = self.peek() else { return Err(self.expected("a filter")) };
        match word.text {
            "ether" => {
                self.at += 1;
                self.take(&["proto"]).ok_or_else(|| self.expected("`proto`"))?;
                Ok(Expression::Test(Test::EtherType(self.number("an EtherType", 0, 0xffff)?)))
            }
            "vlan" => {
                self.at += 1;
                let is_id =
                    self.peek().is_some_and(|word| word.text.starts_with(|c: char| c.is_ascii_digit()));
                let id = if is_id { Some(self.number("a VLAN id", 0, 4095)?) } else { None };
                Ok(Expression::Test(Test::Vlan(id)))
            }
            "proto" => {
                self.at += 1;
                Ok(Expression::Test(Test::Protocol(self.protocol()?)))
            }
            "src" | "dst" | "host" | "net" | "port" | "portrange" => self.end_of_way(),
            _ => self.kind(),
        }
    }

    /// A protocol's name, and what may follow it.
    fn kind(&mut self) -> Result<Expression, ParseError> {
        let Some(word) = self.peek() else { return Err(self.expected("a filter")) };
        let ethertype = |kind| Expression::Test(Test::EtherType(kind));
        let protocol = |number| Expression::Test(Test::Protocol(number));
        let of = |kind, number| Expression::And(Box::new(ethertype(kind)), Box::new(protocol(number)));
        let (kind, goes_on): (_, &[&str]) = match word.text {
            "ip" => (ethertype(number::IPV4), &["src", "dst", "host", "net"]),
            "ip6" => (ethertype(number::IPV6), &["src", "dst", "host", "net"]),
            "arp" => (ethertype(number::ARP), &[]),
            "icmp" => (of(number::IPV4, number::ICMP), &[]),
            "icmp6" => (of(number::IPV6, number::ICMP6), &[]),
            "tcp" => (protocol(number::TCP), &["src", "dst", "port", "portrange"]),
            "udp" => (protocol(number::UDP), &["src", "dst", "port", "portrange"]),
            "sctp" => (protocol(number::SCTP), &["src", "dst", "port", "portrange"]),
            _ => {
                return Err(self.expected(
                    "ether proto, ip, ip6, arp, vlan, host, net, proto, tcp, udp, sctp, icmp, icmp6, port, src, dst, not or (",
                ));
            }
        };
        self.at += 1;
        if self.peek().is_some_and(|word| goes_on.contains(&word.text)) {
            return Ok(Expression::And(Box::new(kind), Box::new(self.end_of_way()?)));
        }
        Ok(kind)
    }

    /// `[src|dst] (host|net|port|portrange) VALUE`.
    fn end_of_way(&mut self) -> Result<Expression, ParseError> {
        let side = match self.take(&["src", "dst"]) {
            Some("src") => Side::Source,
            Some(_) => Side::Destination,
            None => Side::Either,
        };
        let what = self.take(&["host", "net", "port", "portrange"]);
        Ok(Expression::Test(match what {
            Some("host") => Test::Address(side, self.host()?),
            Some("net") => Test::Address(side, self.net()?),
            Some(_) => {
                let (first, last) = self.ports()?;
                Test::Port(side, first, last)
            }
            None => return Err(self.expected("`host`, `net` or `port`")),
        }))
    }

    /// A number, decimal or after 0x hexadecimal.
    fn number(&mut self, what: &str, least: u16, most: u16) -> Result<u16, ParseError> {
        let range = format!("{what}, {least} to {most}");
        let word = self.peek().ok_or_else(|| self.expected(&range))?;
        let value = number(word.text).filter(|value| (least..=most).contains(value));
        let value = value.ok_or_else(|| self.expected(&range))?;
        self.at += 1;
        Ok(value)
    }

    fn protocol(&mut self) -> Result<u8, ParseError> {
        let named = self.peek().and_then(|word| PROTOCOLS.iter().find(|(name, _)| *name == word.text));
        if let Some((_, number)) = named {
            self.at += 1;
            return Ok(*number);
        }
        let number = self.number("a protocol's name or number", 0, 255)?;
        Ok(number as u8)
    }

    fn ports(&mut self) -> Result<(u16, u16), ParseError> {
        let what = "a port or a range of them, as in 80 or 8000-8099";
        let word = self.peek().ok_or_else(|| self.expected(what))?;
        let (first, last) = word.text.split_once('-').unwrap_or((word.text, word.text));
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            return Err(self.expected(what));
        };
        if first > last {
            return Err(self.wrong(format!("{first} to {last}: the first port is greater than the last")));
        }
        self.at += 1;
        Ok((first, last))
    }

    fn host(&mut self) -> Result<Prefix, ParseError> {
        let what = "an IPv4 or IPv6 address";
        let word = self.peek().ok_or_else(|| self.expected(what))?;
        let address: IpAddr = word.text.parse().map_err(|_| self.expected(what))?;
        self.at += 1;
        Ok(Prefix { address, bits: if address.is_ipv4() { 32 } else { 128 } })
    }

    fn net(&mut self) -> Result<Prefix, ParseError> {
        let what = "a prefix, as in 10.0.0.0/8 or 2001:db8::/32";
        let word = self.peek().ok_or_else(|| self.expected(what))?;
        let (address, bits) = word.text.split_once('/').ok_or_else(|| self.expected(what))?;
        let address: IpAddr = address.parse().map_err(|_| self.expected(what))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(|| self.expected(what))?;
        let prefix = Prefix { address, bits };
        let whole = Prefix { address, bits: most };
        if prefix.words().iter().zip(whole.words()).any(|(kept, all)| kept.0 != all.0) {
            return Err(self.wrong(format!("{address} has bits set behind the first {bits}")));
        }
        self.at += 1;
        Ok(prefix)
    }
}

fn number(text: &str) -> Option<u16> {
    match text.strip_prefix("0x") {
        // A sign is no part of a number here, though `parse` takes one.
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_hexdigit()) => {
            u16::from_str_radix(digits, 16).ok()
        }
        Some(_) => None,
        None if text.starts_with(|c: char| c.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}
