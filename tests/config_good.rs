//! What a configuration without fault becomes.

mod config_support;

use config_support::{GOOD, load, load_set};
use hugepages::{PagePolicy, PageSize};
use mnvkd::config::{Config, Cores, DEFAULT, PrivilegePolicy};
use mnvkd::worker::IdlePolicy;
use proptest::prelude::*;

#[test]
fn defaults_hold_where_nothing_is_said() {
    let config =
        load("[[port]]\nname='a'\ndriver='null'\n[[pipeline]]\nname='p'\nfrom='a'\nstages='swap'\n").unwrap();
    let data = &config.dataplane;
    assert_eq!(data.cores, Cores::All);
    assert_eq!((data.arena_bytes, data.burst.get(), data.seed), (64 << 20, 32, 1));
    assert_eq!((data.pages, data.idle, data.frames), (PagePolicy::Prefer(None), None, None));
    assert!(config.warnings.is_empty());
}

#[test]
fn every_key_is_read() {
    let text = GOOD.replace(
        "cores = 2",
        "cores = [0]\narena = \"1GiB\"\npages = \"require:2M\"\nidle = \"spin\"\nburst = 0x10\nseed = 1_000\nframes = 512\nprivileges = \"drop-all\"",
    );
    let config = load(&text).unwrap();
    let data = &config.dataplane;
    assert_eq!(data.cores, Cores::Cpus(vec![0]));
    assert_eq!((data.arena_bytes, data.burst.get(), data.seed), (1 << 30, 16, 1000));
    assert_eq!(data.pages, PagePolicy::Require(PageSize::Huge2M));
    assert_eq!((data.idle, data.frames), (Some(IdlePolicy::Spin), Some(512)));
    assert_eq!(data.privileges, PrivilegePolicy::DropAll);
    assert_eq!((config.ports[0].name.as_str(), config.ports[0].driver), ("in", "null"));
    assert!(config.ports[0].maker.make().is_ok());
    assert_eq!(config.ports[0].place.to_string(), "test.toml:12:8");
    assert_eq!(config.pipelines[0].stages, ["count", "swap"]);
}

#[test]
fn cores_are_written_in_three_ways() {
    for (text, cores) in [("3", Cores::Number(3)), ("\"all\"", Cores::All), ("[0]", Cores::Cpus(vec![0]))] {
        let config = load(&GOOD.replace("cores = 2", &format!("cores = {text}"))).unwrap();
        assert_eq!(config.dataplane.cores, cores);
        assert_eq!(cores.to_string(), text);
    }
}

/// The routes of a pipeline from `from` to `to`, as `in>out` words.
fn routes(from: &str, to: &str) -> String {
    let ports: String =
        ["a", "b", "c"].map(|name| format!("[[port]]\nname='{name}'\ndriver='null'\n")).concat();
    let text = format!("{ports}[[pipeline]]\nname='p'\nfrom=[{from}]\nto=[{to}]\nstages=['swap']\n");
    let routes = load(&text).unwrap().pipelines[0].routes();
    routes.iter().map(|(a, b)| format!("{a}>{b}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn to_says_where_forward_sends() {
    assert_eq!(routes("'a'", ""), "a>a");
    assert_eq!(routes("'a','b'", ""), "a>b b>a");
    assert_eq!(routes("'a','b','c'", ""), "a>a b>b c>c");
    assert_eq!(routes("'a','b'", "'c'"), "a>c b>c");
    assert_eq!(routes("'a','b','c'", "'c','a','b'"), "a>c b>a c>b");
}

#[test]
fn what_has_no_effect_is_warned_of() {
    let text = format!("{GOOD}\n[app.lax]\ndepth = 1\n\n[[port]]\nname = \"spare\"\ndriver = \"null\"\n");
    let warnings: Vec<String> =
        load(&text).unwrap().warnings.iter().map(|w| format!("{}: {}", w.place, w.message)).collect();
    let expected = [
        "test.toml:16:6: [app.lax] has no effect: \"lax\" is in no pipeline's stages",
        "test.toml:20:8: port \"spare\" is in no pipeline's from or to",
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn what_holds_is_told_with_every_default_and_loads_again() {
    let config = load_set(GOOD, &["dataplane.arena=3MiB"]).unwrap();
    let expected = "\
[app.count]
mode = \"fast\"
table-rows = 1000

[app.swap]

[dataplane]
arena = \"3MiB\"
burst = 32
cores = 2
pages = \"prefer\"
privileges = \"drop\"
seed = 1

[[pipeline]]
from = [\"in\"]
name = \"main\"
stages = [\"count\", \"swap\"]

[[port]]
driver = \"null\"
name = \"in\"
size = 64
";
    assert_eq!(config.to_toml(), expected);
    assert_eq!(load(expected).unwrap().to_toml(), expected);
    assert_eq!(config.to_json()["port"][0]["size"], 64);
}

#[test]
fn the_embedded_configuration_is_sound_and_every_key_it_mentions_exists() {
    let daemon = mnvkd::Daemon::new();
    let load = |text: &str| Config::load(text, "default", &[], daemon.registry(), daemon.drivers());
    let config = load(DEFAULT).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(config.warnings.is_empty());
    assert_eq!((config.ports[0].driver, &config.dataplane.cores), ("generator", &Cores::All));
    assert_eq!(config.pipelines[0].stages, ["flow-meter", "mac-swap"]);
    // Lines as `# key = value` are keys left out.
    let uncommented: String = DEFAULT
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => {
                format!("{rest}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(uncommented.lines().count() == DEFAULT.lines().count() && uncommented != DEFAULT);
    load(&uncommented).unwrap_or_else(|errors| panic!("{errors}"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*|[\\[\\]a-z=.\"'{}0-9,#\\n\\r\\t -]{0,200}") {
        let _ = load(&text).map_err(|errors| errors.to_string());
    }

    #[test]
    fn no_change_to_a_good_text_panics(at in 0usize..1000, cut in 0usize..20, put in "[\\[\\]a-z=.\"'{}0-9,#\\n é-]{0,12}") {
        let start = GOOD.floor_char_boundary(at.min(GOOD.len()));
        let end = GOOD.floor_char_boundary((start + cut).min(GOOD.len()));
        let text = format!("{}{put}{}", &GOOD[..start], &GOOD[end..]);
        if let Err(errors) = load(&text) {
            prop_assert!(!errors.0.is_empty());
            for error in &errors.0 {
                prop_assert!(error.place.line() <= text.lines().count() + 1);
                prop_assert_eq!(error.place.source(), "test.toml");
                prop_assert!(error.to_string().lines().count() >= 3);
            }
        }
    }

    #[test]
    fn no_override_panics(set in proptest::collection::vec("(port|pipeline|app|dataplane|x)?[.a-z=\"'\\[{0-9 \\n#é]{0,30}", 0..3)) {
        let set: Vec<&str> = set.iter().map(String::as_str).collect();
        let _ = load_set(GOOD, &set).map_err(|errors| errors.to_string());
    }
}
