//! Asks a DNS server at a steady rate and prints how long answers took: `dns_latency ADDRESS:PORT RATE SECONDS NAME...`
//!
//! One thread that never sleeps, so that what is measured is the server and not who wakes the client: each query leaves when it is
//! due (not when the one before was answered), and its latency counts from then on (what is late because the client is late is
//! late). Prints answers, lost, p50, p99 and p99.9 in µs. Compiled by scripts/compare.sh; nothing but the standard library.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// Queries are told apart by their ids, so there are no more under way.
const UNDER_WAY: usize = 1 << 16;
/// Sockets, so that there are several flows.
const SOCKETS: usize = 8;

fn query(name: &str) -> Vec<u8> {
    let mut bytes = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.trim_end_matches('.').split('.') {
        bytes.push(u8::try_from(label.len()).expect("a label of at most 63 bytes"));
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.extend_from_slice(&[0, 0, 1, 0, 1]);
    bytes
}

fn socket(server: &str) -> UdpSocket {
    let any = if server.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any).expect("a socket");
    socket.connect(server).expect("a way to the server");
    socket.set_nonblocking(true).expect("it need not block");
    socket
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [server, rate, seconds, names @ ..] = &words[..] else { panic!("ADDRESS:PORT RATE SECONDS NAME...") };
    let (rate, seconds): (u64, u64) = (rate.parse().expect("a rate"), seconds.parse().expect("seconds"));
    let sockets: Vec<UdpSocket> = (0..SOCKETS).map(|_| socket(server)).collect();
    let mut queries: Vec<Vec<u8>> = names.iter().map(|name| query(name)).collect();
    let mut due = vec![None; UNDER_WAY];
    let mut took: Vec<u64> = Vec::with_capacity((rate * seconds) as usize);
    let start = Instant::now();
    let (all, mut sent, mut unsent) = (rate * seconds, 0u64, 0u64);
    let end = Duration::from_secs(seconds + 1);
    let mut buffer = [0; 2048];
    while start.elapsed() < end {
        while sent < all && start.elapsed().as_nanos() as u64 >= sent * 1_000_000_000 / rate {
            let id = sent as u16;
            let many = queries.len() as u64;
            let query = &mut queries[(sent % many) as usize];
            query[..2].copy_from_slice(&id.to_be_bytes());
            due[usize::from(id)] = Some(sent * 1_000_000_000 / rate);
            unsent += u64::from(sockets[sent as usize % SOCKETS].send(query).is_err());
            sent += 1;
        }
        for socket in &sockets {
            while let Ok(len) = socket.recv(&mut buffer) {
                let id = u16::from_be_bytes([buffer[0], buffer[1]]);
                if let Some(due_ns) = due[usize::from(id)].take().filter(|_| len > 12 && buffer[3] & 15 == 0) {
                    took.push(start.elapsed().as_nanos() as u64 - due_ns);
                }
            }
        }
    }
    took.sort_unstable();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).map_or(f64::NAN, |ns| *ns as f64 / 1000.0);
    println!(
        "answers {} lost {} unsent {unsent} p50 {:.1} p99 {:.1} p99.9 {:.1}",
        took.len(),
        sent - took.len() as u64,
        at(0.5),
        at(0.99),
        at(0.999)
    );
}
