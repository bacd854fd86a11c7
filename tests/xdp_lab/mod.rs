//! A network of two namespaces joined by veth pairs, `mnvkd run` in one of them, a peer in the other.
//!
//! Everything has a name of its own, and is taken down when it goes, also by a panic.

#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

static LABS: AtomicU32 = AtomicU32::new(0);

/// Runs a command; what it printed.
///
/// # Panics
/// When it fails.
pub fn run(line: &str) -> String {
    let output = attempt(line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn attempt(line: &str) -> Output {
    let mut words = line.split_whitespace();
    Command::new(words.next().unwrap()).args(words).output().unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// Two namespaces and what joins them.
pub struct Lab {
    /// Where mnvkd runs: `dut0`, `dut1`...
    pub ours: String,
    /// Where the peer is: `gen0`, `gen1`...
    pub theirs: String,
    folder: PathBuf,
}

impl Lab {
    /// `None`, with a message, where there is no root; with `MNVKD_CI_LIVE=1` that is a failure.
    pub fn new() -> Option<Lab> {
        if run("id -u").trim() != "0" {
            assert!(
                std::env::var_os("MNVKD_CI_LIVE").is_none_or(|v| v != "1"),
                "live test cannot run: no root"
            );
            println!("skipped: no root");
            return None;
        }
        let name = format!("mx{}n{}", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(&name);
        fs::create_dir_all(&folder).unwrap();
        let lab = Lab { ours: format!("{name}a"), theirs: format!("{name}b"), folder };
        for namespace in [&lab.ours, &lab.theirs] {
            run(&format!("ip netns add {namespace}"));
            // No packets but those of the test.
            for which in ["all", "default"] {
                run(&format!("ip netns exec {namespace} sysctl -qw net.ipv6.conf.{which}.disable_ipv6=1"));
            }
        }
        Some(lab)
    }

    /// Joins the namespaces: `dutN` with `genN`, addresses 10.N.0.1 and 10.N.0.2.
    pub fn join(&self, number: usize, mtu: usize, queues: usize) {
        let (ours, theirs) = (&self.ours, &self.theirs);
        let queues = format!("numrxqueues {queues} numtxqueues {queues}");
        run(&format!(
            "ip link add dut{number} netns {ours} {queues} type veth peer name gen{number} netns {theirs} {queues}"
        ));
        for (namespace, device, host) in [(ours, "dut", 1), (theirs, "gen", 2)] {
            run(&format!("ip -n {namespace} link set {device}{number} mtu {mtu} up"));
            run(&format!("ip -n {namespace} addr add 10.{number}.0.{host}/24 dev {device}{number}"));
        }
    }

    /// A command in our namespace.
    pub fn here(&self, line: &str) -> String {
        run(&format!("ip netns exec {} {line}", self.ours))
    }

    /// The same, not waited for.
    pub fn start_here(&self, line: &str) -> Process {
        Process::start(&format!("ip netns exec {} {line}", self.ours))
    }

    /// A command in the peer's namespace.
    pub fn there(&self, line: &str) -> String {
        run(&format!("ip netns exec {} {line}", self.theirs))
    }

    /// A counter of a device.
    pub fn counter(&self, device: &str, name: &str) -> u64 {
        let namespace = if device.starts_with("dut") { &self.ours } else { &self.theirs };
        let path = format!("/sys/class/net/{device}/statistics/{name}");
        run(&format!("ip netns exec {namespace} cat {path}")).trim().parse().unwrap()
    }

    /// Waits until no packets come back to `genN` any more: those of an earlier peer are not the next one's.
    pub fn settle(&self, number: usize) {
        let device = format!("gen{number}");
        wait("packets to come to rest", || {
            let before = self.counter(&device, "rx_packets");
            sleep(Duration::from_millis(500));
            self.counter(&device, "rx_packets") == before
        });
    }

    /// The peer at `genN`: what it sent and got back.
    pub fn peer(&self, number: usize, what: &str) -> Value {
        serde_json::from_str(&self.there(&peer_line(number, what))).unwrap()
    }

    /// The same, not waited for.
    pub fn start_peer(&self, number: usize, what: &str) -> Process {
        Process::start(&format!("ip netns exec {} {}", self.theirs, peer_line(number, what)))
    }

    fn write(&self, config: &str) -> String {
        let path = self.folder.join(format!("{}.toml", LABS.fetch_add(1, Ordering::Relaxed)));
        fs::write(&path, config).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// `mnvkd run`, until all of `devices` have their programs.
    pub fn start(&self, config: &str, devices: &[&str]) -> Mnvkd {
        let (process, errors) = self.launch("", config);
        for device in devices {
            self.wait_for_program(device);
        }
        Mnvkd { process, errors }
    }

    /// `mnvkd run` that is to be refused, started by way of `prefix`: its error.
    pub fn refused(&self, prefix: &str, config: &str) -> String {
        let (process, errors) = self.launch(prefix, config);
        let output = process.wait();
        assert!(!output.status.success(), "it was not refused");
        String::from_utf8_lossy(&output.stdout).into_owned() + &fs::read_to_string(errors).unwrap()
    }

    /// What `mnvkd check` says, started by way of `prefix`.
    pub fn check(&self, prefix: &str, config: &str) -> String {
        let (ours, path, binary) = (&self.ours, self.write(config), env!("CARGO_BIN_EXE_mnvkd"));
        run(&format!("ip netns exec {ours} {prefix} {binary} check {path}"))
    }

    /// The process, and the file its stderr goes to: it is read while the run is going on.
    fn launch(&self, prefix: &str, config: &str) -> (Process, PathBuf) {
        let (ours, path, binary) = (&self.ours, self.write(config), env!("CARGO_BIN_EXE_mnvkd"));
        let line = format!("ip netns exec {ours} {prefix} {binary} run {path} --json");
        let errors = PathBuf::from(path + ".err");
        (Process::spawn(&line, fs::File::create(&errors).unwrap().into()), errors)
    }

    /// Waits until a program is attached.
    pub fn wait_for_program(&self, device: &str) {
        let attached = || {
            String::from_utf8_lossy(&attempt(&format!("ip -n {} link show {device}", self.ours)).stdout)
                .contains("prog/xdp")
        };
        wait(&format!("a program on {device}"), attached);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in [&self.ours, &self.theirs] {
            // Whatever was left running there by a panic goes first.
            for pid in String::from_utf8_lossy(&attempt(&format!("ip netns pids {namespace}")).stdout)
                .split_whitespace()
            {
                attempt(&format!("kill -KILL {pid}"));
            }
            attempt(&format!("ip netns del {namespace}"));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn peer_line(number: usize, what: &str) -> String {
    format!("python3 {}/tests/xdp_lab/peer.py gen{number} {what}", env!("CARGO_MANIFEST_DIR"))
}

/// Waits until it is so, half a minute at most.
pub fn wait(what: &str, so: impl Fn() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < Duration::from_secs(30), "waited too long for {what}");
        sleep(Duration::from_millis(20));
    }
}

/// A process that is ended when it goes.
pub struct Process(Option<Child>);

impl Process {
    fn start(line: &str) -> Process {
        Process::spawn(line, Stdio::piped())
    }

    fn spawn(line: &str, errors: Stdio) -> Process {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        command.args(words).stdout(Stdio::piped()).stderr(errors);
        Process(Some(command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"))))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        let pid = self.0.as_ref().unwrap().id();
        run(&format!("kill -{signal} {pid}"));
    }

    /// Waits for its end: what it printed.
    pub fn wait(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }

    /// Waits for its end: the JSON it printed.
    pub fn json(self) -> Value {
        let output = self.wait();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A run of mnvkd.
pub struct Mnvkd {
    /// Its process.
    pub process: Process,
    errors: PathBuf,
}

/// What came of a run.
pub struct Outcome {
    report: Value,
    /// What it said on stderr while it was going on.
    pub said: String,
}

impl Mnvkd {
    /// Waits until it has said this on stderr.
    pub fn wait_to_say(&self, words: &str) {
        wait(words, || fs::read_to_string(&self.errors).is_ok_and(|said| said.contains(words)));
    }

    /// Ends it in order; its report, in which nothing may be unaccounted for or missing.
    pub fn stop(self) -> Outcome {
        self.process.signal("INT");
        let Mnvkd { process, errors } = self;
        let output = process.wait();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let outcome = Outcome { report, said: fs::read_to_string(errors).unwrap() };
        assert_eq!(outcome.report["errors"], serde_json::json!([]), "{}", outcome.said);
        assert_eq!(outcome.report["books"]["unaccounted"], 0);
        outcome
    }
}

impl Outcome {
    /// A number of the report, by its path: `books.received`.
    pub fn number(&self, path: &str) -> u64 {
        path.split('.').fold(&self.report, |value, key| &value[key]).as_u64().unwrap_or(0)
    }

    /// Packets a port received.
    pub fn received(&self, port: &str) -> u64 {
        self.number(&format!("ports.{port}.received"))
    }

    /// Packets lost before they were received, all reasons together.
    pub fn lost(&self, port: &str) -> u64 {
        let lost = self.report["ports"][port]["lost"].as_object().unwrap();
        lost.iter().filter(|(why, _)| !why.starts_with("tx-")).map(|(_, count)| count.as_u64().unwrap()).sum()
    }

    /// All notes, one a line.
    pub fn notes(&self) -> String {
        let notes = self.report["notes"].as_array().unwrap();
        notes.iter().map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n")
    }

    /// The report, for messages.
    pub fn shown(&self) -> String {
        format!("{} {} {}", self.report["books"], self.report["ports"], self.notes())
    }
}

/// A configuration: one core, `stages`, from port `wan` on `dut0` and back out of it.
pub fn config(keys: &str, stages: &str) -> String {
    format!(
        "[dataplane]\ncores = 1\n[[port]]\nname = \"wan\"\ndriver = \"af_xdp\"\ndevice = \"dut0\"\n{keys}\n\
         [[pipeline]]\nname = \"main\"\nfrom = [\"wan\"]\nto = \"wan\"\nstages = [\"{stages}\"]\n"
    )
}
