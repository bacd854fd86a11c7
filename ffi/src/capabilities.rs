//! What the calling thread may do that others may not: `capabilities(7)`, `linux/capability.h`.
//!
//! Capabilities belong to a thread, not to the process: a thread that gives up its own leaves those of the
//! others as they are, and threads started later have what the one that starts them has at that moment.
//!
//! The crate `caps` would do; it keeps its sets in hash maps without an order, takes a call for each set, and
//! turns errno into text.

mod set;

use std::io;

pub use set::{Capabilities, Capability};

use crate::check;

/// `_LINUX_CAPABILITY_VERSION_3`: two words a set.
const VERSION: u32 = 0x2008_0522;

/// `__user_cap_header_struct`.
#[repr(C)]
struct Header {
    version: u32,
    /// 0: the calling thread.
    thread: i32,
}

/// `__user_cap_data_struct`: one word of each set.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Words {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The sets of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sets {
    /// What the kernel looks at when the thread asks for something.
    pub effective: Capabilities,
    /// What the thread may make effective.
    pub permitted: Capabilities,
    /// What a program it executes may inherit.
    pub inheritable: Capabilities,
}

/// The sets of the calling thread.
///
/// # Errors
/// What `capget(2)` reports, for instance where a sandbox forbids it.
pub fn of_this_thread() -> io::Result<Sets> {
    let mut header = Header { version: VERSION, thread: 0 };
    let mut words = [Words::default(); 2];
    // SAFETY: the header is one of version 3, for which the kernel writes two `Words`; both live through the
    // call, and any bits are a value of them.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) })?;
    let joined = |pick: fn(&Words) -> u32| {
        Capabilities::from_bits(u64::from(pick(&words[1])) << 32 | u64::from(pick(&words[0])))
    };
    Ok(Sets {
        effective: joined(|words| words.effective),
        permitted: joined(|words| words.permitted),
        inheritable: joined(|words| words.inheritable),
    })
}

/// Makes these of the calling thread's permitted capabilities effective, and no other.
///
/// # Errors
/// EPERM where one of them is not permitted; nothing has changed then.
pub fn set_effective(wanted: Capabilities) -> io::Result<()> {
    set(Sets { effective: wanted, ..of_this_thread()? })
}

/// Gives up for good all of the calling thread's capabilities but these, of which none is effective afterwards;
/// nothing is left that a program it executes could inherit (an ambient capability goes with its inheritable
/// one).
///
/// # Errors
/// EPERM where one of those to keep is not permitted; nothing has changed then.
pub fn keep_only(kept: Capabilities) -> io::Result<()> {
    set(Sets { permitted: kept, ..Sets::default() })
}

/// From now on no program the calling thread executes is given more than the thread has, whoever it belongs to
/// (`PR_SET_NO_NEW_PRIVS`). Cannot be taken back; threads started later inherit it.
///
/// # Errors
/// What `prctl(2)` reports (EINVAL before Linux 3.5).
pub fn set_no_new_privileges() -> io::Result<()> {
    let (on, none): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: integers only, all of the width prctl reads them with.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, on, none, none, none) }.into()).map(drop)
}

/// Does the kernel know this capability? [`Capability::BPF`] and [`Capability::PERFMON`] came with Linux 5.8; before,
/// [`Capability::SYS_ADMIN`] was asked for in their place.
#[must_use]
pub fn is_known(capability: Capability) -> bool {
    let number = libc::c_ulong::from(capability.number());
    // SAFETY: integers only, all of the width prctl reads them with. EINVAL: no such capability.
    check(unsafe { libc::prctl(libc::PR_CAPBSET_READ, number) }.into()).is_ok()
}

fn set(sets: Sets) -> io::Result<()> {
    let mut header = Header { version: VERSION, thread: 0 };
    let word = |number: usize| {
        let of = |set: Capabilities| (set.bits() >> (32 * number)) as u32;
        Words {
            effective: of(sets.effective),
            permitted: of(sets.permitted),
            inheritable: of(sets.inheritable),
        }
    };
    let words = [word(0), word(1)];
    // SAFETY: the header is one of version 3, for which the kernel reads two `Words`; both live through the call.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: Capabilities = Capabilities::NONE.with(Capability::NET_RAW);

    /// The hexadecimal mask of a line of the calling thread's status.
    fn shown(name: &str) -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap()
    }

    fn in_a_thread(body: impl FnOnce() + Send + 'static) {
        std::thread::spawn(body).join().unwrap();
    }

    #[test]
    fn what_the_kernel_shows_is_what_is_read() {
        in_a_thread(|| {
            let sets = of_this_thread().unwrap();
            assert_eq!(sets.permitted.bits(), shown("CapPrm"));
            assert_eq!(sets.effective.bits(), shown("CapEff"));
            assert_eq!(sets.inheritable.bits(), shown("CapInh"));
        });
    }

    #[test]
    fn the_kernel_knows_its_own_and_no_others() {
        assert!(is_known(Capability::NET_RAW));
        assert!(!is_known(Capability::numbered(63).unwrap()));
        // The permitted set of root holds none that is not known.
        assert!(of_this_thread().unwrap().permitted.iter().all(is_known));
    }

    #[test]
    fn a_thread_gives_up_its_own_and_no_others() {
        let before = shown("CapPrm");
        in_a_thread(|| {
            keep_only(Capabilities::NONE).unwrap();
            set_no_new_privileges().unwrap();
            assert_eq!([shown("CapPrm"), shown("CapEff"), shown("CapInh"), shown("CapAmb")], [0; 4]);
            assert_eq!(shown("NoNewPrivs"), 1);
            for refused in [set_effective(RAW), keep_only(RAW)] {
                assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EPERM));
            }
        });
        assert_eq!(shown("CapPrm"), before);
    }

    #[test]
    fn what_is_kept_can_be_raised_and_lowered() {
        if !of_this_thread().unwrap().permitted.contains(Capability::NET_RAW) {
            assert_ne!(std::env::var("MNVKD_CI_LIVE").as_deref(), Ok("1"), "CI has CAP_NET_RAW");
            eprintln!("skipped: without CAP_NET_RAW");
            return;
        }
        in_a_thread(|| {
            keep_only(RAW).unwrap();
            assert_eq!((shown("CapPrm"), shown("CapEff")), (RAW.bits(), 0));
            set_effective(RAW).unwrap();
            assert_eq!(shown("CapEff"), RAW.bits());
            set_effective(Capabilities::NONE).unwrap();
            assert_eq!((shown("CapPrm"), shown("CapEff")), (RAW.bits(), 0));
        });
    }
}
