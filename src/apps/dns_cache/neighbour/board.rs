//! What all cores of a run know of their neighbours.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::Neighbour;

/// What was heard holds from so much later on, nanoseconds: longer than a step of virtual time.
const SETTLES_NS: u64 = 1_000_000;
/// For how long, nanoseconds (RFC 1122, 2.3.2.1: a minute).
const LIVES_NS: u64 = 60_000_000_000;

/// What was heard in one run, on whichever core; not a key of the configuration, but that is what all cores of a run are
/// given.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Heard(Arc<OnceLock<Board>>);

impl PartialEq for Heard {
    /// It says nothing about the configuration.
    fn eq(&self, _: &Heard) -> bool {
        true
    }
}

impl Eq for Heard {}

impl Heard {
    /// The board for these next hops; a later core gets the first one's.
    pub(in super::super) fn board(&self, hops: &[IpAddr]) -> Board {
        self.0.get_or_init(|| Board::new(hops)).clone()
    }
}

/// Next hops by number, and what is known of each.
#[derive(Clone, Debug)]
pub(in super::super) struct Board(Arc<[Entry]>);

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    /// The Ethernet address, and the one before; 0 is none.
    mac: AtomicU64,
    before: AtomicU64,
    /// When `mac` was heard first, and when last, nanoseconds.
    since_ns: AtomicU64,
    last_ns: AtomicU64,
}

impl Board {
    fn new(hops: &[IpAddr]) -> Board {
        let zero = || AtomicU64::new(0);
        let entry = |address: &IpAddr| Entry {
            address: *address,
            mac: zero(),
            before: zero(),
            since_ns: zero(),
            last_ns: zero(),
        };
        Board(hops.iter().map(entry).collect())
    }

    /// Publishes what was heard; was it about a next hop?
    ///
    /// What comes of one neighbour comes to one core, except when its Ethernet address changes; so entries are not locked.
    pub(in super::super) fn hear(&self, neighbour: &Neighbour, now_ns: u64) -> bool {
        let Some(entry) = self.0.iter().find(|entry| entry.address == neighbour.address) else {
            return false;
        };
        let mac = word(&neighbour.mac);
        let known = entry.mac.load(Ordering::Relaxed);
        let lives = now_ns < entry.last_ns.load(Ordering::Relaxed).saturating_add(LIVES_NS);
        if known != mac || !lives {
            entry.before.store(if lives { known } else { 0 }, Ordering::Relaxed);
            entry.since_ns.store(now_ns, Ordering::Relaxed);
            // Release: who sees it sees since when, and what was before.
            entry.mac.store(mac, Ordering::Release);
        }
        entry.last_ns.store(now_ns, Ordering::Release);
        true
    }

    /// The Ethernet address of a next hop, if it is known by now.
    pub(in super::super) fn mac(&self, hop: usize, now_ns: u64) -> Option<[u8; 6]> {
        let entry = self.0.get(hop)?;
        // Acquire: pairs with `hear`.
        let last_ns = entry.last_ns.load(Ordering::Acquire);
        let mac = entry.mac.load(Ordering::Acquire);
        let settled = now_ns >= entry.since_ns.load(Ordering::Relaxed).saturating_add(SETTLES_NS);
        let mac = if settled { mac } else { entry.before.load(Ordering::Relaxed) };
        let known = mac != 0 && now_ns < last_ns.saturating_add(LIVES_NS);
        known.then(|| mac.to_be_bytes()).and_then(|bytes| bytes.last_chunk::<6>().copied())
    }
}

fn word(mac: &[u8; 6]) -> u64 {
    mac.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn what_is_heard_settles_and_ages() {
        let hops: [IpAddr; 2] = ["10.9.0.3".parse().unwrap(), "fd09::3".parse().unwrap()];
        let heard = Heard::default();
        let (one, other) = (heard.board(&hops), heard.clone().board(&hops));
        let said = |last| Neighbour { address: hops[1], mac: [2, 0, 0, 0, 0, last] };
        let start = 100_000 * MS;
        assert!(one.hear(&said(3), start));
        assert!(!one.hear(&Neighbour { address: "10.9.0.4".parse().unwrap(), ..said(3) }, start));
        assert_eq!((other.mac(1, start), other.mac(1, start + MS)), (None, Some([2, 0, 0, 0, 0, 3])));
        assert_eq!(other.mac(0, start + MS), None);
        // Heard again: it goes on.
        assert!(other.hear(&said(3), start + 50_000 * MS));
        assert_eq!(one.mac(1, start + 109_999 * MS), Some([2, 0, 0, 0, 0, 3]));
        assert_eq!(one.mac(1, start + 110_000 * MS), None);
        // Forgotten, it settles anew.
        let again = start + 120_000 * MS;
        assert!(one.hear(&said(3), again));
        assert_eq!((one.mac(1, again), one.mac(1, again + MS)), (None, Some([2, 0, 0, 0, 0, 3])));
        // Another address holds when it has settled, and the one before until then.
        let moved = again + 5 * MS;
        assert!(one.hear(&said(9), moved));
        assert_eq!(other.mac(1, moved), Some([2, 0, 0, 0, 0, 3]));
        assert_eq!(other.mac(1, moved + MS), Some([2, 0, 0, 0, 0, 9]));
    }
}
