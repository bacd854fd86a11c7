//! The receiving half of a queue on its core.

use std::sync::Arc;

use arrayvec::ArrayVec;
use hugepages::Frame;
use hugepages::umem::{Receiver, Taken};

use super::counts::{Counts, add};
use super::shared::{Receiving, Shared};
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
    shared: Arc<Shared>,
    /// Frames kept with the kernel.
    target: usize,
    /// The kernel polls the device only when we call.
    busy_poll: bool,
    closed: bool,
}

impl Incoming {
    pub(super) fn new(port: PortId, shared: Arc<Shared>, target: usize, busy_poll: bool) -> Incoming {
        Incoming { port, shared, target, busy_poll, closed: false }
    }

    /// Takes packets from the ring, refills the fill ring, calls the kernel where it waits for it.
    #[inline]
    fn poll(
        &self,
        receiving: &mut Receiving,
        frames: &mut Frames,
        into: &mut Packets,
        limit: usize,
        now_ns: u64,
    ) -> Moved {
        let mut moved = Moved::default();
        let Receiving { half: Some(half), partial, skipping, .. } = receiving else { return moved };
        let mut taken_any = false;
        while (moved.packets as usize) < limit
            && let Some(taken) = half.take()
        {
            taken_any = true;
            half.prefetch(AHEAD);
            let frame = match taken {
                Ok(Taken { frame, continues: false }) if partial.is_none() && !*skipping => frame,
                Ok(part) => match gather(partial, skipping, part, frames, &self.shared.counts) {
                    Some(whole) => whole,
                    None => continue,
                },
                Err(_) => {
                    add(&self.shared.counts.broken, 1);
                    continue;
                }
            };
            moved.packets += 1;
            moved.bytes += frame.len() as u64;
            into.push(Packet::new(frame, self.port, LinkClass::Ethernet, now_ns));
        }
        if taken_any {
            half.release();
        }
        let wanted = self.target.saturating_sub(half.posted());
        if wanted >= POST.min(self.target) {
            post(half, wanted, frames);
        }
        if half.needs_wakeup() || (self.busy_poll && !taken_any) {
            // What keeps it from being polled (the device is down, or gone) is seen and told by the control thread.
            let _ = half.socket().wake_receive();
        }
        moved
    }
}

/// A packet in several frames: what came is put behind what was there; the whole, once it is here.
#[cold]
fn gather(
    partial: &mut Option<Frame>,
    skipping: &mut bool,
    part: Taken,
    frames: &mut Frames,
    counts: &Counts,
) -> Option<Frame> {
    let Taken { frame, continues } = part;
    if *skipping {
        frames.release(frame);
    } else if let Some(mut first) = partial.take() {
        let (before, more) = (first.len(), frame.len());
        if first.set_len((before + more) as u32).is_ok() {
            first.bytes_mut()[before..].copy_from_slice(frame.bytes());
            frames.release(frame);
            *partial = Some(first);
        } else {
            frames.release_each([first, frame]);
            *skipping = true;
            add(&counts.oversize, 1);
        }
    } else {
        *partial = Some(frame);
    }
    if continues {
        return None;
    }
    *skipping = false;
    partial.take()
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
        let Some(mut receiving) = self.shared.receiving.take() else { return Moved::default() };
        if !receiving.spare.is_empty() {
            frames.release_each(receiving.spare.drain(..));
        }
        let moved = self.poll(&mut receiving, frames, into, limit, now_ns);
        self.shared.receiving.store(Some(receiving));
        moved
    }

    fn supply(&self) -> Supply {
        Supply::Open
    }

    fn close(&mut self, frames: &mut Frames) -> Result<(), String> {
        self.shared.unplug();
        self.closed = true;
        if self.shared.leave() { self.shared.close(frames) } else { Ok(()) }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.closed {
            self.shared.leave();
        }
    }
}
