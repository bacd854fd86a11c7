//! The cache against a map that forgets nothing.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::cache::{Answer, Cache};
use super::super::message::{HEADER, Key};
use super::rig::cache;
use crate::apps::dns_cache::message::{parse, put};

const SECOND: u64 = 1_000_000_000;

fn key(name: usize) -> Key {
    // Names of many lengths, so that questions end everywhere in a block.
    let label = format!("{name}{}", "x".repeat(name * 7 % 60));
    let mut message = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, label.len() as u8];
    message.extend_from_slice(label.as_bytes());
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    Key::new(&message, &parse(&message).unwrap(), 3)
}

/// An answer of about so many bytes, every record of which is a TTL and nothing else.
fn made(key: &Key, bytes: usize, filler: u8) -> (Vec<u8>, Vec<u16>) {
    let mut message = vec![filler; HEADER];
    message.extend_from_slice(key.question());
    let start = message.len();
    message.resize(start + bytes, filler);
    let ttls: Vec<u16> = (start..message.len().saturating_sub(4)).step_by(17).map(|at| at as u16).collect();
    for at in &ttls {
        put(&mut message, usize::from(*at), 0);
        put(&mut message, usize::from(*at) + 2, 1000 + at);
    }
    (message, ttls)
}

/// The message as it goes out after so many seconds.
fn aged(message: &[u8], ttls: &[u16], seconds: u16) -> Vec<u8> {
    let mut message = message.to_vec();
    for at in ttls {
        put(&mut message, usize::from(*at) + 2, 1000 + at - seconds);
    }
    message
}

fn found(cache: &mut Cache, key: &Key, now_ns: u64, asked_ns: u64) -> Option<Vec<u8>> {
    let hit = cache.find(key, now_ns, asked_ns)?;
    let mut message = vec![0xaa; hit.len];
    // The question is the client's.
    message[HEADER..HEADER + key.question().len()].copy_from_slice(key.question());
    cache.copy(hit, &mut message);
    Some(message)
}

fn put_in(cache: &mut Cache, key: &Key, (message, ttls): &(Vec<u8>, Vec<u16>), life: u32, now_ns: u64) {
    let answer = Answer { message, ttls, extended: 0, life };
    cache.insert(key, &answer, false, now_ns);
}

#[test]
fn ttls_are_counted_down_and_old_answers_go() {
    let mut cache = cache(4, 100);
    let key = key(1);
    let answer = made(&key, 100, 7);
    put_in(&mut cache, &key, &answer, 30, 5 * SECOND);
    for (later_ns, seconds) in
        [(0, 0), (SECOND - 1, 0), (SECOND, 1), (29 * SECOND, 29), (30 * SECOND - 1, 29)]
    {
        let now_ns = 5 * SECOND + later_ns;
        assert_eq!(found(&mut cache, &key, now_ns, now_ns), Some(aged(&answer.0, &answer.1, seconds)));
    }
    assert_eq!(found(&mut cache, &key, 35 * SECOND, 35 * SECOND), None);
    assert_eq!((cache.len(), cache.counts.expired), (0, 1));
}

#[test]
fn who_asked_before_the_answer_came_gets_it_whatever_its_life() {
    let mut cache = cache(4, 100);
    let key = key(1);
    put_in(&mut cache, &key, &made(&key, 20, 7), 0, 100);
    assert!(found(&mut cache, &key, 100, 99).is_some() && found(&mut cache, &key, 500, 100).is_some());
    assert!(found(&mut cache, &key, 500, 101).is_none());
}

#[test]
fn what_is_used_stays_when_room_is_made() {
    let mut cache = cache(8, 1000);
    let keys: Vec<Key> = (0..20).map(key).collect();
    for (number, one) in keys.iter().enumerate() {
        put_in(&mut cache, one, &made(one, 30, 1), 60, 0);
        assert!(found(&mut cache, &keys[0], 1, 1).is_some(), "{number}: always used");
    }
    assert_eq!((cache.len(), cache.counts.evicted, cache.counts.inserted), (8, 12, 20));
}

#[test]
fn one_large_answer_makes_many_small_ones_go() {
    let mut cache = cache(64, 80);
    for name in 0..64 {
        put_in(&mut cache, &key(name), &made(&key(name), 1, 1), 60, 0);
    }
    let large = key(100);
    let answer = made(&large, 3900, 9);
    put_in(&mut cache, &large, &answer, 60, SECOND);
    assert_eq!(found(&mut cache, &large, SECOND, SECOND), Some(answer.0));
    let too_large = key(101);
    put_in(&mut cache, &too_large, &made(&too_large, 6000, 9), 60, SECOND);
    assert_eq!(found(&mut cache, &too_large, SECOND, SECOND), None);
    assert!(found(&mut cache, &large, SECOND, SECOND).is_some(), "and nothing went for it");
}

#[derive(Clone, Debug)]
enum Op {
    Insert { name: usize, bytes: usize, filler: u8, life: u32 },
    Find { name: usize },
    Pass { ms: u64 },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op =
        prop_oneof![
            (0usize..40, 0usize..400, 1u8..255, 0u32..40)
                .prop_map(|(name, bytes, filler, life)| Op::Insert { name, bytes, filler, life }),
            (0usize..40).prop_map(|name| Op::Find { name }),
            (0u64..5000).prop_map(|ms| Op::Pass { ms }),
        ];
    proptest::collection::vec(op, 1..400)
}

proptest! {
    #[test]
    fn it_is_a_map_that_may_forget(ops in ops(), entries in 1u32..50, blocks in 8u32..800) {
        let mut cache = cache(entries, blocks);
        let roomy = entries >= 40 && blocks >= 40 * 10;
        let mut model = HashMap::new();
        let mut now_ns = SECOND;
        for op in ops {
            match op {
                Op::Insert { name, bytes, filler, life } => {
                    let answer = made(&key(name), bytes, filler);
                    put_in(&mut cache, &key(name), &answer, life, now_ns);
                    model.insert(name, (answer, now_ns, life));
                }
                Op::Find { name } => {
                    let fresh = model.get(&name).filter(|(_, since, life)| {
                        now_ns < since + u64::from(*life) * SECOND || *since == now_ns
                    });
                    let expected = fresh.map(|(answer, since, _)| {
                        aged(&answer.0, &answer.1, ((now_ns - since) / SECOND) as u16)
                    });
                    match found(&mut cache, &key(name), now_ns, now_ns) {
                        Some(message) => prop_assert_eq!(Some(message), expected),
                        None => prop_assert!(expected.is_none() || !roomy && cache.counts.evicted > 0),
                    }
                }
                Op::Pass { ms } => now_ns += ms * 1_000_000,
            }
            prop_assert!(cache.len() <= entries as usize);
        }
    }
}
