//! Whatever files hold, looking at them ends in findings.

use super::*;

const ODD: [&str; 12] = [
    "",
    "\n\n\n",
    "0",
    "-1",
    "99999999999999999999999999",
    "18446744073709551615",
    "4-2,,-,9-",
    "0-262143",
    ":::: (((( )))) [[",
    "CPU0 CPU1 CPUx\n 3: 99999999999999999999 -1\n:\n7",
    "cpu2 18446744073709551615 18446744073709551615 1 1 1 1 1 18446744073709551615",
    "Max locked memory\nCapPrm:\nflags\nflags :\n\u{0}\u{7f}\u{fffd}",
];

#[test]
fn odd_files_are_looked_at_and_nothing_more() {
    for (path, _) in WELL {
        let machine = Machine::well();
        for text in ODD {
            machine.put(path, text);
            assert!(machine.all().len() > 10, "{path}: {text:?}");
        }
        std::fs::write(machine.root.join(path), [0xff, 0xfe, 0, b'\n', 0x80]).unwrap();
        assert!(machine.all().len() > 10, "{path}");
        std::fs::remove_file(machine.root.join(path)).unwrap();
        assert!(machine.all().len() > 10, "{path}");
        std::fs::create_dir(machine.root.join(path)).unwrap();
        assert!(machine.all().len() > 10, "{path}");
    }
}

#[test]
fn a_machine_that_shows_nothing_is_looked_at_too() {
    let host = Host::below(Path::new("/nonexistent"));
    let (sample, odd) = (Sample::default(), Machine::well());
    for expect in [Expectation::default(), odd.expect.clone()] {
        let scene = Scene::of(&host, &expect, &odd.devices, &sample);
        let found = examine(&scene);
        assert!(!found.is_empty());
        assert!(report::text(&report::heading(&scene), &found, &[]).starts_with("Linux unknown"));
    }
}

#[test]
fn extremes_do_not_overflow() {
    let machine = Machine::well().expecting(|expect| {
        expect.core_bytes = u64::MAX;
        expect.cores = usize::MAX;
    });
    assert!(machine.found("hugepages")[0].0.matters());
    let machine = machine.thread(thread("x", 1, 2), 0);
    let mut machine = machine;
    machine.sample.ran_ns.insert(1, u64::MAX);
    machine.sample.window_ns = 0;
    assert!(machine.found("threads of others")[0].0.matters());
}
