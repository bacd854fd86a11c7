//! `driver = "auto"` and `mnvkd doctor --port` on devices that are there: the best rung is taken, the others are
//! explained, and what the self-test sends comes round where a peer sends it back. Needs root, iproute2, ping.

mod live_lab;

use std::process::Stdio;

use live_lab::{Daemon, Driver, Lab, accounted, ping, run, turn};

const AUTO: Driver = Driver { name: "auto", driver: "auto", keys: "" };

fn doctor(lab: &Lab, options: &[&str]) -> live_lab::Ran {
    let mut words = vec![env!("CARGO_BIN_EXE_mnvkd"), "doctor", "--json", "--port", "port0"];
    words.extend(options);
    lab.run("dut", &words)
}

#[test]
fn the_best_that_works_is_taken_and_said() {
    let Some(_turn) = turn(&["ping"]) else { return };
    let lab = Lab::up(&["--queues", "2"]);
    let daemon = Daemon::start(&lab, &AUTO.echo(2));
    let (sent, back) = ping(&lab, 20, &["10.9.0.1"]);
    assert_eq!((sent, back), (20, 20));
    let ended = daemon.stop();
    accounted(&ended);
    let notes = ended.report["notes"].to_string();
    assert!(notes.contains("af_xdp copy was chosen: one copy a packet"), "{notes}");
    assert!(notes.contains("not af_xdp zero-copy: its self-test failed at open"), "{notes}");
    assert!(notes.contains("veth has no zero-copy"), "{notes}");
}

#[test]
fn packet_sockets_are_the_last_rung() {
    let Some(_turn) = turn(&["ping"]) else { return };
    let lab = Lab::up(&[]);
    // Somebody else's program keeps every rung of AF_XDP away: another mnvkd.
    let other = Daemon::start(&lab, &live_lab::AF_XDP.config(1, 1, &["sink"], ""));
    let tried = doctor(&lab, &[]);
    let said = tried.json();
    assert_eq!(said["chosen"], "af_packet", "{said}");
    for rung in said["rungs"].as_array().unwrap().iter().take(2) {
        let why = rung["steps"][0]["detail"].as_str().unwrap();
        assert_eq!(rung["passed"], false, "{rung}");
        assert!(why.contains("no zero-copy") || why.contains("EBUSY"), "{why}");
    }
    accounted(&other.stop());
}

#[test]
fn frames_come_round_where_a_peer_sends_them_back() {
    let Some(_turn) = turn(&[]) else { return };
    let lab = Lab::up(&[]);
    // The peer: mac-swap on the other end of the wire. What comes back has the address it was sent from.
    let changes = ["port.far.device=eth0", "dataplane.pages=never", "dataplane.cores=1"];
    let file = std::env::temp_dir().join(format!("mnvkd-live-auto-{}.toml", std::process::id()));
    std::fs::write(&file, "[[port]]\nname = \"far\"\ndriver = \"af_packet\"\n[[pipeline]]\nname = \"p\"\nfrom = [\"far\"]\nstages = [\"mac-swap\"]\n").unwrap();
    let mut peer = lab.command("client", env!("CARGO_BIN_EXE_mnvkd"));
    peer.arg("run")
        .arg(&file)
        .args(changes.iter().flat_map(|change| ["--set", change]))
        .args(["--for", "30s"]);
    let mut peer = peer.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let said = doctor(&lab, &[]).json();
    live_lab::signal(peer.id(), "INT");
    assert!(peer.wait().unwrap().success());
    std::fs::remove_file(&file).unwrap();
    assert_eq!(said["chosen"], "af_xdp copy", "{said}");
    let receive = |rung: &serde_json::Value| {
        let steps = rung["steps"].as_array().unwrap();
        steps
            .iter()
            .find(|step| step["name"] == "receive")
            .map(|step| step["detail"].as_str().unwrap().to_owned())
    };
    let copied = receive(&said["rungs"][1]).unwrap();
    assert!(copied.contains("of our frames came round"), "{said}");
}

#[test]
fn a_device_that_is_down_is_a_finding_and_one_that_is_not_there_a_refusal() {
    let Some(_turn) = turn(&[]) else { return };
    let lab = Lab::up(&[]);
    lab.run("dut", &["ip", "link", "set", "port0", "down"]).good();
    let tried = doctor(&lab, &[]);
    assert_eq!(tried.code, 3, "{}", tried.json());
    assert!(tried.json()["chosen"].is_null());
    let refused = run(lab.command("dut", env!("CARGO_BIN_EXE_mnvkd")).args(["doctor", "--port", "nope0"]));
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("there is no device \"nope0\""), "{}", refused.err);
    // Nothing is left behind by any of it.
    let links = lab.run("dut", &["ip", "-d", "link"]).good();
    assert!(!links.out.contains("prog/xdp"), "{}", links.out);
}
