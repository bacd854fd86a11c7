use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type InVec = TimerWheel<u64, Vec<Timer<u64>>, Vec<Chunk>>;

fn wheel(capacity: usize, now_ns: u64) -> InVec {
    let chunks = vec![Chunk::new_zeroed(); chunks_for(capacity)];
    TimerWheel::new(vec![Timer::new_zeroed(); capacity], chunks, now_ns)
}

fn fired(wheel: &mut InVec, now_ns: u64) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    while !wheel.advance(now_ns, 100, |_, deadline, value| all.push((deadline, value))).complete {}
    all
}

#[test]
fn fires_by_the_nanosecond() {
    let mut wheel = wheel(4, 5_000);
    wheel.arm(7_001, 1).unwrap();
    wheel.arm(7_000, 2).unwrap();
    wheel.arm(4_000, 3).unwrap();
    assert_eq!(fired(&mut wheel, 5_000), [(4_000, 3)]);
    assert_eq!(fired(&mut wheel, 6_999), []);
    assert_eq!(wheel.next_deadline_ns(), Some(7_000));
    assert_eq!(fired(&mut wheel, 7_000), [(7_000, 2)]);
    assert_eq!(fired(&mut wheel, 7_001), [(7_001, 1)]);
    assert_eq!((wheel.next_deadline_ns(), wheel.len(), wheel.peak()), (None, 0, 3));
}

#[test]
fn reaches_from_a_nanosecond_to_the_end_of_time() {
    let deadlines: Vec<u64> = (0..64).map(|bit| 1u64 << bit).chain([u64::MAX]).collect();
    let mut wheel = wheel(deadlines.len(), 0);
    for deadline in &deadlines {
        wheel.arm(*deadline, *deadline).unwrap();
    }
    for deadline in deadlines {
        assert_eq!(wheel.next_deadline_ns(), Some(deadline));
        assert_eq!(fired(&mut wheel, deadline - 1), []);
        assert_eq!(fired(&mut wheel, deadline), [(deadline, deadline)]);
    }
}

#[test]
fn an_hour_without_anything_due_is_a_few_steps() {
    let mut wheel = wheel(1, 0);
    wheel.arm(3_600_000_000_000, 9).unwrap();
    let mut calls = 0;
    while !wheel.advance(3_600_000_000_000, 1, |_, _, _| ()).complete {
        calls += 1;
    }
    assert!(calls <= LEVELS, "{calls}");
}

#[test]
fn a_full_wheel_refuses_and_an_old_name_names_nobody() {
    let mut wheel = wheel(2, 0);
    let one = wheel.arm(10, 1).unwrap();
    wheel.arm(20, 2).unwrap();
    assert!(wheel.arm(30, 3).is_none());
    assert_eq!(wheel.full_count(), 1);
    assert_eq!(wheel.deadline_ns(one), Some(10));
    assert_eq!(wheel.cancel(one), Some(1));
    let again = wheel.arm(40, 4).unwrap();
    assert_eq!((wheel.cancel(one), wheel.deadline_ns(one)), (None, None));
    assert_eq!(wheel.cancel(again), Some(4));
}

#[test]
fn a_limit_is_kept_and_nothing_is_forgotten() {
    let mut wheel = wheel(1000, 0);
    for n in 0..1000 {
        wheel.arm(1_000_000 + n % 7, n).unwrap();
    }
    let mut all = Vec::new();
    loop {
        let before = all.len();
        let advance = wheel.advance(2_000_000, 10, |_, _, value| all.push(value));
        assert_eq!(advance.fired, all.len() - before);
        assert!(advance.fired <= 10);
        // A timer that is armed half way through comes in time as well.
        if all.len() == 500 && wheel.arm(1_500_000, 5000).is_none() {
            unreachable!("half of them are free");
        }
        if advance.complete {
            break;
        }
    }
    all.sort_unstable();
    all.dedup();
    assert!(all.len() >= 1000 && wheel.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn agrees_with_a_sorted_map(
        start in 0u64..1 << 40,
        actions in proptest::collection::vec((0u8..4, 0u32..44, any::<u64>()), 1..300),
        capacity in 1usize..60,
        limit in 1usize..20,
    ) {
        let mut wheel = wheel(capacity, start);
        let mut model: BTreeMap<u64, (u64, TimerId)> = BTreeMap::new();
        let (mut now, mut next) = (start, 0u64);
        for (action, bits, random) in actions {
            // Spans of every length, from none to hours.
            let span = random & ((1u64 << bits) - 1);
            match action {
                0 | 1 => match wheel.arm(now.saturating_add(span).saturating_sub(1000), next) {
                    Some(id) => {
                        prop_assert!(model.len() < capacity);
                        model.insert(next, (now.saturating_add(span).saturating_sub(1000), id));
                        next += 1;
                    }
                    None => prop_assert_eq!(model.len(), capacity),
                },
                2 if next > 0 => {
                    let which = random % next;
                    if let Some((deadline, id)) = model.remove(&which) {
                        prop_assert_eq!(wheel.deadline_ns(id), Some(deadline));
                        prop_assert_eq!(wheel.cancel(id), Some(which));
                        prop_assert_eq!(wheel.cancel(id), None);
                    }
                }
                _ => {
                    now += span;
                    let mut due: Vec<(u64, u64)> = Vec::new();
                    while !wheel.advance(now, limit, |_, deadline, value| due.push((deadline, value))).complete {}
                    due.sort_unstable();
                    let mut expected: Vec<(u64, u64)> =
                        model.iter().filter(|(_, (deadline, _))| *deadline <= now).map(|(value, (deadline, _))| (*deadline, *value)).collect();
                    expected.sort_unstable();
                    prop_assert_eq!(due, expected);
                    model.retain(|_, (deadline, _)| *deadline > now);
                }
            }
            prop_assert_eq!(wheel.len(), model.len());
            prop_assert_eq!(wheel.next_deadline_ns(), model.values().map(|(deadline, _)| *deadline).min());
        }
    }
}

#[test]
fn what_is_due_next_is_known_at_once_however_many_timers_there_are() {
    let mut wheel = wheel(100_000, 1_000_000);
    let deadlines: Vec<u64> = (0..100_000u64).map(|n| 30_000_000_000 + n * 7_919 % 4_000_000).collect();
    for deadline in &deadlines {
        wheel.arm(*deadline, *deadline).unwrap();
    }
    let (mut left, mut now_ns, mut looks) = (deadlines.len(), 1_000_000, 0);
    while let Some(next_ns) = wheel.next_deadline_ns() {
        assert!(next_ns > now_ns, "time goes on");
        now_ns = next_ns;
        looks += 1;
        let due = fired(&mut wheel, now_ns);
        assert!(due.iter().all(|(deadline, _)| *deadline == now_ns), "none was due before");
        left -= due.len();
    }
    assert_eq!(left, 0);
    let mut distinct = deadlines;
    distinct.sort_unstable();
    distinct.dedup();
    // Besides each deadline, the few times at which timers move down.
    assert!(looks < distinct.len() + 200, "{looks}");
}
