//! What is read as what, and what is refused where.

use super::super::Filter;
use super::super::expression::{Expression, Prefix, Side, Test};
use super::super::parse::parse;

fn test(test: Test) -> Expression {
    Expression::Test(test)
}

fn and(left: Expression, right: Expression) -> Expression {
    Expression::And(Box::new(left), Box::new(right))
}

fn or(left: Expression, right: Expression) -> Expression {
    Expression::Or(Box::new(left), Box::new(right))
}

fn not(inner: Expression) -> Expression {
    Expression::Not(Box::new(inner))
}

#[test]
fn filters_are_read_as_people_write_them() {
    let udp = || test(Test::Protocol(17));
    let port = |side, first, last| test(Test::Port(side, first, last));
    for (text, expected) in [
        ("udp and dst port 7", and(udp(), port(Side::Destination, 7, 7))),
        ("udp dst port 7", and(udp(), port(Side::Destination, 7, 7))),
        ("udp && ! port 53", and(udp(), not(port(Side::Either, 53, 53)))),
        ("not(udp)", not(udp())),
        ("!udp||arp", or(not(udp()), test(Test::EtherType(0x806)))),
        ("portrange 8000-8099", port(Side::Either, 8000, 8099)),
        ("src port 1-2", port(Side::Source, 1, 2)),
        ("ether proto 0x88cc", test(Test::EtherType(0x88cc))),
        ("vlan", test(Test::Vlan(None))),
        ("vlan 5 and arp", and(test(Test::Vlan(Some(5))), test(Test::EtherType(0x806)))),
        ("proto 47", test(Test::Protocol(47))),
        ("proto ospf", test(Test::Protocol(89))),
        ("icmp6", and(test(Test::EtherType(0x86dd)), test(Test::Protocol(58)))),
        (
            "ip src net 10.0.0.0/8",
            and(
                test(Test::EtherType(0x800)),
                test(Test::Address(Side::Source, Prefix { address: [10, 0, 0, 0].into(), bits: 8 })),
            ),
        ),
        (
            "host fd00::1",
            test(Test::Address(Side::Either, Prefix { address: "fd00::1".parse().unwrap(), bits: 128 })),
        ),
        ("arp or (udp and ip)", or(test(Test::EtherType(0x806)), and(udp(), test(Test::EtherType(0x800))))),
        ("ip and udp and vlan", and(and(test(Test::EtherType(0x800)), udp()), test(Test::Vlan(None)))),
    ] {
        assert_eq!(parse(text), Ok(expected), "{text}");
    }
}

#[test]
fn errors_point_at_the_column() {
    for (text, column, says) in [
        ("", 0, "expected a filter, and the text ends"),
        ("udp and dst prt 7", 12, "expected `host`, `net` or `port`, found \"prt\""),
        ("udp or arp and ip", 11, "side by side"),
        ("(udp", 4, "expected `)`"),
        ("udp)", 3, "a ) without its ("),
        ("udp arp", 4, "expected `and` or `or`"),
        ("port 70000", 5, "expected a port"),
        ("port +7", 5, "expected a port"),
        ("port 9-8", 5, "greater"),
        ("vlan 5000", 5, "0 to 4095"),
        ("net 10.0.0.0", 4, "expected a prefix"),
        ("net 10.0.0.1/8", 4, "bits set behind the first 8"),
        ("net 10.0.0.0/33", 4, "expected a prefix"),
        ("host example.org", 5, "expected an IPv4 or IPv6 address"),
        ("ether proto", 11, "expected an EtherType"),
        ("ether proto 0x+8", 12, "expected an EtherType"),
        ("proto 256", 6, "expected a protocol's name or number"),
        ("udp and ü", 8, "found \"ü\""),
        ("udp & arp", 4, "found \"&\""),
        ("not", 3, "the text ends"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.column == column && error.message.contains(says), "{text:?}: {error:?}");
    }
}

#[test]
fn the_caret_stands_under_the_column() {
    let error = Filter::of(Some("udp and dst prt 7")).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[0].find("prt"), lines[1].find('^'), "{error}");
}

#[test]
fn what_is_too_deep_or_too_long_is_refused() {
    let deep = format!("{}udp{}", "(".repeat(1000), ")".repeat(1000));
    assert!(parse(&deep).unwrap_err().message.contains("levels deep"));
    let long = vec!["host fd00:1:2:3:4:5:6:7"; 2000].join(" or ");
    assert!(Filter::of(Some(&long)).unwrap_err().to_string().contains("too long"));
}
