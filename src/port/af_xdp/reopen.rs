//! Sockets of a device that is gone are closed, their frames kept, and new ones filled with them when it is back.

use std::sync::atomic::Ordering;

use ffi::device::Device;
use hugepages::umem;

use super::On;
use super::counts::add;
use super::kernel::{Halves, Kernel};
use super::ladder::{Lender, Rung, Stood, climb};
use super::open::{HEADER_AND_TAG, Opened, QueueState};
use super::refusal::Refused;
use super::shared::{Receiving, Turn};
use super::watch::Seen;

impl<K: Kernel<Halves = Halves>> On<K> {
    /// Opens the device that is back, where that can be done; else says why not, once.
    pub(super) fn reopen(&mut self, opened: &mut Opened<K>, device: &Device, news: &mut Vec<String>) {
        let umems: Vec<_> = opened.queues.iter().map(|queue| queue.umem.clone()).collect();
        let wanted = self.wanted(device, &umems, opened.fragments, opened.receives);
        let kept = opened
            .queues
            .iter()
            .map(|queue| queue.shared.receiving.take().map_or_else(Receiving::default, |held| *held))
            .collect();
        let mut lender = FromBefore { kept };
        let climbed = climb(&*self.kernel, &wanted, Rung::of(self.config.mode), &mut lender);
        let stood = match climbed {
            Ok((stood, _)) => stood,
            Err(refused) => {
                for (queue, kept) in opened.queues.iter().zip(lender.kept) {
                    queue.shared.receiving.store(Some(Box::new(kept)));
                }
                let why: Vec<String> = refused.iter().map(Refused::to_string).collect();
                let text = format!("{} is back, but cannot be opened: {}", device.name, why.join("; "));
                return self.say(opened, text, news);
            }
        };
        news.push(format!("{} is back: {} mode", device.name, stood.rung));
        self.resume(opened, device, stood, lender.kept);
    }

    /// New halves for every core.
    fn resume(&self, opened: &mut Opened<K>, device: &Device, stood: Stood<K>, kept: Vec<Receiving>) {
        let Stood { rung, halves, map, link } = stood;
        self.plug_in(&opened.plug, &opened.ended, map);
        for ((queue, halves), mut receiving) in opened.queues.iter().zip(halves).zip(kept) {
            let _ = self.tune(&halves);
            let shared = &queue.shared;
            shared.counts.polled.store(self.can_poll(&halves), Ordering::Relaxed);
            shared.counts.longest.store(device.mtu + HEADER_AND_TAG, Ordering::Relaxed);
            let Receiving { spare, kept, .. } = &mut receiving;
            spare.append(kept);
            receiving.half = Some(halves.0);
            shared.sending.store(Some(Box::new(halves.1)));
            shared.receiving.store(Some(Box::new(receiving)));
            if opened.receives {
                shared.set_turn(Turn::Ready);
            }
            shared.counts.down.store(false, Ordering::Relaxed);
        }
        // First what was there goes: it writes to the name, which is the new device's now.
        opened.deferred = None;
        let _ = self.poll_busily(opened, device);
        (opened.rung, opened.link, opened.before) = (rung, Some(link), device.statistics);
        opened.seen = Seen::first(device);
    }
}

impl<K: Kernel<Halves = Halves>> Opened<K> {
    /// Takes every queue's halves and closes them; those a core has in hand, or whose ring still holds packets, are
    /// left for the next look. Are all closed?
    pub(super) fn close_all(&mut self) -> bool {
        self.queues.iter().map(|queue| queue.close()).filter(|closed| !closed).count() == 0
    }
}

impl QueueState {
    /// Closes the queue's socket and keeps its frames, where nobody has a half in hand. Is it closed?
    fn close(&self) -> bool {
        let shared = &self.shared;
        if shared.is_turn(Turn::Core) {
            // The core gives it when it has taken what is in the ring.
            shared.set_turn(Turn::Wanted);
        }
        if !shared.is_turn(Turn::Control) {
            return false;
        }
        let Some(mut receiving) = shared.receiving.take() else { return false };
        let sender = if receiving.half.is_some() { shared.sending.take() } else { None };
        let Some(mut sender) = sender else {
            // Closed before, or the core is just sending.
            let closed = receiving.half.is_none();
            shared.receiving.store(Some(receiving));
            return closed;
        };
        let Receiving { half, partial, skipping, kept, .. } = &mut *receiving;
        kept.extend(partial.take());
        *skipping = false;
        if let Some(half) = half {
            shared.empty(half, |frame| kept.push(frame));
        }
        add(&shared.counts.unsent, sender.waiting() as u64);
        let closed = umem::close(half.take(), Some(*sender), |frame| kept.push(frame));
        debug_assert!(closed.is_ok(), "both halves were in their cells");
        receiving.keep(self.target);
        shared.receiving.store(Some(receiving));
        true
    }
}

impl Receiving {
    /// Has everything been taken out of the ring?
    pub(super) fn is_drained(held: &mut Box<Receiving>) -> bool {
        held.half.as_mut().is_none_or(|half| half.available() == 0)
    }

    /// Keeps so many frames to fill the next socket with; the others go home.
    fn keep(&mut self, target: usize) {
        let Receiving { kept, spare, .. } = self;
        spare.extend(kept.drain(target.min(kept.len())..));
    }
}

/// Lends the frames of the sockets before.
struct FromBefore {
    kept: Vec<Receiving>,
}

impl Lender<Halves> for FromBefore {
    fn fill(&mut self, queue: usize, (receiver, _): &mut Halves) {
        let kept = &mut self.kept[queue].kept;
        while let Some(frame) = kept.pop() {
            if let Err(frame) = receiver.post(frame) {
                kept.push(frame);
                break;
            }
        }
        receiver.publish();
    }

    fn undo(&mut self, queue: usize, (receiver, sender): Halves) {
        let kept = &mut self.kept[queue].kept;
        // Both halves are here, so there is no other that could keep the socket open.
        let _ = umem::close(Some(receiver), Some(sender), |frame| kept.push(frame));
    }
}
