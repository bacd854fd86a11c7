//! Gathering: a receive queue that brings packets one after the other is left alone for a moment, so that several come
//! at once.
//!
//! A look at a ring whose other side is on another CPU costs the transfer of its cache lines, there and back, and a turn
//! costs its overhead, whether it brings one packet or thirty. Where packets come a microsecond apart, a core that looks again
//! at once pays all of it for each. So while they come like that it does not look for [`PAUSE_NS`]; the time is
//! free for its other queues. Nothing waits longer than that, and no packet waits that comes after a quiet time, nor the
//! one behind it: a request and its answer never meet this.

/// How long a queue is not looked at, nanoseconds: what a packet can wait at most.
const PAUSE_NS: u64 = 2_000;
/// Looks that found packets no further apart than this are traffic worth gathering, nanoseconds: with a pause of half of
/// it there are two packets or so at each.
const DENSE_NS: u64 = 2 * PAUSE_NS;

/// When a queue is to be looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gather {
    /// When packets were found last.
    found_ns: u64,
    /// It is not to be looked at before.
    until_ns: u64,
}

impl Gather {
    /// Is it left alone now?
    #[inline(always)]
    pub(super) fn rests(&self, now_ns: u64) -> bool {
        now_ns < self.until_ns
    }

    /// It was looked at and brought so many packets of at most `limit`: a full burst means that more are there already.
    #[inline(always)]
    pub(super) fn looked(&mut self, packets: usize, limit: usize, now_ns: u64) {
        if packets == 0 {
            return;
        }
        let dense = now_ns.saturating_sub(self.found_ns) <= DENSE_NS;
        self.found_ns = now_ns;
        self.until_ns = if dense && packets < limit { now_ns + PAUSE_NS } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When packets that arrive at these times are taken by a core that turns every 50 ns, and how often it looked.
    fn taken(arrivals: &[u64], limit: usize) -> (Vec<u64>, usize) {
        let (mut gather, mut taken, mut looks) = (Gather::default(), Vec::new(), 0);
        let mut now = 1_000_000;
        while taken.len() < arrivals.len() {
            now += 50;
            if gather.rests(now) {
                continue;
            }
            looks += 1;
            let there = arrivals[taken.len()..].iter().filter(|at| **at <= now).count().min(limit);
            taken.extend(std::iter::repeat_n(now, there));
            gather.looked(there, limit, now);
        }
        (taken, looks)
    }

    #[test]
    fn packets_far_apart_are_taken_as_they_come() {
        let arrivals: Vec<u64> = (1..50).map(|n| 1_000_000 + n * 9_000).collect();
        assert_eq!(taken(&arrivals, 32).0, arrivals);
    }

    #[test]
    fn the_two_packets_after_a_quiet_time_do_not_wait() {
        let arrivals = [1_050_000, 1_050_500, 1_100_000, 1_100_500];
        assert_eq!(taken(&arrivals, 32).0, arrivals);
    }

    #[test]
    fn packets_close_together_come_several_at_once_and_none_waits_long() {
        let arrivals: Vec<u64> = (1..1_000).map(|n| 1_050_000 + n * 500).collect();
        let (taken, looks) = taken(&arrivals, 32);
        let waited = taken.iter().zip(&arrivals).map(|(taken, arrived)| taken - arrived).max();
        assert!(waited.is_some_and(|waited| waited <= PAUSE_NS + 50), "{waited:?}");
        // Before the first packet it looks every turn: 1,000 times.
        assert!(looks - 1_000 <= arrivals.len() / 3, "{looks} looks for {} packets", arrivals.len());
    }

    #[test]
    fn a_full_burst_is_followed_by_a_look_at_once() {
        let arrivals = [1_050_000; 128];
        let (taken, _) = taken(&arrivals, 32);
        assert_eq!(
            [taken[0], taken[32], taken[64], taken[127]],
            [1_050_000, 1_050_050, 1_050_100, 1_050_150]
        );
    }
}
