//! A test network, gone when the test is over.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Ran, run};

/// A network of `scripts/lab.sh`, of a name nothing else has.
pub struct Lab {
    name: String,
    /// The namespace the daemon runs in.
    place: &'static str,
    /// Tears it down when its input ends: in order, or because this process was killed.
    keeper: Child,
}

/// What the kernel counted at a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets the device received.
    pub received: u64,
    /// Packets the device sent.
    pub sent: u64,
    /// Packets it was given to send, and dropped.
    pub unsent: u64,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lab.sh")
}

impl Lab {
    /// Builds it, with these options of `lab.sh up`.
    #[track_caller]
    pub fn up(options: &[&str]) -> Lab {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mnvkd-{}-{number}", std::process::id());
        // In a session of its own: what ends the tests by the keyboard must not end it.
        let keeper = Command::new("setsid")
            .args(["sh", "-c", "cat > /dev/null; exec \"$0\" down --name \"$1\""])
            .arg(script())
            .arg(&name)
            .stdin(Stdio::piped())
            .spawn()
            .expect("util-linux is installed");
        let lab = Lab { name, place: "dut", keeper };
        run(Command::new(script()).args(["up", "--name", &lab.name]).args(options)).good();
        lab
    }

    /// The daemon is to run where the client is, and make the client's device.
    #[track_caller]
    pub fn move_in(&mut self) {
        self.client(&["ip", "link", "del", "eth0"]).good();
        self.client(&["sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad"]).good();
        self.place = "client";
    }

    /// The namespace the daemon runs in.
    pub fn place(&self) -> &'static str {
        self.place
    }

    /// The namespace of this name in it: `dut`, `client`, `client1`...
    pub fn namespace(&self, which: &str) -> String {
        format!("{}-{which}", self.name)
    }

    /// A command in a namespace.
    pub fn command(&self, which: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(which)]).arg(program);
        command
    }

    /// Runs a command in a namespace to its end.
    #[track_caller]
    pub fn run(&self, which: &str, words: &[&str]) -> Ran {
        run(self.command(which, words[0]).args(&words[1..]))
    }

    /// Runs a command where the client is.
    #[track_caller]
    pub fn client(&self, words: &[&str]) -> Ran {
        self.run("client", words)
    }

    /// What the kernel counted at a device so far.
    #[track_caller]
    pub fn traffic(&self, which: &str, device: &str) -> Traffic {
        let link = self.run(which, &["ip", "-s", "-j", "link", "show", "dev", device]).good().json();
        let count =
            |way: &str, what: &str| link[0]["stats64"][way][what].as_u64().expect("a count of packets");
        Traffic {
            received: count("rx", "packets"),
            sent: count("tx", "packets"),
            unsent: count("tx", "dropped"),
        }
    }

    /// Datagrams sockets of a namespace had no room for.
    #[track_caller]
    pub fn udp_errors(&self, which: &str) -> u64 {
        let table = self.run(which, &["cat", "/proc/net/snmp"]).good().out;
        let mut rows =
            table.lines().filter(|line| line.starts_with("Udp:")).map(|line| line.split_whitespace());
        let (names, values) = (rows.next().expect("names"), rows.next().expect("values"));
        let errors = names.zip(values).find(|(name, _)| *name == "RcvbufErrors");
        errors.and_then(|(_, value)| value.parse().ok()).expect("a count")
    }

    /// The Ethernet address of a device.
    #[track_caller]
    pub fn mac(&self, which: &str, device: &str) -> String {
        let link = self.run(which, &["ip", "-j", "link", "show", "dev", device]).good().json();
        link[0]["address"].as_str().expect("an address").to_owned()
    }

    /// Makes the wire between port0 and the client anew, after it was deleted; port0 gets this Ethernet address.
    #[track_caller]
    pub fn wire_again(&self, mac: &str) {
        let client = self.namespace("client");
        let wire = ["ip", "link", "add", "port0", "address", mac, "numrxqueues", "2", "numtxqueues", "2"];
        let peer = ["type", "veth", "peer", "name", "eth0", "netns", &client];
        self.run("dut", &[&wire[..], &peer].concat()).good();
        self.client(&["ip", "addr", "add", "10.9.0.2/24", "dev", "eth0"]).good();
        self.client(&["ip", "link", "set", "eth0", "up"]).good();
        self.run("dut", &["ip", "link", "set", "port0", "up"]).good();
    }

    /// Deletes a namespace's name; what is in it goes when nobody is in it.
    #[track_caller]
    pub fn delete(&self, which: &str) {
        run(Command::new("ip").args(["netns", "del", &self.namespace(which)])).good();
    }

    /// The client says nothing of its own accord: no IPv6, no multicast, no ARP.
    #[track_caller]
    pub fn hush(&self, which: &str) {
        let words = "echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6";
        self.run(which, &["sh", "-c", words]).good();
        self.run(which, &["ip", "addr", "flush", "dev", "eth0"]).good();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        match self.keeper.wait() {
            Ok(status) if status.success() => {}
            failed => println!("{} could not be torn down: {failed:?}", self.name),
        }
    }
}

/// A process in the background, ended with the test.
pub struct Background(Child);

/// Starts a command in the background, its output thrown away.
#[track_caller]
pub fn quietly(command: &mut Command) -> Background {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Background(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
