//! Ping, over IPv4 and IPv6.

use etherparse::PacketBuilder;

use super::packets::{V4, V6, echo, echo_v6, frame, ip4, ip6, to_us};
use super::rig::{OWN, Outcome, PEER, Station, dropped};
use crate::packet::layers::LinkClass;

fn ping(payload: &[u8]) -> Vec<u8> {
    to_us(&V4::default().holding(1, &echo(8, payload)))
}

/// What comes back is, byte for byte, the packet etherparse writes for it.
#[test]
fn answers_are_what_etherparse_writes() {
    for len in [0usize, 1, 17, 18, 19, 56, 57, 1472, 1900] {
        let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let (mut asked, mut expected) = (Vec::new(), Vec::new());
        let build = |from: [u8; 6], to, a, b, ttl| PacketBuilder::ethernet2(from, to).ipv4(a, b, ttl);
        let (a, b) = (ip4("10.9.0.2"), ip4("10.9.0.1"));
        build(PEER, OWN, a, b, 63).icmpv4_echo_request(7, 8).write(&mut asked, &payload).unwrap();
        build(OWN, PEER, b, a, 64).icmpv4_echo_reply(7, 8).write(&mut expected, &payload).unwrap();
        assert_eq!(Station::new().ask(&asked).answer(), expected, "IPv4, {len}");

        let (mut asked, mut expected) = (Vec::new(), Vec::new());
        let build = |from: [u8; 6], to, a, b, hops| PacketBuilder::ethernet2(from, to).ipv6(a, b, hops);
        let (a, b) = (ip6("fd09::2"), ip6("fd09::1"));
        build(PEER, OWN, a, b, 63).icmpv6_echo_request(7, 8).write(&mut asked, &payload).unwrap();
        build(OWN, PEER, b, a, 64).icmpv6_echo_reply(7, 8).write(&mut expected, &payload).unwrap();
        assert_eq!(Station::new().ask(&asked).answer(), expected, "IPv6, {len}");
    }
}

#[test]
fn identification_and_class_come_back_and_congestion_bits_do_not() {
    let ip = V4 { tos: 0xbb, id: [0xab, 0xcd, 0, 0], ..V4::default() };
    let answer = Station::new().ask(&to_us(&ip.holding(1, &echo(8, b"class")))).answer();
    let back = V4 { tos: 0xb8, ..ip.back() };
    assert_eq!(answer, frame(PEER, OWN, &back.holding(1, &echo(0, b"class"))));

    let ip = V6 { head: [0x6b, 0xba, 0xbc, 0xde], ..V6::default() };
    let answer = Station::new().ask(&to_us(&ip.holding(58, &echo_v6(&ip, 128, b"class")))).answer();
    let back = V6 { head: [0x6b, 0x8a, 0xbc, 0xde], ..ip.back() };
    assert_eq!(answer, frame(PEER, OWN, &back.holding(58, &echo_v6(&back, 129, b"class"))));
}

#[test]
fn tags_come_back() {
    for tags in [&[0x81, 0, 0x60, 5][..], &[0x88, 0xa8, 0, 7, 0x81, 0, 0x20, 9]] {
        let (ip, six) = (V4::default(), V6::default());
        let asked = to_us(&[tags, &ip.holding(1, &echo(8, b"tagged"))].concat());
        let expected = frame(PEER, OWN, &[tags, &ip.back().holding(1, &echo(0, b"tagged"))].concat());
        assert_eq!(Station::new().ask(&asked).answer(), expected);
        let asked = to_us(&[tags, &six.holding(58, &echo_v6(&six, 128, b"t"))].concat());
        let back = six.back();
        let expected = frame(PEER, OWN, &[tags, &back.holding(58, &echo_v6(&back, 129, b"t"))].concat());
        assert_eq!(Station::new().ask(&asked).answer(), expected);
    }
}

#[test]
fn padding_is_zeroed_and_trailers_are_cut_off() {
    let mut padded = ping(b"");
    padded.resize(60, 0xee);
    let answer = Station::new().ask(&padded).answer();
    assert_eq!((answer.len(), &answer[42..]), (60, &[0; 18][..]));
    let mut trailed = ping(&[1; 100]);
    trailed.extend([0xee; 30]);
    assert_eq!(Station::new().ask(&trailed).answer().len(), 142);
}

#[test]
fn a_message_of_zeros_has_a_checksum_of_ones() {
    let zeros = super::packets::summed(vec![8, 0, 0, 0, 0, 0, 0, 0], 2, 0);
    let answer = Station::new().ask(&to_us(&V4::default().holding(1, &zeros))).answer();
    assert_eq!(answer[34..], [0, 0, 0xff, 0xff, 0, 0, 0, 0]);
}

#[test]
fn wrong_checksums_and_codes_are_dropped() {
    for at in [24, 36, 50] {
        let mut bytes = ping(&[5; 30]);
        bytes[at] ^= 0x10;
        assert_eq!(Station::new().ask(&bytes), dropped("bad-checksum"), "{at}");
    }
    let six = V6::default();
    let mut bytes = to_us(&six.holding(58, &echo_v6(&six, 128, &[5; 30])));
    bytes[70] ^= 1;
    assert_eq!(Station::new().ask(&bytes), dropped("bad-checksum"));
    let mut odd = echo(8, b"");
    odd[1] = 3;
    let odd = super::packets::summed(odd, 2, 0);
    assert_eq!(Station::new().ask(&to_us(&V4::default().holding(1, &odd))), dropped("bad-code"));
}

