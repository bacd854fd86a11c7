//! Messages between shards and between cores, in the whole daemon: their order, their room, their ends, and that none is lost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mnvkd::port::capture::FileFormat;
use mnvkd::prelude::*;
use mnvkd::reduce::Report;
use mnvkd::reduce::report::MessagesReport;
use mnvkd::task::{self, Messages, NoInbox, NotSent, Outbox, Restart, State, TaskKind, TaskNeeds};
use serde::{Deserialize, Serialize};

mod rig;

use rig::{How, Rec, Scratch, Setup, udp, write_capture};

/// Tokens that exist, by run.
static ALIVE: [AtomicI64; 64] = [const { AtomicI64::new(0) }; 64];
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// What goes round. It owns something, and is missed when it is lost.
#[derive(Debug)]
struct Token {
    run: usize,
    number: u32,
    hops: u32,
    _owned: Box<u64>,
}

impl Token {
    fn new(run: usize, number: u32, hops: u32) -> Token {
        ALIVE[run].fetch_add(1, Ordering::Relaxed);
        Token { run, number, hops, _owned: Box::new(number.into()) }
    }
}

impl Clone for Token {
    fn clone(&self) -> Token {
        Token::new(self.run, self.number, self.hops)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        ALIVE[self.run].fetch_sub(1, Ordering::Relaxed);
    }
}

/// What shards do with tokens they receive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Listener {
    /// Send them on if there is room.
    #[default]
    Try,
    /// Send them on, and wait for room.
    Wait,
    /// Send them on, for ever.
    Endless,
    /// Panic for every seventh, and are started again.
    Panic,
    /// There are none.
    Nobody,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct RoundConfig {
    run: usize,
    listener: Listener,
    /// Messages there is room for, a pair.
    room: u16,
    hops: u32,
    /// Every so manieth token goes to all.
    all: u32,
    /// The packet of this number is one too many.
    panic_at: u32,
    /// Not declared, but used.
    undeclared: bool,
}

impl Default for RoundConfig {
    fn default() -> RoundConfig {
        RoundConfig {
            run: 0,
            listener: Listener::Try,
            room: 64,
            hops: 6,
            all: 0,
            panic_at: u32::MAX,
            undeclared: false,
        }
    }
}

/// By shard (or core): a digest of what it received from whom and when, how many, how often it was refused room.
#[derive(Clone, Debug, Default, Serialize)]
struct Seen(BTreeMap<u16, (u64, u64, u64)>);

