//! The receiving half of a queue on its core.

use std::sync::Arc;

use arrayvec::ArrayVec;
use hugepages::Frame;
use hugepages::umem::{self, Receiver};

use super::counts::add;
use super::shared::Shared;
use super::slot::Parcel;
use crate::packet::layers::LinkClass;
use crate::packet::{Frames, Packet, Packets, PortId};
use crate::port::{Gate, Moved, Receive, Supply};

/// Frames posted at once: one publication for so many.
const POST: usize = 64;
/// How many packets ahead the cache is asked for.
const AHEAD: u32 = 4;

/// A receive queue.
pub(super) struct Incoming {
    port: PortId,
    half: Option<Box<Receiver>>,
    shared: Arc<Shared>,
    /// Frames kept with the kernel.
    target: usize,
    /// The kernel polls the device only when we call.
    busy_poll: bool,
    /// The first parts of a packet whose last is not here yet.
    partial: Option<Frame>,
    /// The packet that goes on was longer than a frame.
    skipping: bool,
}

impl Incoming {
    pub(super) fn new(
        port: PortId,
        half: Box<Receiver>,
        shared: Arc<Shared>,
        target: usize,
        busy_poll: bool,
    ) -> Incoming {
        Incoming { port, half: Some(half), shared, target, busy_poll, partial: None, skipping: false }
    }

    /// Posts frames until the kernel has its share of them, in rows.
    #[inline]
    fn refill(half: &mut Receiver, target: usize, frames: &mut Frames) {
        let wanted = target.saturating_sub(half.posted());
        if wanted >= POST.min(target) {
            post(half, wanted, frames);
        }
    }

    /// The control thread wants the half, or has something for us.
    #[cold]
    fn change_hands(&mut self, frames: &mut Frames) {
        let slot = &self.shared.receive;
        if let Some(parcel) = slot.resume() {
            self.half = parcel.half;
            frames.release_each(parcel.frames);
        } else if slot.is_wanted()
            && let Some(half) = self.half.take_if(|half| half.available() == 0)
        {
            let frames = self.partial.take().into_iter().collect();
            self.skipping = false;
            slot.give(Parcel { half: Some(half), frames });
        }
    }

    /// A packet in several frames: what came is put behind what was there.
    #[cold]
    fn gather(&mut self, frame: Frame, continues: bool, frames: &mut Frames) -> Option<Frame> {
        if self.skipping {
            frames.release(frame);
        } else if let Some(mut first) = self.partial.take() {
            let (before, more) = (first.len(), frame.len());
            if first.set_len((before + more) as u32).is_ok() {
                first.bytes_mut()[before..].copy_from_slice(frame.bytes());
                frames.release(frame);
                self.partial = Some(first);
            } else {
                frames.release_each([first, frame]);
                self.skipping = true;
                add(&self.shared.counts.oversize, 1);
            }
        } else {
            self.partial = Some(frame);
        }
        if continues {
            return None;
        }
        self.skipping = false;
        self.partial.take()
    }

    /// Counts what the ring still holds, frames given back.
    fn empty(&mut self, half: &mut Receiver, frames: &mut Frames) {
        let mut left = 0;
        while let Some(taken) = half.take() {
            let Ok(taken) = taken else { continue };
            left += u64::from(!taken.continues);
            frames.release(taken.frame);
        }
        half.release();
        add(&self.shared.counts.left_in_ring, left);
    }
}

/// Posts up to `wanted` frames.
pub(super) fn post(half: &mut Receiver, wanted: usize, frames: &mut Frames) {
    let mut left = half.room(wanted).min(wanted);
    while left > 0 {
        let mut refused = ArrayVec::<Frame, POST>::new();
        let posted = frames.acquire_each(left.min(POST), 0, |frame| {
            // Frames are the pool's the memory is of, and there is room: none comes back.
            if let Err(frame) = half.post(frame) {
                refused.push(frame);
            }
        });
        let stuck = posted == 0 || !refused.is_empty();
        frames.release_each(refused);
        if stuck {
            break;
        }
        left -= posted;
    }
    half.publish();
}

impl Receive for Incoming {
    #[inline]
    fn receive(
        &mut self,
        frames: &mut Frames,
        into: &mut Packets,
        limit: usize,
        now_ns: u64,
        _gate: Gate,
    ) -> Moved {
        if !self.shared.receive.is_quiet() {
            self.change_hands(frames);
        }
        let mut moved = Moved::default();
        let Some(mut half) = self.half.take() else { return moved };
        let port = self.port;
        let mut taken_any = false;
        while (moved.packets as usize) < limit
            && let Some(taken) = half.take()
        {
            taken_any = true;
            let Ok(taken) = taken else {
                add(&self.shared.counts.broken, 1);
                continue;
            };
            half.prefetch(AHEAD);
            let mut frame = taken.frame;
            if taken.continues || self.partial.is_some() || self.skipping {
                let Some(whole) = self.gather(frame, taken.continues, frames) else { continue };
                frame = whole;
            }
            moved.packets += 1;
            moved.bytes += frame.len() as u64;
            into.push(Packet::new(frame, port, LinkClass::Ethernet, now_ns));
        }
        if taken_any {
            half.release();
        }
        Incoming::refill(&mut half, self.target, frames);
        if half.needs_wakeup() || (self.busy_poll && !taken_any) {
            // What keeps it from being polled (the device is down, or gone) is seen and told by the control thread.
            let _ = half.socket().wake_receive();
        }
        self.half = Some(half);
        moved
    }

    fn supply(&self) -> Supply {
        Supply::Open
    }

    fn close(&mut self, frames: &mut Frames) -> Result<(), String> {
        self.shared.unplug();
        let parcel = self.shared.receive.clear();
        frames.release_each(parcel.frames);
        frames.release_each(self.partial.take());
        let Some(mut half) = self.half.take().or(parcel.half) else { return Ok(()) };
        self.empty(&mut half, frames);
        if let Ok(last) = half.socket().statistics() {
            self.shared.counts.add_socket(&last);
        }
        // Where the sending half still lives, its end is the socket's.
        match umem::close(Some(*half), None, |frame| frames.release(frame)) {
            Ok(()) => Ok(()),
            Err(unclosed) => {
                self.shared.parked.store(unclosed.receiver.map(Box::new));
                Ok(())
            }
        }
    }
}
