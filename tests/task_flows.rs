//! Flows with a task each: packets in order, mailboxes with a limit, the end of a flow, and flows that tasks open themselves.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mnvkd::packet::flow::FlowKey;
use mnvkd::port::capture::FileFormat;
use mnvkd::prelude::*;
use mnvkd::task::{self, Flow, FlowLimits, Flows, Held, OpenError, State, TaskKind, TaskNeeds};
use serde::{Deserialize, Serialize};

mod rig;

use rig::{How, Rec, Scratch, Setup, dropped, output, records, udp, write_capture};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TalkConfig {
    mailbox: u16,
    flows: u32,
    idle_ms: u64,
    /// How long its task thinks about each packet.
    think_us: u64,
}

impl Default for TalkConfig {
    fn default() -> TalkConfig {
        TalkConfig { mailbox: 64, flows: 256, idle_ms: 100, think_us: 0 }
    }
}

#[derive(Clone, Debug, Default, Serialize)]
struct Talks {
    over: u64,
    packets: u64,
}

impl Tally for Talks {
    fn merge(&mut self, other: Talks) {
        self.over += other.over;
        self.packets += other.packets;
    }
}

/// Numbers the packets of each flow and sends them back.
struct Talk {
    kind: TaskKind,
    flows: Flows,
    talks: State<Talks>,
    think: Duration,
}

async fn talk(mut flow: Flow, think: Duration, talks: State<Talks>) {
    let mut number = 0u8;
    while let Some(mut packet) = flow.recv().await {
        if !think.is_zero() {
            task::sleep(think).await;
        }
        packet.data_mut()[50] = number;
        number = number.wrapping_add(1);
        talks.with(|talks| talks.packets += 1);
        let port = packet.port();
        flow.send(packet, port);
    }
    talks.with(|talks| talks.over += 1);
}

impl Application for Talk {
    type Config = TalkConfig;
    type Tally = Talks;
    const KEY: PartitionKey = PartitionKey::FiveTuple;
    const DECIDES: bool = true;

    fn tasks(config: &TalkConfig) -> TaskNeeds {
        let room = task::room(|(flow, think, talks)| talk(flow, think, talks));
        TaskNeeds::default().tasks(room, config.flows).flows(config.flows)
    }

    fn new(config: &TalkConfig, build: &mut Build<'_>) -> Result<Talk> {
        let idle = Duration::from_millis(config.idle_ms);
        let limits = FlowLimits { mailbox: config.mailbox, idle, ..FlowLimits::default() };
        Ok(Talk {
            kind: build.task("talk")?,
            flows: build.flows("talk", config.flows, limits)?,
            talks: build.state(Talks::default())?,
            think: Duration::from_micros(config.think_us),
        })
    }

    fn process(&mut self, burst: &mut Burst, _: &Context) {
        let (think, talks) = (self.think, self.talks);
        self.flows.dispatch(burst, self.kind, |flow| talk(flow, think, talks));
    }

    fn tally(self) -> Talks {
        self.talks.take().unwrap_or_default()
    }
}

fn capture(scratch: &Scratch, made: impl IntoIterator<Item = Rec>) -> std::path::PathBuf {
    let path = scratch.path("in.pcap");
    write_capture(&path, FileFormat::PcapNanos, &made.into_iter().collect::<Vec<_>>());
    path
}

fn talking(cores: usize, file: &std::path::Path, keys: &str) -> Setup {
    Setup::new(cores).daemon(|daemon| daemon.register::<Talk>("talk")).capture("file", file, keys).pipeline(
        "main",
        &["file"],
        &["file"],
        &["talk", "drop"],
    )
}

