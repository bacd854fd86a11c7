//! The receiving half of a queue on its core.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrayvec::ArrayVec;
use hugepages::Frame;
use hugepages::umem::{Receiver, Taken};

use super::counts::{Counts, add};
use super::shared::{Receiving, Shared, Turn};
use crate::packet::layers::LinkClass;
use crate::packet::{Frames, Packet, Packets, PortId};
use crate::port::gather::Gather;
use crate::port::{Gate, Moved, Receive, Supply};

/// Frames posted at once: one publication for so many.
const POST: usize = 64;

/// How a queue is polled.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// Does an application read packets, so that the cache is to be asked for them?
    pub(super) prefetch: bool,
    /// Is the kernel to poll the device when we call?
    pub(super) busy_poll: bool,
}

/// A receive queue.
pub(super) struct Incoming {
    port: PortId,
    shared: Arc<Shared>,
    held: Option<Box<Receiving>>,
    /// Ask the cache for packets ahead of time?
    prefetch: bool,
    /// Frames kept with the kernel.
    target: usize,
    /// Is the kernel to poll the device when we call?
    busy_poll: bool,
    /// It is, and did not know the queue's NAPI instance when last asked: it may with the first packet.
    ask: bool,
    gather: Gather,
    closed: bool,
}

impl Incoming {
    /// The receive queue of a port; the half lies in its cell.
    pub(super) fn new(port: PortId, shared: Arc<Shared>, target: usize, how: How) -> Incoming {
        let held = shared.receiving.take();
        let ask = how.busy_poll && !shared.counts.is_polled();
        Incoming {
            port,
            shared,
            held,
            prefetch: how.prefetch,
            target,
            busy_poll: how.busy_poll,
            ask,
            gather: Gather::default(),
            closed: false,
        }
    }

    /// The control thread wants the half, or has something for us.
    #[cold]
    fn change_hands(&mut self, frames: &mut Frames) {
        let shared = &self.shared;
        if shared.is_turn(Turn::Ready) {
            self.held = shared.receiving.take();
            shared.set_turn(Turn::Core);
            self.ask = self.busy_poll && !shared.counts.is_polled();
            if let Some(held) = &mut self.held {
                frames.release_each(held.spare.drain(..));
            }
        } else if shared.is_turn(Turn::Wanted)
            && let Some(held) = self.held.take_if(Receiving::is_drained)
        {
            shared.receiving.store(Some(held));
            shared.set_turn(Turn::Control);
        }
    }

    /// Puts the half into its cell, for whoever closes the socket.
    fn put_back(&mut self) {
        if let Some(held) = self.held.take() {
            self.shared.receiving.store(Some(held));
        }
    }

    /// Takes packets from the ring, refills the fill ring, calls the kernel where it waits for it.
    #[inline]
    fn poll(
        &mut self,
        receiving: &mut Receiving,
        frames: &mut Frames,
        into: &mut Packets,
        limit: usize,
        now_ns: u64,
    ) -> Moved {
        let mut moved = Moved::default();
        let Receiving { half: Some(half), partial, skipping, .. } = receiving else { return moved };
        let available = half.available();
        let mut left = available;
        while left > 0
            && (moved.packets as usize) < limit
            && let Some(taken) = half.take()
        {
            left -= 1;
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
            if self.prefetch {
                // By the time it is looked at, the rest of the burst has been taken.
                frame.prefetch();
            }
            moved.packets += 1;
            moved.bytes += frame.len() as u64;
            into.push(Packet::new(frame, self.port, LinkClass::Ethernet, now_ns));
        }
        if available > 0 {
            half.release();
        }
        let wanted = self.target.saturating_sub(half.posted());
        if wanted >= POST.min(self.target) {
            post(half, wanted, frames);
        }
        if self.ask && moved.packets > 0 {
            self.ask = false;
            ask(half, &self.shared.counts);
        }
        if half.needs_wakeup() || (available == 0 && self.shared.counts.is_polled()) {
            // What keeps it from being polled (the device is down, or gone) is seen and told by the control thread.
            let _ = half.socket().wake_receive();
        }
        moved
    }
}

/// The first packets are here: does the kernel know now by which NAPI instance they came?
#[cold]
fn ask(half: &Receiver, counts: &Counts) {
    counts.polled.store(half.socket().knows_napi().unwrap_or(false), Ordering::Relaxed);
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
        if !self.shared.is_quiet() {
            self.change_hands(frames);
        }
        if self.gather.rests(now_ns) {
            return Moved::default();
        }
        let Some(mut held) = self.held.take() else { return Moved::default() };
        let moved = self.poll(&mut held, frames, into, limit, now_ns);
        self.held = Some(held);
        self.gather.looked(moved.packets as usize, limit, now_ns);
        moved
    }

    fn supply(&self) -> Supply {
        Supply::Open
    }

    fn close(&mut self, frames: &mut Frames) -> Result<(), String> {
        self.shared.plug.pull();
        self.closed = true;
        self.put_back();
        if self.shared.leave() { self.shared.close(frames) } else { Ok(()) }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.closed {
            self.put_back();
            self.shared.leave();
        }
    }
}
