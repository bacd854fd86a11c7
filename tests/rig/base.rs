//! Runs of the whole daemon, and what holds after every one of them.
#![allow(dead_code, reason = "every test uses its part")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use mnvkd::Daemon;
use mnvkd::config::Config;
use mnvkd::daemon::{ReplayOptions, RunOptions};
use mnvkd::port::capture::{FileFormat, LinkType, Outgoing, PortLabel, Reader, Writer};
use mnvkd::reduce::Report;

/// What takes longer than this will not end.
const LONGEST: Duration = Duration::from_secs(20);

/// The folder of real captures. Where it is missing that is said and the test passes, but not where
/// `CI_REQUIRE_SHARED=1` promises that it is there.
pub fn captures() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    if dir.is_dir() {
        return Some(dir);
    }
    assert_ne!(
        std::env::var("CI_REQUIRE_SHARED").as_deref(),
        Ok("1"),
        "CI_REQUIRE_SHARED=1, and there are no captures at {}",
        dir.display()
    );
    println!("skipped: no captures at {}", dir.display());
    None
}

/// The rows of a tab-separated file with a heading, each as column name to value.
pub fn rows(path: &Path) -> Vec<HashMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines();
    let heading: Vec<&str> = lines.next().expect("a heading").split('\t').collect();
    let row = |line: &str| {
        heading.iter().map(ToString::to_string).zip(line.split('\t').map(str::to_owned)).collect()
    };
    lines.map(row).collect()
}

/// A folder of its own, gone when the test is over.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("mnvkd-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Scratch(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How a configuration is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `replay`: simulated cores in virtual time.
    Simulated,
    /// `replay --threads`: polling cores.
    Threads,
    /// `run --for`: polling cores, so many milliseconds.
    RunFor(u64),
}

/// A configuration in the making: TOML, and what `--set` adds to it.
#[derive(Clone)]
pub struct Setup {
    pub daemon: Daemon,
    pub text: String,
    pub sets: Vec<String>,
}

impl Setup {
    /// Cores and nothing else; pages of 4 KB, which are there everywhere.
    pub fn new(cores: usize) -> Setup {
        let text = format!("[dataplane]\ncores = {cores}\npages = \"never\"\n");
        Setup { daemon: Daemon::new(), text, sets: Vec::new() }
    }

    /// One more key of `[dataplane]`; before any port.
    pub fn with(mut self, key: &str, value: impl std::fmt::Display) -> Setup {
        self.sets.push(format!("dataplane.{key}={value}"));
        self
    }

    pub fn set(mut self, what: impl Into<String>) -> Setup {
        self.sets.push(what.into());
        self
    }

    pub fn daemon(mut self, change: impl FnOnce(Daemon) -> Daemon) -> Setup {
        self.daemon = change(self.daemon);
        self
    }

    pub fn port(mut self, name: &str, driver: &str, keys: &str) -> Setup {
        self.text += &format!("[[port]]\nname = \"{name}\"\ndriver = \"{driver}\"\n{keys}\n");
        self
    }

    /// A capture port that reads one file; `keys` in addition.
    pub fn capture(self, name: &str, file: &Path, keys: &str) -> Setup {
        self.port(name, "capture", &format!("file = {file:?}\n{keys}"))
    }

    pub fn pipeline(mut self, name: &str, from: &[&str], to: &[&str], stages: &[&str]) -> Setup {
        self.text +=
            &format!("[[pipeline]]\nname = \"{name}\"\nfrom = {from:?}\nto = {to:?}\nstages = {stages:?}\n");
        self
    }

    pub fn config(&self) -> Config {
        let (registry, drivers) = (self.daemon.registry(), self.daemon.drivers());
        Config::load(&self.text, "test.toml", &self.sets, registry, drivers)
            .unwrap_or_else(|error| panic!("{error}\n{}", self.text))
    }

