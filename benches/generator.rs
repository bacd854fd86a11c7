//! What a synthetic packet costs, all the way from the generator into the sink, on one core.

mod measure;

use measure::{Bench, one_core};

fn main() {
    let bench = Bench::from_args();
    let into_sink = |keys: &str| {
        let pipeline = "[[pipeline]]\nname = \"p\"\nfrom = [\"in\"]\nstages = [\"sink\"]\n";
        format!("{}[[port]]\nname = \"in\"\ndriver = \"generator\"\n{keys}\n{pipeline}", one_core())
    };
    bench.report_run("generator_64B_1024_flows", &into_sink("flows = 1024\nsize = 64"));
    bench.report_run("generator_64B_65536_flows", &into_sink("flows = 65536\nsize = 64"));
    bench.report_run("generator_1500B_1024_flows", &into_sink("flows = 1024\nsize = 1500"));
    bench.report_run("generator_imix_1024_flows", &into_sink("flows = 1024\nsize = \"imix\""));
    let mixed = "flows = 1024\nsize = 128\nipv6-share = 0.5\nvlan-share = 0.5";
    bench.report_run("generator_mixed_1024_flows", &into_sink(mixed));
}
