//! What the whole turn costs a packet: null ports, so that nothing but the framework is measured. One
//! core, bursts of 32, everything on.

mod measure;

use measure::{Bench, one_core};

const PORTS: &str =
    "[[port]]\nname = \"in\"\ndriver = \"null\"\n[[port]]\nname = \"out\"\ndriver = \"null\"\n";

fn main() {
    let bench = Bench::from_args();
    let pipeline = |stages: &str| {
        format!(
            "{}{PORTS}[[pipeline]]\nname = \"p\"\nfrom = [\"in\"]\nto = [\"out\"]\nstages = [{stages}]\n",
            one_core()
        )
    };
    bench.report_run("null_mac_swap_null", &pipeline("\"mac-swap\""));
    bench.report_run("null_forward_null", &pipeline("\"forward\""));
    bench.report_run("null_sink", &pipeline("\"sink\""));
    bench.report_run("null_flow_meter_sink", &pipeline("\"flow-meter\", \"sink\""));
}
