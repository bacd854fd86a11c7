//! Green tasks in the whole daemon: packets they hold, time they wait for, how they end, and that nothing is lost.

use std::time::Duration;

use mnvkd::port::capture::FileFormat;
use mnvkd::prelude::*;
use mnvkd::reduce::Report;
use mnvkd::task::{self, Held, Restart, State, TaskKind, TaskNeeds};
use serde::{Deserialize, Serialize};

mod rig;

use rig::{How, Rec, Scratch, Setup, dropped, output, records, udp, write_capture};

/// What a task does with its packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    /// Waits, and sends it back.
    #[default]
    Delay,
    /// Panics for every fifth.
    Panic,
    /// Waits for a minute and more: longer than anybody is patient.
    Keep,
    /// Sends it, and a copy.
    Copy,
    /// Ends without a word about it.
    Forget,
    /// Runs for as long as it would have waited without giving way, once.
    Stall,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct WaitConfig {
    mode: Mode,
    delay_us: u64,
    tasks: u32,
}

impl Default for WaitConfig {
    fn default() -> WaitConfig {
        WaitConfig { mode: Mode::Delay, delay_us: 1_000, tasks: 4096 }
    }
}

#[derive(Clone, Debug, Default, Serialize)]
struct Seen {
    packets: u64,
    supervised: u64,
    ticks: u64,
}

impl Tally for Seen {
    fn merge(&mut self, other: Seen) {
        self.packets += other.packets;
        self.supervised += other.supervised;
        self.ticks += other.ticks;
    }

    fn digest(&self, hasher: &mut mnvkd::reduce::TallyHasher) {
        hasher.json(&self.packets);
    }
}

/// Gives every packet to a task of its own.
struct Wait {
    config: WaitConfig,
    kind: TaskKind,
    always: TaskKind,
    seen: State<Seen>,
}

async fn wait(held: Held, config: WaitConfig, seen: State<Seen>) {
    let number = u32::from_be_bytes(held.data()[42..46].try_into().unwrap());
    let port = held.port();
    seen.with(|seen| seen.packets += 1);
    match config.mode {
        Mode::Delay => {
            // Later ones wait for a shorter time: they come out in another order.
            task::sleep(Duration::from_micros(config.delay_us * u64::from(1 + number % 7))).await;
            held.forward(port);
        }
        Mode::Panic => {
            task::yield_now().await;
            assert_ne!(number % 5, 0, "a task panics, as it should in this test");
            held.consume();
        }
        Mode::Keep => {
            task::sleep(Duration::from_secs(61 + u64::from(number))).await;
            held.consume();
        }
        Mode::Copy => {
            task::sleep(Duration::from_micros(config.delay_us)).await;
            let mut copy = loop {
                match task::originate(port) {
                    Some(copy) => break copy,
                    None => task::yield_now().await,
                }
            };
            assert!(copy.resize(held.len()));
            copy.data_mut().copy_from_slice(held.data());
            copy.data_mut()[0] = 0x0a;
            copy.forward(port);
            held.forward(port);
        }
        Mode::Forget => task::yield_now().await,
        Mode::Stall => {
            if number == 0 {
                let started = std::time::Instant::now();
                while started.elapsed() < Duration::from_micros(config.delay_us) {
                    std::hint::spin_loop();
                }
            }
            held.consume();
        }
    }
}

/// Panics twice, then counts ticks for ever.
async fn always(seen: State<Seen>) {
    let starts = seen.with(|seen| {
        seen.supervised += 1;
        seen.supervised
    });
    assert!(starts > 2, "a supervised task panics, as it should in this test");
    let mut every = task::interval(Duration::from_millis(100));
    loop {
        let missed = every.tick().await.missed;
        seen.with(|seen| seen.ticks += 1 + missed);
    }
}

impl Application for Wait {
    type Config = WaitConfig;
    type Tally = Seen;
    const KEY: PartitionKey = PartitionKey::FiveTuple;
    const DECIDES: bool = true;

    fn tasks(config: &WaitConfig) -> TaskNeeds {
        let room = task::room(|(held, config, seen)| wait(held, config, seen));
        TaskNeeds::default().tasks(room, config.tasks).tasks(512, 4).originates(8)
    }

    fn new(config: &WaitConfig, build: &mut Build<'_>) -> Result<Wait> {
        let (kind, always) = (build.task("wait")?, build.task("always")?);
        Ok(Wait { config: config.clone(), kind, always, seen: build.state(Seen::default())? })
    }

