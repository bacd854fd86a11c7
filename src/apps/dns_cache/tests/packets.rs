//! Queries in packets of all kinds, answered from the cache.

use etherparse::PacketBuilder;

use super::super::cache::Answer;
use super::super::message::{HEADER, Key, parse};
use super::rig::{OWN, Outcome, PEER, Station, config, dropped};

const SECOND: u64 = 1_000_000_000;

/// A query for `www.example`, in these letters, with this OPT record.
fn query(name: &[u8; 13], opt: &[u8]) -> Vec<u8> {
    let counts = [0, 1, 0, 0, 0, 0, 0, u8::from(!opt.is_empty())];
    [&[0xab, 0xcd, 1, 0][..], &counts, name, &[0, 1, 0, 1], opt].concat()
}

const NAME: &[u8; 13] = b"\x03www\x07example\0";
const LOUD: &[u8; 13] = b"\x03wWw\x07eXAMPLE\0";
const OPT: &[u8] = &[0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0];

fn udp4(message: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(PEER, OWN).ipv4([10, 9, 0, 2], [10, 9, 0, 1], 9).udp(4000, 53);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, message).unwrap();
    bytes
}

fn udp6(message: &[u8]) -> Vec<u8> {
    let address = |last| [0xfd, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let builder = PacketBuilder::ethernet2(PEER, OWN).ipv6(address(2), address(1), 9).udp(4000, 53);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, message).unwrap();
    bytes
}

/// A station that knows `records` addresses of `www.example`, for a minute from the first second on.
fn knowing(records: u8) -> Station {
    let mut station = Station::new(&config());
    let asked = query(NAME, &[]);
    let mut message = asked.clone();
    message[2..8].copy_from_slice(&[0x84, 0, 0, 1, 0, records]);
    let mut ttls = Vec::new();
    for number in 0..records {
        ttls.push(message.len() as u16 + 6);
        message.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, number]);
    }
    let shard = station.core.shards[0].as_mut().unwrap();
    for opt in [&[][..], OPT] {
        let asked = query(NAME, opt);
        let key = Key::new(&asked, &parse(&asked).unwrap(), 7);
        let answer = Answer { message: &message, ttls: &ttls, extended: 0, life: 60 };
        shard.cache.insert(&key, &answer, false, SECOND);
    }
    station
}

#[test]
fn hits_are_answered_in_their_own_packet() {
    let mut station = knowing(2);
    for (wrap, head) in [(udp4 as fn(&[u8]) -> Vec<u8>, 14 + 20), (udp6, 14 + 40)] {
        let answer = station.ask(&wrap(&query(LOUD, OPT)), 11 * SECOND).answer();
        assert_eq!((&answer[..6], &answer[6..12]), (&PEER[..], &OWN[..]));
        assert_eq!(answer[head..head + 4], [0, 53, 0x0f, 0xa0], "ports");
        let message = &answer[head + 8..];
        assert_eq!(message[..HEADER], [0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 1]);
        assert_eq!(&message[HEADER..HEADER + 13], LOUD);
        assert_eq!(message[29..45], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 50, 0, 4, 192, 0, 2, 0]);
        assert_eq!(message[61..72], [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(message.len(), 72);
    }
    assert_eq!((station.core.tally.hits, station.core.tally.answers.noerror), (2, 2));
    assert_eq!(station.ask(&udp4(&query(LOUD, OPT)), 61 * SECOND), Outcome::Pass, "too old");
    assert_eq!((station.core.tally.hits, station.core.tally.queries), (2, 3));
}

#[test]
fn options_and_padding_do_not_come_back() {
    let mut station = knowing(1);
    let plain = station.ask(&udp4(&query(NAME, &[])), SECOND).answer();
    let mut padded = udp4(&query(NAME, &[]));
    padded.extend_from_slice(&[0x55; 40]);
    let answer = station.ask(&padded, SECOND).answer();
    assert_eq!(answer[..plain.len()], plain);
    // Record route, and what ends it.
    let options = [7, 7, 4, 0, 0, 0, 0, 0];
    let header = etherparse::Ipv4Options::try_from(&options[..]).unwrap();
    let mut ip =
        etherparse::Ipv4Header::new(0, 9, etherparse::IpNumber::UDP, [10, 9, 0, 2], [10, 9, 0, 1]).unwrap();
    ip.options = header;
    let builder = PacketBuilder::ethernet2(PEER, OWN)
        .ip(etherparse::IpHeaders::Ipv4(ip, Default::default()))
        .udp(4000, 53);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, &query(NAME, &[])).unwrap();
    let answer = station.ask(&bytes, SECOND).answer();
    assert_eq!(answer[34..plain.len()], plain[34..]);
}

