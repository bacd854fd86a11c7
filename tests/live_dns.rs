//! dns-cache on live devices, between clients and servers nobody here wrote; and a server that lies.

mod dns_lab;
mod live_lab;
mod rig;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use dns_lab::liar::{self, Liar};
use dns_lab::{Folder, Nsd, config, dig, status, zone};
use live_lab::{AF_PACKET, Daemon, Driver, Ended, Lab, accounted, quietly, turn, within};

for_driver!(
    packet_sockets,
    crate::live_lab::AF_PACKET,
    dig_kdig_and_delv_are_answered,
    dnsperf_loses_nothing,
    upstream_servers_come_and_go,
    nobody_believes_a_liar
);
for_driver!(
    xdp_sockets,
    crate::live_lab::AF_XDP,
    dig_kdig_and_delv_are_answered,
    dnsperf_loses_nothing,
    upstream_servers_come_and_go,
    nobody_believes_a_liar
);

fn told(ended: &Ended, what: &str) -> u64 {
    ended.count(&format!("/tallies/dns-cache/{what}"))
}

#[test]
fn ten_thousand_names_are_answered_as_their_server_answers_them() {
    let Some(_turn) = turn(&["nsd", "dig"]) else { return };
    let lab = Lab::up(&["--ports", "2"]);
    let folder = Folder::new();
    let (text, questions) = zone::made(10_000);
    let _nsd = Nsd::start(&lab, &folder, &text, 53);
    let daemon = Daemon::start(&lab, &config(&AF_PACKET, 2, &["10.9.0.3:53", "[fd09::3]:53"], ""));
    let direct = asked_all(&lab, &folder, "client1", "10.9.0.3", &questions);
    let truncated = direct.iter().filter(|answer| answer.contains(" TC")).count();
    let mut different = Vec::new();
    // Most of them come from the server at first and from the cache later; over both families.
    for server in ["10.9.0.1", "fd09::1"] {
        let cached = asked_all(&lab, &folder, "client", server, &questions);
        let pairs =
            direct.iter().zip(&cached).zip(&questions).filter(|((direct, cached), _)| direct != cached);
        different.extend(pairs.map(|((direct, cached), asked)| format!("{asked}\n{direct}\n-- {cached}")));
    }
    let ended = daemon.stop();
    accounted(&ended);
    assert!(different.is_empty(), "{} differ, the first:\n{}", different.len(), different[0]);
    assert!(truncated > 10, "{truncated}: the zone has answers that are too large");
    let asked = 2 * questions.len() as u64;
    let queries = told(&ended, "queries");
    assert!(queries >= asked && told(&ended, "answers/servfail") == 0, "{:#}", ended.report);
    assert_eq!(told(&ended, "hits") + told(&ended, "misses") + told(&ended, "joined"), queries);
    assert!(told(&ended, "hits") > 0 && told(&ended, "cache/evicted") == 0, "{:#}", ended.report);
}

/// What a server answers to all of these, asked by eight at a time.
#[track_caller]
fn asked_all(lab: &Lab, folder: &Folder, place: &str, server: &str, questions: &[String]) -> Vec<String> {
    let parts: Vec<&[String]> = questions.chunks(questions.len().div_ceil(8)).collect();
    let start = |(number, part): (usize, &&[String])| {
        let batch = folder.write(&format!("questions-{number}"), &part.join("\n"));
        // dig asks for ANY over TCP by itself.
        let how = ["+notcp", "+tries=3", "+time=10", "+nocookie", "+ignore", "+nottlid"];
        let shown = ["+noall", "+comments", "+question", "+answer", "+authority", "+additional"];
        let mut dig = lab.command(place, "dig");
        dig.args(how).args(shown).args([&format!("@{server}"), "-f", &batch]);
        dig.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("dig is installed")
    };
    let asking: Vec<_> = parts.iter().enumerate().map(start).collect();
    let mut all = Vec::new();
    for (asking, part) in asking.into_iter().zip(parts) {
        let out = asking.wait_with_output().expect("it ends").stdout;
        let out = String::from_utf8_lossy(&out);
        let answers = zone::answers(&out);
        let odd = ["timed out", "error", "malformed", "mismatch", "Warning", "reached", "bad"];
        let odd: Vec<&str> = out.lines().filter(|line| odd.iter().any(|word| line.contains(word))).collect();
        assert_eq!(answers.len(), part.len(), "{place} {server}: {odd:?}");
        all.extend(answers);
    }
    all
}

