//! What a packet costs that goes to its flow's waiting task and back out: dispatch, wake, poll, verdict.
//!
//! `cargo bench --bench flow_task [-- [--quick]]`. The figure is the time of the regimes `pipeline` and `tasks` by packet: what comes in,
//! is steered and goes out is the same for any application.

mod measure;

use measure::{Bench, median, one_core};
use mnvkd::config::Config;
use mnvkd::daemon::RunOptions;
use mnvkd::prelude::*;

/// Sends each packet on as it comes.
struct PassOn(PortId);

impl FlowTask for PassOn {
    type Config = ();
    type Tally = ();

    fn flows((): &()) -> u32 {
        1 << 17
    }

    fn new((): &(), build: &mut Build<'_>) -> Result<PassOn> {
        Ok(PassOn(build.routes().pairs()[0].1))
    }

    async fn converse(mut flow: Flow, shared: State<Self>) {
        let out = shared.with(|own| own.0);
        while let Some(packet) = flow.recv().await {
            flow.send(packet, out);
        }
    }

    fn tally(self) {}
}

fn main() {
    let bench = Bench::from_args();
    for flows in [1u32, 64, 1_000, 100_000] {
        let config = format!(
            "{}[[port]]\nname = \"in\"\ndriver = \"generator\"\nflows = {flows}\n[[port]]\nname = \"out\"\ndriver = \"null\"\n\
             [[pipeline]]\nname = \"p\"\nfrom = [\"in\"]\nto = [\"out\"]\nstages = [\"pass-on\", \"drop\"]\n",
            one_core()
        );
        for stages in ["pass-on", "forward"] {
            let config = config.replace("\"pass-on\", \"drop\"", &format!("\"{stages}\""));
            let name = format!("flow_task_{stages}_{flows}");
            if !bench.wants(&name) {
                continue;
            }
            let runs: Vec<f64> =
                (0..bench.pick(7, 3)).map(|_| cycles(&config, &name, bench.pick(700, 300))).collect();
            println!("{name} {:.1} cycles/packet", median(runs));
        }
    }
}

/// Cycles a packet in pipelines and tasks.
fn cycles(config: &str, name: &str, ms: u64) -> f64 {
    let daemon = Daemon::new().register::<PerFlow<PassOn>>("pass-on");
    let config =
        Config::load(config, name, &["dataplane.arena=1GiB".to_owned()], daemon.registry(), daemon.drivers());
    let options = RunOptions { for_ns: Some(ms * 1_000_000), ..RunOptions::default() };
    let report =
        daemon.execute_run(config.unwrap_or_else(|errors| panic!("{errors}")), &options).expect("it starts");
    assert_eq!((report.books.unaccounted, report.errors.len()), (0, 0), "{:?}", report.errors);
    assert!(report.books.forwarded > report.books.received / 2, "{:?}", report.books);
    let regimes = &report.per_core[0].regimes;
    let busy = 1.0 - regimes["idle"];
    report.rate.cycles_per_packet.expect("packets") * (regimes["pipeline"] + regimes["tasks"]) / busy
}
