//! Tasks that do everything tasks can do, by seed: whatever comes of it, packets are accounted for, frames are home, and
//! slots and timers come back.

use std::time::Duration;

use mnvkd::port::capture::FileFormat;
use mnvkd::prelude::*;
use mnvkd::task::{self, Flows, TaskKind, TaskNeeds};
use serde::{Deserialize, Serialize};

mod rig;

use rig::{How, Rec, Scratch, Setup, output, udp, write_capture};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
struct ChaosConfig {
    seed: u64,
    slots: u32,
}

impl Default for ChaosConfig {
    fn default() -> ChaosConfig {
        ChaosConfig { seed: 1, slots: 600 }
    }
}

/// Numbers out of a seed (splitmix64; Steele, Lea, Flood 2014).
#[derive(Clone)]
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % below
    }

    fn time(&mut self) -> Duration {
        Duration::from_nanos(self.next(300_000))
    }
}

struct Chaos {
    seed: u64,
    kind: TaskKind,
    child: TaskKind,
    flows: Flows,
}

/// Ends some time, or panics, or waits for longer than anybody cares.
async fn child(mut draw: Draw) -> u64 {
    for _ in 0..draw.next(4) {
        task::sleep(draw.time()).await;
    }
    match draw.next(8) {
        0 => panic!("a child panics, as it should in this test"),
        1 => std::future::pending().await,
        _ => draw.next(100),
    }
}

async fn chaos(held: Held, mut draw: Draw, kind: TaskKind) {
    let port = held.port();
    let mut held = Some(held);
    for _ in 0..draw.next(6) {
        match draw.next(9) {
            0 => task::sleep(draw.time()).await,
            1 => task::yield_now().await,
            2 => {
                let limit = draw.time();
                let _ = task::timeout(limit, child(Draw(draw.next(u64::MAX)))).await;
            }
            3 => {
                if let Ok(join) = task::spawn(kind, child(Draw(draw.next(u64::MAX)))) {
                    let _ = task::timeout(Duration::from_millis(1), join).await;
                }
            }
            4 => {
                if let Ok(join) = task::spawn(kind, child(Draw(draw.next(u64::MAX)))) {
                    task::sleep(draw.time()).await;
                    join.cancel();
                }
            }
            5 => {
                if let Some(mut made) = task::originate(port) {
                    assert!(made.resize(60));
                    made.data_mut().fill(draw.next(256) as u8);
                    match draw.next(3) {
                        0 => made.forward(port),
                        1 => made.consume(),
                        _ => drop(made),
                    }
                }
            }
            6 => {
                if let (Ok((sender, mut receiver)), Some(packet)) = (task::channel::<Held, 2>(), held.take())
                {
                    let _ = sender.try_send(packet);
                    task::yield_now().await;
                    held = if draw.next(3) == 0 { None } else { receiver.recv().await };
                }
            }
            7 => assert_ne!(draw.next(10), 0, "a task panics, as it should in this test"),
            _ => {
                let mut every = task::interval(Duration::from_micros(40));
                let _ = task::timeout(draw.time(), async {
                    loop {
                        every.tick().await;
                    }
                })
                .await;
            }
        }
    }
    let Some(held) = held else { return };
    match draw.next(4) {
        0 => held.consume(),
        1 => drop(held),
        2 => held.drop_for(Reason::POLICY),
        _ => held.forward(port),
    }
}

/// The first packets of a flow, each in a task of its own, and the rest in the flow's.
async fn flow(mut flow: Flow, mut draw: Draw, kind: TaskKind) {
    for _ in 0..draw.next(40) {
        let limit = draw.time() * 4;
        match flow.recv_timeout(limit).await {
            Ok(Some(packet)) => chaos(packet, Draw(draw.next(u64::MAX)), kind).await,
            Ok(None) => return,
            Err(Elapsed) => {}
        }
    }
}

