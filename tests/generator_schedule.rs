//! When the generator's packets come, how many, and on which queue.

mod generator_rig;

use generator_rig::{How, PLAIN, Received, Rig, packets};
use mnvkd::port::generator::{GeneratorConfig, Rate, Size, Span};
use mnvkd::port::{Arrival, Gate, Port};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

fn rated(rate: u64) -> GeneratorConfig {
    GeneratorConfig { rate: Some(Rate(rate)), flows: 10, ..GeneratorConfig::default() }
}

/// Calls until nothing comes at this time.
fn all_at(rig: &mut Rig, queue: usize, now_ns: u64) -> usize {
    std::iter::from_fn(|| Some(rig.receive(queue, 32, now_ns, Gate::OPEN).len()).filter(|count| *count > 0))
        .sum()
}

fn sorted(mut packets: Vec<Received>) -> Vec<Vec<u8>> {
    packets.sort();
    packets.into_iter().map(|packet| packet.bytes).collect()
}

#[test]
fn queues_share_the_same_packets() {
    let config = GeneratorConfig {
        flows: 50,
        count: Some(1234),
        size: Size::Imix,
        ipv6_share: 0.4,
        vlan_share: 0.2,
        ..GeneratorConfig::default()
    };
    let one = packets(config.clone(), 9, usize::MAX);
    assert_eq!(one.len(), 1234);
    for queues in [2, 3, 8] {
        let mut rig = Rig::open(config.clone(), How { queues, seed: 9, ..PLAIN });
        let parts: Vec<Vec<Received>> = (0..queues).map(|queue| rig.take(queue, usize::MAX)).collect();
        assert!((0..queues).all(|queue| rig.ended(queue)));
        assert!(parts.iter().filter(|part| !part.is_empty()).count() > 1);
        assert_eq!(sorted(parts.concat()), sorted(one.clone()), "{queues} queues");
        // Within a queue the order is the port's.
        let mut of_first = one.iter().filter(|packet| parts[0].contains(packet));
        assert!(parts[0].iter().all(|packet| of_first.any(|other| other == packet)));
    }
}

#[test]
fn a_count_is_split_evenly_and_the_rest_goes_to_the_first() {
    let config =
        GeneratorConfig { flows: 5, count: Some(13), bidirectional: false, ..GeneratorConfig::default() };
    let all = packets(config, 1, usize::MAX);
    let of_flow =
        |first: &Received| all.iter().filter(|packet| packet.bytes[26..38] == first.bytes[26..38]).count();
    assert_eq!(all[..5].iter().map(of_flow).collect::<Vec<_>>(), [3, 3, 3, 2, 2]);
    assert_eq!(
        packets(GeneratorConfig { flows: 5, count: Some(2), ..Default::default() }, 1, usize::MAX).len(),
        2
    );
}

#[test]
fn a_rate_is_exact_however_often_and_late_it_is_asked() {
    for rate in [7, 1000, 333_333, 14_880_952] {
        let (start, mut total, mut now) = (12_345, 0, 0);
        let mut rig = Rig::open(rated(rate), PLAIN);
        while now < SECOND / 50 {
            total += all_at(&mut rig, 0, start + now);
            // Packets k = 0, 1, ... with k / rate <= now.
            assert_eq!(
                total as u128,
                u128::from(now) * u128::from(rate) / u128::from(SECOND) + 1,
                "{rate} {now}"
            );
            now += 1 + now / 3 + 997;
        }
    }
}

#[test]
fn queues_keep_the_rate_together() {
    let mut rig = Rig::open(GeneratorConfig { flows: 100, ..rated(100_000) }, How { queues: 3, ..PLAIN });
    // The first call on any queue starts them all.
    let first = all_at(&mut rig, 1, 500);
    let rest: usize = [0, 1, 2].map(|queue| all_at(&mut rig, queue, 500 + 10 * MS)).iter().sum();
    assert_eq!(first + rest, 1001);
}