    fn start(&mut self, _: &Context) {
        let (kind, seen) = (self.always, self.seen);
        let restart = Restart::default();
        task::spawn(kind, task::supervise(kind, restart, move || always(seen))).expect("a slot").detach();
    }

    fn process(&mut self, burst: &mut Burst, _: &Context) {
        task::hand_over(burst, |held| {
            if let Ok(join) = task::spawn(self.kind, wait(held, self.config.clone(), self.seen)) {
                join.detach();
            }
            None
        });
    }

    fn tally(self) -> Seen {
        self.seen.take().unwrap_or_default()
    }
}

fn made(scratch: &Scratch, packets: u32) -> std::path::PathBuf {
    let path = scratch.path("in.pcap");
    let time = |n: u32| 1_700_000_000_000_000_000 + u64::from(n / 5) * 40_000;
    let made: Vec<Rec> = (0..packets).map(|n| udp(n.wrapping_mul(7919) as u16 % 97, n, time(n))).collect();
    write_capture(&path, FileFormat::PcapNanos, &made);
    path
}

fn setup(cores: usize, file: &std::path::Path, keys: &str, mode: Mode) -> Setup {
    let mode = serde_json::to_string(&mode).unwrap();
    Setup::new(cores)
        .daemon(|daemon| daemon.register::<Wait>("wait"))
        .capture("file", file, keys)
        .pipeline("main", &["file"], &["file"], &["wait"])
        .set(format!("app.wait.mode={mode}"))
}

fn kind<'a>(report: &'a Report, name: &str) -> &'a mnvkd::reduce::report::TaskKindReport {
    &report.tasks.as_ref().expect("there are tasks").kinds[name]
}

#[test]
fn packets_wait_in_tasks_in_virtual_time_and_leave_when_they_should() {
    let scratch = Scratch::new();
    let (file, out) = (made(&scratch, 2000), scratch.path("out.pcap"));
    let mut results = Vec::new();
    for cores in [1, 2, 3, 8] {
        let report = setup(cores, &file, &format!("out = {out:?}"), Mode::Delay).run(How::Simulated);
        assert_eq!(report.books.forwarded, 2000);
        assert_eq!((kind(&report, "wait").spawned, kind(&report, "wait").panicked), (2000, 0));
        for (given, sent) in records(&file).iter().zip(sorted(records(&out))) {
            let delay = 1_000_000 * u64::from(1 + number(&sent) % 7);
            assert_eq!(number(given), number(&sent));
            // A step takes in what comes within 10 µs of its first packet, at the time of that one.
            assert!((given.time_ns + delay - 10_000..=given.time_ns + delay).contains(&sent.time_ns));
        }
        let (file, digests) =
            (std::fs::read(&out).unwrap(), (output(&report).to_owned(), report.digest.tally));
        results.push((file, digests));
    }
    results.dedup();
    assert_eq!(results.len(), 1, "any number of cores writes the same file");
}

fn number(record: &Rec) -> u32 {
    u32::from_be_bytes(record.data[42..46].try_into().unwrap())
}

fn sorted(mut records: Vec<Rec>) -> Vec<Rec> {
    records.sort_by_key(number);
    records
}

#[test]
fn packets_wait_in_tasks_on_polling_cores() {
    let scratch = Scratch::new();
    let file = made(&scratch, 2000);
    for cores in [1, 2] {
        let report =
            setup(cores, &file, &format!("out = {:?}", scratch.path("o")), Mode::Delay).run(How::Threads);
        assert_eq!(report.books.forwarded, 2000);
    }
}

#[test]
fn a_task_that_panics_takes_nothing_with_it_but_its_own() {
    let scratch = Scratch::new();
    let file = made(&scratch, 500);
    for how in [How::Simulated, How::Threads] {
        let report = setup(2, &file, "", Mode::Panic).run(how);
        assert_eq!((report.books.consumed, dropped(&report, "task-ended")), (400, 100), "{how:?}");
        assert_eq!(kind(&report, "wait").panicked, 100);
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        let tally = &report.tallies["wait"];
        assert_eq!(tally["packets"], 500);
    }
}