#[test]
fn clients_get_no_more_than_they_take() {
    let mut station = knowing(40);
    let cut = station.ask(&udp4(&query(NAME, &[])), SECOND).answer();
    assert_eq!(cut.len() - 42, 12 + 17, "one RRset of 640 bytes is not cut in two");
    assert_eq!((cut[44] & 2, cut[48..50].to_vec()), (2, vec![0, 0]), "TC, and no answer");
    let whole = station.ask(&udp4(&query(NAME, OPT)), SECOND).answer();
    assert_eq!((whole.len() - 42, whole[44] & 2), (12 + 17 + 640 + 11, 0));
    assert_eq!(station.core.tally.truncated, 1);
}

#[test]
fn what_cannot_be_read_is_told_so_or_dropped() {
    let mut station = knowing(1);
    let notify = [&[0, 5, 0x20, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], NAME, &[0, 6, 0, 1]].concat();
    let answer = station.ask(&udp4(&notify), SECOND).answer();
    assert_eq!(answer[42..54], [0, 5, 0xa0, 0x84, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(station.core.tally.answers.notimp, 1);
    assert_eq!(station.ask(&udp4(&notify[..11]), SECOND), dropped("dns-malformed"));
    let mut response = query(NAME, &[]);
    response[2] |= 0x80;
    assert_eq!(station.ask(&udp4(&response), SECOND), dropped("dns-not-a-query"));
    let good = udp4(&query(NAME, &[]));
    let mut wrong = good.clone();
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(station.ask(&wrong, SECOND), dropped("bad-checksum"));
    // Without a checksum it is as good.
    wrong[40..42].fill(0);
    wrong[good.len() - 1] ^= 1;
    assert!(matches!(station.ask(&wrong, SECOND), Outcome::Answer(_)));
    let mut group = good.clone();
    group[..6].fill(0xff);
    assert_eq!(station.ask(&group, SECOND), dropped("link-broadcast"));
    let mut stranger = good.clone();
    stranger[5] = 9;
    assert_eq!(station.ask(&stranger, SECOND), Outcome::Pass);
    assert_eq!(station.ask(&good[..good.len() - 1], SECOND), dropped("malformed"));
    let mut absent = udp6(&query(NAME, &[]));
    absent[60..62].fill(0);
    assert_eq!(station.ask(&absent, SECOND), dropped("no-checksum"));
    for (source, reason) in
        [([10, 9, 0, 1], "bad-source"), ([127, 0, 0, 1], "bad-source"), ([224, 0, 0, 1], "bad-source")]
    {
        let builder = PacketBuilder::ethernet2(PEER, OWN).ipv4(source, [10, 9, 0, 1], 9).udp(4000, 53);
        let mut bytes = Vec::new();
        builder.write(&mut bytes, &query(NAME, &[])).unwrap();
        assert_eq!(station.ask(&bytes, SECOND), dropped(reason), "{source:?}");
    }
}

#[test]
fn neighbours_are_heard() {
    let mut station = knowing(1);
    let mut reply = [
        OWN.as_slice(),
        &[2, 0, 0, 0, 0, 3],
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
        &[2, 0, 0, 0, 0, 3],
        &[10, 9, 0, 3],
        &OWN,
        &[10, 9, 0, 1],
    ]
    .concat();
    assert_eq!(station.ask(&reply, SECOND), Outcome::Consumed);
    assert_eq!(station.core.settings.board.mac(0, 2 * SECOND), Some([2, 0, 0, 0, 0, 3]));
    // A stranger's, a request, one to somebody else.
    for (at, value) in [(31, 4), (21, 1), (41, 9), (28, 0x80)] {
        let mut other = reply.clone();
        other[at] = value;
        assert_eq!(station.ask(&other, SECOND), Outcome::Pass, "{at}");
    }
    reply.truncate(41);
    assert_eq!(station.ask(&reply, SECOND), Outcome::Pass);
}

#[test]
fn nothing_that_is_cut_off_or_damaged_panics() {
    let mut station = knowing(3);
    for good in [udp4(&query(LOUD, OPT)), udp6(&query(LOUD, OPT))] {
        for cut in 0..good.len() {
            station.ask(&good[..cut], SECOND);
        }
        for at in 0..good.len() {
            for value in [0, 0xff, good[at] ^ 0x10] {
                let mut bad = good.clone();
                bad[at] = value;
                station.ask(&bad, SECOND);
            }
        }
    }
}
