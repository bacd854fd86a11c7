//! Every kind of fault in a configuration file: its line, its column, its words.

mod config_support;

use config_support::{GOOD, load};

/// The faults of a text, each as `line:column: message`, without the picture of the line.
fn faults(text: &str) -> Vec<String> {
    let errors = load(text).expect_err("this configuration has faults").0;
    errors.iter().map(|e| format!("{}:{}: {}", e.place.line(), e.place.column(), e.message)).collect()
}

/// The faults of the good configuration with a part of it changed.
fn changed(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from:?}");
    faults(&GOOD.replacen(from, to, 1))
}

#[test]
fn an_error_shows_its_line_with_a_caret() {
    let error = load(&GOOD.replace("driver = \"null\"", "driver = \"nul\"")).unwrap_err();
    let expected = "\
test.toml:6:10: unknown driver \"nul\"; did you mean \"null\"? Known: nest, null
  6 | driver = \"nul\"
    |          ^^^^^";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn all_faults_are_told_at_once_in_the_order_they_are_written() {
    let text = GOOD
        .replace("cores = 2", "cores = 0\nbrust = 3")
        .replace("stages = [\"count\", \"swap\"]", "stages = [\"count\", \"swop\"]")
        .replace("table-rows = 1_000", "table-rows = -1\nmode = \"fats\"");
    let expected = [
        "2:9: cores: expected a whole number from 1 to 256, found integer 0",
        "3:1: unknown key \"brust\" in [dataplane]; did you mean \"burst\"? Known: cores, arena, pages, idle, burst, seed, frames, privileges",
        "12:20: stages: unknown application \"swop\"; did you mean \"swap\"? Known: count, lax, swap",
        "15:14: table-rows: expected a whole number from 0 to 4294967295, found integer -1",
        "16:8: mode: unknown value \"fats\"; did you mean \"fast\"? Known: fast, careful",
    ];
    assert_eq!(faults(&text), expected);
}

#[test]
fn syntax() {
    assert_eq!(changed("cores = 2", "cores = = 2"), ["2:9: extra `=`, expected nothing"]);
    assert_eq!(changed("[[port]]", "[[port"), ["4:7: unclosed array table, expected `]]`"]);
    assert_eq!(changed("cores = 2", "cores = 2\ncores = 3"), ["3:1: duplicate key"]);
}

#[test]
fn the_dataplane() {
    let cores = |value: &str| changed("cores = 2", &format!("cores = {value}"));
    assert_eq!(cores("257"), ["2:9: cores: expected a whole number from 1 to 256, found integer 257"]);
    assert_eq!(cores("-1"), ["2:9: cores: expected a whole number from 1 to 256, found integer -1"]);
    assert_eq!(
        cores("[]"),
        ["2:9: cores: an empty list; expected a number of cores, a list of CPUs or \"all\""]
    );
    assert_eq!(cores("[0, 0]"), ["2:13: cores: CPU 0 is listed twice; a CPU polls for one core"]);
    assert_eq!(cores("\"0,1\""), ["2:9: cores: a list of CPUs is written cores = [0,1]"]);
    assert_eq!(
        cores("\"al\""),
        ["2:9: cores: expected a number of cores, a list of CPUs or \"all\", found string \"al\""]
    );
    assert_eq!(cores("[0, \"a\"]"), ["2:13: cores: expected the number of a CPU, found string \"a\""]);
    assert!(cores("[99999]")[0].starts_with("2:10: cores: there is no CPU 99999; this machine has CPUs 0"));

    let key = |line: &str| changed("cores = 2", line);
    assert_eq!(
        key("arena = \"64MB\""),
        ["2:9: arena: \"64MB\" is no size: expected a whole number with a unit, as in \"64MiB\" or \"1GiB\""]
    );
    assert_eq!(
        key("arena = \"0MiB\""),
        ["2:9: arena: no bytes at all; each core needs some MiB, as in \"64MiB\""]
    );
    assert_eq!(key("arena = 1.5"), ["2:9: arena: expected a size as \"64MiB\", found number 1.5"]);
    assert!(
        key("pages = \"2M\"")[0].starts_with("2:9: pages: \"2M\" is no page policy: write never, prefer")
    );
    assert_eq!(
        key("idle = \"sleep\""),
        ["2:8: idle: \"sleep\" is no idle policy: expected one of spin, pause, yield, adaptive"]
    );
    assert_eq!(key("burst = 65"), ["2:9: burst: expected a whole number from 1 to 64, found integer 65"]);
    assert_eq!(key("burst = 0"), ["2:9: burst: expected a whole number from 1 to 64, found integer 0"]);
    assert_eq!(key("seed = true"), ["2:8: seed: expected a whole number of 0 or more, found true"]);
    assert_eq!(
        key("frames = 0"),
        ["2:10: frames: expected a whole number from 1 to 4294967295, found integer 0"]
    );
    assert_eq!(
        key("privileges = \"some\""),
        [
            "2:14: privileges: \"some\" is not what can become of privileges: expected one of drop, drop-all, keep"
        ]
    );
}

