//! What an errno means at a step of opening a port, and what to do about it.
//!
//! Where the kernel says what: `net/xdp/xsk.c` (bind), `net/xdp/xdp_umem.c` (register), `net/core/dev.c`
//! `dev_xdp_attach` and the drivers' `ndo_bpf` (attach), `kernel/bpf/syscall.c` (map, load).

use std::io;

use ffi::device::{AttachMode, Device};
use ffi::errno;

use super::ladder::Rung;
use super::refusal::Step;

/// What an explanation needs to know.
pub(super) struct Facts<'a> {
    /// The device as it is.
    pub(super) device: &'a Device,
    /// Bytes of memory to be registered, all queues together.
    pub(super) bytes: usize,
    /// Were packets to lie in several chunks?
    pub(super) fragments: bool,
}

/// An errno explained.
pub(super) struct Meaning {
    /// What it means.
    pub(super) means: String,
    /// What to do.
    pub(super) remedy: String,
    /// Would a lower rung fail alike?
    pub(super) last: bool,
}

/// The rungs below may do better.
fn here(means: impl Into<String>, remedy: impl Into<String>) -> Meaning {
    Meaning { means: means.into(), remedy: remedy.into(), last: false }
}

/// No rung below would do better.
fn everywhere(means: impl Into<String>, remedy: impl Into<String>) -> Meaning {
    Meaning { means: means.into(), remedy: remedy.into(), last: true }
}

const CAPABILITIES: &str = "run it as root, or give the binary cap_net_raw,cap_net_admin,cap_bpf+ep (setcap; cap_sys_admin before Linux 5.8)";

/// What the error means at this step, on this rung.
pub(super) fn meaning(rung: Rung, step: Step, error: &io::Error, facts: &Facts<'_>) -> Meaning {
    let name = &facts.device.name;
    let number = error.raw_os_error().unwrap_or(0);
    match number {
        errno::ENODEV | errno::ENXIO => {
            return everywhere("the device is gone", format!("look what `ip link show {name}` says"));
        }
        errno::EPERM if step != Step::Attach => return not_allowed(step),
        errno::ENOMEM => {
            return here("the kernel is out of memory", "give it some: fewer frames, smaller rings");
        }
        _ => {}
    }
    match step {
        Step::Map | Step::Load => program(number),
        Step::Socket => socket(number),
        Step::Register => register(number, facts),
        Step::Rings | Step::Put => unforeseen(),
        Step::Bind => bind(rung, number, facts),
        Step::Attach => attach(rung, number, facts),
    }
}

fn not_allowed(step: Step) -> Meaning {
    let needs = match step {
        Step::Socket => "AF_XDP sockets need CAP_NET_RAW",
        _ => "XDP programs and their maps need CAP_BPF and CAP_NET_ADMIN",
    };
    everywhere(needs, CAPABILITIES)
}

fn unforeseen() -> Meaning {
    here("nothing known to us", "this may be a bug in mnvkd; what `dmesg` says may help")
}

fn no_kernel(what: &str) -> Meaning {
    everywhere(format!("this kernel has no {what}"), "use driver = \"af_packet\", or a kernel that has it")
}

fn program(number: i32) -> Meaning {
    match number {
        errno::ENOSYS => no_kernel("bpf(2) (CONFIG_BPF_SYSCALL)"),
        errno::EINVAL | errno::EOPNOTSUPP => no_kernel(
            "XSKMAP or programs for packets of several buffers (CONFIG_XDP_SOCKETS, Linux 5.3; 5.18 for large MTUs)",
        ),
        errno::EACCES => everywhere("the verifier does not take the program", "this is a bug in mnvkd"),
        errno::E2BIG => everywhere(
            "the program is too long, or there are too many queues",
            "use a shorter `match`, or fewer `queues`",
        ),
        _ => unforeseen(),
    }
}

fn socket(number: i32) -> Meaning {
    match number {
        errno::EAFNOSUPPORT | errno::EPROTONOSUPPORT => no_kernel("AF_XDP (CONFIG_XDP_SOCKETS, Linux 4.18)"),
        _ => unforeseen(),
    }
}