#[test]
fn each_flow_is_one_task_and_its_packets_stay_in_order() {
    let scratch = Scratch::new();
    let made = (0..3000u32).map(|n| udp((n * 7 % 100) as u16, n, 1_000_000_000 + u64::from(n) * 3_000));
    let (file, out) = (capture(&scratch, made), scratch.path("out.pcap"));
    let mut results = Vec::new();
    for (cores, how) in
        [1, 2, 3, 8].map(|cores| (cores, How::Simulated)).into_iter().chain([(2, How::Threads)])
    {
        let report = talking(cores, &file, &format!("out = {out:?}")).run(how);
        assert_eq!((report.books.forwarded, report.books.held), (3000, 0));
        let talks = &report.tallies["talk"];
        assert_eq!((&talks["packets"], &talks["over"]), (&3000.into(), &100.into()));
        let tasks = report.tasks.as_ref().unwrap();
        assert_eq!((tasks.flows["talk"].accepted, tasks.kinds["talk"].spawned), (100, 100));
        let mut next = [0u8; 100];
        for record in records(&out) {
            let flow = usize::from(u16::from_be_bytes([record.data[34], record.data[35]]) - 1024);
            assert_eq!(record.data[50], next[flow], "{how:?}");
            next[flow] += 1;
        }
        if how == How::Simulated {
            results.push((std::fs::read(&out).unwrap(), output(&report).to_owned()));
        }
    }
    results.dedup();
    assert_eq!(results.len(), 1);
}

#[test]
fn a_flow_that_is_idle_is_over_and_may_begin_anew() {
    let scratch = Scratch::new();
    // Packets of one flow at 0, 50, 180, 400 ms; idle is 100 ms.
    let made = [0, 50, 180, 400].map(|ms| udp(1, ms, 1_000_000_000 + u64::from(ms) * 1_000_000));
    let report = talking(1, &capture(&scratch, made), "").run(How::Simulated);
    let tasks = report.tasks.as_ref().unwrap();
    assert_eq!(tasks.flows["talk"].accepted, 3, "{tasks:?}");
    assert_eq!((report.tallies["talk"]["over"].clone(), tasks.mailboxes.peak), (3.into(), 1));
}

#[test]
fn a_mailbox_that_is_full_drops_by_reason_and_so_does_a_lack_of_mailboxes() {
    let scratch = Scratch::new();
    let made = (0..50u32).map(|n| udp((n % 5) as u16, n, 1_000_000_000 + u64::from(n)));
    let file = capture(&scratch, made);
    let slow = |sets: &[&str]| {
        let setup = talking(1, &file, "").with("burst", 64).set("app.talk.think_us=1000");
        sets.iter().fold(setup, |setup, set| setup.set(*set)).run(How::Simulated)
    };
    // A burst of ten packets for each of five flows, before any task has run.
    let report = slow(&["app.talk.mailbox=3"]);
    assert_eq!((report.books.forwarded, dropped(&report, "mailbox-full")), (15, 35));
    assert_eq!(report.tasks.unwrap().flows["talk"].overflowed, 35);
    let report = slow(&["app.talk.flows=2"]);
    assert_eq!((report.books.forwarded, dropped(&report, "flows-full")), (20, 30));
    assert_eq!(report.tasks.unwrap().flows["talk"].refused, 30);
}

#[test]
fn packets_of_no_flow_are_the_next_applications() {
    let scratch = Scratch::new();
    let mut arp = udp(1, 0, 1_000_000_000);
    arp.data[12..14].copy_from_slice(&[8, 6]);
    let report = talking(1, &capture(&scratch, [arp, udp(1, 1, 1_000_000_001)]), "").run(How::Simulated);
    assert_eq!((dropped(&report, "policy"), report.books.forwarded), (1, 1));
}

/// Asks somebody else about each packet before it answers.
struct Ask {
    kind: TaskKind,
    flows: Flows,
    asked: State<Asked>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Asked {
    asked: u64,
    answered: u64,
    silent: u64,
    no_port: u64,
}

impl Tally for Asked {
    fn merge(&mut self, other: Asked) {
        self.asked += other.asked;
        self.answered += other.answered;
        self.silent += other.silent;
        self.no_port += other.no_port;
    }
}

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const THERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9)), 99);

