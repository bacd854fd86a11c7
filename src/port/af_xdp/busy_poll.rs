//! Busy polling: our own calls poll the device, and interrupts are put off while they come.
//!
//! Three socket options (`Socket::set_busy_poll`) and two settings of the device, which are put back when the port goes
//! (Documentation/networking/napi.rst, "Busy polling"; af_xdp.rst, SO_PREFER_BUSY_POLL).
//!
//! The settings are made only once the kernel can poll every queue of ours when it is called (`Socket::knows_napi`). Where
//! it cannot (a veth on Linux 6.18), a call does nothing, and a device whose interrupts were put off would hand over its packets
//! when `gro_flush_timeout` is over: an echo took 219 µs instead of 10, and a tenth of the packets was lost for want of room at the
//! sender's end. So interrupts go on there, nothing is called for, and a note says so.

use std::fs;
use std::path::PathBuf;

use ffi::device::Device;

use super::On;
use super::kernel::{Halves, Kernel};
use super::open::Opened;

/// What is to be said where the kernel cannot poll.
const NOT_YET: &str = "no busy polling yet: the kernel does not know which NAPI instance polls the device's queues, so interrupts go on as usual \
    and calls are spared; Linux up to 6.12 learns it with the first packet, later ones only of drivers that tell (veth does not)";

/// Settings of a device, and what they are while we poll it: after so many polls without packets interrupts come
/// again, unless a poll comes within so many nanoseconds.
const SETTINGS: [(&str, &str); 2] = [("napi_defer_hard_irqs", "2"), ("gro_flush_timeout", "200000")];

/// Settings of a device as they were found; put back when this goes.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    before: Vec<(PathBuf, String)>,
}

impl Deferred {
    /// Puts off the device's interrupts; what was done, or why not.
    pub(super) fn new(device: &Device) -> (Deferred, String) {
        let mut deferred = Deferred::default();
        let set = deferred.set(device);
        let text = match set {
            Ok(()) => {
                let list: Vec<String> = SETTINGS
                    .iter()
                    .zip(&deferred.before)
                    .map(|((name, value), (_, before))| format!("{name} = {value} (was {before})"))
                    .collect();
                format!("{}; put back at the end", list.join(", "))
            }
            Err(error) => {
                format!("its interrupts cannot be put off: {error}; it is polled by us and by its interrupts")
            }
        };
        (deferred, text)
    }

    fn set(&mut self, device: &Device) -> anyhow::Result<()> {
        let folder = PathBuf::from("/sys/class/net").join(&device.name);
        let shown = fs::read_to_string(folder.join("ifindex"))?;
        anyhow::ensure!(shown.trim() == device.index.to_string(), "/sys shows another network namespace");
        for (name, value) in SETTINGS {
            let path = folder.join(name);
            let before = fs::read_to_string(&path)?.trim().to_owned();
            fs::write(&path, value)?;
            self.before.push((path, before));
        }
        Ok(())
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        for (path, before) in self.before.drain(..) {
            // A device that is gone took its settings with it.
            let _ = fs::write(path, before);
        }
    }
}

impl<K: Kernel<Halves = Halves>> On<K> {
    /// Puts the device's interrupts off when the port is to poll it and the kernel can poll every queue of ours; what was
    /// done, once.
    pub(super) fn poll_busily(&self, opened: &mut Opened<K>, device: &Device) -> Option<String> {
        self.config.busy_poll_budget()?;
        if opened.deferred.is_some() || !opened.queues.iter().all(|queue| queue.shared.counts.is_polled()) {
            return None;
        }
        let (deferred, text) = Deferred::new(device);
        opened.deferred = Some(deferred);
        Some(format!("busy polling: {text}"))
    }

    /// What there is to say of busy polling when the port has just been opened.
    pub(super) fn busy_poll_note(&self, opened: &mut Opened<K>, device: &Device) -> Option<String> {
        self.config.busy_poll_budget()?;
        self.poll_busily(opened, device).or_else(|| Some(NOT_YET.to_owned()))
    }
}