fn dig_kdig_and_delv_are_answered(driver: Driver) {
    let Some(_turn) = turn(&["nsd", "dig", "kdig", "delv", "dnssec-signzone"]) else { return };
    let lab = driver.lab(&["--ports", "2"]);
    let folder = Folder::new();
    let (anchor, signed) = signed_zone(&folder);
    let _nsd = Nsd::start(&lab, &folder, &signed, 53);
    let daemon = Daemon::start(&lab, &config(&driver, 1, &["10.9.0.3:53"], ""));
    for server in ["@10.9.0.1", "@fd09::1"] {
        let plain = dig(&lab, &[server, "+noedns", "www.example", "A"]).good().out;
        assert!(
            plain.contains("www.example.") && plain.contains("192.0.2.80") && !plain.contains("EDNS"),
            "{plain}"
        );
        let flags = plain.lines().find(|line| line.starts_with(";; flags:")).unwrap_or_default();
        assert!(flags.contains("qr rd ra;"), "{flags}");
        let loud = dig(&lab, &[server, "+norec", "wWw.EXAMPLE", "A"]).good().out;
        assert!(loud.contains("\nwWw.EXAMPLE.") && loud.contains("udp: 1232"), "{loud}");
        assert!(loud.contains("flags: qr ra;"), "{loud}");
        let version = dig(&lab, &[server, "+edns=3", "+noednsneg", "www.example"]).out;
        assert!(status(&version) == "BADVERS", "{version}");
        let mailboxes = dig(&lab, &[server, "example", "TYPE253"]).out;
        assert!(status(&mailboxes) == "NOTIMP", "{mailboxes}");
        let notify = dig(&lab, &[server, "+opcode=notify", "example", "SOA"]).out;
        assert!(status(&notify) == "NOTIMP", "{notify}");
        let unsigned = dig(&lab, &[server, "+dnssec", "www.example"]).good().out;
        assert!(unsigned.contains("RRSIG") && unsigned.contains("flags: do"), "{unsigned}");
        let kdig =
            lab.client(&["kdig", server, "+bufsize=4000", "+dnssec", "none.example", "AAAA"]).good().out;
        assert!(kdig.contains("status: NXDOMAIN") && kdig.contains("NSEC"), "{kdig}");
        // It follows the chain of signatures by itself: every record has to come through as it is.
        let words = ["delv", server, "-a", &anchor, "+root=example", "+vtrace", "www.example", "A"];
        let delv = lab.client(&words).good();
        assert!(
            delv.out.contains("; fully validated") && delv.out.contains("192.0.2.80"),
            "{}{}",
            delv.out,
            delv.err
        );
        let words = ["delv", server, "-a", &anchor, "+root=example", "none.example", "A"];
        let denied = lab.client(&words);
        assert!(denied.out.contains("; negative response, fully validated"), "{}{}", denied.out, denied.err);
    }
    let ended = daemon.stop();
    accounted(&ended);
    assert_eq!(told(&ended, "answers/servfail"), 0, "{:#}", ended.report);
    assert!(
        told(&ended, "answers/badvers") == 2 && told(&ended, "answers/notimp") == 4,
        "{:#}",
        ended.report
    );
    assert!(told(&ended, "upstream/resolutions") >= 1);
}

/// A small signed zone, and the file with the key to trust.
fn signed_zone(folder: &Folder) -> (String, String) {
    let zone = "$ORIGIN example.\n$TTL 300\n@ IN SOA ns hostmaster 1 3600 600 86400 60\n@ IN NS ns\n\
                ns IN A 10.9.0.3\nwww IN A 192.0.2.80\n";
    let file = folder.write("unsigned", zone);
    let dir = folder.path().to_str().expect("a path");
    let ran = |words: &[&str]| live_lab::run(std::process::Command::new(words[0]).args(&words[1..])).good();
    let key = ran(&["dnssec-keygen", "-q", "-K", dir, "-a", "ECDSAP256SHA256", "-f", "KSK", "example"]).out;
    let out = folder.path().join("signed");
    let out = out.to_str().expect("a path");
    ran(&["dnssec-signzone", "-q", "-S", "-z", "-K", dir, "-d", dir, "-o", "example", "-f", out, &file]);
    let public = folder.path().join(format!("{}.key", key.trim()));
    let public = std::fs::read_to_string(public).expect("the key");
    let record = public.lines().find(|line| !line.starts_with(';')).expect("a record");
    let data = record.split("DNSKEY ").nth(1).expect("its data");
    let mut fields = data.splitn(4, ' ');
    let [a, b, c] = [(); 3].map(|()| fields.next().expect("a number"));
    let text = fields.next().expect("the key").replace(' ', "");
    let anchor = format!("trust-anchors {{ example. static-key {a} {b} {c} \"{text}\"; }};\n");
    (folder.write("anchor", &anchor), std::fs::read_to_string(out).expect("the signed zone"))
}

