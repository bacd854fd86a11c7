//! Privileges of a run, thread by thread: what ports need is checked first, in force while they are opened and
//! looked after, and gone where packets are parsed. The live part needs root (CAP_NET_ADMIN and CAP_NET_RAW).

mod rig;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ffi::capabilities::{self, Capabilities, Capability};
use mnvkd::Daemon;
use mnvkd::packet::{Frames, Packets};
use mnvkd::port::{Gate, Moved, Opening, Port, Privilege, Queue, Receive, Supply};
use rig::{How, Scratch, Setup};
use serde::{Deserialize, Serialize};

const ADMIN: Capabilities = Capabilities::NONE.with(Capability::NET_ADMIN);
const RAW: Capabilities = Capabilities::NONE.with(Capability::NET_RAW);
const FILES: Capabilities = Capabilities::NONE.with(Capability::DAC_OVERRIDE);

/// Keys of a port that asks for privileges.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct VaultConfig {
    /// Under what name it writes down what it saw.
    label: String,
    /// Asks for nothing.
    modest: bool,
    /// Needs nothing again once it is open.
    content: bool,
}

/// What was effective, and the status of the thread, by label and moment: the last one counts.
static SEEN: Mutex<BTreeMap<(String, &'static str), Thread>> = Mutex::new(BTreeMap::new());

/// The capabilities of a thread as the kernel shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Thread {
    effective: Capabilities,
    permitted: Capabilities,
    inheritable: Capabilities,
    no_new_privileges: bool,
}

impl Thread {
    fn of(status: &str) -> Thread {
        let line = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .unwrap_or_default()
                .trim()
        };
        let set = |name| Capabilities::from_bits(u64::from_str_radix(line(name), 16).unwrap());
        Thread {
            effective: set("CapEff"),
            permitted: set("CapPrm"),
            inheritable: set("CapInh"),
            no_new_privileges: line("NoNewPrivs") == "1",
        }
    }

    fn this() -> Thread {
        Thread::of(&std::fs::read_to_string("/proc/thread-self/status").unwrap())
    }

    /// Has nothing, and cannot get anything.
    fn bare() -> Thread {
        let none = Capabilities::NONE;
        Thread { effective: none, permitted: none, inheritable: none, no_new_privileges: true }
    }
}

fn write_down(label: &str, moment: &'static str) {
    SEEN.lock().unwrap().insert((label.to_owned(), moment), Thread::this());
}

fn seen(label: &str, moment: &'static str) -> Option<Thread> {
    SEEN.lock().unwrap().get(&(label.to_owned(), moment)).cloned()
}

struct Vault {
    config: VaultConfig,
    open: bool,
}

impl Port for Vault {
    fn driver(&self) -> &'static str {
        "vault"
    }

    fn queues(&self, cores: usize) -> usize {
        cores
    }

    fn largest_packet(&self) -> usize {
        64
    }

    fn describe(&self) -> String {
        "asks for privileges".to_owned()
    }

    fn privileges(&self) -> Vec<Privilege> {
        let asked = vec![
            Privilege::to_open(Capability::NET_RAW, "to open a socket"),
            Privilege::to_the_end(Capability::NET_ADMIN, "to set the device"),
        ];
        if self.config.modest || self.config.content && self.open { Vec::new() } else { asked }
    }

    fn open(&mut self, opening: &mut Opening<'_>) -> anyhow::Result<Vec<Queue>> {
        write_down(&self.config.label, "open");
        self.open = true;
        let queue =
            |_| Queue { receive: Some(Box::new(Silent(self.config.label.clone(), 0))), transmit: None };
        Ok((0..opening.queues).map(queue).collect())
    }

    fn watch(&mut self) -> Vec<String> {
        write_down(&self.config.label, "watch");
        Vec::new()
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        write_down(&self.config.label, "end");
    }
}

struct Silent(String, u32);

impl Receive for Silent {
    fn receive(&mut self, _: &mut Frames, _: &mut Packets, _: usize, _: u64, _: Gate) -> Moved {
        self.1 += 1;
        if self.1 == 1000 {
            write_down(&self.0, "polling");
        }
        Moved::default()
    }

    fn supply(&self) -> Supply {
        Supply::Open
    }
}

