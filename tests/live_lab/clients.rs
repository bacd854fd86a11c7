//! What clients print, read.

use std::collections::HashMap;

use super::{Lab, Ran};

/// Sends so many pings at once and returns how many were sent and how many were answered. All have at least a second to
/// come back: `ping` waits for the time between two of them, or twice the longest that one took, and no longer once one
/// has been answered, whatever `-W` says.
#[track_caller]
pub fn ping(lab: &Lab, count: u32, options: &[&str]) -> (u64, u64) {
    let count = count.to_string();
    let words = ["ping", "-q", "-c", &count, "-l", &count, "-i", "1", "-W", "2"];
    let ran = lab.client(&[&words[..], options].concat());
    pings(&ran.out)
}

/// The summary of `ping`: sent, answered.
#[track_caller]
pub fn pings(out: &str) -> (u64, u64) {
    let line = out.lines().find(|line| line.contains(" packets transmitted, "));
    let line = line.unwrap_or_else(|| panic!("ping: {out}"));
    let first =
        |text: &str| text.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a count");
    let mut parts = line.split(", ");
    let sent = first(parts.next().expect("a summary"));
    (sent, first(parts.next().expect("a summary")))
}

/// Runs sockperf against echo's port 11111 and returns (messages sent, messages received, median latency in µs one way).
#[track_caller]
pub fn sockperf(lab: &Lab, mode: &str, options: &[&str]) -> (u64, u64, f64) {
    let words = [&["sockperf", mode, "-i", "10.9.0.1", "-p", "11111"], options].concat();
    let ran = lab.client(&words);
    let all = format!("{}\n{}", ran.out, ran.err);
    assert_eq!(ran.code, 0, "{all}");
    for said in ["duplicated messages = 0", "out-of-order messages = 0"] {
        assert!(all.contains(said), "sockperf {mode} does not say {said:?}:\n{all}");
    }
    let total = all.lines().find(|line| line.contains("[Total Run]")).unwrap_or_else(|| panic!("{all}"));
    let after = |text: &str, key: &str, end: &[char]| {
        let rest = text.split(key).nth(1).unwrap_or_else(|| panic!("no {key}: {all}"));
        rest.split(end).next().and_then(|word| word.trim().parse::<f64>().ok()).expect("a number")
    };
    let median =
        all.lines().find(|line| line.contains("percentile 50.000")).unwrap_or_else(|| panic!("{all}"));
    let ends = [';', '\n'];
    let count = |key| after(total, key, &ends) as u64;
    (count("SentMessages="), count("ReceivedMessages="), after(median, "=", &ends))
}

/// A row of flow-meter's export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// (address, port) of both ends.
    pub ends: [(String, u16); 2],
    /// Packets from the first to the second end, and back.
    pub packets: [u64; 2],
    /// Their bytes on the wire.
    pub bytes: [u64; 2],
}

impl Flow {
    /// The rows of a protocol by IANA number or name as the export writes it.
    #[track_caller]
    pub fn read(text: &str, protocol: &str) -> Vec<Flow> {
        let mut lines = text.lines();
        let heading: Vec<&str> = lines.next().expect("a heading").split(',').collect();
        let row = |line: &str| -> HashMap<String, String> {
            heading.iter().map(ToString::to_string).zip(line.split(',').map(str::to_owned)).collect()
        };
        let flow = |row: HashMap<String, String>| {
            let number = |key: &str| row[key].parse::<u64>().expect("a number");
            let end =
                |end: &str| (row[&format!("address_{end}")].clone(), number(&format!("port_{end}")) as u16);
            Flow {
                ends: [end("a"), end("b")],
                packets: [number("packets_ab"), number("packets_ba")],
                bytes: [number("bytes_ab"), number("bytes_ba")],
            }
        };
        lines.map(row).filter(|row| row["protocol"] == protocol).map(flow).collect()
    }

    /// Packets and bytes from this address.
    pub fn from(&self, address: &str) -> (u64, u64) {
        let way = usize::from(self.ends[0].0 != address);
        (self.packets[way], self.bytes[way])
    }
}

/// The last lines of what a client printed.
pub fn tail(ran: &Ran) -> String {
    let lines: Vec<&str> = ran.out.lines().chain(ran.err.lines()).collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
