//! What the kernel's errors mean here, and what to do.

use std::io;

use ffi::packet_socket::Failed;

/// `errno` values (`errno(3)`).
const EPERM: i32 = 1;
const ENXIO: i32 = 6;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
const ENOPROTOOPT: i32 = 92;
const EAFNOSUPPORT: i32 = 97;
const ENETDOWN: i32 = 100;
const EMFILE: i32 = 24;

/// Does sending fail because the device is down or no more?
pub(super) fn is_device_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(ENETDOWN | ENXIO | ENODEV))
}

/// What failed, what that means, what to do.
pub(super) fn explain(device: &str, failed: &Failed) -> anyhow::Error {
    let advice = match failed.error.raw_os_error() {
        Some(EPERM | EACCES) => {
            "packet sockets need CAP_NET_RAW: run as root, or `setcap cap_net_raw+ep` the program"
        }
        Some(ENODEV | ENXIO) => "there is no such device any more; `ip link` lists them",
        Some(ENETDOWN) => "the device is down; `ip link set DEVICE up`",
        Some(ENOMEM) => {
            "the kernel has no memory for the ring; set receive-slots and transmit-slots lower, or use fewer queues"
        }
        Some(ENOSPC) => "the kernel spreads packets over no more sockets than that; use fewer queues",
        Some(EINVAL) => {
            "this kernel cannot do that as asked; a kernel before 6.13 spreads over queues only while the device is up: `ip link set DEVICE up`, or queues = 1"
        }
        Some(ENOPROTOOPT) => "this kernel is too old: Linux 4.20 or later is needed",
        Some(EAFNOSUPPORT) => "this kernel has no packet sockets (CONFIG_PACKET); use another driver",
        Some(EMFILE) => "too many open files; `ulimit -n` tells the limit",
        _ => "what the kernel says is all that is known",
    };
    anyhow::anyhow!("device {device:?}: {failed}; {}", advice.replace("DEVICE", device))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(errno: i32) -> String {
        let failed =
            Failed { step: "a packet socket".to_owned(), error: io::Error::from_raw_os_error(errno) };
        explain("eth7", &failed).to_string()
    }

    #[test]
    fn each_says_what_to_do() {
        for (errno, words) in [
            (EPERM, "CAP_NET_RAW"),
            (ENODEV, "ip link"),
            (ENETDOWN, "ip link set eth7 up"),
            (ENOMEM, "receive-slots"),
            (ENOSPC, "fewer queues"),
            (EINVAL, "queues = 1"),
            (ENOPROTOOPT, "4.20"),
            (EAFNOSUPPORT, "CONFIG_PACKET"),
            (EMFILE, "ulimit"),
        ] {
            let text = told(errno);
            assert!(text.starts_with("device \"eth7\": a packet socket: ") && text.contains(words), "{text}");
        }
    }

    #[test]
    fn only_what_lasts_is_gone() {
        assert!(is_device_gone(&io::Error::from_raw_os_error(ENETDOWN)));
        assert!(!is_device_gone(&io::ErrorKind::WouldBlock.into()));
    }
}
