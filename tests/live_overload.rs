//! More than the daemon can take, into rings that are too small: what is lost is counted, to the packet, on the way in
//! and on the way out.

mod live_lab;

use std::time::Duration;

use live_lab::{Daemon, Driver, Lab, accounted, run, turn};

for_driver!(af_packet, crate::live_lab::AF_PACKET, a_flood_is_accounted_for_in_both_directions);
for_driver!(af_packet_blocks, crate::live_lab::AF_PACKET_BLOCKS, a_flood_is_accounted_for_in_both_directions);
for_driver!(af_xdp, crate::live_lab::AF_XDP, a_flood_is_accounted_for_in_both_directions);
for_driver!(af_xdp_generic, crate::live_lab::AF_XDP_GENERIC, a_flood_is_accounted_for_in_both_directions);

/// Packets sent into the port.
const FLOOD: u64 = 400_000;

/// Sends packets of several flows and sizes out of the client's device, as fast as that can be done.
fn flood(lab: &Lab) {
    let config = format!(
        "[dataplane]\ncores = 1\npages = \"never\"\n\
         [[port]]\nname = \"load\"\ndriver = \"generator\"\nflows = 64\nsize = \"imix\"\ncount = {FLOOD}\n\
         [[port]]\nname = \"wire\"\ndriver = \"af_packet\"\ndevice = \"eth0\"\n\
         [[pipeline]]\nname = \"out\"\nfrom = [\"load\"]\nto = [\"wire\"]\nstages = [\"forward\"]\n"
    );
    let path = std::env::temp_dir().join(format!("mnvkd-flood-{}.toml", std::process::id()));
    std::fs::write(&path, config).expect("the temporary folder can be written to");
    let ran = run(lab.command("client", env!("CARGO_BIN_EXE_mnvkd")).args(["run", "--json"]).arg(&path));
    let _ = std::fs::remove_file(&path);
    ran.good();
}

fn a_flood_is_accounted_for_in_both_directions(driver: Driver) {
    let Some(_turn) = turn(&[]) else { return };
    let small = match driver.driver {
        "af_xdp" => "ring = 128",
        _ => "receive-slots = 64\ntransmit-slots = 16",
    };
    for cores in [1, 3] {
        let lab = Lab::up(&[]);
        lab.hush("client");
        std::thread::sleep(Duration::from_millis(300));
        let config = driver.config(cores, 1, &["flow-meter", "mac-swap"], "");
        let daemon = Daemon::start(&lab, &driver.with(&config, small));
        let before = lab.traffic("client", "eth0");
        flood(&lab);
        std::thread::sleep(Duration::from_millis(500));
        let after = lab.traffic("client", "eth0");
        let ended = daemon.stop();
        accounted(&ended);
        let sent = after.sent - before.sent;
        assert!(sent > FLOOD / 4, "{driver:?}: the flood is none: {sent} packets");
        let ports = &ended.report["ports"];
        assert_eq!(
            ended.received("port0") + ended.lost("port0"),
            sent,
            "{driver:?}, {cores} cores: {ports:#}"
        );
        assert_eq!(ended.count("/tallies/flow-meter/packets"), ended.received("port0"));
        // And back: what was not dropped for want of room arrived, but for what is told.
        let back = after.received - before.received;
        let transmitted = ended.count("/ports/port0/transmitted");
        assert_eq!(back + ended.unsent("port0"), transmitted, "{driver:?}, {cores} cores: {ports:#}");
    }
}
