//! A name server with a zone at port1's wire, clients at port0's, `dns-cache` between them.
#![allow(dead_code, reason = "every test uses its part")]

pub mod liar;
pub mod zone;

use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::live_lab::{Driver, Lab, Ran, within};

/// A folder that goes with its test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("mnvkd-dns-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("an UTF-8 path").to_owned()
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// nsd in the namespace of client1, at 10.9.0.3 and fd09::3.
pub struct Nsd<'l> {
    lab: &'l Lab,
    child: Option<Child>,
    config: String,
    pid: PathBuf,
}

impl<'l> Nsd<'l> {
    /// Serves the zone `example.` at this port.
    #[track_caller]
    pub fn start(lab: &'l Lab, folder: &Folder, zone: &str, port: u16) -> Nsd<'l> {
        let dir = folder.path().display();
        folder.write("example.zone", zone);
        let config = folder.write(
            &format!("nsd-{port}.conf"),
            &format!(
                "server:\n  ip-address: 10.9.0.3@{port}\n  ip-address: fd09::3@{port}\n  zonesdir: \"{dir}\"\n  \
                 pidfile: \"{dir}/nsd-{port}.pid\"\n  database: \"\"\n  zonelistfile: \"{dir}/zones-{port}\"\n  \
                 xfrdfile: \"{dir}/xfrd-{port}\"\n  xfrdir: \"{dir}\"\n  username: root\n  server-count: 1\n  round-robin: no\n  \
                 minimal-responses: no\n  rrl-ratelimit: 0\n  rrl-whitelist-ratelimit: 0\nremote-control:\n  control-enable: no\n\
                 zone:\n  name: example.\n  zonefile: example.zone\n"
            ),
        );
        let mut nsd = Nsd { lab, child: None, config, pid: folder.path().join(format!("nsd-{port}.pid")) };
        nsd.up();
        nsd
    }

    /// Starts it, and waits until it answers.
    #[track_caller]
    pub fn up(&mut self) {
        let mut command = self.lab.command("client1", "nsd");
        command.args(["-d", "-c", &self.config]);
        command.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        self.child = Some(command.stdout(std::process::Stdio::null()).spawn().expect("nsd is installed"));
        let port = self.config.rsplit(['-', '.']).nth(1).expect("a port").to_owned();
        let dig = ["dig", "+short", "+tries=1", "+time=1", "-p", &port, "@10.9.0.3", "example.", "SOA"];
        let answers =
            within(Duration::from_secs(15), || self.lab.run("client1", &dig).out.contains("hostmaster"));
        assert!(answers, "nsd does not answer");
    }

    /// Ends it the hard way, its children too.
    pub fn down(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid = std::fs::read_to_string(&self.pid).ok().and_then(|text| text.trim().parse::<u32>().ok());
        // Its children end when their parent is gone.
        pid.iter().for_each(|pid| crate::live_lab::signal(*pid, "TERM"));
        if pid.is_none() {
            let _ = child.kill();
        }
        let _ = child.wait();
    }
}

impl Drop for Nsd<'_> {
    fn drop(&mut self) {
        self.down();
    }
}

/// A configuration with these upstream servers.
pub fn config(driver: &Driver, cores: usize, upstreams: &[&str], keys: &str) -> String {
    let addresses = "addresses = [\"10.9.0.1/24\", \"fd09::1/64\"]\n";
    let app = format!(
        "[app.echo]\n{addresses}[app.dns-cache]\n{addresses}upstreams = {upstreams:?}\nothers = \"drop\"\n{keys}\n"
    );
    driver.config(cores, 2, &["echo", "dns-cache"], &app)
}

/// What dig says of a name through the cache.
#[track_caller]
pub fn dig(lab: &Lab, words: &[&str]) -> Ran {
    let all = [&["dig", "+tries=1", "+time=5", "+nocookie", "+ignore"], words].concat();
    lab.client(&all)
}

/// The status of an answer in dig's words: `NOERROR`, `SERVFAIL`...
pub fn status(out: &str) -> &str {
    let after = out.split("status: ").nth(1).unwrap_or("no answer");
    after.split([',', ';']).next().unwrap_or_default()
}