fn dnsperf_loses_nothing(driver: Driver) {
    let Some(_turn) = turn(&["nsd", "dig", "dnsperf"]) else { return };
    let lab = driver.lab(&["--ports", "2"]);
    let folder = Folder::new();
    let (text, questions) = zone::made(400);
    let _nsd = Nsd::start(&lab, &folder, &text, 53);
    let daemon = Daemon::start(&lab, &config(&driver, 2, &["[fd09::3]:53"], ""));
    let batch = folder.write("questions", &questions.join("\n"));
    // Many at a time, the same ones over and over: most are hits, some wait for what others asked.
    let words = [
        "dnsperf", "-s", "10.9.0.1", "-d", &batch, "-l", "3", "-c", "16", "-q", "60", "-Q", "5000", "-t", "5",
    ];
    let ran = lab.client(&words).good().out;
    let count = |key: &str| {
        let line =
            ran.lines().find(|line| line.trim_start().starts_with(key)).unwrap_or_else(|| panic!("{ran}"));
        line.split_whitespace()
            .nth(2)
            .and_then(|word| word.parse::<u64>().ok())
            .unwrap_or_else(|| panic!("{ran}"))
    };
    let (sent, lost) = (count("Queries sent:"), count("Queries lost:"));
    let codes = ran.lines().find(|line| line.contains("Response codes:")).unwrap_or_default();
    assert!(!codes.contains("SERVFAIL") && codes.contains("NOERROR") && codes.contains("NXDOMAIN"), "{ran}");
    let ended = daemon.stop();
    accounted(&ended);
    // What the devices lost is not ours; what dnsperf did not wait for in the end is nobody's.
    let devices = ended.lost("port0") + ended.unsent("port0") + ended.lost("port1") + ended.unsent("port1");
    assert!(sent > 1000 && lost <= devices, "{ran}\n{:#}", ended.report);
    assert!(told(&ended, "hits") > sent / 2, "{:#}", ended.report);
    assert_eq!(told(&ended, "answers/servfail"), 0, "{:#}", ended.report);
}

fn upstream_servers_come_and_go(driver: Driver) {
    let Some(_turn) = turn(&["nsd", "dig", "dnsperf"]) else { return };
    let lab = driver.lab(&["--ports", "2"]);
    let folder = Folder::new();
    let (text, questions) = zone::made(4000);
    let mut first = Nsd::start(&lab, &folder, &text, 53);
    let mut second = Nsd::start(&lab, &folder, &text, 5353);
    // What is known is known to all clients: there is one shard.
    let keys = "timeout_ms = 200\nattempts = 1\nshards = 1\n";
    let daemon = Daemon::start(&lab, &config(&driver, 1, &["10.9.0.3:53", "10.9.0.3:5353"], keys));
    let ask = |name: &str| status(&dig(&lab, &["@10.9.0.1", name]).out).to_owned();
    assert_eq!(ask("n0.example"), "NOERROR");
    // The first is killed while many ask: nobody is stuck, and all are answered by the second.
    let batch = folder.write("questions", &questions.join("\n"));
    let words = ["-s", "10.9.0.1", "-d", &batch, "-n", "1", "-c", "8", "-q", "40", "-Q", "1500", "-t", "5"];
    let load = lab.command("client", "dnsperf").args(words).stdout(Stdio::piped()).spawn();
    std::thread::sleep(Duration::from_millis(500));
    first.down();
    let load = load.expect("dnsperf is installed").wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&load.stdout).into_owned();
    let codes = said.lines().find(|line| line.contains("Response codes:")).unwrap_or_default();
    assert!(codes.contains("NOERROR") && !codes.contains("SERVFAIL"), "{said}");
    assert_eq!(ask("n1.example"), "NOERROR");
    // None is there: what is known is answered, what is not is SERVFAIL, and soon.
    second.down();
    assert_eq!(ask("n0.example"), "NOERROR");
    let before = Instant::now();
    assert_eq!(ask("unheard.example"), "SERVFAIL");
    assert!(before.elapsed() < Duration::from_secs(3), "{:?}", before.elapsed());
    // One is back: a second later it is asked again.
    first.up();
    assert!(within(Duration::from_secs(5), || ask("unheard.example") == "NXDOMAIN"));
    let ended = daemon.stop();
    accounted(&ended);
    assert!(told(&ended, "upstream/timeouts") + told(&ended, "upstream/failures") > 0, "{:#}", ended.report);
    assert!(told(&ended, "answers/servfail") >= 1, "{:#}", ended.report);
}

