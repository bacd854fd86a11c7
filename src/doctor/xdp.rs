//! XDP in the drivers of devices, and programs of others on them.

use ffi::device::AttachMode;

use super::device::DeviceFacts;
use super::drivers;
use super::expect::DevicePort;
use super::finding::Finding;
use super::scene::Scene;
use crate::host::Kernel;

/// Bytes of a packet above which XDP needs several buffers: what fits a page of 4 KiB beside its headroom; drivers
/// differ by some hundred bytes.
const ONE_BUFFER: u32 = 3_000;

/// Does the driver run XDP programs, and is another's attached?
pub(super) fn support(scene: &Scene<'_>) -> Vec<Finding> {
    let each = scene.devices.iter().flat_map(|facts| {
        let expected = scene.expect.ports_on(&facts.device.name).any(DevicePort::is_xdp);
        let mut found = vec![mode(scene, facts, expected)];
        found.extend(buffers(facts, expected));
        found.extend(attached(facts, expected));
        found.into_iter().map(|finding| finding.about(&facts.device.name))
    });
    each.collect()
}

fn mode(scene: &Scene<'_>, facts: &DeviceFacts, expected: bool) -> Finding {
    const CHECK: &str = "xdp";
    let driver = if facts.driver().is_empty() {
        "its driver".to_owned()
    } else {
        format!("driver {}", facts.driver())
    };
    match modes(facts, &scene.kernel) {
        Some((_, true)) => Finding::well(CHECK, format!("{driver}: native, zero-copy")),
        Some((true, false)) => {
            let finding = if expected { Finding::note } else { Finding::well };
            finding(CHECK, format!("{driver}: native, by copy"))
                .because("the kernel copies each packet: some hundred cycles; zero-copy needs another driver or kernel")
        }
        Some((false, _)) => {
            let finding = if expected { Finding::warning } else { Finding::note };
            let finding = finding(CHECK, format!("{driver}: none of its own, as it is set; generic only"))
                .because("programs run on socket buffers, after most of the kernel's work: little faster than af_packet");
            match facts.driver() {
                // drivers/net/veth.c: its features go when its peer has more transmit queues than it receives on.
                "veth" => finding.mended_by(format!(
                    "as many receive queues as the peer has transmit queues: sudo ethtool -L {} rx N",
                    facts.device.name
                )),
                _ => finding,
            }
        }
        None => Finding::note(CHECK, format!("{driver}: not known; generic always works"))
            .because("the kernel says what drivers can do since 6.3"),
    }
}

fn buffers(facts: &DeviceFacts, expected: bool) -> Option<Finding> {
    let single = facts.support.is_some_and(|support| support.native && !support.multi_buffer);
    (expected && single && facts.device.mtu > ONE_BUFFER).then(|| {
        Finding::warning(
            "xdp",
            format!("MTU {}, and the driver gives programs one buffer a packet", facts.device.mtu),
        )
        .because("it refuses the program (ERANGE, EINVAL), or large packets are lost")
        .mended_by(format!("sudo ip link set {} mtu 1500", facts.device.name))
    })
}

fn attached(facts: &DeviceFacts, expected: bool) -> Option<Finding> {
    let attached = facts.device.xdp?;
    let mode = match attached.mode {
        AttachMode::Native => "native",
        AttachMode::Generic => "generic",
        AttachMode::Hardware => "on the card",
        AttachMode::Several => "several",
    };
    let what = format!("program {} is attached ({mode})", attached.program);
    Some(if expected {
        Finding::warning("xdp", what)
            .because("a device has one program: where another's is attached, the port is refused with EBUSY")
            .mended_by(format!("bpftool prog show id {}   (whose it is)", attached.program))
            .mended_by(format!("sudo ip link set dev {} xdp off", facts.device.name))
    } else {
        Finding::note("xdp", what)
    })
}

/// Can its driver run programs, and share memory? The kernel's word, else what is known of the driver.
fn modes(facts: &DeviceFacts, kernel: &Kernel) -> Option<(bool, bool)> {
    if let Some(support) = facts.support {
        return Some((support.native, support.zero_copy));
    }
    let known = drivers::known(facts.driver())?;
    let since = |(major, minor): (u32, u32)| !kernel.is_before(major, minor);
    Some((since(known.native), known.zero_copy.is_some_and(since)))
}
