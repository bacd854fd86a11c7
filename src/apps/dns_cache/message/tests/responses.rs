use proptest::prelude::*;

use super::super::response::{Kind, Lives, Wrong, belongs, read};
use super::super::truncate::fit;
use super::{message, opt, question, response, rows, soa};

const LIVES: Lives = Lives { least: 0, most: 86_400, most_negative: 3600, failure: 5 };
const A: &[u8] = &[192, 0, 2, 1];

#[test]
fn only_the_answer_to_what_was_asked_is_one() {
    let asked = question("WwW.example", 1);
    let good = message(77, 0x8400, [1, 0, 0, 0], &[&asked]);
    assert_eq!(belongs(&good, 77, &asked), Ok(()));
    assert_eq!(belongs(&good, 78, &asked), Err(Wrong::Id));
    assert_eq!(belongs(&good, 77, &question("www.example", 1)), Err(Wrong::Question));
    assert_eq!(belongs(&good, 77, &question("WwW.example", 28)), Err(Wrong::Question));
    assert_eq!(belongs(&message(77, 0x0400, [1, 0, 0, 0], &[&asked]), 77, &asked), Err(Wrong::Header));
    assert_eq!(belongs(&message(77, 0xa400, [1, 0, 0, 0], &[&asked]), 77, &asked), Err(Wrong::Header));
    assert_eq!(
        belongs(&message(77, 0x8400, [2, 0, 0, 0], &[&asked, &asked]), 77, &asked),
        Err(Wrong::Question)
    );
    assert_eq!(belongs(&message(77, 0x8400, [0, 0, 0, 0], &[]), 77, &asked), Err(Wrong::Question));
    assert_eq!(belongs(&message(77, 0x8001, [0, 0, 0, 0], &[]), 77, &asked), Ok(()), "it understood nothing");
    for cut in 0..good.len() {
        assert!(belongs(&good[..cut], 77, &asked).is_err());
    }
}

#[test]
fn answers_live_as_long_as_all_their_records() {
    let asked = question("www.example", 1).len();
    let rows_of = [("www.example", 5, 300, &b"\x01a\0"[..]), ("a", 1, 200, A)];
    let ns = [("example", 2, 90, &b"\x02ns\0"[..])];
    let mut bytes = response(1, "www.example", 1, 0, [&rows_of, &ns, &[("ns", 1, 4000, A)]]);
    let plain = bytes.len();
    bytes.extend_from_slice(&opt(1232, 0, 0, 0, &[]));
    bytes[11] = 2;
    let before = bytes.clone();
    let found = read(&mut bytes, asked, LIVES).unwrap();
    assert_eq!(
        (found.kind, found.rcode, found.life, found.len, found.edns),
        (Kind::Positive, 0, 90, plain, true)
    );
    assert_eq!((bytes[11], found.ttls.len()), (1, 4), "the OPT record is gone");
    assert_eq!(bytes[12..plain], before[12..plain], "and nothing else");
    // Bounds hold for every record.
    let mut bytes = before.clone();
    let bounds = Lives { least: 100, most: 250, ..LIVES };
    assert_eq!(read(&mut bytes, asked, bounds).unwrap().life, 100);
    let ttls: Vec<u32> = rows(&bytes[..plain]).iter().map(|row| row.3).collect();
    assert_eq!(ttls, [250, 200, 100, 250]);
    // A TTL of more than 31 bits is none.
    let mut bytes = response(1, "a", 1, 0, [&[("a", 1, 1 << 31, A)], &[], &[]]);
    assert_eq!(read(&mut bytes, 7, LIVES).unwrap().life, 0);
    // What comes behind an OPT record is not kept.
    let mut bytes = [
        &response(1, "a", 1, 0, [&[("a", 1, 60, A)], &[], &[]])[..],
        &opt(1232, 0, 0, 0, &[]),
        &[0, 0, 1, 0, 1, 0, 0, 0, 7, 0, 4, 1, 2, 3, 4],
    ]
    .concat();
    bytes[11] = 2;
    let found = read(&mut bytes, 7, LIVES).unwrap();
    assert_eq!((found.ttls.len(), bytes[11], found.life), (1, 0, 60));
}