/// What a live run heard, heard again in virtual time: the same ids and ports are drawn, so that the server's recorded answers
/// are answers to them, on any number of cores.
#[test]
fn a_live_run_is_replayed() {
    let Some(_turn) = turn(&["nsd", "dig", "dnsperf", "tcpdump"]) else { return };
    let lab = Lab::up(&["--ports", "2"]);
    let folder = Folder::new();
    let (text, questions) = zone::made(300);
    let _nsd = Nsd::start(&lab, &folder, &text, 53);
    // In the replay devices have no addresses, and nobody answers anew who asks for one.
    let server = lab.mac("client1", "eth0");
    let mac = "mac = \"02:00:00:00:00:99\"\n";
    let keys = format!("{mac}timeout_ms = 5000\nneighbours = {{ \"10.9.0.3\" = {server:?} }}\n");
    let config =
        config(&AF_PACKET, 1, &["10.9.0.3:53"], &keys).replace("[app.echo]\n", &format!("[app.echo]\n{mac}"));
    let files = ["port0", "port1"].map(|port| folder.path().join(format!("{port}.pcap")));
    let listen = |(port, file): (&str, &PathBuf)| {
        let words = ["-q", "-i", port, "-Q", "in", "-U", "--time-stamp-precision=nano", "-B", "16384", "-w"];
        quietly(lab.command("dut", "tcpdump").args(words).arg(file))
    };
    let listeners = ["port0", "port1"].into_iter().zip(&files).map(listen).collect::<Vec<_>>();
    assert!(within(Duration::from_secs(10), || files.iter().all(|file| file.exists())));
    std::thread::sleep(Duration::from_millis(500));
    let daemon = Daemon::start(&lab, &config);
    let batch = folder.write("questions", &questions.join("\n"));
    let words = ["-s", "10.9.0.1", "-d", &batch, "-n", "3", "-c", "12", "-q", "30", "-Q", "1000", "-t", "5"];
    lab.client(&[&["dnsperf"][..], &words].concat()).good();
    let ended = daemon.stop();
    accounted(&ended);
    let written = |number: usize| rig::records(&files[number]).len() as u64;
    let whole = || (0..2).all(|number| written(number) >= ended.received(&format!("port{number}")));
    let all = within(Duration::from_secs(10), whole);
    drop(listeners);
    assert!(all, "tcpdump has {} and {}: {:#}", written(0), written(1), ended.report);
    let out = |number: usize| format!("out = {:?}", folder.path().join(format!("sent{number}.pcap")));
    let mut results = Vec::new();
    for cores in [1, 2, 3, 8] {
        let addresses = "[\"10.9.0.1/24\", \"fd09::1/64\"]";
        let setup = rig::Setup::new(cores)
            .capture("port0", &files[0], &out(0))
            .capture("port1", &files[1], &out(1))
            .pipeline("live", &["port0", "port1"], &[], &["echo", "dns-cache"])
            .set(format!("app.echo.addresses={addresses}"))
            .set("app.echo.mac=\"02:00:00:00:00:99\"")
            .set(format!("app.dns-cache.addresses={addresses}"))
            .set("app.dns-cache.mac=\"02:00:00:00:00:99\"")
            .set("app.dns-cache.upstreams=[\"10.9.0.3:53\"]")
            .set("app.dns-cache.timeout_ms=5000")
            .set(format!("app.dns-cache.neighbours.\"10.9.0.3\"={server:?}"))
            .set("app.dns-cache.others=\"drop\"");
        let report = setup.run(rig::How::Simulated);
        let tally = &report.tallies["dns-cache"];
        for what in ["queries", "misses", "answers", "upstream", "ignored"] {
            assert_eq!(tally[what], ended.report["tallies"]["dns-cache"][what], "{what} {cores}: {tally:#}");
        }
        assert_eq!(tally["upstream"]["timeouts"], 0);
        let sent =
            [0, 1].map(|number| std::fs::read(folder.path().join(format!("sent{number}.pcap"))).unwrap());
        results.push((rig::output(&report).to_owned(), report.digest.tally.clone(), sent));
    }
    results.dedup();
    assert_eq!(results.len(), 1, "any number of cores sends the same");
}

