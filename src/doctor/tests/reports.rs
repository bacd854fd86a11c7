//! What is printed, and what `--fix` does.

use hugepages::PageSize;

use super::*;

#[test]
fn findings_are_drawn_to_the_letter() {
    let machine = Machine::well()
        .with("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n")
        .device(|facts| facts.support = None);
    let (host, mut found) = (machine.host(), machine.all());
    found.retain(|finding| ["transparent pages", "numa", "xdp", "mitigations"].contains(&finding.check));
    found.push(
        Finding::note("smt", "one thing").because("it is so").mended_by("do this").mended_by("or that"),
    );
    let scene = Scene::of(&host, &machine.expect, &machine.devices, &machine.sample);
    let expected = format!(
        "Linux 6.18.0, CPUs 0-3; polling CPUs 2-3 (mnvkd.toml)

warning  transparent pages for everybody (always)
                   why: the kernel puts pages of all processes together behind their backs: it moves memory, stops them
                   mend: echo madvise | sudo tee {root}/sys/kernel/mm/transparent_hugepage/enabled
note     smt               one thing
                   why: it is so
                   mend: do this
                   mend: or that
well     xdp               eth0: driver ice: native, zero-copy
well     numa              eth0: node 1, as the polling CPUs
well     mitigations       none in force

0 faults, 1 warning, 1 note, 3 well
1 of them can be mended at once and taken back: sudo mnvkd doctor --fix
",
        root = machine.root.display()
    );
    assert_eq!(report::text(&report::heading(&scene), &found, &[]), expected);
}

#[test]
fn the_json_has_every_part() {
    let machine = Machine::well().with("proc/sys/net/core/bpf_jit_enable", "0\n");
    let (host, found) = (machine.host(), machine.all());
    let scene = Scene::of(&host, &machine.expect, &machine.devices, &machine.sample);
    let change = Change { what: "a".into(), undo: "b".into(), error: None };
    let json = report::json(&scene, &found, &[change]);
    assert_eq!((&json["kernel"], &json["configuration"]), (&"6.18.0".into(), &"mnvkd.toml".into()));
    assert_eq!((json["cpus"].as_array().unwrap().len(), json["polling"][1].as_u64()), (4, Some(3)));
    let ill = json["findings"].as_array().unwrap().iter().find(|one| one["level"] != "well").unwrap();
    let keys: Vec<&str> = ill.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["about", "check", "fixable", "level", "mend", "what", "why"]);
    assert_eq!((&ill["check"], &ill["level"]), (&"bpf compiler".into(), &"warning".into()));
    assert_eq!((&ill["fixable"], &ill["about"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!((&json["counts"]["warning"], &json["counts"]["fault"]), (&1.into(), &0.into()));
    assert_eq!(json["changes"][0], serde_json::json!({ "what": "a", "undo": "b", "error": null }));
}

#[test]
fn a_fix_does_what_it_says_and_says_how_to_take_it_back() {
    let file = "sys/devices/system/cpu/cpu3/cpufreq/scaling_governor";
    let machine = Machine::well().with(file, "powersave\n");
    let path = machine.root.join(file);
    let change = machine.ill("governor").fix.unwrap().carry_out(&machine.host());
    let expected = Change {
        what: format!("{}: powersave → performance", path.display()),
        undo: format!("echo powersave | sudo tee {}", path.display()),
        error: None,
    };
    assert_eq!(change, expected);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "performance");
    assert_eq!(machine.found("governor"), [(Level::Well, "performance".into())]);

    let pool = "sys/devices/system/node/node1/hugepages/hugepages-2048kB";
    let machine = Machine::well().with(&format!("{pool}/free_hugepages"), "60\n");
    let change = machine.ill("hugepages").fix.unwrap().carry_out(&machine.host());
    assert_eq!((change.what.as_str(), change.error), ("pages of 2M on node 1: 100 → 104", None));
    let nr = machine.root.join(pool).join("nr_hugepages");
    assert_eq!(std::fs::read_to_string(nr).unwrap(), "104");
}

#[test]
fn a_fix_that_fails_says_why_and_takes_nothing_back() {
    let host = Host::below(Path::new("/nonexistent"));
    let write = Fix::Write { file: "/nonexistent/x".into(), value: "1".into(), before: "0".into() };
    let reserve = Fix::Reserve { size: PageSize::Huge2M, count: 1, before: 0, node: None };
    let switch = Fix::SwitchOff { device: "no-such-dev".into(), feature: "rx-lro" };
    for (fix, why) in
        [(write, "cannot write /nonexistent/x"), (reserve, "no pool of 2M"), (switch, "cannot switch rx-lro")]
    {
        let change = fix.carry_out(&host);
        assert_eq!(change.undo, "");
        assert!(change.error.as_ref().is_some_and(|error| error.starts_with(why)), "{change:?}");
        let text = report::text("x", &[], &[change]);
        assert!(text.contains("\nchanges\n  FAILED  ") && text.contains(why), "{text}");
    }
}