impl Application for Chaos {
    type Config = ChaosConfig;
    type Tally = ();
    const KEY: PartitionKey = PartitionKey::FiveTuple;
    const DECIDES: bool = true;

    fn tasks(config: &ChaosConfig) -> TaskNeeds {
        let big = task::room(|(a, b, c)| flow(a, b, c));
        TaskNeeds::default()
            .tasks(big, config.slots)
            .tasks(task::room(|(draw,)| child(draw)), config.slots)
            .shared(task::channel_room::<Held, 2>(), 64)
            .timers(4 * config.slots)
            .flows(config.slots / 4)
            .originates(16)
    }

    fn new(config: &ChaosConfig, build: &mut Build<'_>) -> Result<Chaos> {
        let limits = task::FlowLimits { mailbox: 4, idle: Duration::from_micros(500), ..Default::default() };
        let flows = build.flows("chaos", config.slots / 4, limits)?;
        Ok(Chaos { seed: config.seed, kind: build.task("chaos")?, child: build.task("child")?, flows })
    }

    fn process(&mut self, burst: &mut Burst, _: &Context) {
        let (seed, kind, child) = (self.seed, self.kind, self.child);
        let draw_of = |bytes: &[u8]| {
            Draw(seed ^ u64::from(u32::from_be_bytes(bytes[42..46].try_into().unwrap())) << 20)
        };
        // A part of the packets has tasks of their own, the others those of their flows.
        task::hand_over(burst, |held| {
            let mut draw = draw_of(held.data());
            if draw.next(2) == 0 {
                return Some((held, Verdict::Pass));
            }
            if let Ok(join) = task::spawn(kind, chaos(held, draw.clone(), child))
                && draw.next(20) > 0
            {
                join.detach();
            }
            None
        });
        self.flows.dispatch(burst, kind, |new| flow(new, Draw(seed), child));
    }

    fn tally(self) {}
}

fn setup(scratch: &Scratch, cores: usize, seed: u64, packets: u32) -> Setup {
    let path = scratch.path("in.pcap");
    let made: Vec<Rec> = (0..packets)
        .map(|n| udp(n.wrapping_mul(7919) as u16 % 211, n, 1_000_000_000 + u64::from(n) * 4_000))
        .collect();
    write_capture(&path, FileFormat::PcapNanos, &made);
    Setup::new(cores)
        .daemon(|daemon| daemon.register::<Chaos>("chaos"))
        .capture("file", &path, &format!("out = {:?}", scratch.path("out.pcap")))
        .pipeline("main", &["file"], &["file"], &["chaos"])
        .set(format!("app.chaos.seed={seed}"))
}

#[test]
fn whatever_tasks_do_everything_is_accounted_for_and_comes_back() {
    let scratch = Scratch::new();
    for seed in 1..=6 {
        let mut outputs = Vec::new();
        for cores in [1, 1, 3] {
            let report = setup(&scratch, cores, seed, 4000).run(How::Simulated);
            let tasks = report.tasks.as_ref().unwrap();
            assert!(tasks.kinds["chaos"].spawned > 1500 && tasks.kinds["chaos"].panicked > 20, "{tasks:?}");
            assert!(tasks.kinds["child"].panicked > 20, "{tasks:?}");
            // Whatever leaked would be missing in the end: there are far more tasks than slots.
            assert_eq!(tasks.timers.refused, 0, "{tasks:?}");
            assert!(tasks.kinds["chaos"].refused < 400, "{tasks:?}");
            outputs.push((cores, output(&report).to_owned()));
        }
        assert_eq!(outputs[0], outputs[1], "the same again");
    }
}

#[test]
fn whatever_tasks_do_on_polling_cores_too() {
    let scratch = Scratch::new();
    for seed in 10..=12 {
        let report = setup(&scratch, 2, seed, 20_000).run(How::Threads);
        let tasks = report.tasks.as_ref().unwrap();
        assert!(tasks.kinds["chaos"].panicked > 100, "{tasks:?}");
    }
}
