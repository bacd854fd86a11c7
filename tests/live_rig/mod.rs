//! Live tests' network: namespaces of their own, devices between them, programs running in them. All of it is taken
//! down when its owner goes, also in a panic.
#![allow(dead_code, reason = "every test uses its part")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What takes longer than this will not end.
const LONGEST: Duration = Duration::from_secs(30);

/// One live test at a time: they measure losses.
static TURN: Mutex<()> = Mutex::new(());

/// Runs a command to its end; its output.
///
/// # Panics
/// It failed.
pub fn run(words: &[&str]) -> String {
    let output =
        Command::new(words[0]).args(&words[1..]).output().unwrap_or_else(|e| panic!("{words:?}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{words:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// May live tests run? Says "skipped" where not; with `MNVKD_CI_LIVE=1` that is a failure.
fn allowed() -> bool {
    if ffi::process::effective_uid() == 0 {
        return true;
    }
    let required = std::env::var_os("MNVKD_CI_LIVE").is_some_and(|value| value == "1");
    assert!(!required, "live test cannot run: it needs root");
    println!("skipped: live tests need root");
    false
}

/// Namespaces of one test, without IPv6 of their own accord, so that nobody sends but the test.
pub struct Lab {
    prefix: String,
    names: Vec<String>,
    scratch: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Lab {
    /// Makes the namespaces of these names; `None` where live tests cannot run.
    pub fn new(names: &[&str]) -> Option<Lab> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !allowed() {
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let prefix = format!("mnvkd-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(&prefix);
        std::fs::create_dir_all(&scratch).expect("the target folder can be written to");
        let mut lab = Lab { prefix, names: Vec::new(), scratch, _turn: turn };
        for name in names {
            let full = lab.full(name);
            run(&["ip", "netns", "add", &full]);
            lab.names.push(full);
            lab.inside(
                name,
                &[
                    "sh",
                    "-c",
                    "for f in all default; do echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done",
                ],
            );
            lab.inside(name, &["ip", "link", "set", "lo", "up"]);
        }
        Some(lab)
    }

    /// The namespace's name on the machine.
    pub fn full(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// A file of the test's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// Runs a command in a namespace.
    pub fn inside(&self, name: &str, words: &[&str]) -> String {
        let full = self.full(name);
        let mut all = vec!["ip", "netns", "exec", full.as_str()];
        all.extend(words);
        run(&all)
    }

    /// A veth pair between two namespaces, both ends up, with this MTU.
    pub fn veth(&self, (a, device_a): (&str, &str), (b, device_b): (&str, &str), mtu: &str) {
        let (full_a, full_b) = (self.full(a), self.full(b));
        run(&[
            "ip",
            "link",
            "add",
            device_a,
            "netns",
            &full_a,
            "mtu",
            mtu,
            "numrxqueues",
            "2",
            "numtxqueues",
            "2",
            "type",
            "veth",
            "peer",
            "name",
            device_b,
            "netns",
            &full_b,
            "mtu",
            mtu,
            "numrxqueues",
            "2",
            "numtxqueues",
            "2",
        ]);
        self.inside(a, &["ip", "link", "set", device_a, "up"]);
        self.inside(b, &["ip", "link", "set", device_b, "up"]);
    }

    /// Packets a device's kernel counters say it sent.
    pub fn sent(&self, name: &str, device: &str) -> u64 {
        self.counter(name, device, "tx", "packets")
    }

    /// A counter of a device.
    pub fn counter(&self, name: &str, device: &str, direction: &str, counter: &str) -> u64 {
        let text = self.inside(name, &["ip", "-j", "-s", "link", "show", "dev", device]);
        let value: Value = serde_json::from_str(&text).expect("ip prints JSON");
        value[0]["stats64"][direction][counter].as_u64().expect("a counter")
    }

    /// Starts mnvkd in a namespace; it runs until it is stopped.
    pub fn mnvkd(&self, name: &str, config: &str) -> Running {
        let text = self.path(&format!("{name}.toml"));
        std::fs::write(&text, config).expect("the target folder can be written to");
        let words = ["run", text.to_str().expect("UTF-8"), "--json"].map(str::to_owned);
        self.program(name, env!("CARGO_BIN_EXE_mnvkd"), &words)
    }

    /// Starts a program in a namespace.
    pub fn program(&self, name: &str, program: &str, words: &[String]) -> Running {
        let (out, err) = (self.path(&format!("{name}.out")), self.path(&format!("{name}.err")));
        let file =
            |path: &Path| Stdio::from(File::create(path).expect("the target folder can be written to"));
        let child = Command::new("ip")
            .args(["netns", "exec", &self.full(name), program])
            .args(words)
            .stdin(Stdio::null())
            .stdout(file(&out))
            .stderr(file(&err))
            .spawn()
            .expect("ip is there");
        Running { child: Some(child), out, err }
    }

    /// Waits until so many packet sockets are bound and running in a namespace.
    pub fn await_sockets(&self, name: &str, count: usize, program: &mut Running) {
        // Columns: sk, RefCnt, Type, Proto, Iface, R(unning), ... A socket that only sends has protocol 0.
        let receiving = |line: &&str| line.split_whitespace().nth(3) == Some("0003");
        program.await_true("packet sockets", || {
            self.inside(name, &["cat", "/proc/net/packet"]).lines().filter(receiving).count() >= count
        });
        // The last socket of a group lets packets in after it is there.
        std::thread::sleep(Duration::from_millis(300));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.names {
            // One that was deleted by the test is gone already.
            let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
        }
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}

/// A program that is running; killed when this goes.
pub struct Running {
    child: Option<Child>,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("it has not been stopped")
    }

    /// What it said so far on stderr.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// Waits until something is true of the world.
    pub fn await_true(&mut self, what: &str, test: impl Fn() -> bool) {
        let started = Instant::now();
        while !test() {
            if let Some(status) = self.child().try_wait().expect("a child of ours") {
                panic!("it ended ({status}) before there were {what}: {}", self.said());
            }
            assert!(started.elapsed() < LONGEST, "no {what}: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it said these words on stderr.
    pub fn await_said(&mut self, words: &str) {
        let err = self.err.clone();
        self.await_true(words, || std::fs::read_to_string(&err).unwrap_or_default().contains(words));
    }

    /// Waits for its end; its exit code.
    pub fn wait(&mut self) -> i32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child().try_wait().expect("a child of ours") {
                self.child = None;
                return status.code().unwrap_or(-1);
            }
            assert!(started.elapsed() < LONGEST, "it does not end: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for its end; its report.
    pub fn report(mut self) -> Report {
        let code = self.wait();
        let text = std::fs::read_to_string(&self.out).expect("its output");
        let value =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: exit {code}: {text}{}", self.said()));
        let report = Report { value, said: self.said() };
        assert_eq!((code, report.number("/books/unaccounted")), (0, 0), "{:#} {}", report.value, report.said);
        report
    }

    /// Sends it a signal: "STOP", "CONT".
    pub fn signal(&mut self, name: &str) {
        run(&["kill", &format!("-{name}"), &self.child().id().to_string()]);
    }

    /// Interrupts it; its report.
    pub fn stop(mut self) -> Report {
        self.signal("INT");
        self.report()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a run of mnvkd reported.
pub struct Report {
    /// The JSON.
    pub value: Value,
    /// Its stderr.
    pub said: String,
}

impl Report {
    /// A number by its JSON pointer.
    pub fn number(&self, pointer: &str) -> i64 {
        let value = self.value.pointer(pointer).and_then(Value::as_i64);
        value.unwrap_or_else(|| panic!("no number {pointer} in {:#}", self.value))
    }

    /// Packets a port received.
    pub fn received(&self, port: &str) -> u64 {
        self.number(&format!("/ports/{port}/received")) as u64
    }

    /// Packets a port transmitted.
    pub fn transmitted(&self, port: &str) -> u64 {
        self.number(&format!("/ports/{port}/transmitted")) as u64
    }

    /// Packets a port lost for one reason.
    pub fn lost(&self, port: &str, why: &str) -> u64 {
        self.number(&format!("/ports/{port}/lost/{why}")) as u64
    }

    /// Packets a port lost on the way in, for all reasons.
    pub fn lost_in(&self, port: &str) -> u64 {
        let lost =
            self.value.pointer(&format!("/ports/{port}/lost")).and_then(Value::as_object).expect("lost");
        lost.iter()
            .filter(|(why, _)| !why.starts_with("transmit"))
            .map(|(_, n)| n.as_u64().expect("a count"))
            .sum()
    }

    /// Its notes, a line each.
    pub fn notes(&self) -> String {
        let notes = self.value["notes"].as_array().expect("notes");
        notes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
    }
}
