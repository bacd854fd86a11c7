//! What is refused before anything runs, and what is read.

use super::super::config::DnsCacheConfig;
use super::super::settings::Settings;
use super::rig::{OWN, config, with_build};

fn refusal_of(config: &DnsCacheConfig, macs: &[Option<[u8; 6]>], routes: &[(usize, usize)]) -> String {
    let made = with_build(0, macs, routes.to_vec(), |build| Settings::new(config, build));
    made.0.map(|_| ()).expect_err("it is refused").to_string()
}

fn refusal(change: impl FnOnce(&mut DnsCacheConfig)) -> String {
    let mut config = config();
    change(&mut config);
    refusal_of(&config, &[Some(OWN)], &[(0, 0)])
}

#[test]
fn refusals_say_what_to_write() {
    assert!(
        refusal(|c| c.addresses.clear())
            .contains("write addresses = [\"10.9.0.1/24\"] under [app.dns-cache]")
    );
    assert!(refusal(|c| c.upstreams.clear()).contains("write upstreams = [\"10.9.0.3:53\"]"));
    assert!(
        refusal(|c| c.addresses.push("10.9.0.1/8".parse().unwrap())).contains("10.9.0.1 is listed twice")
    );
    assert!(refusal(|c| c.upstreams[0].set_port(0)).contains("expected one like \"10.9.0.3:53\""));
    assert!(refusal(|c| c.upstreams[0] = "10.9.0.1:53".parse().unwrap()).contains("it would ask itself"));
    let far = refusal(|c| c.upstreams[0] = "192.0.2.1:53".parse().unwrap());
    assert!(far.contains("192.0.2.1 is in none of its networks: write gateways"), "{far}");
    let far = |c: &mut DnsCacheConfig| {
        c.upstreams[0] = "192.0.2.1:53".parse().unwrap();
        c.gateways = vec!["10.8.0.1".parse().unwrap()];
    };
    assert!(refusal(far).contains("gateways: 10.8.0.1 is in none of its networks"));
    let stranger = |c: &mut DnsCacheConfig| {
        c.neighbours.insert("10.9.0.77".parse().unwrap(), "02:00:00:00:00:03".parse().unwrap());
    };
    assert!(refusal(stranger).contains("10.9.0.77 is neither"));
    for (text, change) in [
        ("shards = 3", (|c| c.shards = 3) as fn(&mut DnsCacheConfig)),
        ("payload = 511: expected 512 to 4096", |c| c.payload = 511),
        ("timeout_ms = 0: expected 1 to 60000", |c| c.timeout_ms = 0),
        ("attempts = 0", |c| c.attempts = 0),
        ("failure_ttl = 301: expected 1 to 300", |c| c.failure_ttl = 301),
        ("min_ttl = 90000: expected 0 to 86400", |c| c.min_ttl = 90_000),
        ("cache_bytes = 100: expected 16384", |c| c.cache_bytes = 100),
        ("port = 0", |c| c.port = 0),
        ("questions = 0", |c| c.questions = 0),
    ] {
        let said = refusal(change);
        assert!(said.contains(text), "{said}");
    }
    let no_mac = refusal_of(&config(), &[None], &[(0, 0)]);
    assert!(no_mac.contains("port number 1") && no_mac.contains("mac = \"02:00:00:00:00:01\""), "{no_mac}");
    let one_way = refusal_of(&config(), &[Some(OWN), Some(OWN)], &[(0, 1)]);
    assert!(
        one_way.contains("by port number 2") && one_way.contains("name that port in from too"),
        "{one_way}"
    );
}

#[test]
fn servers_are_asked_from_the_address_next_to_them() {
    let mut config = config();
    config.upstreams.push("192.0.2.1:53".parse().unwrap());
    config.upstreams.push("192.0.2.2:53".parse().unwrap());
    config.gateways = vec!["fd09::fe".parse().unwrap(), "10.9.0.254".parse().unwrap()];
    config.neighbours = [("10.9.0.3".parse().unwrap(), "02:00:00:00:00:03".parse().unwrap())].into();
    let made = with_build(0, &[Some(OWN)], vec![(0, 0)], |build| Settings::new(&config, build)).0.unwrap();
    let ways: Vec<(String, usize)> =
        made.upstreams.iter().map(|way| (way.own.to_string(), way.hop)).collect();
    let way = |own: &str, hop| (own.to_owned(), hop);
    assert_eq!(ways, [way("10.9.0.1", 0), way("fd09::1", 1), way("10.9.0.1", 2), way("10.9.0.1", 2)]);
    let hops: Vec<String> = made.hops.iter().map(|hop| hop.address.to_string()).collect();
    assert_eq!(hops, ["10.9.0.3", "fd09::3", "10.9.0.254"]);
    assert_eq!(
        made.hops.iter().map(|hop| hop.mac).collect::<Vec<_>>(),
        [Some([2, 0, 0, 0, 0, 3]), None, None]
    );
}

#[test]
fn keys_are_read_and_written() {
    let text = "addresses = [\"10.9.0.1/24\"]\nupstreams = [\"10.9.1.1:53\", \"[fd09::3]:53\"]\n\
                gateways = [\"10.9.0.254\"]\nothers = \"drop\"\n[neighbours]\n\"10.9.1.1\" = \"02:00:00:00:00:03\"\n";
    let config: DnsCacheConfig = toml::from_str(text).unwrap();
    assert_eq!(toml::from_str::<DnsCacheConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
    assert_eq!(toml::from_str::<DnsCacheConfig>("").unwrap(), DnsCacheConfig::default());
    for wrong in ["upstreams = [\"10.9.0.1\"]", "heard = 1", "shard = 8", "gateways = [\"10.9.0.1/24\"]"] {
        assert!(toml::from_str::<DnsCacheConfig>(wrong).is_err(), "{wrong}");
    }
}
