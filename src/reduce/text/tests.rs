//! The picture of a whole report, to the letter.

use std::collections::BTreeMap;

use super::*;
use crate::reduce::report::*;

fn report() -> Report {
    let regimes = [0.25, 0.25, 0.004, 0.25, 0.0, 0.246, 0.0];
    Report {
        mode: "run",
        cores: 1,
        seed: 7,
        virtual_time: false,
        pages: PagesReport {
            policy: "prefer".into(),
            obtained: "4K".into(),
            reason: Some("no free 2M pages".into()),
        },
        books: BooksReport {
            originated: 0,
            received: 1_234_567,
            forwarded: 1_234_000,
            consumed: 60,
            dropped: BTreeMap::from([("total".into(), 507), ("policy".into(), 500), ("oversize".into(), 7)]),
            held: 0,
            unaccounted: 0,
        },
        input: InputTotals::default(),
        ports: BTreeMap::from([(
            "in".into(),
            PortReport { received: 1_234_567, received_bytes: 79_012_288, ..PortReport::default() },
        )]),
        per_core: vec![CoreReport {
            core: 0,
            packets: 1_234_567,
            cpu: Some(3),
            preempted: Some(1_204),
            waited_seconds: Some(0.25),
            regimes: REGIME_NAMES.into_iter().zip(regimes).collect(),
        }],
        rate: RateReport {
            seconds: 0.5,
            packets_per_second: 2_469_134.0,
            bits_per_second: 1.264e9,
            cycles_per_packet: Some(21.25),
        },
        digest: DigestReport { output: None, tally: "ab".into() },
        tallies: BTreeMap::from([("meter".into(), serde_json::json!({"flows": 1024, "bad": {"ipv4": 0}}))]),
        tasks: None,
        containers: vec![ContainerReport {
            application: "meter".into(),
            name: "flows",
            capacity: 65_536,
            used: 1024,
            peak: 2000,
            fullest: 0.0305,
            evicted: 0,
            refused: 12,
        }],
        stages: vec![StageReport {
            pipeline: "main".into(),
            stage: "meter".into(),
            packets_measured: 320,
            cycles_per_packet: Some(12.5),
            burst_cycles_p50: 400,
            burst_cycles_p99: 1200,
            burst_cycles_max: 50_000,
        }],
        notes: vec!["one\ntwo".into()],
        errors: vec![],
    }
}

#[test]
fn a_report_is_drawn_to_the_letter() {
    let expected = "\
mnvkd run: 1 core, polling, seed 7
pages 4K (policy prefer): no free 2M pages

books
  received     1,234,567
  forwarded    1,234,000
  consumed            60
  dropped            507
    oversize           7
    policy           500
  held                 0
  unaccounted          0

ports
       received     bytes  transmitted  bytes  lost
  in  1,234,567  79.01 MB            0    0 B  none

cores
  core  cpu    packets  time                      receive %  steer %  pipeline %  transmit %  housekeeping %  idle %  preempted    waited
     0    3  1,234,567  RRRRRRPPPPPPTTTTTT......         25       <1          25          25               0      25      1,204  250.0 ms
  R receive  S steer  P pipeline  K tasks  T transmit  H housekeeping  . idle

stages (cycles)
  pipeline  stage  per packet  burst p50  burst p99  burst max  packets measured
  main      meter        12.5        400      1,200     50,000               320

containers
  application  container  capacity   used   peak  fullest core %  evicted  refused
  meter        flows        65,536  1,024  2,000               3        0       12

rate
  2.469 Mpkt/s, 1.264 Gbit/s, 21.2 cycles/packet, in 500.0 ms

tally of meter
  bad.ipv4      0
  flows     1,024

digests
  tally  ab

notes
  one
    two
";
    assert_eq!(render(&report()), expected);
}

#[test]
fn damage_losses_errors_and_missing_packets_are_told() {
    let mut report = report();
    report.virtual_time = true;
    report.input = InputTotals {
        packets: 5,
        damaged: true,
        offset: Some(4096),
        error: Some("a.pcap: cut short".into()),
    };
    report.books.unaccounted = -2;
    report.errors.push("frames are missing".into());
    if let Some(port) = report.ports.get_mut("in") {
        port.lost.insert("ring-full".into(), 3000);
        port.lost.insert("other".into(), 0);
    }
    let text = render(&report);
    for expected in [
        "1 core, simulated in virtual time, seed 7\n",
        "  damaged at byte 4,096: a.pcap: cut short; what is before it was read\n",
        "  unaccounted         -2\n",
        "  ring-full 3,000\n",
        "\nerrors\n  frames are missing\n",
    ] {
        assert!(text.contains(expected), "{expected:?} in\n{text}");
    }
}

#[test]
fn a_long_tally_is_cut_and_says_so() {
    let tally: serde_json::Map<String, serde_json::Value> =
        (0..65).map(|i| (format!("k{i:02}"), serde_json::json!([1, 2]))).collect();
    let lines = tally_lines(&serde_json::Value::Object(tally));
    assert_eq!(lines.lines().count(), 61);
    assert!(lines.starts_with("  k00  2 rows\n"));
    assert!(lines.ends_with("  and 5 more; --json has all\n"));
}
