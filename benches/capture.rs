//! What a packet of a capture costs: its record read, the file surveyed, and from memory through pipelines.

mod measure;

use std::hint::black_box;
use std::path::Path;

use ffi::cycles::cycles;
use measure::{Bench, capture, one_core};
use mnvkd::port::capture::{Reader, Survey};

/// Cycles a packet of `pass`, which returns how many there were.
fn cycles_per_packet(pass: impl FnOnce() -> u64) -> f64 {
    let start = cycles();
    let packets = pass();
    (cycles() - start) as f64 / packets as f64
}

fn read(file: &[u8]) -> u64 {
    let mut reader = Reader::open(file).expect("a capture");
    let (mut packets, mut bytes) = (0, 0);
    while let Some(Ok(record)) = reader.next_record() {
        packets += 1;
        bytes += record.data.len();
    }
    black_box(bytes);
    packets
}

fn endless(path: &Path, out: &str, stages: &str) -> String {
    let file = path.to_str().expect("a path in UTF-8");
    format!(
        "{}[[port]]\nname = \"in\"\ndriver = \"capture\"\nfile = '{file}'\nloop = 0\npreload = true\n{out}\n\
         [[pipeline]]\nname = \"p\"\nfrom = [\"in\"]\nstages = [{stages}]\n",
        one_core()
    )
}

fn main() {
    let bench = Bench::from_args();
    let Some(path) = capture() else { return };
    let file = std::fs::read(&path).expect("readable");
    bench.report("capture_read", "cycles/packet", || cycles_per_packet(|| read(&file)));
    bench.report("capture_survey", "cycles/packet", || {
        cycles_per_packet(|| Survey::of(&file).expect("a capture").packets)
    });
    bench.report_run("capture_sink", &endless(&path, "", "\"sink\""));
    bench.report_run("capture_flow_meter_sink", &endless(&path, "", "\"flow-meter\", \"sink\""));
    let dev_null = "out = \"/dev/null\"\nformat = \"pcap\"";
    bench.report_run("capture_mac_swap_dev_null", &endless(&path, dev_null, "\"mac-swap\""));
}