fn setup(label: &str, policy: &str) -> Setup {
    let daemon = |daemon: Daemon| {
        daemon.driver("vault", "asks for privileges", |config: VaultConfig| Ok(Vault { config, open: false }))
    };
    Setup::new(2)
        .daemon(daemon)
        .with("privileges", policy)
        .port("in", "vault", &format!("label = {label:?}"))
        .pipeline("p", &["in"], &[], &["sink"])
}

/// May this be tried here? `MNVKD_CI_LIVE=1` promises that it may.
fn live() -> bool {
    let permitted = capabilities::of_this_thread().unwrap().permitted;
    let able = permitted.contains(Capability::NET_ADMIN) && permitted.contains(Capability::NET_RAW);
    assert!(
        able || std::env::var("MNVKD_CI_LIVE").as_deref() != Ok("1"),
        "live test cannot run: no privileges"
    );
    if !able {
        println!("skipped: without CAP_NET_ADMIN and CAP_NET_RAW");
    }
    able
}

/// The threads of this process by name, but for those of the test itself.
fn threads() -> Vec<(String, Thread)> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let one = |path: std::path::PathBuf| {
        let name = std::fs::read_to_string(path.join("comm")).ok()?.trim_end().to_owned();
        Some((name, Thread::of(&std::fs::read_to_string(path.join("status")).ok()?)))
    };
    tasks.filter_map(|task| one(task.path())).collect()
}

