//! UDP echo.

use etherparse::PacketBuilder;

use super::super::EchoConfig;
use super::packets::{V4, V6, frame, ip4, ip6, to_us, udp};
use super::rig::{OWN, Outcome, PEER, Station, config, dropped, fold};
use crate::packet::layers::LinkClass;

/// A datagram to us over IPv4.
fn asked(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let ip = V4::default();
    to_us(&ip.holding(17, &udp(ip.pseudo(17, 0), from, to, payload)))
}

fn expected(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let ip = V4::default().back();
    frame(PEER, OWN, &ip.holding(17, &udp(ip.pseudo(17, 0), from, to, payload)))
}

#[test]
fn answers_are_what_etherparse_writes() {
    for (len, port) in [(0usize, 7u16), (1, 7), (14, 11_111), (63, 7), (1472, 11_111), (1900, 7)] {
        let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let (mut asked, mut expected) = (Vec::new(), Vec::new());
        let build = |from: [u8; 6], to, a, b, ttl| PacketBuilder::ethernet2(from, to).ipv4(a, b, ttl);
        let (a, b) = (ip4("10.9.0.2"), ip4("10.9.0.1"));
        build(PEER, OWN, a, b, 63).udp(40_000, port).write(&mut asked, &payload).unwrap();
        build(OWN, PEER, b, a, 64).udp(port, 40_000).write(&mut expected, &payload).unwrap();
        assert_eq!(Station::new().ask(&asked).answer(), expected, "IPv4, {len}");

        let (mut asked, mut expected) = (Vec::new(), Vec::new());
        let build = |from: [u8; 6], to, a, b, hops| PacketBuilder::ethernet2(from, to).ipv6(a, b, hops);
        let (a, b) = (ip6("fd09::2"), ip6("fd09::1"));
        build(PEER, OWN, a, b, 63).udp(40_000, port).write(&mut asked, &payload).unwrap();
        build(OWN, PEER, b, a, 64).udp(port, 40_000).write(&mut expected, &payload).unwrap();
        assert_eq!(Station::new().ask(&asked).answer(), expected, "IPv6, {len}");
    }
}

#[test]
fn none_and_partial_checksums_are_answered_complete() {
    let mut bytes = asked(40_000, 7, b"sum");
    bytes[40..42].fill(0);
    assert_eq!(Station::new().ask(&bytes).answer(), expected(7, 40_000, b"sum"), "none");
    let pseudo = fold(V4::default().pseudo(17, 11));
    bytes[40..42].copy_from_slice(&pseudo.to_be_bytes());
    assert_eq!(Station::new().ask(&bytes).answer(), expected(7, 40_000, b"sum"), "partial");
    bytes[40..42].copy_from_slice(&[1, 2]);
    assert_eq!(Station::new().ask(&bytes), dropped("bad-checksum"));
    let say = |packet: &mut crate::packet::Packet| packet.set_checksum_partial();
    let outcome = Station::new().ask_as(&bytes, LinkClass::Ethernet, say);
    assert_eq!(outcome.answer(), expected(7, 40_000, b"sum"), "partial, says the port");

    let ip = V6::default();
    let mut bytes = to_us(&ip.holding(17, &udp(ip.pseudo(17, 0), 40_000, 7, b"six")));
    bytes[60..62].copy_from_slice(&fold(ip.pseudo(17, 11)).to_be_bytes());
    let back = ip.back();
    let answer = frame(PEER, OWN, &back.holding(17, &udp(back.pseudo(17, 0), 7, 40_000, b"six")));
    assert_eq!(Station::new().ask(&bytes).answer(), answer, "partial");
    bytes[60..62].fill(0);
    assert_eq!(Station::new().ask(&bytes), dropped("no-checksum"));
}

/// One that comes out as 0 is sent as all ones (RFC 768).
#[test]
fn a_computed_checksum_is_never_absent() {
    let mut bytes = asked(40_000, 7, &[0, 0]);
    let rest = fold(V4::default().pseudo(17, 10) + 40_000 + 7 + 10);
    bytes[42..44].copy_from_slice(&(!rest).to_be_bytes());
    bytes[40..42].fill(0);
    assert_eq!(Station::new().ask(&bytes).answer()[40..42], [0xff, 0xff]);
}

#[test]
fn nothing_is_sent_back_to_who_would_send_it_back() {
    for from in [7, 11_111, 13, 17, 19, 37] {
        assert_eq!(Station::new().ask(&asked(from, 7, b"again")), dropped("echo-loop"), "{from}");
        let ip = V6::default();
        let bytes = to_us(&ip.holding(17, &udp(ip.pseudo(17, 0), from, 7, b"again")));
        assert_eq!(Station::new().ask(&bytes), dropped("echo-loop"), "{from}");
    }
    assert_eq!(Station::new().ask(&asked(0, 7, b"")), dropped("bad-source"));
}

