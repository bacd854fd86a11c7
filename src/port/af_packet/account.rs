//! What the queues of a port count beside the books: losses, and whether the device can send.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use ffi::packet_socket::{ReceiveRing, TransmitRing};

/// Shared by a port and its queues. Counters are added to where something was lost, not per packet.
#[derive(Debug)]
pub(super) struct Account {
    /// Packets that no frame could take.
    pub(super) larger_than_frame: AtomicU64,
    /// Packets in rings that were given up.
    pub(super) unread: AtomicU64,
    /// Packets whose header in the ring made no sense.
    pub(super) damaged: AtomicU64,
    /// Packets the kernel refused to send.
    pub(super) rejected: AtomicU64,
    /// Packets that were in the transmit ring when the device went or the run ended.
    pub(super) withdrawn: AtomicU64,
    /// Is the device up, as far as is known?
    pub(super) can_send: AtomicBool,
    /// The device's MTU, bytes.
    pub(super) mtu: AtomicU32,
}

impl Account {
    /// Nothing lost yet.
    pub(super) fn new(can_send: bool, mtu: u32) -> Account {
        Account {
            larger_than_frame: AtomicU64::new(0),
            unread: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            withdrawn: AtomicU64::new(0),
            can_send: AtomicBool::new(can_send),
            mtu: AtomicU32::new(mtu),
        }
    }

    /// Adds to a counter.
    #[inline]
    pub(super) fn add(counter: &AtomicU64, packets: u64) {
        counter.fetch_add(packets, Ordering::Relaxed);
    }

    /// A receive ring comes to its end: nothing comes into it any more, and what the kernel counted and nobody read is
    /// unread. (What the kernel dropped, the port reads from the socket.)
    pub(super) fn end_receive(&self, ring: &ReceiveRing) {
        // If the filter cannot be put on, packets that come after this are counted by nobody: they came after the end.
        let _ = ring.socket().deny();
        let kernel = ring.socket().statistics();
        let (seen, damaged) = ring.seen();
        Account::add(&self.damaged, damaged);
        Account::add(&self.unread, kernel.packets.saturating_sub(kernel.drops + seen));
    }

    /// A transmit ring comes to its end.
    pub(super) fn end_transmit(&self, ring: &mut TransmitRing) {
        Account::add(&self.withdrawn, ring.withdraw().into());
    }
}
