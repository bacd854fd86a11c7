//! The daemon in a namespace: started, ready, stopped, accounted for.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::{Lab, Ran, signal, within};

/// How long it may take to open its ports, and to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon that runs.
pub struct Daemon {
    child: Child,
    told: Arc<Mutex<String>>,
    out: Option<JoinHandle<String>>,
    err: Option<JoinHandle<()>>,
    config: tempfile::Config,
}

/// What came of a run that was ended in order.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; -1 for a signal.
    pub code: i32,
    /// The report.
    pub report: Value,
    /// Stderr.
    pub told: String,
}

/// A configuration file that goes with its daemon.
mod tempfile {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU64, Ordering};

    pub struct Config(pub PathBuf);

    impl Config {
        pub fn new(text: &str) -> Config {
            static NUMBER: AtomicU64 = AtomicU64::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("mnvkd-live-{}-{number}.toml", std::process::id()));
            std::fs::write(&path, text).expect("the temporary folder can be written to");
            Config(path)
        }
    }

    impl Drop for Config {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

impl Daemon {
    /// Starts `mnvkd run` beside the device, without waiting for anything.
    #[track_caller]
    pub fn spawn(lab: &Lab, config: &str) -> Daemon {
        let config = tempfile::Config::new(config);
        let mut child = lab
            .command(lab.place(), env!("CARGO_BIN_EXE_mnvkd"))
            .args(["run", "--json"])
            .arg(&config.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mnvkd was built");
        let told = Arc::new(Mutex::new(String::new()));
        let (mut stdout, stderr) =
            (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let out = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stdout.read_to_string(&mut text);
            text
        });
        let lines = told.clone();
        let err = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = writeln!(lines.lock().unwrap_or_else(PoisonError::into_inner), "{line}");
            }
        });
        Daemon { child, told, out: Some(out), err: Some(err), config }
    }

    /// Starts it and waits until its cores poll.
    #[track_caller]
    pub fn start(lab: &Lab, config: &str) -> Daemon {
        let mut daemon = Daemon::spawn(lab, config);
        let mut ended = false;
        let ready = within(PATIENCE, || {
            ended = daemon.child.try_wait().is_ok_and(|status| status.is_some());
            ended || daemon.has_told("running:")
        });
        assert!(ready && !ended, "it does not run:\n{}\n{config}", daemon.told());
        daemon
    }

    /// What it said on stderr so far.
    pub fn told(&self) -> String {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Did it say something with these words on stderr?
    pub fn has_told(&self, words: &str) -> bool {
        self.told().contains(words)
    }

    /// Waits until it has said something with one of these words in so many lines; did it?
    pub fn tells(&self, words: &[&str], times: usize) -> bool {
        let says = |line: &str| words.iter().any(|word| line.contains(word));
        within(PATIENCE, || self.told().lines().filter(|line| says(line)).count() >= times)
    }

    /// Does it still run?
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it the hard way.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends it in order.
    #[track_caller]
    pub fn stop(self) -> Ended {
        signal(self.child.id(), "INT");
        self.wait()
    }

    /// Waits until it ends.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let mut status = None;
        let ends = within(PATIENCE, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        assert!(ends, "it does not end:\n{}", self.told());
        let out = self.out.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let _ = self.err.take().map(JoinHandle::join);
        let code = status.and_then(|status| status.code()).unwrap_or(-1);
        let ran = Ran { code, out, err: self.told() };
        Ended { code, report: ran.json(), told: ran.err }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// A number of the report.
    #[track_caller]
    pub fn count(&self, pointer: &str) -> u64 {
        let value = self.report.pointer(pointer).and_then(Value::as_u64);
        value.unwrap_or_else(|| panic!("{pointer}: no such number\n{:#}", self.report))
    }

    /// Packets dropped for a reason; 0 where that did not occur.
    pub fn dropped(&self, reason: &str) -> u64 {
        self.report["books"]["dropped"][reason].as_u64().unwrap_or(0)
    }

    /// Packets a port received.
    #[track_caller]
    pub fn received(&self, port: &str) -> u64 {
        self.count(&format!("/ports/{port}/received"))
    }

    /// Packets that came to a port and were lost before they were received.
    pub fn lost(&self, port: &str) -> u64 {
        self.losses(port, false)
    }

    /// Packets a port took to send, and did not send.
    pub fn unsent(&self, port: &str) -> u64 {
        self.losses(port, true)
    }

    /// Of the losses: packets that came in the run's last moment and lay in the port's ring when it ended. A kernel looks
    /// for its neighbours whenever it likes.
    pub fn came_too_late(&self, port: &str) -> u64 {
        let lost = &self.report["ports"][port]["lost"];
        ["unread", "left-in-ring"].iter().filter_map(|name| lost[name].as_u64()).sum()
    }

    /// Losses of one direction: those of sending have it in their name.
    fn losses(&self, port: &str, sending: bool) -> u64 {
        let lost = self.report["ports"][port]["lost"].as_object().expect("losses by name");
        let sent = |name: &str| name.starts_with("transmit-") || name.starts_with("tx-");
        let of_it = lost.iter().filter(|(name, _)| sent(name) == sending);
        of_it.filter_map(|(_, count)| count.as_u64()).sum()
    }
}

/// Exit code 0, nothing wrong, every packet accounted for.
#[track_caller]
pub fn accounted(ended: &Ended) {
    let report = &ended.report;
    assert_eq!(report["books"]["unaccounted"], 0, "{report:#}");
    assert_eq!(report["books"]["held"], 0, "{report:#}");
    assert_eq!(report["errors"], serde_json::json!([]), "{report:#}");
    assert_eq!(ended.code, 0, "{report:#}\n{}", ended.told);
    let books = ["forwarded", "consumed"].map(|key| ended.count(&format!("/books/{key}")));
    let dropped = ended.count("/books/dropped/total");
    let came = ["received", "originated"].map(|key| report["books"][key].as_u64().unwrap_or(0));
    assert_eq!(came[0] + came[1], books[0] + books[1] + dropped, "{report:#}");
}
