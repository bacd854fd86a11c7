//! After start nothing allocates on a polling core. An allocator counts for every thread by itself; an
//! application looks at its thread's count each time it is called.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use mnvkd::packet::Burst;
use mnvkd::pipeline::{Application, Build, Context};
use mnvkd::port::capture::FileFormat;
use mnvkd::reduce::{Report, Tally};
use mnvkd::steer::key::PartitionKey;
use mnvkd::task::{self, Messages, Outbox, State, TaskKind, TaskNeeds};
use serde::Serialize;

mod dns_traffic;
mod rig;

use rig::{How, Rec, Scratch, Setup, captures, udp, write_capture};

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, with a count of the calls of each thread, giving back included.
struct Counting;

fn count() {
    // A thread that is ending has no count any more, and nobody asks.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: all it does beside counting, which allocates nothing, is what the system's allocator does.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps to the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count();
        // SAFETY: likewise.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: likewise.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Watches its core's thread between its first call and its latest.
struct Watch {
    core: usize,
    bursts: u64,
    first: u64,
    latest: u64,
}

/// What a watch saw, by core: bursts, calls of the allocator.
#[derive(Debug, Default, Serialize)]
struct Seen(Vec<(usize, u64, u64)>);

impl Tally for Seen {
    fn merge(&mut self, other: Seen) {
        self.0.extend(other.0);
        self.0.sort_unstable();
    }
}

impl Application for Watch {
    type Config = ();
    type Tally = Seen;

    fn new((): &(), build: &mut Build<'_>) -> anyhow::Result<Watch> {
        Ok(Watch { core: build.core().index(), bursts: 0, first: 0, latest: 0 })
    }

    fn process(&mut self, _: &mut Burst, _: &Context) {
        self.latest = CALLS.get();
        if self.bursts == 0 {
            self.first = self.latest;
        }
        self.bursts += 1;
    }

    fn tally(self) -> Seen {
        Seen(vec![(self.core, self.bursts, self.latest - self.first)])
    }
}

/// An application that allocates, to show that the watch sees it.
struct Waster;

impl Application for Waster {
    type Config = ();
    type Tally = ();

    fn new((): &(), _: &mut Build<'_>) -> anyhow::Result<Waster> {
        Ok(Waster)
    }

    fn process(&mut self, burst: &mut Burst, _: &Context) {
        std::hint::black_box(vec![0u8; burst.len()]);
    }

    fn tally(self) {}
}

fn watched(cores: usize) -> Setup {
    Setup::new(cores).daemon(|daemon| daemon.register::<Watch>("watch").register::<Waster>("waster"))
}

/// What the watch saw: core, bursts, calls of the allocator.
fn seen(report: &Report) -> Vec<(u64, u64, u64)> {
    serde_json::from_value(report.tallies["watch"].clone()).unwrap()
}

/// Nothing was allocated on any core, and every core was called often enough to tell.
fn assert_quiet(setup: &Setup, how: How) {
    let report = setup.run(how);
    let seen = seen(&report);
    assert_eq!(seen.len(), report.cores);
    for (core, bursts, calls) in seen {
        assert!(bursts > 2, "core {core} was called {bursts} times: {how:?} {}", setup.text);
        assert_eq!(
            calls, 0,
            "calls of the allocator on core {core} in {bursts} bursts: {how:?} {}",
            setup.text
        );
    }
}

#[test]
fn the_watch_sees_an_application_that_allocates() {
    let setup = watched(2).port("load", "null", "count = 10000");
    let report = setup.pipeline("main", &["load"], &[], &["watch", "waster", "sink"]).run(How::Threads);
    for (core, bursts, calls) in seen(&report) {
        assert_eq!(calls, 2 * (bursts - 1), "core {core}: a call to take and one to give back each burst");
    }
}

#[test]
fn nothing_allocates_under_endless_traffic() {
    let keys = [
        ("null", ""),
        ("generator", "flows = 500\nsize = \"imix\"\nvlan-share = 0.2\nipv6-share = 0.3"),
        ("generator", "flows = 500\nqueues = 1"),
        ("generator", "flows = 500\nrate = \"200k\""),
    ];
    for (driver, keys) in keys {
        let stages: &[&[&str]] = match driver {
            "null" => &[&["watch", "mac-swap"], &["watch", "sink"], &["watch", "drop"]],
            _ => &[&["watch", "flow-meter", "mac-swap"], &["watch", "flow-meter"], &["watch", "sink"]],
        };
        for stages in stages {
            let setup = watched(2).port("load", driver, keys).pipeline("main", &["load"], &[], stages);
            assert_quiet(&setup, How::RunFor(300));
        }
    }
}

fn sample(scratch: &Scratch, name: &str, format: FileFormat) -> std::path::PathBuf {
    let path = scratch.path(name);
    let made: Vec<Rec> = (0..3000).map(|n| udp((n % 40) as u16, n, u64::from(n) * 500)).collect();
    write_capture(&path, format, &made);
    path
}

#[test]
fn nothing_allocates_while_captures_are_read_and_written() {
    let scratch = Scratch::new();
    let files = [
        sample(&scratch, "in.pcap", FileFormat::PcapNanos),
        sample(&scratch, "in.pcapng", FileFormat::Pcapng),
    ];
    let outs = [
        String::new(),
        format!("out = {:?}", scratch.path("out.pcap")),
        format!("out = {:?}\ndrop-comments = true", scratch.path("out.pcapng")),
    ];
    for file in &files {
        for preload in [false, true] {
            for out in &outs {
                for (stages, set) in
                    [("flow-meter", "mac-swap"), ("drop", "forward")].into_iter().zip([0.0, 0.4])
                {
                    let keys = |loops: u32| format!("loop = {loops}\npreload = {preload}\n{out}");
                    let setup = |loops| {
                        watched(2)
                            .set(format!("app.drop.share={set}"))
                            .capture("file", file, &keys(loops))
                            .pipeline("main", &["file"], &[], &["watch", stages.0, stages.1])
                    };
                    assert_quiet(&setup(3), How::Threads);
                    if out.is_empty() {
                        assert_quiet(&setup(0), How::RunFor(100));
                    }
                }
            }
        }
    }
}

#[test]
fn nothing_allocates_while_echo_answers() {
    let scratch = Scratch::new();
    let file = sample(&scratch, "asked.pcap", FileFormat::PcapNanos);
    for others in ["pass", "drop"] {
        for address in ["10.0.0.2/24", "10.0.0.3/24"] {
            let setup = watched(2)
                .set("app.echo.mac=\"02:00:00:00:00:01\"")
                .set(format!("app.echo.addresses=[{address:?}]"))
                .set("app.echo.udp_ports=[53]")
                .set(format!("app.echo.others={others:?}"))
                .capture("file", &file, "loop = 3")
                .pipeline("main", &["file"], &[], &["watch", "echo", "sink"]);
            assert_quiet(&setup, How::Threads);
            let answered = &setup.run(How::Threads).tallies["echo"]["answered"]["udp"];
            assert_eq!(*answered, if address == "10.0.0.2/24" { 9000 } else { 0 });
        }
    }
}

#[test]
fn nothing_allocates_while_a_real_capture_is_read() {
    let Some(dir) = captures() else { return };
    let scratch = Scratch::new();
    let out = scratch.path("out.pcapng");
    // Many interfaces, several sections, interfaces described between packets.
    let files = [
        ("large_ndpi_interleaved.pcap", 1),
        ("ndpi__sites.pcapng", 20),
        ("ndpi__stun.pcap", 20),
        ("ndpi__anydesk.pcapng", 20),
    ];
    for (name, loops) in files {
        for preload in [false, true] {
            let keys = format!("loop = {loops}\npreload = {preload}\nout = {out:?}");
            let setup = watched(2).capture("file", &dir.join(name), &keys).pipeline(
                "main",
                &["file"],
                &[],
                &["watch", "flow-meter", "forward"],
            );
            assert_quiet(&setup, How::Threads);
        }
    }
    // Three sections of either byte order; too few packets for more than one core.
    let file = dir.join("pcapngtest__le_test202.pcapng");
    let setup = watched(1).capture("file", &file, "loop = 200");
    assert_quiet(&setup.pipeline("main", &["file"], &[], &["watch", "flow-meter", "sink"]), How::Threads);
}

/// A flow's task that sends every packet on after a rest, or at once.
struct Rests;

impl mnvkd::pipeline::FlowTask for Rests {
    type Config = ();
    type Tally = ();

    fn new((): &(), _: &mut Build<'_>) -> anyhow::Result<Rests> {
        Ok(Rests)
    }

    async fn converse(mut flow: mnvkd::task::Flow, shared: mnvkd::task::State<Self>) {
        let Ok((sender, mut receiver)) = mnvkd::task::channel::<mnvkd::task::Held, 2>() else { return };
        while let Ok(Some(packet)) = flow.recv_timeout(Duration::from_millis(2)).await {
            shared.with(|_| ());
            if sender.try_send(packet).is_ok() && flow.key().a().port().is_multiple_of(4) {
                mnvkd::task::sleep(Duration::from_micros(50)).await;
            }
            receiver.recv().await.expect("it was sent").consume();
        }
    }

    fn tally(self) {}
}

#[test]
fn nothing_allocates_while_tasks_come_and_go() {
    for keys in ["flows = 300\nrate = \"300k\"", "flows = 100000\nrate = \"100k\""] {
        let setup = watched(2)
            .daemon(|daemon| daemon.register::<mnvkd::pipeline::PerFlow<Rests>>("rests"))
            .port("load", "generator", keys)
            .pipeline("main", &["load"], &[], &["watch", "rests", "drop"]);
        assert_quiet(&setup, How::RunFor(400));
    }
}

/// Tells all shards of each packet, and waits for room where there is none.
struct Gossip {
    told: Messages<u64>,
    kinds: [TaskKind; 2],
    heard: State<u64>,
}

async fn listen(told: Messages<u64>, shard: u16, heard: State<u64>) {
    let Ok(mut inbox) = told.inbox(shard) else { return };
    loop {
        let message = inbox.recv().await;
        heard.with(|heard| *heard += u64::from(message.value < 1000));
    }
}

async fn tell(outbox: Outbox<u64>, to: u16, number: u64) {
    // Over at the end of the run: what was not sent comes back.
    let _ = outbox.send(to, number).await;
}

impl Application for Gossip {
    type Config = ();
    type Tally = u64;
    const KEY: PartitionKey = PartitionKey::FiveTuple;

    fn shards((): &()) -> Option<u16> {
        Some(4)
    }

    fn tasks((): &()) -> TaskNeeds {
        let listening = task::room(|(told, shard, heard)| listen(told, shard, heard));
        let telling = task::room(|(outbox, to, number)| tell(outbox, to, number));
        let needs = TaskNeeds::default().tasks_without_timers(listening, 4).tasks_without_timers(telling, 64);
        needs.messages::<u64>(8)
    }

    fn new((): &(), build: &mut Build<'_>) -> anyhow::Result<Gossip> {
        let kinds = [build.task("listen")?, build.task("tell")?];
        Ok(Gossip { told: build.messages("told", 8)?, kinds, heard: build.state(0)? })
    }

    fn start(&mut self, _: &Context) {
        for shard in (0..4).filter(|shard| self.told.is_here(*shard)) {
            task::spawn(self.kinds[0], listen(self.told, shard, self.heard)).expect("a slot").detach();
        }
    }

    fn process(&mut self, burst: &mut Burst, _: &Context) {
        for packet in burst.undecided() {
            let shard = packet.hash() as u16 % 4;
            let Some(outbox) = self.told.outbox(shard) else { continue };
            if outbox.try_send_to_all(u64::from(packet.hash() % 1000)).is_err() {
                drop(task::spawn(self.kinds[1], tell(outbox, (shard + 1) % 4, 1)));
            }
        }
    }

    fn tally(self) -> u64 {
        self.heard.take().unwrap_or_default()
    }
}

#[test]
fn nothing_allocates_while_messages_go_between_cores() {
    for cores in [1, 2] {
        let setup = watched(cores)
            .daemon(|daemon| daemon.register::<Gossip>("gossip"))
            .port("load", "generator", "flows = 300\nrate = \"200k\"")
            .pipeline("main", &["load"], &[], &["watch", "gossip", "drop"]);
        assert_quiet(&setup, How::RunFor(300));
        let report = setup.run(How::RunFor(100));
        let told = &report.tasks.as_ref().expect("tasks").messages["told"];
        assert!(told.received > 100, "{told:?}");
        assert_eq!(told.sent, told.received + told.dropped);
        assert_eq!(report.tallies["gossip"], told.received, "{told:?}");
    }
}

#[test]
fn nothing_allocates_while_dns_is_answered_and_asked() {
    let scratch = Scratch::new();
    let out = scratch.path("out.pcap");
    let file = dns_traffic::capture(&scratch, dns_traffic::traffic(&scratch, &out));
    for cores in [1, 2] {
        let setup = watched(cores).capture("file", &file, "").pipeline(
            "main",
            &["file"],
            &["file"],
            &["watch", "dns-cache"],
        );
        let setup = dns_traffic::configured(setup);
        assert_quiet(&setup, How::Threads);
        let tally = &setup.run(How::Threads).tallies["dns-cache"];
        for what in ["/hits", "/misses", "/upstream/queries", "/cache/inserted"] {
            assert!(tally.pointer(what).and_then(serde_json::Value::as_u64) > Some(0), "{what} {tally:#}");
        }
    }
}
