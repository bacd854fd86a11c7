//! A million flows, each with a task that waits: they fit in 512 MB, and run.

use mnvkd::daemon::ReplayOptions;
use mnvkd::port::capture::FileFormat;
use mnvkd::prelude::*;
use mnvkd::task;

mod rig;

use rig::{Rec, Scratch, Setup, assert_accounts, udp, write_capture};

const FLOWS: u32 = 1_000_000;

/// Counts the packets of each flow in a task of its own.
struct Count(u64);

impl FlowTask for Count {
    type Config = ();
    type Tally = u64;

    fn flows((): &()) -> u32 {
        FLOWS
    }

    fn timers((): &()) -> u32 {
        0
    }

    fn new((): &(), _: &mut Build<'_>) -> Result<Count> {
        Ok(Count(0))
    }

    async fn converse(mut flow: Flow, shared: State<Self>) {
        while let Some(packet) = flow.recv().await {
            packet.consume();
            shared.with(|count| count.0 += 1);
        }
    }

    fn tally(self) -> u64 {
        self.0
    }
}

fn setup(scratch: &Scratch) -> Setup {
    let path = scratch.path("in.pcap");
    // Two packets of each flow, the second when all have had their first.
    let made: Vec<Rec> = (0..2 * FLOWS)
        .map(|n| {
            let flow = n % FLOWS;
            let mut record = udp((flow % 256) as u16, n, 1_000_000_000 + u64::from(n) * 1_000);
            record.data[26..30].copy_from_slice(&(10 << 24 | flow >> 8).to_be_bytes());
            record
        })
        .collect();
    write_capture(&path, FileFormat::PcapNanos, &made);
    Setup::new(1)
        .daemon(|daemon| daemon.register::<PerFlow<Count>>("count"))
        .capture("file", &path, "")
        .pipeline("main", &["file"], &[], &["count"])
        .with("arena", "512MiB")
}

#[test]
fn a_million_flows_with_a_task_each_fit_in_512_mb_and_run() {
    let (scratch, options) = (Scratch::new(), ReplayOptions::default());
    let setup = setup(&scratch);
    let report = setup.daemon.clone().execute_replay(setup.config(), &options).unwrap();
    assert_accounts(&report, "a million flows");
    let tasks = report.tasks.as_ref().unwrap();
    assert_eq!((tasks.flows["count"].peak, tasks.flows["count"].refused), (FLOWS.into(), 0));
    assert_eq!(
        (report.books.consumed, &report.tallies["count"]),
        (2 * u64::from(FLOWS), &(2 * FLOWS).into())
    );
}

#[test]
fn an_idle_flow_task_takes_at_most_256_bytes_beside_its_future() {
    let future = u64::from(task::room(|(flow, shared)| Count::converse(flow, shared)));
    let scratch = Scratch::new();
    let daemon = setup(&scratch).daemon;
    let text = setup(&scratch).text;
    let sets = ["dataplane.arena=2GiB".to_owned()];
    let config =
        mnvkd::config::Config::load(&text, "test.toml", &sets, daemon.registry(), daemon.drivers()).unwrap();
    let plan = daemon.plan(config).unwrap();
    // What is there without a single flow: frames, the wheel's slots.
    let fixed = 8 << 20;
    let bytes = plan.budget.total() as u64 - fixed;
    assert!(bytes <= u64::from(FLOWS) * (256 + future), "{}\nfuture of {future} bytes", plan.budget);
}