async fn ask(client: Held, flows: Flows, asked: State<Asked>) {
    let draw = u64::from(client.data()[45]).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut flow = match flows.open(client.hash(), HERE, THERE, 17, draw) {
        Ok(flow) => flow,
        Err(error) => {
            assert_eq!(error, OpenError::Full);
            return asked.with(|asked| asked.no_port += 1);
        }
    };
    let port = client.port();
    let mut question = task::originate(port).expect("a frame");
    assert!(question.resize(client.len()));
    question.data_mut().copy_from_slice(client.data());
    let (from, to) = (flow.local(THERE), THERE);
    let header = [from, to].map(|end| match end.ip() {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => unreachable!("the flow is IPv4"),
    });
    question.data_mut()[26..34].copy_from_slice(header.as_flattened());
    question.data_mut()[34..36].copy_from_slice(&from.port().to_be_bytes());
    question.data_mut()[36..38].copy_from_slice(&to.port().to_be_bytes());
    question.forward(port);
    asked.with(|asked| asked.asked += 1);
    match flow.recv_timeout(Duration::from_millis(20)).await {
        Ok(Some(answer)) => {
            asked.with(|asked| asked.answered += 1);
            answer.consume();
        }
        Ok(None) | Err(_) => asked.with(|asked| asked.silent += 1),
    }
    client.forward(port);
}

impl Application for Ask {
    type Config = ();
    type Tally = Asked;
    const KEY: PartitionKey = PartitionKey::FiveTuple;
    const DECIDES: bool = true;

    fn tasks((): &()) -> TaskNeeds {
        TaskNeeds::default().tasks(task::room(|(a, b, c)| ask(a, b, c)), 512).own_flows(512).originates(64)
    }

    fn shards((): &()) -> Option<u16> {
        Some(8)
    }

    fn new((): &(), build: &mut Build<'_>) -> Result<Ask> {
        let (kind, asked) = (build.task("ask")?, build.state(Asked::default())?);
        Ok(Ask { kind, flows: build.flows("questions", 512, FlowLimits::default())?, asked })
    }

    fn process(&mut self, burst: &mut Burst, _: &Context) {
        task::hand_over(burst, |held| {
            let held = match self.flows.deliver(held) {
                Ok(()) => return None,
                Err((held, task::NoFlow::Over)) => return Some((held, Verdict::Drop(Reason::POLICY))),
                Err((held, _)) => held,
            };
            task::spawn(self.kind, ask(held, self.flows, self.asked)).expect("a slot").detach();
            None
        });
    }

    fn tally(self) -> Asked {
        self.asked.take().unwrap_or_default()
    }
}

fn asking(cores: usize, file: &std::path::Path, out: &std::path::Path) -> Setup {
    Setup::new(cores)
        .daemon(|daemon| daemon.register::<Ask>("ask"))
        .capture("file", file, &format!("out = {out:?}"))
        .pipeline("main", &["file"], &["file"], &["ask"])
}

#[test]
fn answers_to_a_tasks_own_questions_come_back_to_it_on_any_number_of_cores() {
    let scratch = Scratch::new();
    let time = |n: u32| 1_000_000_000 + u64::from(n) * 100_000;
    let clients: Vec<Rec> = (0..200u32).map(|n| udp(n as u16, n, time(n))).collect();
    let (file, out) = (capture(&scratch, clients.clone()), scratch.path("out.pcap"));
    // Nobody answers: what is asked is the same whatever the number of cores.
    let report = asking(1, &file, &out).run(How::Simulated);
    assert_eq!(report.tallies["ask"]["silent"], 200);
    let there = [192, 0, 2, 9];
    let questions: Vec<Rec> =
        records(&out).into_iter().filter(|record| record.data[30..34] == there).collect();
    assert_eq!(questions.len(), 200);
    // The answers come 5 ms later; and once more, when nobody waits for them.
    let answer = |question: &Rec, later_ns: u64| {
        let mut answer = question.clone();
        let (mut ends, mut ports) = (question.data[26..34].to_vec(), question.data[34..38].to_vec());
        ends.rotate_left(4);
        ports.rotate_left(2);
        answer.data[26..34].copy_from_slice(&ends);
        answer.data[34..38].copy_from_slice(&ports);
        answer.time_ns += later_ns;
        answer
    };
    let mut all = clients;
    all.extend(questions.iter().map(|question| answer(question, 5_000_000)));
    all.extend(questions.iter().map(|question| answer(question, 9_000_000)));
    all.sort_by_key(|record| record.time_ns);
    let file = capture(&scratch, all);
    let mut results = Vec::new();
    for cores in [1, 2, 3, 8] {
        let report = asking(cores, &file, &out).run(How::Simulated);
        let asked = &report.tallies["ask"];
        assert_eq!((&asked["answered"], &asked["silent"]), (&200.into(), &0.into()), "{cores} cores");
        // Ports rest: what comes late is nobody's.
        assert_eq!((dropped(&report, "policy"), report.books.consumed), (200, 200));
        let tasks = report.tasks.as_ref().unwrap();
        assert_eq!((tasks.flows["questions"].opened, tasks.flows["questions"].late), (200, 200));
        results.push((std::fs::read(&out).unwrap(), output(&report).to_owned(), report.digest.tally));
    }
    results.dedup();
    assert_eq!(results.len(), 1);
    let key = FlowKey::between(SocketAddr::new(HERE, 1), THERE, 17);
    assert!(key.is_some());
}

