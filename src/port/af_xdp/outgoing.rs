//! The sending half of a queue on its core.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hugepages::Frame;
use hugepages::umem::{NotSent, Sender};

use super::counts::add;
use super::shared::Shared;
use crate::packet::layers::LinkClass;
use crate::packet::{Frames, Packet, Packets, Reason, checksum};
use crate::port::{Moved, Refusal, Transmit};

/// Frames taken back at once, and how many are to be with the kernel before it is looked for them.
const REAP: usize = 64;
const REAP_FROM: usize = 32;
/// Bytes of an Ethernet header: what no packet is shorter than.
const SHORTEST: usize = 14;
/// Calls to send what lies in the ring, at most, before the turn goes on.
const CALLS: usize = 64;
/// At the end: looks for what is still being sent, and the pause between two, nanoseconds.
const LAST_LOOKS: usize = 100;
const LAST_PAUSE_NS: u64 = 1_000_000;

/// A transmit queue.
pub(super) struct Outgoing {
    shared: Arc<Shared>,
    /// The half, from the first call of a turn to its flush.
    held: Option<Box<Sender>>,
    /// Frames it may have with the kernel.
    most: usize,
    /// Something lies in the ring that the kernel has not looked at.
    unsent: bool,
    closed: bool,
}

impl Outgoing {
    pub(super) fn new(shared: Arc<Shared>, most: usize) -> Outgoing {
        Outgoing { shared, held: None, most, unsent: false, closed: false }
    }

    /// How many packets from the front can go now, and what keeps the next one from it.
    #[inline]
    fn fitting(&self, half: &mut Sender, packets: &mut Packets, frames: &Frames) -> (usize, Option<Refusal>) {
        let counts = &self.shared.counts;
        if counts.down.load(Ordering::Relaxed) {
            return (0, Some(Refusal::Never(Reason::TRANSMIT_FAILED)));
        }
        let longest = counts.longest.load(Ordering::Relaxed) as usize;
        let room = half.room(packets.len() as u32);
        let mut free = self.most.saturating_sub(half.sending());
        let (mut descriptors, mut copies) = (0, 0);
        for (at, packet) in packets.iter_mut().enumerate() {
            let len = packet.len();
            if len < SHORTEST || len > longest {
                let reason = if len == 0 { Reason::EMPTY } else { Reason::SIZE };
                return (at, Some(Refusal::Never(reason)));
            }
            if packet.link() != LinkClass::Ethernet {
                return (at, Some(Refusal::Never(Reason::LINK_TYPE)));
            }
            // Its sender left the checksum to a card; the descriptor has no way of asking for it.
            if !checksum::complete(packet) {
                return (at, Some(Refusal::Never(Reason::TRANSMIT_FAILED)));
            }
            let frame = packet.frame();
            if half.owns(frame) {
                descriptors += half.descriptors(frame);
            } else {
                (descriptors, copies) = (descriptors + half.most_descriptors(len as u32), copies + 1);
            }
            if free == 0 || descriptors > room || copies > frames.available() {
                return (at, Some(Refusal::Full));
            }
            free -= 1;
        }
        (packets.len(), None)
    }

    /// Hands a packet over; of another core's pool, a copy of it.
    #[inline]
    fn send(&self, half: &mut Sender, packet: Packet, frames: &mut Frames) {
        let frame = packet.into_frame();
        let refused = if half.owns(&frame) {
            half.send(frame)
        } else {
            match self.copy(&frame, frames) {
                Some(copy) => {
                    frames.release(frame);
                    half.send(copy)
                }
                None => Err(NotSent::Full(frame)),
            }
        };
        // `fitting` saw that there is room; were there none after all, the frame would still not be lost.
        if let Err(NotSent::Full(frame) | NotSent::Foreign(frame)) = refused {
            add(&self.shared.counts.unsent, 1);
            frames.release(frame);
        }
    }

    #[cold]
    fn copy(&self, frame: &Frame, frames: &mut Frames) -> Option<Frame> {
        let mut copy = frames.acquire(frame.len())?;
        copy.bytes_mut().copy_from_slice(frame.bytes());
        add(&self.shared.counts.copied, 1);
        Some(copy)
    }

    /// Has the kernel send what lies in the ring; is anything left that it would not have now?
    fn push(half: &mut Sender) -> bool {
        for _ in 0..CALLS {
            let before = half.waiting();
            if before == 0 || !half.needs_wakeup() {
                return false;
            }
            let said = half.socket().wake_transmit();
            let after = half.waiting();
            match said {
                Ok(()) => return after > 0,
                // It sends so many in a call and says EAGAIN, or ends at one the device dropped and says EBUSY: the
                // rest is for the next call.
                Err(_) if after < before => {}
                Err(_) => return true,
            }
        }
        true
    }
}

impl Transmit for Outgoing {
    #[inline]
    fn transmit(&mut self, packets: &mut Packets, frames: &mut Frames) -> (Moved, Option<Refusal>) {
        let mut moved = Moved::default();
        let Some(mut half) = self.held.take().or_else(|| self.shared.sending.take()) else {
            return (moved, Some(Refusal::Never(Reason::TRANSMIT_FAILED)));
        };
        if half.sending() >= REAP_FROM.min(self.most) {
            half.reap(REAP, |frame| frames.release(frame));
        }
        let (count, refusal) = self.fitting(&mut half, packets, frames);
        for packet in packets.drain(..count) {
            moved.packets += 1;
            moved.bytes += packet.len() as u64;
            self.send(&mut half, packet, frames);
        }
        if count > 0 {
            half.publish();
            self.unsent = true;
        }
        self.held = Some(half);
        (moved, refusal)
    }

    #[inline]
    fn flush(&mut self, _frames: &mut Frames) {
        let Some(mut half) = self.held.take().or_else(|| self.shared.sending.take()) else {
            self.unsent = false;
            return;
        };
        if self.unsent {
            self.unsent = Outgoing::push(&mut half);
        }
        self.shared.sending.store(Some(half));
    }

    fn has_unsent(&self) -> bool {
        // While the device is down nothing goes out, and calling again and again does not help.
        self.unsent && !self.shared.counts.down.load(Ordering::Relaxed)
    }

    fn close(&mut self, frames: &mut Frames) -> Result<(), String> {
        if let Some(mut half) = self.held.take().or_else(|| self.shared.sending.take()) {
            self.finish(&mut half, frames);
            self.shared.sending.store(Some(half));
        }
        self.closed = true;
        if self.shared.leave() { self.shared.close(frames) } else { Ok(()) }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if !self.closed {
            if let Some(half) = self.held.take() {
                self.shared.sending.store(Some(half));
            }
            self.shared.leave();
        }
    }
}

impl Outgoing {
    /// Lets the kernel finish what it has, for a while; counts what it did not send.
    fn finish(&self, half: &mut Sender, frames: &mut Frames) {
        let down = self.shared.counts.down.load(Ordering::Relaxed);
        for _ in 0..LAST_LOOKS {
            half.reap(usize::MAX, |frame| frames.release(frame));
            if half.sending() == 0 || down {
                break;
            }
            Outgoing::push(half);
            ffi::time::sleep_ns(LAST_PAUSE_NS);
        }
        add(&self.shared.counts.unsent, half.waiting() as u64);
    }
}
