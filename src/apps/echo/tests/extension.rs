//! IPv6 extension headers.

use super::packets::{V6, echo_v6, frame, to_us, udp};
use super::rig::{OWN, Outcome, PEER, Station, dropped};

fn with(first: u8, extensions: &[u8]) -> V6 {
    V6 { extensions: extensions.to_vec(), first, ..V6::default() }
}

fn ping(first: u8, extensions: &[u8]) -> Outcome {
    let ip = with(first, extensions);
    Station::new().ask(&to_us(&ip.holding(58, &echo_v6(&ip, 128, b"far"))))
}

#[test]
fn answers_have_none() {
    let back = V6::default().back();
    let expected = frame(PEER, OWN, &back.holding(58, &echo_v6(&back, 129, b"far")));
    assert_eq!(ping(0, &[58, 0, 5, 2, 0, 0, 1, 0]).answer(), expected, "router alert");
    assert_eq!(
        ping(60, &[58, 1, 0x1e, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).answer(),
        expected,
        "options"
    );
    assert_eq!(ping(43, &[58, 0, 0, 0, 0, 0, 0, 0]).answer(), expected, "a route at its end");
    assert_eq!(ping(44, &[58, 0, 0, 0, 1, 2, 3, 4]).answer(), expected, "an atomic fragment");
    let ip = with(0, &[17, 0, 5, 2, 0, 0, 1, 0]);
    let bytes = to_us(&ip.holding(17, &udp(ip.pseudo(17, 0), 40_000, 7, b"far")));
    let answer = frame(PEER, OWN, &back.holding(17, &udp(back.pseudo(17, 0), 7, 40_000, b"far")));
    assert_eq!(Station::new().ask(&bytes).answer(), answer);
}

#[test]
fn what_may_not_be_skipped_is_dropped() {
    assert_eq!(ping(60, &[58, 0, 0x42, 4, 0, 0, 0, 0]), dropped("extension-header"));
    assert_eq!(ping(43, &[58, 0, 0, 1, 0, 0, 0, 0]), dropped("source-route"));
    assert_eq!(ping(135, &[58, 0, 0, 0, 0, 0, 0, 0]), dropped("extension-header"), "mobility");
    assert_eq!(ping(44, &[58, 0, 0, 1, 1, 2, 3, 4]), dropped("fragment"));
    assert_eq!(ping(44, &[17, 0, 0, 8, 1, 2, 3, 4]), dropped("fragment"));
    assert_eq!(ping(44, &[6, 0, 0, 8, 1, 2, 3, 4]), Outcome::Pass, "a fragment of TCP");
    assert_eq!(ping(60, &[58, 9, 0, 0, 0, 0, 0, 0]), dropped("malformed"), "it ends beyond the packet");
}
