use domain::base::name::ToLabelIter;
use domain::base::{Message, Name, Rtype};
use proptest::prelude::*;

use super::super::query::{Edns, Fault, Query, Refusal, parse};
use super::super::wire::rcode;
use super::{key, message, opt, question};

fn refused(bytes: &[u8]) -> u16 {
    match parse(bytes) {
        Err(Fault::Refused(Refusal { rcode, .. })) => rcode,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn queries_are_read() {
    let asked = question("www.Example.ORG", 28);
    let plain = message(7, 0x0100, [1, 0, 0, 0], &[&asked]);
    let expected = Query { id: 7, flags: 0x0100, question: asked.len(), edns: None };
    assert_eq!(parse(&plain), Ok(expected));
    assert_eq!(expected.limit(1232), 512);
    let with = message(7, 0x0110, [1, 0, 0, 1], &[&asked, &opt(4096, 0, 0, 0x8000, &[0, 3, 0, 0])]);
    let edns = Some(Edns { payload: 4096, dnssec_ok: true });
    assert_eq!(parse(&with), Ok(Query { flags: 0x0110, edns, ..expected }));
    let limits = [(100, 512), (512, 512), (1000, 1000), (1232, 1232), (9000, 1232)];
    for (payload, limit) in limits {
        let edns = Some(Edns { payload, dnssec_ok: false });
        assert_eq!(Query { edns, ..expected }.limit(1232), limit);
    }
    // The root, and a record before the OPT record.
    let other = [&[1, b'a', 0, 0, 1, 0, 1][..], &[0; 4], &[0, 1, 9]].concat();
    let two = message(7, 0, [1, 0, 0, 2], &[&question(".", 2), &other, &opt(1232, 0, 0, 0, &[])]);
    assert!(parse(&two).is_ok_and(|query| query.question == 5 && query.edns.is_some()));
}

#[test]
fn what_cannot_be_answered_is_told_apart() {
    let asked = question("a.example", 1);
    let good = |flags, counts, parts: &[&[u8]]| message(9, flags, counts, parts);
    for cut in 0..12 {
        assert_eq!(parse(&good(0, [1, 0, 0, 0], &[&asked])[..cut]), Err(Fault::Short));
    }
    assert_eq!(parse(&good(0x8000, [1, 0, 0, 0], &[&asked])), Err(Fault::Response));
    for opcode in 1..16 {
        assert_eq!(refused(&good(opcode << 11, [1, 0, 0, 0], &[&asked])), rcode::NOTIMP);
    }
    for counts in [[0, 0, 0, 0], [2, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1], [1, 0, 0, 65_535]] {
        assert_eq!(refused(&good(0, counts, &[&asked])), rcode::FORMERR, "{counts:?}");
    }
    // Behind the last record there is nothing.
    assert_eq!(refused(&good(0, [1, 0, 0, 0], &[&asked, &[0]])), rcode::FORMERR);
    let bad_opts = [
        [opt(1232, 0, 0, 0, &[]), opt(1232, 0, 0, 0, &[])].concat(),
        [&[1, b'a'][..], &opt(1232, 0, 0, 0, &[])].concat(),
    ];
    assert_eq!(refused(&good(0, [1, 0, 0, 2], &[&asked, &bad_opts[0]])), rcode::FORMERR);
    assert_eq!(refused(&good(0, [1, 0, 0, 1], &[&asked, &bad_opts[1]])), rcode::FORMERR);
    for options in [&[0][..], &[0, 1, 0], &[0, 1, 0, 1], &[0, 1, 0, 0, 0]] {
        let bad = good(0, [1, 0, 0, 1], &[&asked, &opt(1232, 0, 0, 0, options)]);
        assert_eq!(refused(&bad), rcode::FORMERR, "{options:?}");
    }
    assert_eq!(refused(&good(0, [1, 0, 0, 1], &[&asked, &opt(1232, 0, 1, 0, &[])])), rcode::BADVERS);
    for (kind, rcode) in [(0, 1), (41, 1), (249, 1), (250, 1), (251, 4), (252, 4), (253, 4), (254, 4)] {
        assert_eq!(refused(&good(0, [1, 0, 0, 0], &[&question("a", kind)])), rcode, "{kind}");
    }
    for kind in [1, 28, 255, 64, 65_280] {
        assert!(parse(&good(0, [1, 0, 0, 0], &[&question("a", kind)])).is_ok(), "{kind}");
    }
}

#[test]
fn names_have_their_limits() {
    let label = |len: usize| [&[len as u8][..], &vec![b'x'; len]].concat();
    let of = |labels: &[usize]| {
        let name: Vec<u8> = labels.iter().flat_map(|len| label(*len)).chain([0, 0, 1, 0, 1]).collect();
        parse(&message(1, 0, [1, 0, 0, 0], &[&name]))
    };
    assert!(of(&[63, 63, 63, 61]).is_ok_and(|query| query.question == 259));
    assert!(of(&[63, 63, 63, 62]).is_err());
    assert!(of(&[64]).is_err() && of(&[0xc0]).is_err());
    assert_eq!(refused(&message(1, 0, [1, 0, 0, 0], &[&[0xc0, 12, 0, 1, 0, 1]])), rcode::FORMERR);
}

#[test]
fn keys_mind_no_case_and_everything_else() {
    let base = key(&question("www.Example.org", 1), 1);
    assert_eq!(base, key(&question("WWW.example.ORG", 1), 1));
    for other in
        [question("www.example.org", 28), question("ww.example.org", 1), question("www.example.orf", 1)]
    {
        assert_ne!(base, key(&other, 1));
    }
    assert_ne!(base.hash(), key(&question("www.Example.org", 1), 2).hash());
    let asked = question("a", 1);
    let with = |flags, dnssec_ok| {
        let edns = Some(Edns { payload: 512, dnssec_ok });
        let query = Query { id: 0, flags, question: asked.len(), edns };
        super::super::key::Key::new(&message(0, flags, [1, 0, 0, 0], &[&asked]), &query, 1)
    };
    let all: Vec<_> = [0, 0x0100, 0x0010, 0x0110]
        .iter()
        .flat_map(|flags| [false, true].map(|ok| with(*flags, ok)))
        .collect();
    for (i, one) in all.iter().enumerate() {
        assert!(all.iter().enumerate().all(|(j, other)| (one == other) == (i == j)));
    }
    assert_eq!(with(0x0020, false), with(0, false), "AD changes no answer");
}

proptest! {
    #[test]
    fn garbage_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), tidy: bool) {
        if tidy && bytes.len() > 12 {
            bytes[2] &= 0x07;
            bytes[4..11].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0]);
            bytes[11] %= 3;
        }
        if let Ok(query) = parse(&bytes) {
            // What is read is what another reader reads.
            let message = Message::from_octets(&bytes[..]).unwrap();
            let asked = message.sole_question().unwrap();
            prop_assert_eq!(query.question, usize::from(asked.qname().compose_len()) + 4);
            prop_assert_eq!(query.edns.is_some(), message.opt().is_some());
        }
    }

    #[test]
    fn queries_of_another_make_are_read(labels in proptest::collection::vec("[a-zA-Z0-9-]{1,20}", 0..6), kind in 1u16..40, payload: u16, dnssec_ok: bool) {
        let name = format!("{}.", labels.join("."));
        let mut builder = domain::base::MessageBuilder::new_vec().question();
        builder.header_mut().set_rd(true);
        builder.push((name.parse::<Name<Vec<u8>>>().unwrap(), Rtype::from_int(kind))).unwrap();
        let mut builder = builder.additional();
        builder.opt(|opt| {
            opt.set_udp_payload_size(payload);
            opt.set_dnssec_ok(dnssec_ok);
            Ok(())
        }).unwrap();
        let bytes = builder.finish();
        let query = parse(&bytes).unwrap();
        prop_assert_eq!(query.edns, Some(Edns { payload, dnssec_ok }));
        for cut in 0..bytes.len() {
            prop_assert!(parse(&bytes[..cut]).is_err());
        }
    }
}
