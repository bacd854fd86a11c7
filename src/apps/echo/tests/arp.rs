//! ARP requests.

use super::packets::{frame, ip4};
use super::rig::{OWN, Outcome, PEER, Station, dropped};

fn arp(op: u8, sender: ([u8; 6], &str), target: ([u8; 6], &str)) -> Vec<u8> {
    let head = [8, 6, 0, 1, 8, 0, 6, 4, 0, op];
    [&head[..], &sender.0, &ip4(sender.1), &target.0, &ip4(target.1)].concat()
}

fn who_has(sender: &str, target: &str) -> Vec<u8> {
    frame([0xff; 6], PEER, &arp(1, (PEER, sender), ([0; 6], target)))
}

#[test]
fn a_request_is_answered_to_who_asked() {
    let expected = frame(PEER, OWN, &arp(2, (OWN, "10.9.0.1"), (PEER, "10.9.0.2")));
    assert_eq!(Station::new().ask(&who_has("10.9.0.2", "10.9.0.1")).answer(), expected);
    let unicast = frame(OWN, PEER, &arp(1, (PEER, "10.9.0.2"), (OWN, "10.9.0.1")));
    assert_eq!(Station::new().ask(&unicast).answer(), expected, "a poll of the neighbour cache");
    let mut padded = who_has("10.9.0.2", "10.9.0.1");
    padded.resize(60, 0);
    assert_eq!(Station::new().ask(&padded).answer()[..42], expected);
    let tag = [0x81, 0, 0, 5];
    let tagged =
        frame([0xff; 6], PEER, &[&tag[..], &arp(1, (PEER, "10.9.0.2"), ([0; 6], "10.9.0.1"))].concat());
    let answer = frame(PEER, OWN, &[&tag[..], &arp(2, (OWN, "10.9.0.1"), (PEER, "10.9.0.2"))].concat());
    assert_eq!(Station::new().ask(&tagged).answer(), answer);
}

/// RFC 5227: a probe has no sender address, and is answered, or else two would have ours.
#[test]
fn a_probe_is_answered() {
    let expected = frame(PEER, OWN, &arp(2, (OWN, "10.9.0.1"), (PEER, "0.0.0.0")));
    let mut station = Station::new();
    assert_eq!(station.ask(&who_has("0.0.0.0", "10.9.0.1")).answer(), expected);
    assert_eq!(station.tally().answered.arp, 1);
}

#[test]
fn somebody_elses_claim_to_our_address_is_counted() {
    assert_eq!(Station::new().ask(&who_has("10.9.0.1", "10.9.0.1")), dropped("address-conflict"));
}

#[test]
fn other_requests_and_all_replies_pass() {
    assert_eq!(Station::new().ask(&who_has("10.9.0.2", "10.9.0.3")), Outcome::Pass);
    let reply = frame(OWN, PEER, &arp(2, (PEER, "10.9.0.2"), (OWN, "10.9.0.1")));
    assert_eq!(Station::new().ask(&reply), Outcome::Pass);
    let good = who_has("10.9.0.2", "10.9.0.1");
    for at in 14..22 {
        let mut odd = good.clone();
        odd[at] ^= 0x40;
        assert_eq!(Station::new().ask(&odd), Outcome::Pass, "{at}");
    }
    for cut in 0..good.len() {
        assert_eq!(Station::new().ask(&good[..cut]), Outcome::Pass, "{cut}");
    }
    assert_eq!(Station::dropping().ask(&good[..13]), dropped("malformed"));
    let elsewhere = frame([2, 0, 0, 0, 0, 9], PEER, &arp(1, (PEER, "10.9.0.2"), (OWN, "10.9.0.1")));
    assert_eq!(Station::new().ask(&elsewhere), Outcome::Pass);
}

#[test]
fn senders_that_are_nobody_are_dropped() {
    for sender in ["10.9.0.255", "224.0.0.1", "127.0.0.1", "255.255.255.255"] {
        assert_eq!(Station::new().ask(&who_has(sender, "10.9.0.1")), dropped("bad-source"), "{sender}");
    }
    for mac in [[0xff; 6], [0; 6], [1, 0, 0x5e, 0, 0, 1]] {
        let within = frame([0xff; 6], PEER, &arp(1, (mac, "10.9.0.2"), ([0; 6], "10.9.0.1")));
        assert_eq!(Station::new().ask(&within), dropped("bad-source"), "{mac:?}");
        let around = frame([0xff; 6], mac, &arp(1, (PEER, "10.9.0.2"), ([0; 6], "10.9.0.1")));
        assert_eq!(Station::new().ask(&around), dropped("bad-source"), "{mac:?}");
    }
    let ourselves = frame([0xff; 6], OWN, &arp(1, (PEER, "10.9.0.2"), ([0; 6], "10.9.0.1")));
    assert_eq!(Station::new().ask(&ourselves), dropped("bad-source"), "our own frame came back");
}
