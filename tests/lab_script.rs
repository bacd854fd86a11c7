//! `scripts/lab.sh`: what it builds is gone afterwards, whatever happens in between.

mod live_lab;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use live_lab::{Ran, run, signal, turn, within};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lab.sh")
}

fn lab(words: &[&str]) -> Ran {
    run(Command::new(script()).args(words))
}

/// A name no other test has.
fn name(of: &str) -> String {
    format!("script-{}-{of}", std::process::id())
}

/// The namespaces of a lab.
fn namespaces(name: &str) -> Vec<String> {
    let all = run(Command::new("ip").args(["netns", "list"])).good().out;
    let own = all.lines().filter_map(|line| line.split_whitespace().next());
    own.filter(|space| space.starts_with(&format!("{name}-"))).map(str::to_owned).collect()
}

/// Tears a lab down when a test fails half way.
struct Cleanup(String);

impl Drop for Cleanup {
    fn drop(&mut self) {
        let _ = Command::new(script()).args(["down", "--name", &self.0]).output();
    }
}

#[test]
fn what_cannot_be_done_is_refused_with_what_to_do() {
    for (words, says) in [
        (&["build"][..], "expected up, down, shell or run"),
        (&["run"], "which command?"),
        (&["up", "--mtu", "12"], "--mtu: 12: expected 1280 to 65535"),
        (&["up", "--queues", "many"], "--queues: many is no number"),
        (&["up", "--name", "a/b"], "expected letters, digits"),
        (&["up", "--colour", "red"], "unknown option --colour"),
        (&["up", "--mtu"], "--mtu: a value is missing"),
        (&["up", "--", "ping"], "did you mean: lab.sh run -- ping"),
    ] {
        let ran = lab(words);
        assert!(ran.code == 1 && ran.err.contains(says), "{words:?}: {ran:?}");
        assert_eq!(ran.out, "", "{words:?}");
    }
    let help = lab(&["--help"]).good();
    assert!(help.out.contains("Examples:") && help.err.is_empty());
    assert_eq!(lab(&["up", "--help"]).good().out, help.out);
}

#[test]
fn without_root_it_says_so() {
    // As nobody, which root can become; whoever else runs this is no root either.
    let ran = match turn(&["setpriv"]) {
        Some(_turn) => run(Command::new("setpriv").args(["--reuid", "65534"]).arg(script()).arg("up")),
        None => lab(&["up"]),
    };
    assert!(ran.code == 1 && ran.err.contains("need root: sudo"), "{ran:?}");
}

#[test]
fn a_command_runs_in_it_and_it_is_gone_afterwards() {
    let Some(_turn) = turn(&[]) else { return };
    let name = name("run");
    let _cleanup = Cleanup(name.clone());
    let show = "cat; ip -br link; exit 7";
    let mut child = Command::new(script())
        .args(["run", "--name", &name, "--ports", "2", "--mtu", "4000", "--", "sh", "-c", show])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    child.stdin.take().expect("a pipe").write_all(b"what goes in\n").expect("it is read");
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(7), "{text}");
    assert!(text.contains("what goes in") && text.contains("port0") && text.contains("port1"), "{text}");
    assert_eq!(namespaces(&name), [""; 0]);
}

#[test]
fn labs_stand_side_by_side_and_are_what_was_asked_for() {
    let Some(_turn) = turn(&[]) else { return };
    let names = [name("one"), name("two")];
    let _cleanups = names.clone().map(Cleanup);
    let options = ["--mtu", "9000", "--queues", "3", "--no-offload", "--device-address", "10.9.0.9/24"];
    for name in &names {
        lab(&[&["up", "--name", name], &options[..]].concat()).good();
    }
    let again = lab(&["up", "--name", &names[0]]);
    assert!(again.code == 1 && again.err.contains("is up already"), "{again:?}");
    let inside = |which: &str, words: &[&str]| {
        run(Command::new("ip").args(["netns", "exec", &format!("{}-{which}", names[0])]).args(words))
            .good()
            .out
    };
    let link = inside("dut", &["ip", "-d", "link", "show", "port0"]);
    assert!(
        link.contains("mtu 9000") && link.contains("numrxqueues 3") && link.contains("state UP"),
        "{link}"
    );
    let features = inside("client", &["ethtool", "-k", "eth0"]);
    assert!(features.contains("tx-checksumming: off") && features.contains("tcp-segmentation-offload: off"));
    assert!(inside("client", &["ping", "-c", "1", "-W", "2", "10.9.0.9"]).contains(" 0% packet loss"));
    // One that is up is joined, and left up.
    let joined = lab(&["run", "--name", &names[0], "--in", "client", "--", "ip", "-br", "addr"]).good();
    assert!(joined.out.contains("10.9.0.2/24") && joined.out.contains("fd09::2/64"), "{}", joined.out);
    assert_eq!(namespaces(&names[0]).len(), 2);
    for name in &names {
        lab(&["down", "--name", name]).good();
        assert_eq!(namespaces(name), [""; 0]);
        lab(&["down", "--name", name]).good();
    }
}

#[test]
fn signals_tear_it_down_with_what_runs_in_it() {
    let Some(_turn) = turn(&[]) else { return };
    for (number, (word, code)) in [("TERM", 143), ("INT", 130), ("HUP", 129)].into_iter().enumerate() {
        let name = name(&format!("signal{number}"));
        let _cleanup = Cleanup(name.clone());
        // One that does not want to end, and a child of it.
        let stubborn = "trap '' TERM INT HUP; sleep 300 & sleep 300; sleep 300";
        let mut child = Command::new(script())
            .args(["run", "--name", &name, "--", "sh", "-c", stubborn])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let pids = || {
            let spaces = namespaces(&name);
            let of = |space: &String| run(Command::new("ip").args(["netns", "pids", space])).out;
            spaces.iter().map(of).collect::<String>().split_whitespace().count()
        };
        assert!(within(Duration::from_secs(10), || pids() >= 3), "{word}: it does not start");
        signal(child.id(), word);
        let mut status = None;
        let ended = within(Duration::from_secs(10), || {
            status = child.try_wait().expect("it is a child");
            status.is_some()
        });
        assert!(ended, "{word}: it does not end");
        assert_eq!(status.and_then(|status| status.code()), Some(code), "{word}");
        assert_eq!(namespaces(&name), [""; 0], "{word}");
    }
}
