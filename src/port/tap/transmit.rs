//! The transmitting half of a queue: each packet is written as it lies.

use std::io;
use std::sync::Arc;

use ffi::errno::{EAGAIN, EBADFD, EINTR, EIO, ENOBUFS, ENOMEM};
use ffi::tap::Tap;

use crate::packet::layers::LinkClass;
use crate::packet::{Frames, Packet, Packets, Reason, checksum};
use crate::port::exchange::Exchange;
use crate::port::{Moved, Refusal, Transmit};

/// A queue's transmitting half.
pub(super) struct Transmitter {
    /// What packets must start with.
    pub(super) link: LinkClass,
    /// Bytes a packet has at least and at most.
    pub(super) sizes: std::ops::RangeInclusive<usize>,
    pub(super) tap: Arc<Tap>,
    pub(super) exchange: Arc<Exchange<Arc<Tap>>>,
}

impl Transmit for Transmitter {
    fn transmit(&mut self, packets: &mut Packets, frames: &mut Frames) -> (Moved, Option<Refusal>) {
        if self.exchange.is_offered() {
            self.renew();
        }
        let mut moved = Moved::default();
        let mut refusal = None;
        for packet in packets.iter_mut() {
            refusal = self.send(packet);
            if refusal.is_some() {
                break;
            }
            moved.packets += 1;
            moved.bytes += packet.len() as u64;
        }
        frames.release_each(packets.drain(..moved.packets as usize).map(Packet::into_frame));
        (moved, refusal)
    }
}

impl Transmitter {
    /// Writes a packet; what stood against it.
    fn send(&self, packet: &mut Packet) -> Option<Refusal> {
        if packet.len() == 0 {
            return Some(Refusal::Never(Reason::EMPTY));
        }
        if packet.link() != self.link {
            return Some(Refusal::Never(Reason::LINK_TYPE));
        }
        if !self.sizes.contains(&packet.len()) {
            return Some(Refusal::Never(Reason::SIZE));
        }
        if !checksum::complete(packet) {
            return Some(Refusal::Never(Reason::TRANSMIT_FAILED));
        }
        self.tap.write(packet.data()).err().map(|error| refusal(&error))
    }

    /// Takes the new device's queue.
    #[cold]
    fn renew(&mut self) {
        if let Some(old) = self.exchange.trade(&mut self.tap) {
            self.exchange.leave(old);
        }
    }
}

/// What a failed write means for the packet.
fn refusal(error: &io::Error) -> Refusal {
    match error.raw_os_error() {
        Some(EAGAIN | EINTR | ENOBUFS | ENOMEM) => Refusal::Full,
        // The device is down, was deleted, or the kernel takes no such packet.
        Some(EIO | EBADFD) | Some(_) | None => Refusal::Never(Reason::TRANSMIT_FAILED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_is_waited_for() {
        let of = |errno: i32| refusal(&io::Error::from_raw_os_error(errno));
        for passing in [EAGAIN, EINTR, ENOBUFS, ENOMEM] {
            assert_eq!(of(passing), Refusal::Full);
        }
        for lasting in [EIO, EBADFD, ffi::errno::EINVAL] {
            assert_eq!(of(lasting), Refusal::Never(Reason::TRANSMIT_FAILED));
        }
    }
}