#[test]
fn tables_of_the_wrong_kind() {
    assert_eq!(
        changed("[dataplane]", "[[dataplane]]"),
        ["1:1: dataplane: expected a table: [dataplane], found a list of 1"]
    );
    // What follows from it (the port "in" is not known then) is not told.
    assert_eq!(
        changed("[[port]]", "[port]"),
        ["4:1: port: expected a list of tables, each under its own [[port]], found a table"]
    );
    assert_eq!(
        faults("pipeline = 3\n"),
        ["1:12: pipeline: expected a list of tables, each under its own [[pipeline]], found integer 3"]
    );
    assert_eq!(
        changed("[app.count]\ntable-rows = 1_000", "[app]\ncount = 3"),
        ["15:9: app.count: expected a table, found integer 3".replace("15", "14")]
    );
    assert_eq!(faults(""), ["1:1: no pipeline: nothing would be done with any packet; write a [[pipeline]]"]);
    assert_eq!(
        changed("[dataplane]", "[datplane]"),
        [
            "1:2: unknown key \"datplane\" in the configuration; did you mean \"dataplane\"? Known: dataplane, port, pipeline, app"
        ]
    );
}

#[test]
fn ports() {
    assert_eq!(
        changed("name = \"in\"\n", ""),
        ["4:1: a port without a name: write name = \"...\" in this [[port]]"]
    );
    assert_eq!(
        changed("name = \"in\"", "name = \"\""),
        ["5:8: name: expected at least one character, and none that cannot be printed"]
    );
    assert_eq!(
        changed("driver = \"null\"\n", ""),
        ["4:1: a port without a driver: write driver = \"...\"; known: nest, null"]
    );
    assert_eq!(
        changed("[[pipeline]]", "[[port]]\nname = \"in\"\ndriver = \"null\"\n\n[[pipeline]]"),
        ["9:8: two ports are named \"in\"; the first is at test.toml:5:8"]
    );
    assert_eq!(
        changed("driver = \"null\"", "driver = \"null\"\nsiz = 3\ncount = -4\nqueues = \"a\""),
        [
            "7:1: unknown key \"siz\" in port \"in\" (driver null); did you mean \"size\"? Known: size, queues, count",
            "8:9: count: expected a whole number that is not negative, found integer -4",
            "9:10: queues: expected a whole number that is not negative, found string \"a\"",
        ]
    );
}

#[test]
fn a_drivers_nested_and_needed_keys() {
    let nest = |keys: &str| changed("driver = \"null\"", &format!("driver = \"nest\"\n{keys}"));
    assert_eq!(nest("deep = {}"), ["7:8: port \"in\" (driver nest) needs the key \"path\""]);
    assert_eq!(
        nest("deep = { path = 4 }\nlist = [1, \"x\"]"),
        [
            "7:17: deep: expected a string, found integer 4",
            "8:12: list: expected a whole number from 0 to 65535, found string \"x\""
        ]
    );
    assert_eq!(nest("either = true"), ["7:10: either: expected another kind of value"]);
}

#[test]
fn pipelines() {
    assert_eq!(
        changed("from = [\"in\"]", "from = [\"inn\"]"),
        ["10:9: from: unknown port \"inn\"; did you mean \"in\"?"]
    );
    assert_eq!(
        changed("from = [\"in\"]", "from = [\"in\", \"in\"]"),
        ["10:15: from: port \"in\" is listed twice"]
    );
    assert_eq!(
        changed("from = [\"in\"]", "from = []"),
        ["10:8: pipeline \"main\" has no port: write from = [\"PORT\"]"]
    );
    assert_eq!(
        changed("from = [\"in\"]\n", ""),
        ["8:1: pipeline \"main\" has no port: write from = [\"PORT\"]"]
    );
    assert_eq!(
        changed("from = [\"in\"]", "from = 7"),
        ["10:8: from: expected a list of strings, found integer 7"]
    );
    assert_eq!(
        changed("stages = [\"count\", \"swap\"]", "stages = []")[0],
        "11:10: pipeline \"main\" has no stages: write stages = [\"APPLICATION\"]"
    );
    assert_eq!(
        changed("from = [\"in\"]", "from = [\"in\"]\nto = [\"in\", \"out\"]"),
        [
            "11:6: to: 2 ports for the 1 of from; expected none (ports are paired), one (all go there) or 1",
            "11:13: to: unknown port \"out\"; known: in"
        ]
    );
    let second = "[[pipeline]]\nname = \"main\"\nfrom = \"in\"\nstages = \"count\"\n\n[app.count]";
    assert_eq!(
        changed("[app.count]", second),
        [
            "14:8: two pipelines are named \"main\"; the first is at test.toml:9:8",
            "15:8: from: port \"in\" is in the from of pipeline \"main\" already; its packets go through one pipeline",
        ]
    );
}

#[test]
fn applications() {
    assert_eq!(
        changed("[app.count]", "[app.coutn]"),
        ["13:6: unknown application \"coutn\"; did you mean \"count\"? Known: count, lax, swap"]
    );
    assert_eq!(
        changed("table-rows", "table_rows"),
        [
            "14:1: unknown key \"table_rows\" in [app.count]; did you mean \"table-rows\"? Known: table-rows, export, mode"
        ]
    );
    assert_eq!(
        changed("[app.count]\ntable-rows", "[app.swap]\nx"),
        ["14:1: unknown key \"x\" in [app.swap]; there is none"]
    );
}

#[test]
fn a_key_nobody_reads_is_an_error_even_where_the_application_would_let_it_pass() {
    let lax = |keys: &str| changed("[app.count]", &format!("[app.lax]\n{keys}\n\n[app.count]"));
    assert_eq!(lax("depth = 3\ndepht = 4"), ["15:1: unknown key \"depht\" in [app.lax]: nothing reads it"]);
    assert_eq!(
        lax("any = { x = 1, y = { z = [2] } }\nrules = [{ port = 1 }, { port = 2, prot = 3 }]"),
        ["15:36: unknown key \"prot\" in [app.lax]: nothing reads it"]
    );
}