#[test]
#[ignore = "the server of other tests"]
fn serves_lies() {
    liar::serve();
}

fn nobody_believes_a_liar(driver: Driver) {
    let Some(_turn) = turn(&["dig"]) else { return };
    let lab = driver.lab(&["--ports", "2"]);
    let liar = Liar::start(&lab, "serves_lies");
    let keys = "timeout_ms = 700\nattempts = 2\nshards = 1\n";
    let daemon = Daemon::start(&lab, &config(&driver, 1, &[liar::AT], keys));
    let ask = |name: &str| dig(&lab, &["@10.9.0.1", &format!("{name}.example"), "A"]).out;
    let mut all = String::new();
    let right = [
        "right",
        "wrongid",
        "wrongname",
        "wrongcase",
        "wrongtype",
        "query",
        "opcode",
        "spoofed",
        "short",
        "slow",
        "old",
        "brief",
        "cut",
    ];
    for word in right {
        let out = ask(&format!("{word}-x"));
        assert!(out.contains("192.0.2.77"), "{driver:?} {word}: {out}");
        all.push_str(&out);
    }
    for word in ["liesonly", "late", "silent", "garbage", "servfail"] {
        let before = Instant::now();
        let out = ask(&format!("{word}-x"));
        assert_eq!(status(&out), "SERVFAIL", "{driver:?} {word}: {out}");
        assert!(before.elapsed() < Duration::from_secs(4), "{word} {:?}", before.elapsed());
        all.push_str(&out);
    }
    assert_eq!(status(&ask("refused-x")), "REFUSED");
    // Truncated answers and those of no life are not remembered.
    let cut = ask("cut-x");
    assert!(cut.contains("flags: qr tc rd ra"), "{cut}");
    let brief = ask("brief-x");
    // Everything at once, each name twice: nobody is stuck, and nobody hears a lie.
    let names: Vec<String> = (0..200).map(|n| format!("{}-{}", right[n % right.len()], n / 2)).collect();
    let asking: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            // A port for each: dig binds with SO_REUSEADDR, so that of hundreds two may pick the same, and one reads both answers.
            let (from, name) = (format!("0.0.0.0#{}", 20_000 + n), format!("{name}.example"));
            let words = ["-b", &from, "+tries=1", "+time=20", "+ignore", "@10.9.0.1", &name, "A"];
            let out = Stdio::piped();
            lab.command("client", "dig").args(words).stdout(out).spawn().expect("dig is installed")
        })
        .collect();
    let mut unanswered = Vec::new();
    for (name, asking) in names.iter().zip(asking) {
        let out = asking.wait_with_output().expect("it ends").stdout;
        let out = String::from_utf8_lossy(&out).into_owned();
        match out.contains("192.0.2.77") {
            true => all.push_str(&out),
            false => unanswered.push(format!("{name}: {out}")),
        }
    }
    drop(liar);
    // What was learnt stays, and is the truth.
    let kept = ask("wrongid-x");
    assert!(kept.contains("192.0.2.77") && brief.contains("192.0.2.77"), "{kept}");
    assert!(!all.contains("6.6.6.6") && !kept.contains("6.6.6.6"));
    let ended = daemon.stop();
    accounted(&ended);
    // Only what devices lost may be without an answer, and that is counted.
    let lost: u64 = ["port0", "port1"].iter().map(|port| ended.lost(port) + ended.unsent(port)).sum();
    assert!(unanswered.len() as u64 <= lost, "{driver:?} {unanswered:?}: {:#}", ended.report);
    assert!(unanswered.iter().all(|one| !one.contains("6.6.6.6")), "{unanswered:?}");
    for what in ["wrong_id", "wrong_question", "wrong_header", "wrong_source"] {
        assert!(told(&ended, &format!("ignored/{what}")) > 0, "{what}: {:#}", ended.report);
    }
    for what in ["timeouts", "failures", "malformed", "without_edns"] {
        assert!(told(&ended, &format!("upstream/{what}")) > 0, "{what}: {:#}", ended.report);
    }
    let waiting = told(&ended, "hits") + told(&ended, "joined");
    assert!(waiting > 0, "{:#}", ended.report);
}
