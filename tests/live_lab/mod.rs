//! Live runs: a test network of namespaces (`scripts/lab.sh`), the daemon in one of them, clients nobody here wrote
//! in the others, and what holds after every such run.
//!
//! These tests need root and say so where they are skipped; with `MNVKD_CI_LIVE=1` a skip is a failure.
#![allow(dead_code, unused_imports, unused_macros, reason = "every test uses its part")]

mod clients;
mod daemon;
mod drivers;
mod network;

use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use clients::{Flow, ping, pings, sockperf};
pub use daemon::{Daemon, Ended, accounted};
pub use drivers::{AF_PACKET, AF_PACKET_BLOCKS, AF_XDP, AF_XDP_GENERIC, Driver, TAP};
pub use network::{Background, Lab, Traffic, quietly};

/// What takes longer than this will not end.
const LONGEST: Duration = Duration::from_secs(60);

/// What came of a command.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; -1 for a signal.
    pub code: i32,
    /// Stdout.
    pub out: String,
    /// Stderr.
    pub err: String,
}

impl Ran {
    fn of(output: &Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// It has to have gone well.
    #[track_caller]
    pub fn good(self) -> Ran {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }

    /// Stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.out, self.err))
    }
}

/// Runs a command to its end, which has to come.
#[track_caller]
pub fn run(command: &mut Command) -> Ran {
    let what = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("LC_ALL", "C");
    let child = command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
    let pid = child.id();
    let (done, wait) = channel();
    std::thread::spawn(move || drop(done.send(child.wait_with_output())));
    match wait.recv_timeout(LONGEST) {
        Ok(output) => Ran::of(&output.unwrap_or_else(|error| panic!("{what}: {error}"))),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            signal(pid, "KILL");
            panic!("it does not end: {what}");
        }
    }
}

/// Sends a signal to a process this test started.
pub fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).stderr(Stdio::null()).status();
}

/// Is the program there?
fn has(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&paths).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.any(|folder| folder.join(program).is_file())
}

/// Says why a live test is skipped; where it may not be, that is a failure.
fn skip(why: &str) {
    assert_ne!(
        std::env::var("MNVKD_CI_LIVE").as_deref(),
        Ok("1"),
        "MNVKD_CI_LIVE=1, and a live test cannot run: {why}"
    );
    println!("skipped: {why}");
}

/// One live test of a process at a time: they poll, and there are few CPUs. `None`, with the reason told, where none
/// can run.
#[must_use]
pub fn turn(programs: &[&str]) -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective =
        status.lines().find(|line| line.starts_with("Uid:")).and_then(|l| l.split_whitespace().nth(2));
    if effective != Some("0") {
        skip("not root");
        return None;
    }
    let missing: Vec<&&str> =
        ["ip", "ethtool", "setsid"].iter().chain(programs).filter(|name| !has(name)).collect();
    if !missing.is_empty() {
        skip(&format!("not installed: {missing:?}"));
        return None;
    }
    Some(TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Tries until it holds, for at most so long; did it?
pub fn within(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let start = std::time::Instant::now();
    while !holds() {
        if start.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}
