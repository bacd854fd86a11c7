//! What is refused before anything runs.

use hugepages::PoolShape;

use super::super::{EchoConfig, Mac};
use super::packets::{V4, echo, frame};
use super::rig::{OWN, PEER, Station, config};

const SHAPE: PoolShape = PoolShape { frame_room: 2048, headroom: 0, frames: 64, owner: 0, chunk: 64 };

fn refusal(config: &EchoConfig, addresses: &[Option<[u8; 6]>]) -> String {
    match Station::of(config, addresses, SHAPE) {
        Ok(_) => panic!("not refused: {config:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn refusals_say_what_to_write() {
    let none = EchoConfig::default();
    assert!(refusal(&none, &[Some(OWN)]).contains("write addresses = [\"10.9.0.1/24\"] under [app.echo]"));
    let no_mac = refusal(&config(), &[Some(OWN), None]);
    assert!(no_mac.contains("port number 2") && no_mac.contains("mac = \"02:00:00:00:00:01\""), "{no_mac}");
    let mut twice = config();
    twice.addresses.push("10.9.0.1/16".parse().unwrap());
    assert!(refusal(&twice, &[Some(OWN)]).contains("10.9.0.1 is listed twice"));
    let zero = EchoConfig { udp_ports: vec![7, 0], ..config() };
    assert!(refusal(&zero, &[Some(OWN)]).contains("0 is no port"));
}

#[test]
fn a_configured_mac_goes_before_the_ports() {
    let mac: Mac = "02:00:00:00:00:77".parse().unwrap();
    let config = EchoConfig { mac: Some(mac), ..config() };
    for ports in [[Some(OWN)], [None]] {
        let mut station = Station::of(&config, &ports, SHAPE).unwrap();
        let asked = frame(mac.bytes(), PEER, &V4::default().holding(1, &echo(8, b"")));
        assert_eq!(station.ask(&asked).answer()[6..12], mac.bytes());
    }
}

#[test]
fn keys_are_read_and_written() {
    let text = "addresses = [\"10.9.0.1/24\", \"fd09::1/64\"]\nmac = \"02:00:00:00:00:01\"\nudp_ports = [7]\nothers = \"drop\"\n";
    let config: EchoConfig = toml::from_str(text).unwrap();
    assert_eq!(toml::from_str::<EchoConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
    assert_eq!(toml::from_str::<EchoConfig>("").unwrap(), EchoConfig::default());
    for wrong in [
        "mac = \"ff:ff:ff:ff:ff:ff\"",
        "addresses = [\"10.9.0.300\"]",
        "others = \"keep\"",
        "udp_ports = [70000]",
        "port = 7",
    ] {
        assert!(toml::from_str::<EchoConfig>(wrong).is_err(), "{wrong}");
    }
}
