//! What the kernel lost, and what there is to say at the end.
//!
//! Every packet the far end sent and we did not receive is counted in exactly one of these:
//!
//! - `rx_dropped`: the socket had no chunk for it, or it was too long for one (`XDP_STATISTICS`). Where the kernel
//!   copies, each is also one of `rx_fill_ring_empty_descs`, which is told as a note and not added.
//! - `rx_ring_full`: the receive ring was full.
//! - `device-rx-dropped`, `device-rx-missed`: the device's own (`ip -s -s link`). Drivers that count a redirect which
//!   the socket refused there too (veth and virtio_net, seen on veth: to the packet) have the first two taken off. Where packets go on
//!   to the kernel as well (`match`, queues we do not have), `rx_dropped` holds theirs, and is told as a note.
//! - `left-in-ring`: received by the kernel, still in the ring when the socket was closed.
//! - `oversize`: longer than a frame.
//!
//! `tx-` are packets we had counted as transmitted: left in the ring at the end, or dropped by the device.

use ffi::device::{Device, Statistics};

use super::On;
use super::counts::{Counts, read};
use super::kernel::Kernel;
use super::ladder::Rung;
use super::open::Opened;
use super::program::Filter;
use crate::port::Losses;

/// Drivers whose `rx_dropped` includes what a socket refused, in native mode.
const COUNT_TWICE: [&str; 2] = ["veth", "virtio_net"];

/// What a device counted from one time to another, of what concerns us.
fn between(before: &Statistics, now: &Statistics) -> Statistics {
    Statistics {
        rx_dropped: now.rx_dropped.saturating_sub(before.rx_dropped),
        rx_missed_errors: now.rx_missed_errors.saturating_sub(before.rx_missed_errors),
        tx_dropped: now.tx_dropped.saturating_sub(before.tx_dropped),
        ..Statistics::default()
    }
}

impl<K: Kernel> Opened<K> {
    /// Remembers what the device has counted by now: were it gone at the next look, it could not be asked.
    pub(super) fn remember(&mut self, device: &Device) {
        self.last = between(&self.before, &device.statistics);
    }

    /// The device is gone: what it counted stays counted.
    pub(super) fn device_gone(&mut self) {
        let last = std::mem::take(&mut self.last);
        self.gone.rx_dropped += last.rx_dropped;
        self.gone.rx_missed_errors += last.rx_missed_errors;
        self.gone.tx_dropped += last.tx_dropped;
        self.before = Statistics::default();
    }
}

impl<K: Kernel> On<K> {
    fn sum(&self, of: impl Fn(&Counts) -> u64) -> u64 {
        self.opened.iter().flat_map(|opened| &opened.queues).map(|queue| of(&queue.shared.counts)).sum()
    }

    /// What the devices counted while the port had them.
    fn counted(&self) -> Statistics {
        let Some(opened) = &self.opened else { return Statistics::default() };
        let now = match self.kernel.device(&self.config.device) {
            Ok(Some(device)) if opened.link.is_some() => between(&opened.before, &device.statistics),
            _ => opened.last,
        };
        Statistics {
            rx_dropped: opened.gone.rx_dropped + now.rx_dropped,
            rx_missed_errors: opened.gone.rx_missed_errors + now.rx_missed_errors,
            tx_dropped: opened.gone.tx_dropped + now.tx_dropped,
            ..Statistics::default()
        }
    }

    /// Does every packet the device receives come to us?
    fn takes_all(&self) -> bool {
        self.filter == Filter::Everything && self.queues.len() as u32 >= self.device.queues.receive
    }

    /// Packets the device dropped that no socket of ours counted.
    fn device_dropped(&self, counted: &Statistics, by_sockets: u64) -> u64 {
        let native = self.opened.as_ref().is_some_and(|opened| opened.rung != Rung::Generic);
        let driver = self.device.driver.as_ref().map_or("", |driver| driver.name.as_str());
        let twice = if native && COUNT_TWICE.contains(&driver) { by_sockets } else { 0 };
        counted.rx_dropped.saturating_sub(twice)
    }

    /// Losses, by the kernel's names for them.
    pub(super) fn losses(&self) -> Losses {
        let (dropped, full) =
            (self.sum(|counts| read(&counts.rx_dropped)), self.sum(|counts| read(&counts.rx_ring_full)));
        let counted = self.counted();
        let by_device = if self.takes_all() { self.device_dropped(&counted, dropped + full) } else { 0 };
        let receives = self.opened.as_ref().is_some_and(|opened| opened.receives);
        vec![
            ("rx_dropped", dropped),
            ("rx_ring_full", full),
            ("device-rx-dropped", if receives { by_device } else { 0 }),
            ("device-rx-missed", if receives { counted.rx_missed_errors } else { 0 }),
            ("left-in-ring", self.sum(|counts| read(&counts.left_in_ring))),
            ("oversize", self.sum(|counts| read(&counts.oversize))),
            ("invalid-descriptors", self.sum(|counts| read(&counts.broken))),
            ("tx-unsent", self.sum(|counts| read(&counts.unsent))),
            ("tx-device-dropped", counted.tx_dropped),
        ]
    }

    /// Findings.
    pub(super) fn notes(&self) -> Vec<String> {
        let Some(opened) = &self.opened else { return Vec::new() };
        let mut notes = opened.notes.clone();
        for (what, count) in [
            ("times the fill ring was empty", self.sum(|counts| read(&counts.fill_ring_empty))),
            ("fill ring entries the kernel did not take", self.sum(|counts| read(&counts.rx_invalid))),
            ("transmit ring entries the kernel did not take", self.sum(|counts| read(&counts.tx_invalid))),
            ("packets copied into a frame of the sending core", self.sum(|counts| read(&counts.copied))),
        ] {
            if count > 0 {
                notes.push(format!("{what}: {count}"));
            }
        }
        let dropped = self.counted().rx_dropped;
        if opened.receives && !self.takes_all() && dropped > 0 {
            notes.push(format!(
                "the device dropped {dropped} packets; some or all of them may have been the kernel's, not ours, so they are no losses here"
            ));
        }
        notes
    }
}
