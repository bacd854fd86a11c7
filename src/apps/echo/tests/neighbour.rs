//! Neighbour solicitations.

use super::packets::{V6, frame, ip6, solicitation, summed};
use super::rig::{OWN, Outcome, PEER, Station, dropped};

const GROUP: [u8; 6] = [0x33, 0x33, 0xff, 0, 0, 1];
/// The option that names the asker's Ethernet address.
const SOURCE: [u8; 8] = [1, 1, 2, 0, 0, 0, 0, 2];

fn to_group() -> V6 {
    V6 { destination: ip6("ff02::1:ff00:1"), hops: 255, head: [0x60, 0, 0, 0], ..V6::default() }
}

/// What answers it: flags, to whom.
fn advertisement(flags: u8, to: &str) -> Vec<u8> {
    let ip = V6 { source: ip6("fd09::1"), destination: ip6(to), ..to_group() };
    let bytes = [&[136, 0, 0, 0, flags, 0, 0, 0], &ip6("fd09::1")[..], &[2, 1], &OWN].concat();
    let pseudo = ip.pseudo(58, bytes.len());
    ip.holding(58, &summed(bytes, 2, pseudo))
}

fn ask(ip: &V6, mac: [u8; 6], options: &[u8]) -> Outcome {
    Station::new().ask(&frame(mac, PEER, &ip.holding(58, &solicitation(ip, ip6("fd09::1"), options))))
}

#[test]
fn a_solicitation_is_answered_to_who_asked() {
    let expected = frame(PEER, OWN, &advertisement(0x60, "fd09::2"));
    assert_eq!(ask(&to_group(), GROUP, &SOURCE).answer(), expected);
    let unicast = V6 { destination: ip6("fd09::1"), ..to_group() };
    assert_eq!(ask(&unicast, OWN, &SOURCE).answer(), expected, "is it still there?");
    assert_eq!(ask(&unicast, OWN, &[]).answer(), expected, "eight bytes are added");
    let nonce = [&SOURCE[..], &[14, 1, 1, 2, 3, 4, 5, 6]].concat();
    assert_eq!(ask(&to_group(), GROUP, &nonce).answer(), expected, "a nonce (RFC 7527) is not sent back");
}

/// RFC 4861, 7.2.4: somebody without an address asks; all nodes are told.
#[test]
fn duplicate_address_detection_is_told_to_all() {
    let ip = V6 { source: [0; 16], ..to_group() };
    let expected = frame([0x33, 0x33, 0, 0, 0, 1], OWN, &advertisement(0x20, "ff02::1"));
    assert_eq!(ask(&ip, GROUP, &[]).answer(), expected);
    assert_eq!(ask(&ip, GROUP, &SOURCE), dropped("bad-solicitation"), "it has no address to name");
    let unicast = V6 { destination: ip6("fd09::1"), ..ip };
    assert_eq!(ask(&unicast, OWN, &[]), dropped("bad-solicitation"), "not to the group");
}

#[test]
fn what_rfc_4861_forbids_is_dropped() {
    let far = V6 { hops: 254, ..to_group() };
    assert_eq!(ask(&far, GROUP, &SOURCE), dropped("hop-limit"));
    for options in [&[1, 0, 2, 0, 0, 0, 0, 2][..], &[1, 2, 2, 0, 0, 0, 0, 2], &[1], &[1, 1, 2]] {
        assert_eq!(ask(&to_group(), GROUP, options), dropped("bad-solicitation"), "{options:?}");
    }
    let ip = to_group();
    let mut bytes = frame(GROUP, PEER, &ip.holding(58, &solicitation(&ip, ip6("fd09::1"), &SOURCE)));
    bytes[80] ^= 1;
    assert_eq!(Station::new().ask(&bytes), dropped("bad-checksum"));
    let mut coded = solicitation(&ip, ip6("fd09::1"), &SOURCE);
    coded[1] = 1;
    let coded = summed(coded, 2, ip.pseudo(58, 32));
    assert_eq!(Station::new().ask(&frame(GROUP, PEER, &ip.holding(58, &coded))), dropped("bad-code"));
    let short = summed(vec![135, 0, 0, 0, 0, 0, 0, 0, 1], 2, ip.pseudo(58, 9));
    assert_eq!(Station::new().ask(&frame(GROUP, PEER, &ip.holding(58, &short))), dropped("bad-solicitation"));
    let fragment = V6 { extensions: vec![58, 0, 0, 0, 0, 0, 0, 1], first: 44, ..to_group() };
    assert_eq!(ask(&fragment, GROUP, &SOURCE), dropped("fragment"), "RFC 6980");
}

#[test]
fn senders_that_are_nobody_are_dropped() {
    let from = |text: &str| V6 { source: ip6(text), ..to_group() };
    assert_eq!(ask(&from("fd09::1"), GROUP, &SOURCE), dropped("address-conflict"));
    assert_eq!(ask(&from("::1"), GROUP, &SOURCE), dropped("bad-source"));
    assert_eq!(ask(&from("ff02::5"), GROUP, &SOURCE), dropped("bad-source"));
}

#[test]
fn other_targets_pass() {
    let ip = V6 { destination: ip6("ff02::1"), ..to_group() };
    let other = frame(GROUP, PEER, &ip.holding(58, &solicitation(&ip, ip6("fd09::5"), &SOURCE)));
    assert_eq!(Station::new().ask(&other), Outcome::Pass);
    let mut station = Station::new();
    station.ask(&frame(GROUP, PEER, &ip.holding(58, &solicitation(&ip, ip6("fd09::1"), &SOURCE)))).answer();
    assert_eq!(station.tally().answered.neighbour, 1);
}

/// The answer to a solicitation of no options is eight bytes longer; where the frame ends before, that is said.
#[test]
fn an_answer_that_does_not_fit_is_dropped() {
    let ip = V6 { source: [0; 16], ..to_group() };
    let bytes = frame(GROUP, PEER, &ip.holding(58, &solicitation(&ip, ip6("fd09::1"), &[])));
    let mut station = Station::with_room(128);
    assert_eq!(station.ask(&bytes).answer().len(), bytes.len() + 8);
    let mut narrow = Station::with_room(bytes.len() as u32 + 2);
    match narrow.room() {
        room if room < bytes.len() + 8 => assert_eq!(narrow.ask(&bytes), dropped("no-room")),
        room => panic!("frames have {room} bytes: this test needs smaller ones"),
    }
}