#[test]
fn a_supervisor_starts_what_panicked_again() {
    let scratch = Scratch::new();
    // A second of packets: ticks of 100 ms.
    let path = scratch.path("long.pcap");
    let made: Vec<Rec> = (0..101).map(|n| udp(1, n, 5_000_000_000 + u64::from(n) * 10_000_000)).collect();
    write_capture(&path, FileFormat::PcapNanos, &made);
    let report = setup(1, &path, "", Mode::Forget).run(How::Simulated);
    let always = kind(&report, "always");
    // The supervisor itself is of the kind too.
    assert_eq!((always.spawned, always.panicked, always.restarted), (4, 2, 2));
    assert_eq!(report.tallies["wait"]["supervised"], 3);
    assert_eq!(
        report.tallies["wait"]["ticks"], 9,
        "30 ms of waiting, then a tick every 100 ms of the second"
    );
    assert_eq!(dropped(&report, "task-ended"), 101);
}

#[test]
fn packets_that_tasks_keep_for_good_are_accounted_for_when_the_run_ends() {
    let scratch = Scratch::new();
    let file = made(&scratch, 100);
    // Virtual time goes on for a minute after the last packet, and no longer.
    let report = setup(2, &file, "", Mode::Keep).run(How::Simulated);
    assert_eq!((report.books.consumed, dropped(&report, "task-ended")), (0, 100));
    let report = setup(2, &file, "", Mode::Keep).run(How::Threads);
    assert_eq!((report.books.consumed, dropped(&report, "task-ended")), (0, 100));
}

#[test]
fn packets_that_tasks_make_are_in_the_books_and_the_same_on_any_number_of_cores() {
    let scratch = Scratch::new();
    let (file, out) = (made(&scratch, 1000), scratch.path("out.pcap"));
    let mut files = Vec::new();
    for cores in [1, 2, 3, 8] {
        let report = setup(cores, &file, &format!("out = {out:?}"), Mode::Copy).run(How::Simulated);
        let books = &report.books;
        assert_eq!((books.received, books.originated, books.forwarded), (1000, 1000, 2000), "{books:?}");
        files.push((std::fs::read(&out).unwrap(), output(&report).to_owned()));
    }
    files.dedup();
    assert_eq!(files.len(), 1);
    let report = setup(2, &file, &format!("out = {out:?}"), Mode::Copy).run(How::Threads);
    assert_eq!((report.books.originated, report.books.forwarded), (1000, 2000));
}

#[test]
fn tasks_that_find_no_slot_are_refused_and_counted() {
    let scratch = Scratch::new();
    let file = made(&scratch, 500);
    let report = setup(1, &file, "", Mode::Keep).set("app.wait.tasks=64").run(How::Simulated);
    let wait = kind(&report, "wait");
    // Four slots are larger, and one or two of these are the supervisor's.
    assert!((64..=67).contains(&wait.spawned) && wait.spawned + wait.refused == 500, "{wait:?}");
    assert_eq!(dropped(&report, "task-ended"), 500);
    let slots = &report.tasks.as_ref().unwrap().slots;
    assert!(
        slots.iter().any(|slots| slots.peak == 64 && slots.slots == 64 && slots.refused >= 1),
        "{slots:?}"
    );
}

#[test]
fn a_task_that_does_not_give_way_is_reported_by_name() {
    let scratch = Scratch::new();
    let file = made(&scratch, 20);
    let stall =
        |us: u32| setup(1, &file, "", Mode::Stall).set(format!("app.wait.delay-us={us}")).run(How::Threads);
    let report = stall(3_000);
    let (wait, tasks) = (kind(&report, "wait"), report.tasks.as_ref().unwrap());
    assert!(wait.stalls + tasks.stalls_of_unknown >= 1, "{tasks:?}");
    // Told while it lasts, by name.
    let report = stall(500_000);
    let note = report.notes.iter().find(|note| note.contains("has not given way"));
    assert!(note.is_some_and(|note| note.starts_with("core 0: a task \"wait\"")), "{:?}", report.notes);
}

/// Uses tasks and did not say so.
struct Sly;

impl Application for Sly {
    type Config = ();
    type Tally = ();

    fn new((): &(), build: &mut Build<'_>) -> Result<Sly> {
        build.task("sly")?;
        Ok(Sly)
    }

    fn process(&mut self, _: &mut Burst, _: &Context) {}

    fn tally(self) {}
}

#[test]
fn who_uses_tasks_has_to_say_so() {
    let setup = Setup::new(1)
        .daemon(|daemon| daemon.register::<Sly>("sly"))
        .port("null", "null", "")
        .pipeline("main", &["null"], &[], &["sly"]);
    let error = format!("{:#}", setup.attempt(How::RunFor(10)).unwrap_err());
    assert!(error.contains("application \"sly\" uses tasks and declared none"), "{error}");
}