fn register(number: i32, facts: &Facts<'_>) -> Meaning {
    match number {
        errno::ENOBUFS => {
            let limit = match ffi::memory::lock_limit() {
                Ok(Some(bytes)) => format!("{} KiB", bytes / 1024),
                _ => "not known".to_owned(),
            };
            let needed = facts.bytes / 1024;
            everywhere(
                format!("RLIMIT_MEMLOCK ({limit}) is less than the {needed} KiB the kernel is to pin"),
                format!(
                    "`ulimit -l {needed}` or more, LimitMEMLOCK=infinity in a unit of systemd, or cap_ipc_lock; or fewer frames"
                ),
            )
        }
        errno::EINVAL => {
            everywhere("the memory is not laid out as the kernel wants it", "this is a bug in mnvkd")
        }
        _ => unforeseen(),
    }
}

fn bind(rung: Rung, number: i32, facts: &Facts<'_>) -> Meaning {
    let Device { name, driver, mtu, .. } = facts.device;
    let driver = driver.as_ref().map_or("its driver", |driver| driver.name.as_str());
    match number {
        errno::EBUSY => everywhere(
            "another AF_XDP socket has the queue",
            format!(
                "end the process that has it (`ss --xdp -p` shows sockets), or take other `queues` of {name}"
            ),
        ),
        errno::EOPNOTSUPP | errno::ENOTSUPP | errno::EPROTONOSUPPORT if rung == Rung::ZeroCopy => here(
            format!(
                "{driver} has no zero-copy{}",
                if facts.fragments { " for packets of several buffers" } else { "" }
            ),
            format!(
                "use mode = \"copy\" (one copy a packet), or a device whose driver has it{}",
                if facts.fragments {
                    format!("; with an MTU of 1500 ({mtu} now) it may")
                } else {
                    String::new()
                }
            ),
        ),
        errno::EOPNOTSUPP | errno::ENOTSUPP => here(
            format!("{driver} or this kernel cannot do it"),
            "use a lower mode, or driver = \"af_packet\"",
        ),
        errno::EINVAL => here(
            format!(
                "there is no such queue, or an MTU of {mtu} does not fit the memory's chunks or the driver"
            ),
            format!("look at `ethtool -l {name}`; `ip link set {name} mtu 1500`"),
        ),
        errno::ENETDOWN => everywhere("the device is down", format!("`ip link set {name} up`")),
        _ => unforeseen(),
    }
}

fn attach(rung: Rung, number: i32, facts: &Facts<'_>) -> Meaning {
    let Device { name, mtu, driver, .. } = facts.device;
    let driver = driver.as_ref().map_or("its driver", |driver| driver.name.as_str());
    match number {
        errno::EPERM => everywhere("attaching needs CAP_NET_ADMIN", CAPABILITIES),
        errno::EBUSY => taken(facts.device),
        errno::EOPNOTSUPP | errno::ENOTSUPP if rung != Rung::Generic => {
            here(format!("{driver} has no XDP of its own"), "use mode = \"generic\"")
        }
        errno::ERANGE | errno::EINVAL if rung != Rung::Generic => here(
            format!("{driver} does not take a program at an MTU of {mtu}, or with its present offloads"),
            format!(
                "`ip link set {name} mtu 1500` and `ethtool -K {name} lro off gro-hw off`, or use mode = \"generic\""
            ),
        ),
        errno::EINVAL => everywhere(
            "the device takes no program behind its driver (LRO or GRO-HW is on)",
            format!("`ethtool -K {name} lro off gro-hw off`"),
        ),
        errno::ENOSPC => here(
            format!(
                "{driver} has too few queues for XDP: it wants one to transmit for each CPU, veth as many to receive as its peer sends on"
            ),
            format!("`ethtool -L {name}` for more or fewer channels, or use mode = \"generic\""),
        ),
        errno::ENOENT => everywhere("the device is going away", "see what is removing it"),
        _ => unforeseen(),
    }
}

fn taken(device: &Device) -> Meaning {
    let name = &device.name;
    let (who, show) = match device.xdp {
        Some(attached) => {
            let mode = match attached.mode {
                AttachMode::Native => "native",
                AttachMode::Generic => "generic",
                AttachMode::Hardware => "on the card",
                AttachMode::Several => "several",
            };
            let id = attached.program;
            (
                format!("another XDP program (id {id}, {mode}) is attached to {name}"),
                format!("`bpftool prog show id {id}`"),
            )
        }
        None => (format!("another XDP program is attached to {name}"), format!("`ip link show {name}`")),
    };
    everywhere(
        who,
        format!(
            "{show} says whose it is; end that process, or `ip link set dev {name} xdp off` where it left it behind"
        ),
    )
}