#[test]
fn negative_answers_live_by_their_soa() {
    for (rcode, kind) in [(3, Kind::Negative), (0, Kind::Negative)] {
        let soa = soa(60);
        let mut bytes = response(1, "no.example", 1, rcode, [&[], &[("example", 6, 900, &soa)], &[]]);
        let found = read(&mut bytes, question("no.example", 1).len(), LIVES).unwrap();
        assert_eq!((found.kind, found.life), (kind, 60));
        assert_eq!(rows(&bytes)[0].3, 60, "its TTL is what it lives (RFC 2308, section 5)");
        let mut bytes = response(1, "no.example", 1, rcode, [&[], &[], &[]]);
        assert_eq!(
            read(&mut bytes, question("no.example", 1).len(), LIVES).unwrap().life,
            0,
            "without one it is not kept"
        );
        let mut bytes = response(1, "no.example", 1, rcode, [&[], &[("example", 2, 900, b"\0")], &[]]);
        assert_eq!(
            read(&mut bytes, question("no.example", 1).len(), LIVES).unwrap().life,
            0,
            "nor is a referral"
        );
    }
    let long = soa(1 << 20);
    let mut bytes = response(1, "no.example", 1, 3, [&[], &[("example", 6, 1 << 20, &long)], &[]]);
    assert_eq!(read(&mut bytes, question("no.example", 1).len(), LIVES).unwrap().life, 3600);
    // An alias to nothing: what it leads to has no such record.
    let soa = soa(30);
    let alias = [("www.example", 5, 20, &b"\x01x\0"[..])];
    let mut bytes = response(1, "www.example", 28, 0, [&alias, &[("example", 6, 900, &soa)], &[]]);
    let found = read(&mut bytes, question("www.example", 28).len(), LIVES).unwrap();
    assert_eq!((found.kind, found.life), (Kind::Negative, 20));
    let cut = response(1, "example", 6, 0, [&[], &[("example", 6, 900, &soa[..21])], &[]]);
    assert!(read(&mut cut.clone(), 13, LIVES).is_err());
}

#[test]
fn failures_keep_nothing_and_truncated_answers_do_not_live() {
    for rcode in [1, 2, 4, 5, 9] {
        let mut bytes = response(1, "a", 1, rcode, [&[("a", 1, 60, A)], &[], &[]]);
        let found = read(&mut bytes, 7, LIVES).unwrap();
        assert_eq!((found.kind, found.rcode, found.life, found.len), (Kind::Failure, rcode.into(), 5, 19));
        assert_eq!(bytes[6..12], [0; 6]);
    }
    let mut extended =
        [&message(1, 0x8400, [1, 0, 0, 1], &[&question("a", 1)])[..], &opt(1232, 1, 0, 0, &[])].concat();
    let found = read(&mut extended, 7, LIVES).unwrap();
    assert_eq!((found.kind, found.rcode), (Kind::Failure, 16));
    let mut bytes = response(1, "a", 1, 0, [&[("a", 1, 60, A)], &[], &[]]);
    bytes[2] |= 2;
    let found = read(&mut bytes, 7, LIVES).unwrap();
    assert_eq!((found.kind, found.truncated, found.life), (Kind::Positive, true, 0));
}

#[test]
fn what_does_not_fit_is_left_out_by_rrsets() {
    let name = "a.example";
    let asked = question(name, 1).len();
    let answer = [(name, 1, 60, A), (name, 1, 60, &[192, 0, 2, 2]), (name, 46, 60, &[0, 1, 9, 9])];
    let authority = [("example", 2, 60, &b"\x02ns\0"[..])];
    let additional = [("ns", 1, 60, A), ("ns", 28, 60, &[1; 16][..])];
    let whole = response(1, name, 1, 0, [&answer, &authority, &additional]);
    let all = rows(&whole);
    let mut seen = Vec::new();
    for room in 12 + asked..=whole.len() {
        let mut cut = whole.clone();
        let len = fit(&mut cut, asked, room);
        assert!(len <= room);
        let kept = rows(&cut[..len]);
        assert_eq!(kept, all[..kept.len()], "{room}");
        assert_eq!(cut[2] & 2 != 0, kept.len() < 4, "{room}: only additional records are not missed");
        assert_ne!(kept.len(), 1, "half an RRset");
        seen.push(kept.len());
    }
    seen.dedup();
    assert_eq!(seen, [0, 2, 3, 4, 5, 6]);
}

proptest! {
    #[test]
    fn damage_never_panics(
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        room in 0usize..300,
    ) {
        let soa = soa(60);
        let answer = [("a.example", 5, 300, &b"\x01b\xc0\x0e"[..]), ("b.example", 1, 200, A)];
        let mut bytes = [&response(1, "a.example", 1, 0, [&answer, &[("example", 6, 900, &soa)], &[]])[..], &opt(1232, 0, 0, 0, &[])].concat();
        bytes[11] = 1;
        for (at, value) in hits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        let asked = question("a.example", 1).len();
        let mut kept = bytes.clone();
        if let Ok(found) = read(&mut kept, asked, LIVES) {
            prop_assert!(found.len <= kept.len());
            prop_assert!(found.ttls.iter().all(|at| usize::from(*at) + 4 <= found.len));
        }
        if bytes.len() >= 12 + asked {
            let len = fit(&mut bytes, asked, room);
            prop_assert!(len <= room.max(12 + asked));
        }
    }
}
