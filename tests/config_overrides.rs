//! `--set path.to.key=value`.

mod config_support;

use config_support::{GOOD, drivers, load_set, registry};
use mnvkd::config::{Config, Cores, Override};

fn faults(set: &[&str]) -> Vec<String> {
    let errors = load_set(GOOD, set).expect_err("these changes have faults").0;
    errors.iter().map(|e| format!("{}: {}", e.place, e.message)).collect()
}

fn holds(set: &[&str]) -> serde_json::Value {
    load_set(GOOD, set).unwrap_or_else(|errors| panic!("{errors}")).to_json()
}

#[test]
fn a_value_is_toml_and_what_is_none_is_a_string() {
    for (set, value) in [
        ("app.count.export=flows.csv", "flows.csv"),
        ("app.count.export=/tmp/a b.csv", "/tmp/a b.csv"),
        ("app.count.export=\"12\"", "12"),
        ("app.count.export='a=b'", "a=b"),
        ("app.count.export=a=b", "a=b"),
        ("app.count.export=#1", "#1"),
        ("app.count.export=", ""),
        (" app . count . export = x ", "x"),
    ] {
        assert_eq!(holds(&[set])["app"]["count"]["export"], value, "{set}");
    }
    assert_eq!(holds(&["app.count.table-rows=0x1_0"])["app"]["count"]["table-rows"], 16);
}

#[test]
fn every_part_can_be_changed() {
    let set = [
        "dataplane.cores=\"all\"",
        "dataplane.seed=9",
        "port.in.size=1500",
        "pipeline.main.stages=[\"swap\"]",
        "app.swap={}",
    ];
    let whole = holds(&set);
    assert_eq!(whole["dataplane"]["cores"], "all");
    assert_eq!(whole["dataplane"]["seed"], 9);
    assert_eq!(whole["port"][0]["size"], 1500);
    assert_eq!(whole["pipeline"][0]["stages"], serde_json::json!(["swap"]));
}

#[test]
fn changes_are_carried_out_in_order() {
    assert_eq!(holds(&["port.in.size=100", "port.in.size=200"])["port"][0]["size"], 200);
    assert_eq!(
        holds(&["app.count={mode=\"careful\"}", "app.count.table-rows=5"])["app"]["count"]["mode"],
        "careful"
    );
    assert_eq!(
        holds(&["port.in.name=out", "port.out.size=77", "pipeline.main.from=out"])["port"][0]["size"],
        77
    );
}

#[test]
fn a_name_with_signs_is_quoted() {
    let text = GOOD.replace("\"in\"", "\"eth0.1 = x\"");
    let config =
        Config::load(&text, "f", &["port.\"eth0.1 = x\".size=99".into()], &registry(), &drivers()).unwrap();
    assert_eq!(config.to_json()["port"][0]["size"], 99);
}

#[test]
fn a_fault_points_into_the_change() {
    let error = load_set(GOOD, &["dataplane.seed=2", "app.count.exprt=flows.csv"]).unwrap_err();
    let expected = "\
--set:1:11: unknown key \"exprt\" in [app.count]; did you mean \"export\"? Known: table-rows, export, mode
  1 | app.count.exprt=flows.csv
    |           ^^^^^";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn each_kind_of_fault() {
    for (set, expected) in [
        ("x", "--set:1:1: expected path.to.key=value, found no \"=\""),
        (
            "=1",
            "--set:1:1: expected path.to.key=value; a name with blanks or signs needs quotes: port.\"my port\".size=64",
        ),
        (
            "a b=1",
            "--set:1:1: expected path.to.key=value; a name with blanks or signs needs quotes: port.\"my port\".size=64",
        ),
        ("port.inn.size=3", "--set:1:6: no port is named \"inn\"; did you mean \"in\"?"),
        ("pipeline.x.to=in", "--set:1:10: no pipeline is named \"x\"; known: main"),
        ("pipeline.main=3", "--set:1:10: expected pipeline.NAME.KEY=value, found no key of the pipeline"),
        (
            "port.in.size=big",
            "--set:1:14: size: expected a whole number from 0 to 4294967295, found string \"big\"",
        ),
        (
            "port.in.driver=nul",
            "--set:1:16: unknown driver \"nul\"; did you mean \"null\"? Known: nest, null",
        ),
        ("dataplane.cores=[0,0]", "--set:1:20: cores: CPU 0 is listed twice; a CPU polls for one core"),
        ("dataplane.arena=[1", "--set:1:19: unclosed array, expected `]`"),
        ("dataplane.cores.x=1", "--set:1:11: \"cores\" is no table: it is integer 2"),
        ("dataplane.seed=1\nburst=3", "--set:1:16: expected one value"),
        (
            "datplane.seed=1",
            "--set:1:1: unknown key \"datplane\" in the configuration; did you mean \"dataplane\"? Known: dataplane, port, pipeline, app",
        ),
        (
            "app.count.export=2020-01-01",
            "--set:1:18: export: expected a string, found date 2020-01-01; a string has quotes",
        ),
    ] {
        assert_eq!(faults(&[set]), [expected], "{set}");
    }
}

#[test]
fn an_option_of_its_own_is_named() {
    let cores = |text: &str| {
        let change = Override::option("--cores", format!("dataplane.cores={text}"));
        Config::load_with(GOOD, "f", &[change], &registry(), &drivers())
    };
    assert_eq!(cores("3").unwrap().dataplane.cores, Cores::Number(3));
    let error = cores("[0, 0]").unwrap_err();
    assert!(error.to_string().starts_with("--cores:1:21: cores: CPU 0 is listed twice"), "{error}");
}