/// Has fewer shards than the application behind it, and leaves everything to that.
struct Coarse;

impl Application for Coarse {
    type Config = ();
    type Tally = ();
    const KEY: PartitionKey = PartitionKey::FiveTuple;

    fn shards((): &()) -> Option<u16> {
        Some(4)
    }

    fn arena_bytes((): &()) -> usize {
        64
    }

    fn new((): &(), build: &mut Build<'_>) -> Result<Coarse> {
        let mine: Vec<u16> = build.shards().collect();
        let cores = build.cores() as u16;
        assert!(mine.iter().all(|shard| shard % cores == build.core().index() as u16), "{mine:?}");
        assert_eq!(mine.len(), (0..4).filter(|shard| shard % cores == build.core().index() as u16).count());
        for _ in mine {
            build.carve::<u8>(64)?;
        }
        Ok(Coarse)
    }

    fn process(&mut self, _: &mut Burst, _: &Context) {}

    fn tally(self) {}
}

#[test]
fn applications_with_more_and_fewer_shards_go_together() {
    let scratch = Scratch::new();
    let clients = (0..100u32).map(|n| udp(n as u16, n, 1_000_000_000 + u64::from(n) * 100_000));
    let (file, out) = (capture(&scratch, clients), scratch.path("out.pcap"));
    let mut results = Vec::new();
    for cores in [1, 2, 3, 4] {
        let report = Setup::new(cores)
            .daemon(|daemon| daemon.register::<Ask>("ask").register::<Coarse>("coarse"))
            .capture("file", &file, &format!("out = {out:?}"))
            .pipeline("main", &["file"], &["file"], &["coarse", "ask"])
            .run(How::Simulated);
        assert_eq!(report.tallies["ask"]["asked"], 100);
        results.push((std::fs::read(&out).unwrap(), output(&report).to_owned()));
    }
    // And alone: whoever stands before it, what it asks, and by which ports, is its own.
    asking(8, &file, &out).run(How::Simulated);
    assert_eq!(std::fs::read(&out).unwrap(), results[0].0);
    results.dedup();
    assert_eq!(results.len(), 1);
}

#[test]
fn the_report_has_these_keys_of_tasks_and_no_others() {
    let scratch = Scratch::new();
    let report = talking(2, &capture(&scratch, [udp(1, 1, 1_000_000_000)]), "").run(How::Simulated);
    let tasks = serde_json::to_value(&report.tasks).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        keys(&tasks),
        ["flows", "kinds", "mailboxes", "messages", "slots", "stalls_of_unknown", "timers"]
    );
    let flows = ["accepted", "late", "no_port", "opened", "overflowed", "peak", "refused", "rested_short"];
    assert_eq!(keys(&tasks["flows"]["talk"]), flows);
    let kind = ["panicked", "refused", "restarted", "spawned", "stall_longest_ns", "stalls"];
    assert_eq!(keys(&tasks["kinds"]["talk"]), kind);
    assert_eq!(keys(&tasks["slots"][0]), ["peak", "refused", "room_bytes", "slots"]);
    assert_eq!(keys(&tasks["timers"]), ["capacity", "peak", "refused"]);
    assert_eq!(keys(&tasks["mailboxes"]), ["capacity", "peak"]);
}
