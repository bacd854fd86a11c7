//! What the kernel lost, and what there is to say at the end.

use super::On;
use super::counts::{Counts, read};
use super::kernel::Kernel;
use crate::port::Losses;

impl<K: Kernel> On<K> {
    fn sum(&self, of: impl Fn(&Counts) -> u64) -> u64 {
        self.opened.iter().flat_map(|opened| &opened.queues).map(|queue| of(&queue.shared.counts)).sum()
    }

    /// Losses, by the kernel's names for them.
    pub(super) fn losses(&self) -> Losses {
        vec![
            ("rx_dropped", self.sum(|counts| read(&counts.rx_dropped))),
            ("rx_ring_full", self.sum(|counts| read(&counts.rx_ring_full))),
            ("left-in-ring", self.sum(|counts| read(&counts.left_in_ring))),
            ("oversize", self.sum(|counts| read(&counts.oversize))),
            ("invalid-descriptors", self.sum(|counts| read(&counts.broken))),
            ("tx-unsent", self.sum(|counts| read(&counts.unsent))),
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
        notes
    }
}