#[test]
fn polling_threads_have_none_and_the_control_thread_what_is_needed_again() {
    if !live() {
        return;
    }
    let all = capabilities::of_this_thread().unwrap().permitted;
    let run = std::thread::spawn(|| setup("drop", "drop").run(How::RunFor(800)));
    let deadline = Instant::now() + Duration::from_secs(20);
    while seen("drop", "watch").is_none() || seen("drop", "polling").is_none() {
        assert!(Instant::now() < deadline, "the run never got going");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Other tests of this program have polling threads too; each of them gave up its own or never had to.
    let of_the_kernel: Vec<(String, Thread)> =
        threads().into_iter().filter(|(name, _)| name == "mnvkd-signals").collect();
    let report = run.join().unwrap();
    assert!(of_the_kernel.iter().all(|(_, thread)| *thread == Thread::bare()), "{of_the_kernel:?}");
    assert!(!of_the_kernel.is_empty());

    assert!(seen("drop", "open").unwrap().effective.contains(Capability::NET_RAW));
    assert_eq!(seen("drop", "polling").unwrap(), Thread::bare());
    for moment in ["watch", "end"] {
        let kept = Thread {
            effective: ADMIN,
            permitted: ADMIN,
            inheritable: Capabilities::NONE,
            no_new_privileges: true,
        };
        assert_eq!(seen("drop", moment).unwrap(), kept, "{moment}");
    }
    let note = format!(
        "privileges: polling threads gave up all {} capabilities; the control thread gave up {} and keeps \
         CAP_NET_ADMIN, in force only while it looks after ports and at the end",
        all.len(),
        all.len() - 1
    );
    assert!(report.notes.contains(&note), "{note}\n{:?}", report.notes);
    // The thread that runs this test started the run, and is as it was.
    assert_eq!(capabilities::of_this_thread().unwrap().permitted, all);
}

#[test]
fn drop_all_leaves_nothing_and_keep_leaves_everything() {
    if !live() {
        return;
    }
    let report = setup("all", "drop-all").run(How::RunFor(300));
    for moment in ["polling", "watch", "end"] {
        assert_eq!(seen("all", moment).unwrap(), Thread::bare(), "{moment}");
    }
    let note = "so did the control thread: a device that vanishes is not opened again";
    assert!(report.notes.iter().any(|line| line.contains(note)), "{:?}", report.notes);

    let before = Thread::this();
    let report = setup("keep", "keep").run(How::RunFor(300));
    for moment in ["open", "polling", "watch", "end"] {
        assert_eq!(seen("keep", moment).unwrap(), before, "{moment}");
    }
    assert!(!report.notes.iter().any(|line| line.starts_with("privileges")), "{:?}", report.notes);
}

#[test]
fn with_no_port_that_asks_nothing_changes() {
    let before = Thread::this();
    let report = setup("modest", "drop").set("port.in.modest=true").run(How::RunFor(300));
    for moment in ["open", "polling", "watch", "end"] {
        assert_eq!(seen("modest", moment).unwrap(), before, "{moment}");
    }
    assert!(!report.notes.iter().any(|line| line.starts_with("privileges")), "{:?}", report.notes);
}

/// A port with several ways to open knows after the opening what it will need again.
#[test]
fn what_is_kept_is_what_is_needed_by_then() {
    if !live() {
        return;
    }
    let report = setup("content", "drop").set("port.in.content=true").run(How::RunFor(300));
    assert!(seen("content", "open").unwrap().effective.contains(Capability::NET_RAW));
    for moment in ["polling", "watch", "end"] {
        assert_eq!(seen("content", moment).unwrap(), Thread::bare(), "{moment}");
    }
    let note = "capabilities, and so did the control thread";
    assert!(report.notes.iter().any(|line| line.ends_with(note)), "{:?}", report.notes);
}

#[test]
fn what_is_missing_is_said_before_anything_is_opened() {
    // A thread without any is what a user without any is.
    let refused = std::thread::spawn(|| {
        capabilities::keep_only(Capabilities::NONE).unwrap();
        setup("poor", "drop").attempt(How::RunFor(300)).map(drop).unwrap_err()
    });
    let text = format!("{:#}", refused.join().unwrap());
    assert!(text.starts_with("not permitted: CAP_NET_ADMIN, CAP_NET_RAW\n"), "{text}");
    assert!(text.contains("\n  port \"in\" needs CAP_NET_RAW to open a socket\n"), "{text}");
    assert!(text.contains("run it with sudo, or"), "{text}");
    assert!(text.contains("  sudo setcap cap_net_admin,cap_net_raw+ep /"), "{text}");
    assert_eq!(seen("poor", "open"), None);
}

#[test]
fn the_wiring_names_what_ports_need() {
    let plan = setup("plan", "drop");
    let plan = plan.daemon.plan(plan.config()).unwrap();
    let lines = "needs CAP_NET_RAW to open a socket\n        needs CAP_NET_ADMIN to set the device\n";
    assert!(plan.to_string().contains(lines), "{plan}");
    let first = &plan.json()["ports"][0]["privileges"][0];
    assert_eq!((&first["capability"], &first["again"]), (&"CAP_NET_RAW".into(), &false.into()));
}

#[test]
fn what_is_permitted_but_not_effective_is_made_so() {
    if !live() {
        return;
    }
    let run = std::thread::spawn(|| {
        // As a program has it that was given `+p` by setcap.
        capabilities::keep_only(ADMIN.or(RAW)).unwrap();
        setup("permitted", "drop").run(How::RunFor(300))
    });
    run.join().unwrap();
    assert_eq!(seen("permitted", "open").unwrap().effective, ADMIN.or(RAW));
    assert_eq!(seen("permitted", "end").unwrap().effective, ADMIN);
}

/// Root without its power over files cannot write to another's folder; what an application exports is written
/// at the end, when the rest is gone.
#[test]
fn what_is_exported_can_still_be_written_to_another_users_folder() {
    if !live() || !capabilities::of_this_thread().unwrap().permitted.contains(Capability::DAC_OVERRIDE) {
        return;
    }
    let scratch = Scratch::new();
    let folder = scratch.path("home");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::chown(&folder, Some(65534), Some(65534)).unwrap();
    let file = folder.join("flows.csv");
    let meter = |label: &str, policy: &str| {
        let setup = setup(label, policy).pipeline("q", &["gen"], &[], &["flow-meter", "sink"]);
        let setup = setup.port("gen", "generator", "count = 10");
        setup.set(format!("app.flow-meter.export={}", file.display()))
    };
    meter("files", "drop").run(How::RunFor(300));
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("protocol,"));
    assert_eq!(seen("files", "watch").unwrap().effective, ADMIN);
    assert_eq!(seen("files", "end").unwrap().effective, ADMIN.or(FILES));

    std::fs::remove_file(&file).unwrap();
    let report = meter("nofiles", "drop-all").accounted(How::RunFor(300));
    assert!(report.errors.iter().any(|error| error.contains("ermission denied")), "{:?}", report.errors);
}
