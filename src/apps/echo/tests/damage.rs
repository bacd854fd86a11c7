//! Packets cut, changed and made up: nothing panics, every one has a fate, every answer is sound.

use proptest::prelude::*;

use super::packets::{V4, V6, echo, echo_v6, frame, ip6, solicitation, to_us, udp};
use super::rig::{OWN, Outcome, PEER, Station, dropped};
use crate::packet::layers::LinkClass;

/// Everything that is answered.
fn requests() -> Vec<Vec<u8>> {
    let (ip, six) = (V4::default(), V6::default());
    let routed =
        V4 { options: vec![7, 7, 4, 0, 0, 0, 0, 68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], ..V4::default() };
    let extended = V6 {
        extensions: vec![60, 0, 5, 2, 0, 0, 1, 0, 44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0],
        ..V6::default()
    };
    let asking = V6 { destination: ip6("ff02::1:ff00:1"), hops: 255, ..V6::default() };
    let probing = V6 { source: [0; 16], ..asking.clone() };
    let group = [0x33, 0x33, 0xff, 0, 0, 1];
    vec![
        frame(
            [0xff; 6],
            PEER,
            &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 9, 0, 2, 0, 0, 0, 0, 0, 0, 10, 9, 0, 1],
        ),
        to_us(&ip.holding(1, &echo(8, &[7; 33]))),
        to_us(&routed.holding(1, &echo(8, &[7; 33]))),
        to_us(&ip.holding(17, &udp(ip.pseudo(17, 0), 40_000, 7, &[7; 33]))),
        to_us(&[&[0x81, 0, 0, 1][..], &ip.holding(17, &udp(ip.pseudo(17, 0), 40_000, 7, b""))].concat()),
        to_us(&six.holding(58, &echo_v6(&six, 128, &[7; 33]))),
        to_us(&six.holding(17, &udp(six.pseudo(17, 0), 40_000, 7, &[7; 33]))),
        to_us(&extended.holding(17, &udp(extended.pseudo(17, 0), 40_000, 7, &[7; 33]))),
        frame(
            group,
            PEER,
            &asking.holding(58, &solicitation(&asking, ip6("fd09::1"), &[1, 1, 2, 0, 0, 0, 0, 2])),
        ),
        frame(group, PEER, &probing.holding(58, &solicitation(&probing, ip6("fd09::1"), &[]))),
    ]
}

/// Cut on the wire, and cut by a capture: never answered, as what is missing cannot be sent back.
#[test]
fn what_is_cut_off_is_not_answered() {
    let mut station = Station::new();
    for (i, whole) in requests().iter().enumerate() {
        station.ask(whole).answer();
        for cut in 0..whole.len() {
            let outcome = station.ask(&whole[..cut]);
            assert!(!matches!(outcome, Outcome::Answer(_)), "{i} cut to {cut}: {outcome:?}");
            let snapped =
                station.ask_as(&whole[..cut], LinkClass::Ethernet, |p| p.set_wire_len(whole.len() as u32));
            assert!(!matches!(snapped, Outcome::Answer(_)), "{i} cut to {cut}: {snapped:?}");
        }
    }
    let ping = &requests()[1];
    assert_eq!(station.ask(&ping[..50]), dropped("malformed"));
    let say = |packet: &mut crate::packet::Packet| packet.set_wire_len(ping.len() as u32);
    assert_eq!(station.ask_as(&ping[..50], LinkClass::Ethernet, say), dropped("truncated"));
}

/// No change of one byte of the checksummed part is answered; of the others the answer is sound (the rig looks).
#[test]
fn changed_bytes_are_noticed() {
    let mut station = Station::new();
    for (i, whole) in requests().iter().enumerate() {
        for at in 0..whole.len() {
            for bit in [0x01, 0x80] {
                let mut changed = whole.clone();
                changed[at] ^= bit;
                let outcome = station.ask(&changed);
                let payload = i > 0 && at >= whole.len() - 8;
                assert!(!payload || !matches!(outcome, Outcome::Answer(_)), "{i}: byte {at}: {outcome:?}");
            }
        }
    }
}

#[test]
fn answers_are_not_answered() {
    let (mut us, mut them) = (Station::new(), Station::new());
    for (i, request) in requests().iter().enumerate() {
        let mut answer = us.ask(request).answer();
        // As if it came to another echo at the address that asked.
        answer[..6].copy_from_slice(&OWN);
        answer[6..12].copy_from_slice(&PEER);
        assert!(!matches!(them.ask(&answer), Outcome::Answer(_)), "{i}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_have_a_fate(bytes in proptest::collection::vec(any::<u8>(), 0..200), link in 0u8..6) {
        let mut station = Station::new();
        station.ask(&bytes);
        station.ask_as(&bytes, LinkClass::from_code(link), |_| {});
        let mut dropping = Station::dropping();
        prop_assert_ne!(dropping.ask(&bytes), Outcome::Pass);
    }

    /// Requests with some bytes replaced, some cut off, some put in, some said of them.
    #[test]
    fn damaged_requests_have_a_fate(
        which in 0usize..10,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
        partial: bool,
        more in 0u32..100,
    ) {
        let mut bytes = requests()[which].clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let say = |packet: &mut crate::packet::Packet| {
            if partial {
                packet.set_checksum_partial();
            }
            packet.set_wire_len(packet.len() as u32 + more);
        };
        Station::new().ask(&bytes);
        Station::new().ask_as(&bytes, LinkClass::Ethernet, say);
    }
}
