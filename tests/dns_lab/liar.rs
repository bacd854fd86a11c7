//! An upstream server that does what the first label of a name says: lies, waits, says nothing.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::live_lab::{Lab, within};

/// The right address, and the one no client may ever be told.
pub const RIGHT: [u8; 4] = [192, 0, 2, 77];
pub const WRONG: [u8; 4] = [6, 6, 6, 6];
/// Where it runs, and where spoofed answers come from.
pub const AT: &str = "10.9.0.3:5300";
pub const SPOOFED: &str = "10.9.0.66:5300";

/// The test function of a test file that becomes the server, and how it is told to.
const ROLE: &str = "MNVKD_DNS_LIAR";

/// The server, in the namespace of client1.
pub struct Liar(Child);

impl Liar {
    /// Starts the test `serves` of this very file as a server.
    #[track_caller]
    pub fn start(lab: &Lab, serves: &str) -> Liar {
        lab.run("client1", &["ip", "addr", "add", "10.9.0.66/24", "dev", "eth0"]).good();
        let mut command = lab.command("client1", std::env::current_exe().expect("this test"));
        command.args(["--exact", serves, "--ignored", "--nocapture"]).env(ROLE, "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let liar = Liar(command.spawn().expect("this test again"));
        let dig = ["dig", "+short", "+tries=1", "+time=1", "-p", "5300", "@10.9.0.3", "right.example"];
        assert!(within(Duration::from_secs(10), || lab.run("client1", &dig).out.contains("192.0.2.77")));
        liar
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the test function does that was started as a server; otherwise nothing.
pub fn serve() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let socket = UdpSocket::bind(AT).expect("the address is ours");
    let other = UdpSocket::bind(SPOOFED).expect("this one too");
    let mut buffer = [0; 4096];
    while let Ok((len, from)) = socket.recv_from(&mut buffer) {
        let (socket, other) = (socket.try_clone().expect("a socket"), other.try_clone().expect("a socket"));
        let query = buffer[..len].to_vec();
        std::thread::spawn(move || answer(&socket, &other, &query, from));
    }
}

/// The query's question, without what comes behind it.
fn question(query: &[u8]) -> &[u8] {
    let name = query[12..].iter().position(|byte| *byte == 0).expect("a name");
    &query[12..12 + name + 5]
}

/// An answer with one address.
fn made(query: &[u8], address: [u8; 4], ttl: u32) -> Vec<u8> {
    let mut answer = [&query[..2], &[0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0], question(query)].concat();
    answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
    answer.extend_from_slice(&ttl.to_be_bytes());
    answer.extend_from_slice(&[0, 4]);
    answer.extend_from_slice(&address);
    answer
}

/// An answer without one.
fn refusal(query: &[u8], rcode: u8) -> Vec<u8> {
    [&query[..2], &[0x80, rcode, 0, 1, 0, 0, 0, 0, 0, 0], question(query)].concat()
}

fn answer(socket: &UdpSocket, other: &UdpSocket, query: &[u8], from: SocketAddr) {
    let label = &query[13..13 + usize::from(query[12])];
    let word = String::from_utf8_lossy(label).split('-').next().unwrap_or_default().to_ascii_lowercase();
    let right = made(query, RIGHT, 300);
    let wrong = made(query, WRONG, 300);
    let send = |bytes: &[u8]| drop(socket.send_to(bytes, from));
    let changed = |at: usize, change: u8| {
        let mut bytes = wrong.clone();
        bytes[at] ^= change;
        bytes
    };
    let edns = query[11] > 0;
    match word.as_str() {
        "wrongid" => (0..5).for_each(|n| send(&changed(1, 1 << n))),
        // The last letter of the label is another one, or the same in another case.
        "wrongname" => send(&changed(12 + label.len(), 1)),
        "wrongcase" => send(&changed(12 + label.len(), 0x20)),
        "wrongtype" => send(&changed(12 + question(query).len() - 3, 1)),
        "query" => send(&changed(2, 0x80)),
        "opcode" => send(&changed(2, 0x20)),
        "spoofed" => drop(other.send_to(&wrong, from)),
        "liesonly" => {
            (0..5).for_each(|n| send(&changed(1, 1 << n)));
            send(&changed(12 + label.len(), 1));
            return drop(other.send_to(&wrong, from));
        }
        "short" => (0..12).for_each(|len| send(&wrong[..len])),
        "slow" => std::thread::sleep(Duration::from_millis(300)),
        "late" => std::thread::sleep(Duration::from_millis(1100)),
        "silent" => return,
        "garbage" => return send(&[&right[..right.len() - 10], &[0xff; 8]].concat()),
        "servfail" => return send(&refusal(query, 2)),
        "refused" => return send(&refusal(query, 5)),
        "old" if edns => return send(&[&query[..2], &[0x80, 1], &[0; 8]].concat()),
        "brief" => return send(&made(query, RIGHT, 0)),
        "cut" => {
            let mut cut = right.clone();
            cut[2] |= 2;
            return send(&cut);
        }
        _ => {}
    }
    send(&right);
}
