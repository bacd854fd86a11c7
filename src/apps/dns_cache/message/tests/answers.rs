use domain::base::Message;

use super::super::answer::{finish, refuse};
use super::super::key::Variant;
use super::super::query::{Edns, Fault, parse};
use super::super::upstream::{ask, ask_len};
use super::{message, opt, question, response};

#[test]
fn an_answer_has_the_clients_id_question_and_bits() {
    let asked = question("WWW.exAmple", 1);
    let stored = response(1, "www.example", 1, 3, [&[("www.example", 1, 60, &[1, 2, 3, 4])], &[], &[]]);
    // What the upstream server said: authoritative, authentic.
    let finished = |flags, edns: Option<&[u8]>, extended| {
        let parts = [&asked[..], edns.unwrap_or_default()];
        let query = parse(&message(0xabcd, flags, [1, 0, 0, u16::from(edns.is_some())], &parts)).unwrap();
        let mut bytes = stored.clone();
        bytes[3] |= 0x20;
        bytes[12..12 + asked.len()].copy_from_slice(&asked);
        bytes.extend_from_slice(&[0xee; 11][..if edns.is_some() { 11 } else { 0 }]);
        let rcode = finish(&mut bytes, &query, stored.len(), extended, 1232);
        (bytes, rcode)
    };
    let (plain, rcode) = finished(0x0100, None, 0);
    assert_eq!(
        (&plain[..4], rcode),
        (&[0xab, 0xcd, 0x81, 0x83][..], 3),
        "RD as asked, RA, neither AA nor AD"
    );
    assert_eq!(plain[12..12 + asked.len()], asked);
    let owner = Message::from_octets(&plain[..])
        .unwrap()
        .answer()
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .owner()
        .to_string();
    assert_eq!(owner, "WWW.exAmple", "owners that point to the question have its letters");
    assert_eq!(finished(0x0130, None, 0).0[2..4], [0x81, 0xb3], "AD where the client knows it; CD as asked");
    let (edns, rcode) = finished(0x0000, Some(&opt(4096, 0, 0, 0x8000, &[])), 0);
    assert_eq!((edns[2..4].to_vec(), rcode), (vec![0x80, 0xa3], 3), "DO says that the client knows AD");
    assert_eq!(edns[stored.len()..], [0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0]);
    assert_eq!(edns[11], 1);
    let (edns, rcode) = finished(0, Some(&opt(4096, 0, 0, 0, &[])), 1);
    assert_eq!((edns[stored.len() + 5], edns[stored.len() + 7], rcode), (1, 0, 19));
    assert_eq!(finished(0, None, 1).1, 2, "what only EDNS can say is SERVFAIL to others");
}

#[test]
fn refusals_are_no_longer_than_what_they_refuse() {
    let asked = question("a.example", 252);
    let cases = [
        (message(5, 0x0110, [1, 0, 0, 0], &[&asked]), 4, 1),
        (message(5, 0x2900, [1, 0, 0, 0], &[&asked]), 4, 0),
        (message(5, 0x0100, [2, 0, 0, 0], &[&asked]), 1, 0),
        (message(5, 0x0100, [1, 1, 0, 0], &[&question("a", 1)]), 1, 1),
        (message(5, 0x0100, [1, 0, 0, 1], &[&question("a", 1), &opt(1232, 0, 3, 0x8000, &[])]), 0, 1),
    ];
    for (query, low, questions) in cases {
        let Err(Fault::Refused(refusal)) = parse(&query) else { panic!("{query:02x?}") };
        let mut bytes = query.clone();
        let len = refuse(&mut bytes, &refusal, 1232);
        let answer = &bytes[..len];
        assert!(len <= query.len());
        assert_eq!(
            (answer[0..2].to_vec(), answer[2] & 0xf9, answer[3] & 0x0f),
            (vec![0, 5], query[2] & 0x79 | 0x80, low)
        );
        assert_eq!(answer[4..10], [0, questions, 0, 0, 0, 0]);
        let opt = Message::from_octets(answer).unwrap().opt();
        assert_eq!(opt.map(|opt| (opt.version(), opt.dnssec_ok())), (low == 0).then_some((0, true)));
        if low == 0 {
            assert_eq!(answer[len - 6], 1, "BADVERS is 16");
        }
    }
}

#[test]
fn upstream_queries_are_read_by_others() {
    let asked = question("WwW.example", 28);
    let query = |flags, edns| {
        parse(&message(
            1,
            flags,
            [1, 0, 0, u16::from(edns)],
            &[&asked, &opt(512, 0, 0, 0x8000, &[])[..if edns { 11 } else { 0 }]],
        ))
        .unwrap()
    };
    for (flags, dnssec_ok, payload) in
        [(0x0110, true, Some(1232)), (0, false, Some(4096)), (0x0100, false, None)]
    {
        let variant = Variant::of(&query(flags, dnssec_ok));
        let mut bytes = vec![0; ask_len(asked.len(), payload.is_some())];
        ask(&mut bytes, 0x1234, &asked, variant, payload);
        let read = parse(&bytes).unwrap();
        assert_eq!((read.id, read.flags), (0x1234, flags | 0x20));
        assert_eq!(read.edns, payload.map(|payload| Edns { payload, dnssec_ok }));
        assert_eq!(bytes[12..12 + asked.len()], asked);
    }
}