#[test]
fn a_duration_with_a_rate_is_a_number_of_packets() {
    let config = GeneratorConfig { duration: Some(Span { ns: 20 * MS }), ..rated(10_000) };
    let mut rig = Rig::open(config.clone(), PLAIN);
    assert_eq!(all_at(&mut rig, 0, 0), 1);
    assert!(!rig.ended(0));
    assert_eq!(all_at(&mut rig, 0, 30 * MS), 199, "late by less than the grace");
    assert!(rig.ended(0));

    let mut rig = Rig::open(config, PLAIN);
    assert_eq!(all_at(&mut rig, 0, 0), 1);
    assert_eq!(all_at(&mut rig, 0, 120 * MS), 0, "too late");
    assert!(rig.ended(0));
}

#[test]
fn a_duration_without_a_rate_ends_by_the_clock() {
    let config = GeneratorConfig { duration: Some(Span { ns: 5 * MS }), ..GeneratorConfig::default() };
    let mut rig = Rig::open(config, PLAIN);
    assert_eq!(rig.receive(0, 32, 100, Gate::OPEN).len(), 32);
    assert_eq!(rig.receive(0, 32, 99 + 5 * MS, Gate::OPEN)[0].time_ns, 99 + 5 * MS);
    assert!(!rig.ended(0));
    assert_eq!(rig.receive(0, 32, 100 + 5 * MS, Gate::OPEN).len(), 0);
    assert!(rig.ended(0));
}

#[test]
fn virtual_time_is_moved_by_arrivals() {
    let how = How { queues: 3, virtual_time: true, ..PLAIN };
    let config = GeneratorConfig { flows: 20, count: Some(95), ..GeneratorConfig::default() };
    let mut rig = Rig::open(config.clone(), how);
    let mut simulated = Vec::new();
    while let Some((queue, next)) =
        (0..3).filter_map(|queue| Some((queue, rig.next(queue)?))).min_by_key(|(_, next)| *next)
    {
        let ordinal = simulated.len() as u64;
        assert_eq!(next, Arrival { time_ns: ordinal * 1000, ordinal }, "1 Mpps unless told otherwise");
        assert!(rig.receive(queue, 32, next.time_ns, Gate::SHUT).is_empty());
        let gate = Gate { until_ns: next.time_ns, before_ordinal: u64::MAX };
        let some = rig.receive(queue, 32, next.time_ns, gate);
        assert!(some.len() == 1 && some[0].time_ns == next.time_ns);
        simulated.extend(some);
    }
    assert!((0..3).all(|queue| rig.ended(queue)));
    let real: Vec<Vec<u8>> = packets(config.clone(), 1, 95).into_iter().map(|packet| packet.bytes).collect();
    assert_eq!(simulated.into_iter().map(|packet| packet.bytes).collect::<Vec<_>>(), real);

    let mut rig = Rig::open(config, How { queues: 1, ..how });
    let gate = Gate { until_ns: u64::MAX, before_ordinal: 42 };
    assert_eq!(rig.receive(0, 64, 0, gate).len(), 42);
    assert_eq!(rig.next(0), Some(Arrival { time_ns: 42_000, ordinal: 42 }));
}

#[test]
fn without_frames_nothing_is_lost() {
    let config = GeneratorConfig { flows: 7, count: Some(100), ..GeneratorConfig::default() };
    let mut rig = Rig::open(config.clone(), How { frames: 3, ..PLAIN });
    assert_eq!(rig.receive(0, 32, 0, Gate::OPEN).len(), 3);
    let rest = rig.take(0, usize::MAX);
    assert_eq!(rest, packets(config, 1, 100)[3..]);
    assert_eq!(rig.frames.missing(), 0);
}

#[test]
fn what_does_not_fit_its_size_is_noted() {
    let notes = |config| {
        let rig = Rig::open(config, PLAIN);
        rig.port.notes()
    };
    assert_eq!(notes(GeneratorConfig::default()), [""; 0]);
    let config = GeneratorConfig { ipv6_share: 1.0, tcp_share: 1.0, ..GeneratorConfig::default() };
    assert_eq!(
        notes(config),
        ["size = 64: the shortest IPv6 TCP packets are 76 bytes, since their headers need it"]
    );
}