#[test]
fn only_configured_ports_echo() {
    assert_eq!(Station::new().ask(&asked(40_000, 9, b"")), Outcome::Pass);
    assert_eq!(Station::dropping().ask(&asked(40_000, 9, b"")), dropped("not-for-us"));
    let config = EchoConfig { udp_ports: vec![9, 5], ..config() };
    let shape = hugepages::PoolShape { frame_room: 2048, headroom: 0, frames: 64, owner: 0, chunk: 64 };
    let mut station = Station::of(&config, &[Some(OWN)], shape).unwrap();
    assert_eq!(station.ask(&asked(40_000, 9, b"x")).answer(), expected(9, 40_000, b"x"));
    assert_eq!(station.ask(&asked(40_000, 7, b"x")), Outcome::Pass);
    assert_eq!(station.ask(&asked(5, 9, b"x")), dropped("echo-loop"));
    assert_eq!(station.tally().answered.udp, 1);
}

/// What stands between the datagram's end and the packet's is no part of it; options are not sent back.
#[test]
fn a_datagram_is_what_its_length_says() {
    let ip = V4 { options: vec![148, 4, 0, 0], ..V4::default() };
    let datagram = [&udp(ip.pseudo(17, 0), 40_000, 7, &[9; 40])[..], &[0xee; 6]].concat();
    assert_eq!(
        Station::new().ask(&to_us(&ip.holding(17, &datagram))).answer(),
        expected(7, 40_000, &[9; 40])
    );
    let mut short = asked(40_000, 7, &[9; 40]);
    short[39] = 7;
    assert_eq!(Station::new().ask(&short), dropped("malformed"));
    short[39] = 200;
    assert_eq!(Station::new().ask(&short), dropped("malformed"));
}

/// A message of sockperf, its flags and its length beside its sequence number.
fn sockperf(flags: u8, len: u8) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, 0, 0, 1, 2, 0, flags, 0, 0, 0, len];
    bytes.resize(usize::from(len), 0x55);
    bytes
}

#[test]
fn sockperf_is_answered_as_its_server_answers() {
    let mut station = Station::new();
    for len in [14, 15, 100] {
        let answer = station.ask(&asked(40_000, 11_111, &sockperf(3, len))).answer();
        assert_eq!(answer, expected(11_111, 40_000, &sockperf(2, len)));
        let mut bare = asked(40_000, 11_111, &sockperf(3, len));
        bare[40..42].fill(0);
        assert_eq!(station.ask(&bare).answer(), answer, "no checksum");
    }
    for flags in [1, 5, 7] {
        assert_eq!(station.ask(&asked(40_000, 11_111, &sockperf(flags, 20))), Outcome::Consumed);
    }
    let other = station.ask(&asked(40_000, 11_111, b"plain echo")).answer();
    assert_eq!(other, expected(11_111, 40_000, b"plain echo"));
    let elsewhere = station.ask(&asked(40_000, 7, &sockperf(3, 20))).answer();
    assert_eq!(elsewhere, expected(7, 40_000, &sockperf(3, 20)), "port 7 changes nothing");
    let ip = V6::default();
    let bytes = to_us(&ip.holding(17, &udp(ip.pseudo(17, 0), 40_000, 11_111, &sockperf(3, 30))));
    let back = ip.back();
    let datagram = udp(back.pseudo(17, 0), 11_111, 40_000, &sockperf(2, 30));
    assert_eq!(station.ask(&bytes).answer(), frame(PEER, OWN, &back.holding(17, &datagram)));
    let tally = station.tally();
    assert_eq!((tally.heard, tally.answered.udp), (3, 9));
}

#[test]
fn a_port_can_speak_sockperf_alone() {
    let config = EchoConfig { udp_ports: vec![], sockperf_ports: vec![5001], ..config() };
    let shape = hugepages::PoolShape { frame_room: 2048, headroom: 0, frames: 64, owner: 0, chunk: 64 };
    let mut station = Station::of(&config, &[Some(OWN)], shape).unwrap();
    assert!(matches!(station.ask(&asked(40_000, 5001, &sockperf(3, 20))), Outcome::Answer(_)));
    assert_eq!(station.ask(&asked(40_000, 5001, b"plain")), Outcome::Pass);
    assert_eq!(station.ask(&asked(40_000, 11_111, &sockperf(3, 20))), Outcome::Pass);
    assert_eq!(station.ask(&asked(5001, 5001, &sockperf(3, 20))), dropped("echo-loop"));
}
