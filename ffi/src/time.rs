//! The kernel's clocks, in nanoseconds, by `clock_gettime(2)` (through the vDSO, no system call).

const NS_PER_S: u64 = 1_000_000_000;

/// `CLOCK_MONOTONIC` in nanoseconds since some point before the machine started. Never goes back.
#[inline]
#[must_use]
pub fn monotonic_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// `CLOCK_REALTIME` in nanoseconds since 1970-01-01 UTC. Jumps when someone sets the clock.
#[inline]
#[must_use]
pub fn realtime_ns() -> u64 {
    read(libc::CLOCK_REALTIME)
}

/// Reads one of the two clocks above. Every Linux has both, so the call cannot fail; a failure
/// would read as 0.
#[inline]
fn read(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid timespec that lives through the call.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    (now.tv_sec as u64).wrapping_mul(NS_PER_S).wrapping_add(now.tv_nsec as u64)
}

/// Sleeps at least `ns` nanoseconds, signals notwithstanding. The kernel adds its timer slack
/// (50 µs unless set otherwise) and the time to wake up.
pub fn sleep_ns(ns: u64) {
    let until = monotonic_ns().saturating_add(ns).min(i64::MAX as u64);
    let until = libc::timespec { tv_sec: (until / NS_PER_S) as _, tv_nsec: (until % NS_PER_S) as _ };
    // SAFETY: `until` lives through the call; with TIMER_ABSTIME the remainder is not written.
    while unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &raw const until,
            std::ptr::null_mut(),
        )
    } == libc::EINTR
    {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_takes_at_least_as_long_as_asked() {
        let before = monotonic_ns();
        sleep_ns(2_000_000);
        assert!(monotonic_ns() - before >= 2_000_000);
    }

    #[test]
    fn real_time_agrees_with_std() {
        let std = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(realtime_ns().abs_diff(std.as_nanos() as u64) < 60 * NS_PER_S);
    }
}
