//! Who is not answered, and whose packets are none of our business.

use super::packets::{V4, V6, echo, echo_v6, frame, ip4, ip6, to_us, udp};
use super::rig::{OWN, Outcome, PEER, Station, dropped};
use crate::packet::layers::LinkClass;

#[test]
fn nobody_is_answered_who_could_not_have_asked() {
    for from in [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "224.0.0.5",
        "255.255.255.255",
        "10.9.0.255",
        "10.9.0.0",
        "10.9.0.1",
    ] {
        let ip = V4 { source: ip4(from), ..V4::default() };
        assert_eq!(
            Station::new().ask(&to_us(&ip.holding(1, &echo(8, b"")))),
            dropped("bad-source"),
            "{from}"
        );
        let bytes = to_us(&ip.holding(17, &udp(ip.pseudo(17, 0), 40_000, 7, b"")));
        assert_eq!(Station::new().ask(&bytes), dropped("bad-source"), "{from}");
    }
    for from in ["::", "::1", "ff02::1", "::ffff:10.9.0.2", "fd09::1"] {
        let ip = V6 { source: ip6(from), ..V6::default() };
        assert_eq!(
            Station::new().ask(&to_us(&ip.holding(58, &echo_v6(&ip, 128, b"")))),
            dropped("bad-source"),
            "{from}"
        );
        let bytes = to_us(&ip.holding(17, &udp(ip.pseudo(17, 0), 40_000, 7, b"")));
        assert_eq!(Station::new().ask(&bytes), dropped("bad-source"), "{from}");
    }
    for mac in [OWN, [0xff; 6], [0; 6]] {
        let bytes = frame(OWN, mac, &V4::default().holding(1, &echo(8, b"")));
        assert_eq!(Station::new().ask(&bytes), dropped("bad-source"), "{mac:?}");
    }
}

/// RFC 1122, 3.3.6.
#[test]
fn a_unicast_datagram_in_a_broadcast_frame_is_dropped() {
    for mac in [[0xff; 6], [1, 0, 0x5e, 0, 0, 1]] {
        let bytes = frame(mac, PEER, &V4::default().holding(1, &echo(8, b"")));
        assert_eq!(Station::new().ask(&bytes), dropped("link-broadcast"));
        let ip = V6::default();
        let bytes = frame(mac, PEER, &ip.holding(58, &echo_v6(&ip, 128, b"")));
        assert_eq!(Station::new().ask(&bytes), dropped("link-broadcast"));
    }
}

#[test]
fn other_hosts_and_protocols_pass_untouched() {
    let other = V4 { destination: ip4("10.9.0.3"), ..V4::default() };
    let six = V6 { destination: ip6("fd09::3"), ..V6::default() };
    let packets = [
        to_us(&other.holding(1, &echo(8, b""))),
        to_us(&six.holding(58, &echo_v6(&six, 128, b""))),
        to_us(&V4::default().holding(6, &[0x50; 20])),
        to_us(&V6::default().holding(6, &[0x50; 20])),
        to_us(&V6::default().holding(59, &[])),
        to_us(&V6::default().holding(58, &[134, 0, 0, 0, 0, 0, 0, 0])),
        frame([2, 0, 0, 0, 0, 9], PEER, &V4::default().holding(1, &echo(8, b""))),
        to_us(&[0x88, 0xcc, 2, 7, 4]),
        // Behind a label, as a tunnel would have it: an answer would need one of its own.
        to_us(&[&[0x88, 0x47, 0, 1, 1, 64][..], &V4::default().holding(1, &echo(8, b""))[2..]].concat()),
    ];
    let (mut passing, mut dropping) = (Station::new(), Station::dropping());
    for (i, bytes) in packets.iter().enumerate() {
        assert_eq!(passing.ask(bytes), Outcome::Pass, "{i}");
        assert_eq!(dropping.ask(bytes), dropped("not-for-us"), "{i}");
    }
    let raw = &V4::default().holding(1, &echo(8, b""))[2..];
    assert_eq!(passing.ask_as(raw, LinkClass::RawIp, |_| {}), Outcome::Pass);
    assert_eq!(dropping.ask_as(raw, LinkClass::RawIp, |_| {}), dropped("link-type"));
    assert_eq!(passing.tally().others, packets.len() as u64 + 1);
}
