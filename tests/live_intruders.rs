//! A thread of another on a polling core's CPU is noticed, counted and named. Needs no privileges.

mod cli_support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use cli_support::scratch;

/// A process that never rests, on one CPU; gone with this.
struct Busy(Child);

impl Busy {
    /// Named by what it is executed as.
    fn on(cpu: usize, name: &str) -> Busy {
        let path = scratch(name, "");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/bin/bash", &path).unwrap();
        let script = "taskset -pc $0 $$ > /dev/null || exit 1; echo ready; while :; do :; done";
        let mut child = Command::new(path)
            .args(["-c", script, &cpu.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a bash");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped"))
            .read_line(&mut line)
            .expect("it says something");
        assert_eq!(line, "ready\n", "taskset (util-linux) is needed");
        Busy(child)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn last_cpu() -> usize {
    *ffi::affinity::allowed_cpus().unwrap().last().unwrap()
}

#[test]
fn a_busy_process_on_the_cores_cpu_is_named() {
    let cpu = last_cpu();
    let busy = Busy::on(cpu, "troublemaker-77");
    let text = format!(
        "[dataplane]\ncores = [{cpu}]\npages = 'never'\nidle = 'spin'\n[[port]]\nname = 'in'\ndriver = 'null'\n\
         [[pipeline]]\nname = 'p'\nfrom = 'in'\nstages = 'sink'\n"
    );
    let file = scratch("intruder.toml", &text);
    let ran = cli_support::mnvkd(&["run", &file, "--for", "3s", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    // The name as the kernel has it: 15 bytes.
    let named = format!("\"troublemaker-77\" (process {}) ", busy.0.id());
    let start = format!("core 0 (CPU {cpu}) was preempted ");
    let line = ran.err.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{}", ran.err));
    assert!(line.contains(&named) && line.contains(" and had to wait "), "{line}");
    assert!(line.ends_with("keep others off that CPU (see `mnvkd doctor`)"), "{line}");

    let report = ran.json();
    let core = &report["per_core"][0];
    assert!(core["preempted"].as_u64().unwrap() > 0, "{core}");
    let waited = core["waited_seconds"].as_f64().unwrap();
    // Two that never rest share a CPU by halves; a busy machine takes more.
    assert!((0.3..3.5).contains(&waited), "{core}");
    let notes = report["notes"].as_array().unwrap();
    let noted = |note: &&serde_json::Value| note.as_str().unwrap().starts_with(&start);
    let note = notes.iter().find(noted).unwrap_or_else(|| panic!("{notes:?}"));
    assert!(note.as_str().unwrap().contains(&named), "{note}");
    // A line at once, then after one second and two: no more than one a second.
    assert!(ran.err.lines().filter(|line| line.starts_with(&start)).count() <= 3, "{}", ran.err);
}