    /// Runs it; what it says when it cannot start is the error. A run that does not end fails.
    pub fn attempt(&self, how: How) -> anyhow::Result<Report> {
        let (setup, config) = (self.clone(), self.config());
        let (done, wait) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let report = match how {
                How::Simulated => setup.daemon.execute_replay(config, &ReplayOptions::default()),
                How::Threads => {
                    setup.daemon.execute_replay(config, &ReplayOptions { threads: true, progress: false })
                }
                How::RunFor(ms) => {
                    let for_ns = Some(ms * 1_000_000);
                    setup.daemon.execute_run(config, &RunOptions { for_ns, ..RunOptions::default() })
                }
            };
            let _ = done.send(());
            report
        });
        let ended = wait.recv_timeout(LONGEST);
        assert_ne!(
            ended,
            Err(RecvTimeoutError::Timeout),
            "it does not end: {how:?} {} {:?}",
            self.text,
            self.sets
        );
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs it and demands that all is well afterwards.
    pub fn run(&self, how: How) -> Report {
        let report = self.accounted(how);
        assert_eq!(report.errors, [""; 0], "{}", self.text);
        report
    }

    /// Runs it and demands that packets and frames are all accounted for, errors or not.
    pub fn accounted(&self, how: How) -> Report {
        let report =
            self.attempt(how).unwrap_or_else(|error| panic!("{error:?}\n{} {:?}", self.text, self.sets));
        assert_accounts(&report, &format!("{how:?} {} {:?}", self.text, self.sets));
        report
    }
}

/// Every packet and every frame: where it came from, where it went.
pub fn assert_accounts(report: &Report, what: &str) {
    let books = &report.books;
    let reasons: u64 = books.dropped.iter().filter(|(name, _)| *name != "total").map(|(_, n)| n).sum();
    assert_eq!(books.unaccounted, 0, "{books:?} {what}");
    assert_eq!(books.held, 0, "{books:?} {what}");
    assert_eq!(books.dropped["total"], reasons, "{books:?} {what}");
    assert_eq!(
        books.received + books.originated,
        books.forwarded + books.consumed + reasons,
        "{books:?} {what}"
    );
    let ports =
        |pick: fn(&mnvkd::reduce::report::PortReport) -> u64| report.ports.values().map(pick).sum::<u64>();
    assert_eq!(ports(|port| port.received), books.received, "{what}");
    assert_eq!(ports(|port| port.transmitted), books.forwarded, "{what}");
    let processed: u64 = report.per_core.iter().map(|core| core.packets).sum();
    let in_the_lane = dropped(report, "stopped");
    assert!(
        processed <= books.received && processed + in_the_lane >= books.received,
        "{processed} {books:?} {what}"
    );
    let lost = report.errors.iter().find(|error| error.contains("did not come home"));
    assert_eq!(lost, None, "{what}");
}

/// Packets dropped for a reason.
pub fn dropped(report: &Report, reason: &str) -> u64 {
    report.books.dropped.get(reason).copied().unwrap_or(0)
}

/// The digest of what was sent; only `run` has none.
pub fn output(report: &Report) -> &str {
    report.digest.output.as_deref().expect("a replay has a digest of its output")
}

/// A record of a capture file, by value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rec {
    pub time_ns: u64,
    pub wire_len: u32,
    pub link: u32,
    pub data: Vec<u8>,
    pub comment: Option<String>,
}

/// The records of a file up to its end or damage.
pub fn records(path: &Path) -> Vec<Rec> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reader = Reader::open(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let comments = reader.clone();
    reader
        .map_while(Result::ok)
        .map(|record| Rec {
            time_ns: record.time_ns,
            wire_len: record.wire_len,
            link: record.link.0,
            data: record.data.to_vec(),
            comment: comments.comment(&record).map(str::to_owned),
        })
        .collect()
}

/// Writes a capture file of Ethernet frames.
pub fn write_capture(path: &Path, format: FileFormat, records: &[Rec]) {
    let link = LinkType(records.first().map_or(1, |record| record.link));
    let out = std::io::BufWriter::new(std::fs::File::create(path).expect("a file"));
    let mut writer = Writer::create(out, format, &[PortLabel { name: "made", link }]).expect("a header");
    for record in records {
        let outgoing = Outgoing {
            data: &record.data,
            time_ns: record.time_ns,
            wire_len: record.wire_len,
            port: 0,
            comment: record.comment.as_deref(),
        };
        writer.write(&outgoing).expect("a record");
    }
    writer.finish().expect("the last bytes");
}

/// A frame of UDP over IPv4 that no two numbers share, of flow `flow`.
pub fn udp(flow: u16, number: u32, time_ns: u64) -> Rec {
    let mut data = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    data.extend([0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    data.extend((1024 + flow).to_be_bytes());
    data.extend([0, 53, 0, 26, 0, 0]);
    data.extend(number.to_be_bytes());
    data.extend([0; 14]);
    Rec { time_ns, wire_len: data.len() as u32, link: 1, data, comment: None }
}