impl Seen {
    fn note(&mut self, shard: u16, what: (u16, u32, u32, u64)) {
        let (from, number, hops, now_ns) = what;
        let entry = self.0.entry(shard).or_default();
        for word in [u64::from(from), number.into(), hops.into(), now_ns] {
            entry.0 = (entry.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        entry.1 += 1;
    }

    fn refuse(&mut self, shard: u16) {
        self.0.entry(shard).or_default().2 += 1;
    }

    fn received(&self) -> u64 {
        self.0.values().map(|entry| entry.1).sum()
    }
}

impl Tally for Seen {
    fn merge(&mut self, other: Seen) {
        for (shard, (digest, received, refused)) in other.0 {
            let entry = self.0.entry(shard).or_default();
            *entry = (entry.0.wrapping_add(digest), entry.1 + received, entry.2 + refused);
        }
    }
}

struct Round<const SHARDS: u16> {
    config: RoundConfig,
    tokens: Messages<Token>,
    kind: TaskKind,
    seen: State<Seen>,
}

async fn listen(config: RoundConfig, tokens: Messages<Token>, address: u16, seen: State<Seen>) {
    let mut inbox = tokens.inbox(address).expect("nobody else receives there");
    assert_eq!((tokens.inbox(address).err(), inbox.address()), (Some(NoInbox::Open), address));
    let outbox = tokens.outbox(address).expect("it is here");
    loop {
        let message = inbox.recv().await;
        let mut token = message.value;
        seen.with(|seen| seen.note(address, (message.from, token.number, token.hops, task::now_ns())));
        match config.listener {
            Listener::Panic if token.number % 7 == 3 => {
                panic!("a receiver panics, as it should in this test")
            }
            Listener::Endless => {}
            _ if token.hops == 0 => continue,
            _ => token.hops -= 1,
        }
        send(&config, outbox, token, seen).await;
    }
}

fn next(tokens: u16, outbox: Outbox<Token>, token: &Token) -> u16 {
    // Some go to themselves.
    (outbox.address() * 5 + (token.number % 3) as u16 + 1) % tokens
}

async fn send(config: &RoundConfig, outbox: Outbox<Token>, token: Token, seen: State<Seen>) {
    let addresses = outbox.messages().addresses();
    let to = next(addresses, outbox, &token);
    let sent = match config.listener {
        Listener::Wait => outbox.send(to, token).await,
        _ => outbox.try_send(to, token),
    };
    match sent {
        Ok(()) => {}
        Err(NotSent::Full(token)) => {
            drop(token);
            seen.with(|seen| seen.refuse(outbox.address()));
        }
        Err(NotSent::Closed(_)) => {}
    }
}

impl<const SHARDS: u16> Application for Round<SHARDS> {
    type Config = RoundConfig;
    type Tally = Seen;
    const KEY: PartitionKey = PartitionKey::FiveTuple;
    const DECIDES: bool = true;

    fn shards(_: &RoundConfig) -> Option<u16> {
        (SHARDS > 0).then_some(SHARDS)
    }

    fn tasks(config: &RoundConfig) -> TaskNeeds {
        let room = task::room(|(config, tokens, address, seen)| listen(config, tokens, address, seen));
        let needs = TaskNeeds::default().tasks(room, 64).tasks(1024, 64);
        if config.undeclared {
            needs.messages::<u64>(config.room)
        } else {
            needs.messages::<Token>(config.room)
        }
    }

    fn new(config: &RoundConfig, build: &mut Build<'_>) -> Result<Self> {
        Ok(Round {
            config: config.clone(),
            tokens: build.messages("tokens", config.room)?,
            kind: build.task("listen")?,
            seen: build.state(Seen::default())?,
        })
    }

    fn start(&mut self, context: &Context) {
        let Round { kind, tokens, seen, .. } = *self;
        assert!(tokens.addresses() > 0 && tokens.inbox(tokens.addresses()).err() == Some(NoInbox::Elsewhere));
        assert!(SHARDS > 0 || tokens.is_here(context.core.index() as u16));
        if self.config.listener == Listener::Nobody {
            return;
        }
        for address in (0..tokens.addresses()).filter(|address| tokens.is_here(*address)) {
            let config = self.config.clone();
            let (first_wait, longest_wait) = (Duration::from_micros(20), Duration::from_micros(100));
            let restart = Restart { times: u32::MAX - 1, first_wait, longest_wait };
            let again = move || listen(config.clone(), tokens, address, seen);
            task::spawn(kind, task::supervise(kind, restart, again)).expect("a slot").detach();
        }
    }

    fn process(&mut self, burst: &mut Burst, context: &Context) {
        let addresses = self.tokens.addresses();
        burst.decide(|packet| {
            let number = u32::from_be_bytes(packet.data()[42..46].try_into().unwrap());
            assert_ne!(number, self.config.panic_at, "an application panics, as it should in this test");
            let own = if SHARDS > 0 { packet.hash() as u16 % SHARDS } else { context.core.index() as u16 };
            let outbox = self.tokens.outbox(own).expect("its packets come here");
            let token = Token::new(self.config.run, number, self.config.hops);
            let to = next(addresses, outbox, &token);
            let sent = match number.checked_rem(self.config.all) {
                Some(0) => outbox.try_send_to_all(token),
                _ => outbox.try_send(to, token),
            };
            if sent.is_err() {
                self.seen.with(|seen| seen.refuse(own));
            }
            Verdict::Consume
        });
    }

    fn tally(self) -> Seen {
        self.seen.take().unwrap_or_default()
    }
}

const PACKETS: u32 = 1500;

fn made(scratch: &Scratch) -> PathBuf {
    let path = scratch.path("in.pcap");
    // Bursts of many, and lulls that are longer than a step.
    let time = |n: u32| 1_700_000_000_000_000_000 + u64::from(n / 40) * 90_000 + u64::from(n % 40) * 300;
    let made: Vec<Rec> = (0..PACKETS).map(|n| udp(n.wrapping_mul(7919) as u16 % 97, n, time(n))).collect();
    write_capture(&path, FileFormat::PcapNanos, &made);
    path
}

/// A run with tokens of its own, which are all gone when it is over.
fn run_of(stage: &str, cores: usize, file: &Path, how: How, listener: Listener, sets: &[&str]) -> Report {
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let listener = serde_json::to_string(&listener).unwrap();
    let mut setup = Setup::new(cores)
        .daemon(|daemon| daemon.register::<Round<8>>("round").register::<Round<0>>("cores"))
        .capture("file", file, "")
        .pipeline("main", &["file"], &[], &[stage])
        .set(format!("app.{stage}.run={run}"))
        .set(format!("app.{stage}.listener={listener}"));
    for set in sets {
        setup = setup.set(format!("app.{stage}.{set}"));
    }
    let report = setup.accounted(how);
    assert_eq!(ALIVE[run].load(Ordering::Relaxed), 0, "tokens left: {how:?} {cores} {sets:?}");
    let messages = messages(&report);
    assert_eq!(messages.sent, messages.received + messages.dropped, "{messages:?} {how:?} {cores} {sets:?}");
    report
}

fn run(cores: usize, file: &Path, how: How, listener: Listener, sets: &[&str]) -> Report {
    let report = run_of("round", cores, file, how, listener, sets);
    assert_eq!(report.errors, [""; 0]);
    report
}

fn messages(report: &Report) -> &MessagesReport {
    &report.tasks.as_ref().expect("there are tasks").messages["tokens"]
}

fn seen(report: &Report) -> Vec<(u64, u64, u64)> {
    let by_shard: BTreeMap<String, (u64, u64, u64)> =
        serde_json::from_value(report.tallies["round"].clone()).unwrap();
    by_shard.into_values().collect()
}

/// The same in virtual time on any number of cores.
fn same(file: &Path, listener: Listener, sets: &[&str]) -> Report {
    let mut reports: Vec<Report> =
        [1, 2, 3, 8].map(|cores| run(cores, file, How::Simulated, listener, sets)).into();
    let first = reports.remove(0);
    for report in &reports {
        assert_eq!(report.digest.tally, first.digest.tally, "{:?} {:?}", seen(report), seen(&first));
        assert_eq!(messages(report), messages(&first), "{} cores {sets:?}", report.cores);
    }
    first
}

#[test]
fn tokens_go_round_in_virtual_time_the_same_on_any_number_of_cores() {
    let scratch = Scratch::new();
    let file = made(&scratch);
    let report = same(&file, Listener::Try, &[]);
    let messages = messages(&report);
    assert_eq!((messages.sent, messages.refused, messages.dropped), (u64::from(PACKETS) * 7, 0, 0));
    assert_eq!(messages.received, seen(&report).iter().map(|shard| shard.1).sum::<u64>());
    assert_eq!(seen(&report).len(), 8, "every shard received some");
    // To all, from within bursts, in which one core has more of them than another.
    let report = same(&file, Listener::Try, &["all=5"]);
    let sent = u64::from(PACKETS) * 7 + u64::from(PACKETS / 5) * 7 * 7;
    assert_eq!((self::messages(&report).sent, self::messages(&report).refused), (sent, 0));
}

#[test]
fn room_is_of_each_pair_of_shards_and_not_of_cores() {
    let scratch = Scratch::new();
    let file = made(&scratch);
    for room in ["room=1", "room=3"] {
        let report = same(&file, Listener::Try, &[room, "all=11"]);
        let MessagesReport { refused, dropped, .. } = *messages(&report);
        assert!(refused > 100 && dropped == 0, "{refused} {dropped}");
        assert_eq!(refused, seen(&report).iter().map(|shard| shard.2).sum::<u64>(), "who sends is told");
        // Who waits for room loses none of those that it was given.
        let report = same(&file, Listener::Wait, &[room, "all=11"]);
        let refused: u64 = seen(&report).iter().map(|shard| shard.2).sum();
        assert_eq!(self::messages(&report).refused, refused);
        assert!(refused > 100, "those within bursts cannot wait");
    }
}

#[test]
fn on_threads_every_token_makes_its_way_and_the_books_are_whole() {
    let scratch = Scratch::new();
    let file = made(&scratch);
    for cores in [1, 2, 3, 8] {
        // Room for all that may come at once: then each token makes all its hops.
        let report = run(cores, &file, How::Threads, Listener::Try, &["room=2000"]);
        let messages = messages(&report).clone();
        assert_eq!((messages.sent, messages.refused, messages.dropped), (u64::from(PACKETS) * 7, 0, 0));
        assert_eq!(messages.received, seen(&report).iter().map(|shard| shard.1).sum::<u64>());
        // And with hardly any.
        let report = run(cores, &file, How::Threads, Listener::Wait, &["room=2", "all=9"]);
        let refused: u64 = seen(&report).iter().map(|shard| shard.2).sum();
        assert_eq!(self::messages(&report).refused, refused, "{cores} cores");
    }
}

#[test]
fn an_application_without_shards_sends_from_core_to_core() {
    let scratch = Scratch::new();
    let file = made(&scratch);
    for (cores, how) in
        [1, 2, 3].into_iter().flat_map(|cores| [(cores, How::Simulated), (cores, How::Threads)])
    {
        let report = run_of("cores", cores, &file, how, Listener::Try, &["room=4000", "all=10"]);
        let Seen(by_core) =
            serde_json::from_value::<BTreeMap<u16, (u64, u64, u64)>>(report.tallies["cores"].clone())
                .map(Seen)
                .unwrap();
        assert_eq!(by_core.len(), cores, "every core received some");
        let tokens = u64::from(PACKETS) + u64::from(PACKETS / 10) * (cores as u64 - 1);
        let MessagesReport { sent, received, refused, dropped, room, .. } = *messages(&report);
        assert_eq!((sent, received, refused, dropped, room), (tokens * 7, tokens * 7, 0, 0, 4000));
        assert_eq!(received, Seen(by_core).received());
    }
}

#[test]
fn a_receiver_that_panicked_receives_again() {
    let scratch = Scratch::new();
    let file = made(&scratch);
    let report = same(&file, Listener::Panic, &["room=2000", "hops=1"]);
    let kind = &report.tasks.as_ref().unwrap().kinds["listen"];
    assert!(kind.panicked > 8 && kind.restarted > 8, "{kind:?}");
    // What came while nobody received there was received later; what came when nothing kept the run up any more, was not.
    let MessagesReport { received, dropped, .. } = *messages(&report);
    assert!(received > u64::from(PACKETS) && dropped < 100, "{received} {dropped}");
    run(2, &file, How::Threads, Listener::Panic, &["room=2000", "hops=1"]);
}

#[test]
fn what_nobody_receives_is_dropped_once_and_nothing_waits_for_it() {
    let scratch = Scratch::new();
    let file = made(&scratch);
    for (cores, how) in [(1, How::Simulated), (3, How::Simulated), (2, How::Threads)] {
        let started = Instant::now();
        let report = run(cores, &file, how, Listener::Nobody, &["room=5", "all=3"]);
        let MessagesReport { sent, received, dropped, refused, peak, .. } = *messages(&report);
        assert!(sent > 64 && refused > 64, "{sent} {refused}");
        assert_eq!((received, dropped), (0, sent));
        assert!(peak > 5 && peak <= 40, "at most five from each of eight: {peak}");
        assert!(started.elapsed() < Duration::from_secs(4), "no run waits for a receiver that there is not");
    }
}

#[test]
fn shards_that_never_have_done_with_each_other_are_broken_off() {
    let scratch = Scratch::new();
    let file = made(&scratch);
    let report = same(&file, Listener::Endless, &["room=1"]);
    let messages = messages(&report);
    assert!(messages.received > 10_000 && messages.dropped > 0, "{messages:?}");
    let started = Instant::now();
    let report = run(2, &file, How::Threads, Listener::Endless, &["room=2000"]);
    assert!(self::messages(&report).sent > u64::from(PACKETS));
    let took = started.elapsed();
    assert!(
        (Duration::from_secs(5)..Duration::from_secs(15)).contains(&took),
        "after five seconds: {took:?}"
    );
}

#[test]
fn a_core_that_panicked_loses_no_message_unseen() {
    let scratch = Scratch::new();
    let file = made(&scratch);
    for (cores, how) in [(1, How::Simulated), (3, How::Simulated), (2, How::Threads)] {
        for listener in [Listener::Try, Listener::Wait, Listener::Nobody] {
            let report = run_of("round", cores, &file, how, listener, &["panic-at=700", "room=3", "all=4"]);
            assert!(report.errors.iter().any(|error| error.contains("panicked")), "{:?}", report.errors);
        }
    }
}

#[test]
fn messages_that_were_not_declared_are_refused_before_the_run() {
    let scratch = Scratch::new();
    let file = made(&scratch);
    let refused = |sets: &[&str]| {
        let mut setup = Setup::new(2)
            .daemon(|daemon| daemon.register::<Round<8>>("round"))
            .capture("file", &file, "")
            .pipeline("main", &["file"], &[], &["round"]);
        for set in sets {
            setup = setup.set(format!("app.round.{set}"));
        }
        format!("{:#}", setup.attempt(How::Simulated).map(|_| ()).unwrap_err())
    };
    let error = refused(&["undeclared=true"]);
    assert!(error.contains("did not declare them") && error.contains("\"tokens\""), "{error}");
    let error = refused(&["room=0"]);
    assert!(error.contains("no room for messages"), "{error}");
    let error = refused(&["room=65535"]);
    assert!(error.contains("messages for each pair of 8 in round") && error.contains("arena"), "{error}");
}

#[test]
fn the_report_has_these_keys_of_messages() {
    let scratch = Scratch::new();
    let file = made(&scratch);
    let report = serde_json::to_value(run(2, &file, How::Simulated, Listener::Try, &[])).unwrap();
    let mut keys: Vec<&String> = report["tasks"]["messages"]["tokens"].as_object().unwrap().keys().collect();
    keys.sort_unstable();
    assert_eq!(keys, ["dropped", "peak", "received", "refused", "room", "sent"]);
}
