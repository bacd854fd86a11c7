//! The receiving half of a queue: each packet is read into its frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ffi::tap::Tap;

use crate::packet::layers::LinkClass;
use crate::packet::{Frames, Packet, Packets, PortId};
use crate::port::exchange::Exchange;
use crate::port::{Gate, Moved, Receive, Supply};

/// Packets that may be left in a device's queue at the end: more than its longest queue, for a kernel that goes on sending.
const MOST_UNREAD: u64 = 1 << 20;

/// What the queues of a port count beside the books.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Packets that no frame could take.
    pub(super) larger_than_frame: AtomicU64,
    /// Packets in the device's queues when the run ended.
    pub(super) unread: AtomicU64,
}

/// A queue's receiving half.
pub(super) struct Receiver {
    pub(super) port: PortId,
    pub(super) link: LinkClass,
    /// The largest packet, bytes.
    pub(super) most: usize,
    pub(super) tap: Arc<Tap>,
    pub(super) exchange: Arc<Exchange<Arc<Tap>>>,
    pub(super) account: Arc<Account>,
}

impl Receive for Receiver {
    fn receive(
        &mut self,
        frames: &mut Frames,
        into: &mut Packets,
        limit: usize,
        now_ns: u64,
        _gate: Gate,
    ) -> Moved {
        if self.exchange.is_offered() {
            self.renew();
        }
        let mut moved = Moved::default();
        for _ in 0..limit {
            // A byte more than the largest packet has: so one that was cut can be told from one that was not.
            let Some(mut frame) = frames.acquire(self.most + 1) else { break };
            // A device that was deleted has no packets; the control thread makes a new one.
            let Ok(Some(len)) = self.tap.read(frame.bytes_mut()) else {
                frames.release(frame);
                break;
            };
            if len > self.most {
                self.account.larger_than_frame.fetch_add(1, Ordering::Relaxed);
                frames.release(frame);
                continue;
            }
            frame.truncate(len as u32);
            into.push(Packet::new(frame, self.port, self.link, now_ns));
            moved.packets += 1;
            moved.bytes += len as u64;
        }
        moved
    }

    fn supply(&self) -> Supply {
        Supply::Open
    }

    fn close(&mut self, _frames: &mut Frames) -> Result<(), String> {
        let mut unread = 0;
        while unread < MOST_UNREAD && matches!(self.tap.read(&mut [0]), Ok(Some(_))) {
            unread += 1;
        }
        self.account.unread.fetch_add(unread, Ordering::Relaxed);
        Ok(())
    }
}

impl Receiver {
    /// Takes the new device's queue.
    #[cold]
    fn renew(&mut self) {
        if let Some(old) = self.exchange.trade(&mut self.tap) {
            self.exchange.leave(old);
        }
    }
}