#[test]
fn what_a_card_was_to_finish_is_answered_finished() {
    let six = V6::default();
    let mut message = echo_v6(&six, 128, b"offload");
    let pseudo = super::rig::fold(six.pseudo(58, message.len()));
    message[2..4].copy_from_slice(&pseudo.to_be_bytes());
    let back = six.back();
    let expected = frame(PEER, OWN, &back.holding(58, &echo_v6(&back, 129, b"offload")));
    assert_eq!(Station::new().ask(&to_us(&six.holding(58, &message))).answer(), expected);
    // The port says so: then nothing can be told by the field.
    message[2..4].copy_from_slice(&[0xde, 0xad]);
    let marked = to_us(&six.holding(58, &message));
    let say = |packet: &mut crate::packet::Packet| packet.set_checksum_partial();
    assert_eq!(Station::new().ask_as(&marked, LinkClass::Ethernet, say).answer(), expected);
}

#[test]
fn groups_are_answered_over_ipv6_alone() {
    for (group, mac) in
        [("ff02::1", [0x33, 0x33, 0, 0, 0, 1]), ("ff02::1:ff00:1", [0x33, 0x33, 0xff, 0, 0, 1])]
    {
        let ip = V6 { destination: ip6(group), source: ip6("fe80::2"), ..V6::default() };
        let asked = frame(mac, PEER, &ip.holding(58, &echo_v6(&ip, 128, b"all")));
        let back = V6 { source: ip6("fd09::1"), ..ip.back() };
        let expected = frame(PEER, OWN, &back.holding(58, &echo_v6(&back, 129, b"all")));
        assert_eq!(Station::new().ask(&asked).answer(), expected, "{group}");
    }
    for group in ["ff02::2", "ff02::1:ff00:2", "ff05::1"] {
        let ip = V6 { destination: ip6(group), ..V6::default() };
        let asked = frame([0x33, 0x33, 0, 0, 0, 2], PEER, &ip.holding(58, &echo_v6(&ip, 128, b"")));
        assert_eq!(Station::new().ask(&asked), Outcome::Pass, "{group}");
    }
    for to in ["10.9.0.255", "255.255.255.255", "224.0.0.1"] {
        let ip = V4 { destination: ip4(to), ..V4::default() };
        let asked = frame([0xff; 6], PEER, &ip.holding(1, &echo(8, b"")));
        assert_eq!(Station::new().ask(&asked), Outcome::Pass, "{to}");
        assert_eq!(Station::dropping().ask(&asked), dropped("not-for-us"), "{to}");
    }
}

#[test]
fn routes_and_times_are_recorded_and_source_routes_dropped() {
    let with = |options: &[u8]| V4 { options: options.to_vec(), ..V4::default() };
    let ask = |options| Station::new().ask(&to_us(&with(options).holding(1, &echo(8, &[9; 30]))));
    let expect = |options| frame(PEER, OWN, &with(options).back().holding(1, &echo(0, &[9; 30])));
    assert_eq!(
        ask(&[7, 11, 8, 1, 2, 3, 4, 0, 0, 0, 0, 0]).answer(),
        expect(&[7, 11, 12, 1, 2, 3, 4, 10, 9, 0, 1, 0])
    );
    assert_eq!(ask(&[68, 8, 5, 0, 0, 0, 0, 0]).answer(), expect(&[68, 8, 9, 0, 0x80, 0, 0, 5]));
    assert_eq!(ask(&[148, 4, 0, 0]).answer(), expect(&[]), "router alert stays behind");
    assert_eq!(ask(&[131, 7, 4, 10, 9, 0, 9, 0]), dropped("source-route"));
    assert_eq!(ask(&[1, 137, 7, 4, 10, 9, 0, 9]), dropped("source-route"));
    for broken in [&[7, 0, 4, 0][..], &[7, 9, 4, 0], &[68, 3, 5, 0], &[1, 1, 1, 7]] {
        assert_eq!(ask(broken), dropped("ip-option"), "{broken:?}");
    }
}

#[test]
fn fragments_are_dropped_and_other_messages_pass() {
    for flags in [[0x20, 0], [0, 9], [0x20, 9]] {
        let ip = V4 { id: [0, 1, flags[0], flags[1]], ..V4::default() };
        assert_eq!(Station::new().ask(&to_us(&ip.holding(1, &echo(8, &[0; 40])))), dropped("fragment"));
        assert_eq!(Station::new().ask(&to_us(&ip.holding(6, &[0; 40]))), Outcome::Pass, "of TCP");
    }
    for kind in [0, 3, 13] {
        assert_eq!(Station::new().ask(&to_us(&V4::default().holding(1, &echo(kind, b"")))), Outcome::Pass);
    }
    let mut station = Station::new();
    station.ask(&ping(b"")).answer();
    station.ask(&to_us(&V4::default().holding(6, &[0; 20])));
    let tally = station.tally();
    assert_eq!((tally.answered.icmp, tally.answered.total(), tally.others), (1, 1, 1));
}
