//! The dataplane takes what matches and the kernel's own traffic over the same device goes on undisturbed.

mod live_lab;

use std::time::Duration;

use live_lab::{Daemon, Driver, Lab, accounted, ping, quietly, turn};

for_driver!(
    af_xdp,
    crate::live_lab::AF_XDP,
    tcp_goes_on_beside_an_echo_of_one_port,
    what_does_not_match_is_the_kernels
);
for_driver!(
    af_xdp_generic,
    crate::live_lab::AF_XDP_GENERIC,
    tcp_goes_on_beside_an_echo_of_one_port,
    what_does_not_match_is_the_kernels
);

/// Echo at the kernel's own address, of what matches alone.
fn beside_the_kernel(driver: Driver) -> String {
    let more = "[app.echo]\naddresses = [\"10.9.0.9/24\", \"fd09::9/64\"]\nothers = \"drop\"\n";
    let config = driver.config(2, 1, &["echo"], more);
    config.replace("device = \"port0\"\n", "device = \"port0\"\nmatch = \"udp and dst port 7\"\n")
}

const ADDRESSES: [&str; 4] = ["--device-address", "10.9.0.9/24", "--device-address", "fd09::9/64"];

/// Asks port 7 so many times; all have to be answered.
#[track_caller]
fn ask(lab: &Lab, times: u64) {
    let count = times.to_string();
    let options = ["--udp", "-p", "7", "-g", "40000", "--delay", "10ms", "-c", &count, "10.9.0.9"];
    let ran = lab.client(&[&["nping"], &options[..]].concat()).good();
    assert!(ran.out.contains("Lost: 0 (0.00%)"), "{}", ran.out);
}

fn tcp_goes_on_beside_an_echo_of_one_port(driver: Driver) {
    let Some(_turn) = turn(&["iperf3", "nping"]) else { return };
    let lab = Lab::up(&ADDRESSES);
    let _server = quietly(lab.command("dut", "iperf3").args(["-s"]));
    std::thread::sleep(Duration::from_millis(300));
    // Not all the wire can carry: then packets are lost before anybody sees them, and that tells nothing.
    // One connection, from before the daemon starts until after it has ended, in both directions.
    let connection = lab
        .command("client", "iperf3")
        .args(["-c", "10.9.0.9", "-t", "6", "--bidir", "-b", "50M", "-J"])
        .output_later();
    std::thread::sleep(Duration::from_millis(700));
    let daemon = Daemon::start(&lab, &beside_the_kernel(driver));
    ask(&lab, 100);
    let ended = daemon.stop();
    accounted(&ended);
    assert_eq!(ended.count("/tallies/echo/answered/udp"), 100, "{:#}", ended.report);
    assert_eq!(ended.count("/books/received"), 100, "nothing else came: {:#}", ended.report);
    let said = connection.join().expect("iperf3 ends").json();
    assert_eq!(said["error"], serde_json::Value::Null, "{said:#}");
    for way in ["sum_received", "sum_received_bidir_reverse"] {
        let bits = said["end"][way]["bits_per_second"].as_f64().unwrap_or(0.0);
        assert!(bits > 45e6, "{way}: {bits} bit/s: {said:#}");
    }
    // In no second did it stand still.
    for interval in said["intervals"].as_array().expect("intervals") {
        assert!(interval["sum"]["bytes"].as_u64() > Some(0), "{interval:#}");
    }
}

fn what_does_not_match_is_the_kernels(driver: Driver) {
    let Some(_turn) = turn(&["ping", "nping"]) else { return };
    let lab = Lab::up(&ADDRESSES);
    let daemon = Daemon::start(&lab, &beside_the_kernel(driver));
    for address in ["10.9.0.9", "fd09::9"] {
        assert_eq!(ping(&lab, 20, &[address]), (20, 20), "{driver:?} {address}");
    }
    ask(&lab, 20);
    // A port where nobody listens: the kernel says so.
    let refused = lab.client(&["nping", "--udp", "-p", "9", "-c", "3", "--delay", "50ms", "10.9.0.9"]);
    assert!(refused.out.contains("unreachable"), "{}", refused.out);
    let ended = daemon.stop();
    accounted(&ended);
    assert_eq!(ended.count("/books/received"), 20, "{:#}", ended.report);
    assert_eq!(ended.count("/tallies/echo/answered/udp"), 20, "{:#}", ended.report);
}

/// A command that runs meanwhile.
trait OutputLater {
    fn output_later(&mut self) -> std::thread::JoinHandle<live_lab::Ran>;
}

impl OutputLater for std::process::Command {
    fn output_later(&mut self) -> std::thread::JoinHandle<live_lab::Ran> {
        let mut command = std::process::Command::new(self.get_program());
        command.args(self.get_args());
        std::thread::spawn(move || live_lab::run(&mut command))
    }
}
