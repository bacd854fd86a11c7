//! What a queue's core and the control thread count together, and what of it is a loss.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use ffi::xdp::SocketStatistics;

/// Counters of one queue. Written by its core (rarely) and by the control thread when it replaces a socket.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Packets for which there was no chunk, or which were too long for one and could not be split.
    pub(super) rx_dropped: AtomicU64,
    /// Packets that found the receive ring full.
    pub(super) rx_ring_full: AtomicU64,
    /// Times the fill ring was empty; each packet of it is in `rx_dropped` too where the kernel copies.
    pub(super) fill_ring_empty: AtomicU64,
    /// Fill ring entries the kernel did not take.
    pub(super) rx_invalid: AtomicU64,
    /// Transmit ring entries the kernel did not take.
    pub(super) tx_invalid: AtomicU64,
    /// Packets in the receive ring when its socket was closed.
    pub(super) left_in_ring: AtomicU64,
    /// Packets longer than a frame.
    pub(super) oversize: AtomicU64,
    /// Descriptors that named no frame the kernel had.
    pub(super) broken: AtomicU64,
    /// Packets in the transmit ring when its socket was closed.
    pub(super) unsent: AtomicU64,
    /// Packets copied into a frame of the queue's own memory to be sent.
    pub(super) copied: AtomicU64,
    /// Does the kernel poll the queue when it is called?
    pub(super) polled: AtomicBool,
    /// Is the device up, as the control thread last saw it?
    pub(super) down: AtomicBool,
    /// The longest packet that may be sent, bytes.
    pub(super) longest: AtomicU32,
}

/// Adds; nobody waits for it.
#[inline]
pub(super) fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// Reads.
pub(super) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counts {
    /// Does the kernel poll the queue when it is called?
    #[inline]
    pub(super) fn is_polled(&self) -> bool {
        self.polled.load(Ordering::Relaxed)
    }

    /// Adds a socket's last counters.
    pub(super) fn add_socket(&self, last: &SocketStatistics) {
        add(&self.rx_dropped, last.rx_dropped);
        add(&self.rx_ring_full, last.rx_ring_full);
        add(&self.fill_ring_empty, last.rx_fill_ring_empty_descs);
        add(&self.rx_invalid, last.rx_invalid_descs);
        add(&self.tx_invalid, last.tx_invalid_descs);
    }
}
