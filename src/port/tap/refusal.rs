//! What the kernel's errors mean for a tap device, and what to do.

use std::io;

use ffi::errno::{EACCES, EBUSY, EINVAL, EMFILE, ENODEV, ENOENT, ENXIO, EPERM, ERANGE};

/// A step of making the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Opening a queue.
    Open,
    /// Setting MTU, Ethernet address, up.
    Configure,
    /// Giving it an IP address.
    Address,
}

/// What failed, what that means, what to do.
pub(super) fn explain(device: &str, step: Step, error: &io::Error) -> anyhow::Error {
    let what = match step {
        Step::Open => "cannot be made",
        Step::Configure => "cannot be set to mtu, mac and up as asked",
        Step::Address => "cannot be given its address",
    };
    let advice = match (error.raw_os_error(), step) {
        (Some(EPERM), _) => {
            "making and setting devices needs CAP_NET_ADMIN: run as root, or `setcap cap_net_admin+ep` the program"
        }
        (Some(EACCES), Step::Address) => {
            "IPv6 is disabled there: `sysctl net.ipv6.conf.all.disable_ipv6=0`, or leave the IPv6 address out"
        }
        (Some(EACCES), _) => "/dev/net/tun may not be opened: run as root, or change its mode",
        (Some(ENOENT | ENODEV | ENXIO), Step::Open) => {
            "there is no /dev/net/tun: `modprobe tun`; in a container, let it have that device"
        }
        (Some(EBUSY), Step::Open) => "another program has it; stop that, or choose another name",
        (Some(EINVAL), Step::Open) => {
            "there is a device of that name that is none of this kind (`ip link show`); choose another name, or delete it"
        }
        (Some(EINVAL | ERANGE), Step::Configure) => "it takes no such MTU or Ethernet address",
        (Some(EINVAL), Step::Address) => "it takes no such address",
        (Some(EMFILE), _) => "too many open files; `ulimit -n` tells the limit",
        _ => "what the kernel says is all that is known",
    };
    anyhow::anyhow!("device {device:?} {what}: {error}; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_what_to_do() {
        for (errno, step, words) in [
            (EPERM, Step::Open, "CAP_NET_ADMIN"),
            (EACCES, Step::Address, "disable_ipv6"),
            (ENOENT, Step::Open, "modprobe tun"),
            (EBUSY, Step::Open, "another program"),
            (EINVAL, Step::Open, "choose another name"),
            (EINVAL, Step::Configure, "no such MTU"),
        ] {
            let text = explain("mnvkd0", step, &io::Error::from_raw_os_error(errno)).to_string();
            assert!(text.starts_with("device \"mnvkd0\" cannot be") && text.contains(words), "{text}");
        }
    }
}
