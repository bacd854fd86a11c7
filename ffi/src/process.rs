//! What the scheduler did to the calling thread, and what one may ask of it.

use std::io;
use std::mem::MaybeUninit;

use crate::check;

/// How often a thread was taken off its CPU, both since it started (`getrusage(2)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContextSwitches {
    /// It gave the CPU away itself: slept, or waited in a system call.
    pub voluntary: u64,
    /// It was preempted. On a polling core each of these is a gap in service somebody pays for.
    pub involuntary: u64,
}

/// The context switches of the calling thread so far. A system call: for housekeeping, not per packet.
///
/// # Errors
///
/// What `getrusage(2)` reports for `RUSAGE_THREAD` (Linux 2.6.26 and later have it).
pub fn context_switches() -> io::Result<ContextSwitches> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a whole rusage that lives through the call.
    check(unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) }.into())?;
    // SAFETY: it was zeroed, and an rusage is integers only, for which zero is a value.
    let usage = unsafe { usage.assume_init() };
    Ok(ContextSwitches { voluntary: usage.ru_nvcsw as u64, involuntary: usage.ru_nivcsw as u64 })
}

/// The calling thread's number, by which `/proc/PID/task` and `taskset` know it. Never fails.
#[must_use]
pub fn thread_id() -> u32 {
    // SAFETY: no arguments, no memory, cannot fail.
    let number = unsafe { libc::gettid() };
    number as u32
}

/// Lets another thread that is ready have the CPU (`sched_yield(2)`); returns at once if there is none.
pub fn yield_now() {
    // SAFETY: no arguments, no memory; on Linux the call cannot fail.
    unsafe { libc::sched_yield() };
}

/// The effective user id: 0 is root. Never fails.
#[must_use]
pub fn effective_uid() -> u32 {
    // SAFETY: no arguments, no memory, cannot fail.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_known_by_its_number() {
        let number = std::thread::spawn(|| {
            let own = thread_id();
            assert!(std::path::Path::new(&format!("/proc/self/task/{own}")).is_dir());
            own
        });
        assert_ne!(number.join().unwrap(), thread_id());
    }

    #[test]
    fn sleeping_is_a_voluntary_switch() {
        let before = context_switches().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
        yield_now();
        assert!(context_switches().unwrap().voluntary > before.voluntary);
    }
}
