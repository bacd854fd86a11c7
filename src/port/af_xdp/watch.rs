//! What happens to the device while packets move: seen by the control thread, told, and seen to.
//!
//! A device that is down keeps its sockets, and they go on when it is up again. One that is gone takes them with it:
//! then the control thread takes the halves from their cells, closes them, keeps the frames, and when a device of
//! that name is there again, opens new sockets, fills them with these frames and puts them into the cells.

use std::sync::atomic::Ordering;

use ffi::device::Device;
use hugepages::umem;

use super::busy_poll::Deferred;
use super::counts::add;
use super::kernel::{Halves, Kernel};
use super::ladder::{Lender, Refused, Rung, Stood, climb};
use super::open::{HEADER_AND_TAG, Opened};
use super::shared::{Receiving, Turn};
use super::{HEADER_AND_TAGS, On};

/// Looks between two tries to open a device that is back.
const TRY_EVERY: u32 = 5;

/// The device as it was when last looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    index: u32,
    there: bool,
    up: bool,
    running: bool,
    mtu: u32,
    receive_queues: u32,
    /// Looks since it went away, or since the last try to open it.
    looks: u32,
    /// All sockets of the device that went away are closed.
    closed: bool,
    /// What was said last of why it cannot be opened.
    said: String,
}

impl Seen {
    pub(super) fn first(device: &Device) -> Seen {
        Seen {
            index: device.index,
            there: true,
            up: device.up,
            running: device.running,
            mtu: device.mtu,
            receive_queues: device.queues.receive,
            looks: 0,
            closed: false,
            said: String::new(),
        }
    }
}

impl<K: Kernel<Halves = Halves>> On<K> {
    /// Looks at the device once; what happened to it, a line each.
    pub(super) fn watch(&mut self) -> Vec<String> {
        let Some(mut opened) = self.opened.take() else { return Vec::new() };
        let mut news = Vec::new();
        match self.kernel.device(&self.config.device) {
            Ok(Some(device)) if opened.seen.there && device.index == opened.seen.index => {
                self.compare(&mut opened, &device, &mut news);
            }
            Ok(found) => self.replace(&mut opened, found, &mut news),
            Err(error) => {
                self.say(&mut opened, format!("the device cannot be looked at: {error}"), &mut news)
            }
        }
        self.opened = Some(opened);
        news
    }

    /// Says something once.
    fn say(&self, opened: &mut Opened<K>, text: String, news: &mut Vec<String>) {
        if opened.seen.said != text {
            opened.seen.said.clone_from(&text);
            news.push(text);
        }
    }

    /// The same device: what changed?
    fn compare(&self, opened: &mut Opened<K>, device: &Device, news: &mut Vec<String>) {
        opened.remember(device);
        let (name, seen) = (&device.name, &opened.seen);
        if seen.up != device.up {
            news.push(if device.up {
                format!("{name} is up again")
            } else {
                format!("{name} went down; what is sent is dropped as transmit-failed until it is up: `ip link set {name} up`")
            });
        } else if seen.running != device.running && device.up {
            news.push(if device.running {
                format!("{name} has its carrier back")
            } else {
                format!("{name} lost its carrier: nothing comes, and nothing that is sent arrives")
            });
        }
        if seen.mtu != device.mtu {
            news.push(self.mtu_changed(opened, device));
        }
        if seen.receive_queues != device.queues.receive {
            news.push(self.queues_changed(opened, device));
        }
        for queue in &opened.queues {
            queue.shared.counts.down.store(!device.up, Ordering::Relaxed);
            queue.shared.counts.longest.store(device.mtu + HEADER_AND_TAG, Ordering::Relaxed);
        }
        opened.seen = Seen { said: opened.seen.said.clone(), ..Seen::first(device) };
        if device.xdp.is_none() && opened.link.is_some() {
            self.program_gone(opened, device, news);
        }
    }

    fn mtu_changed(&self, opened: &Opened<K>, device: &Device) -> String {
        let (name, mtu, before) = (&device.name, device.mtu, opened.seen.mtu);
        let rooms = opened.queues.iter().map(|queue| match opened.fragments {
            true => queue.umem.frame_room(),
            false => queue.umem.chunk_room(),
        });
        let room = rooms.min().unwrap_or(0);
        let text = format!("the MTU of {name} is {mtu} now, it was {before}");
        if mtu + HEADER_AND_TAGS <= room {
            return text;
        }
        format!("{text}; packets longer than {room} bytes will be lost: start anew for larger frames")
    }

    fn queues_changed(&self, opened: &Opened<K>, device: &Device) -> String {
        let (name, now, before) = (&device.name, device.queues.receive, opened.seen.receive_queues);
        let text = format!("{name} receives on {now} queues now, it was {before}");
        let lost: Vec<String> =
            self.queues.iter().filter(|queue| **queue >= now).map(ToString::to_string).collect();
        if !lost.is_empty() {
            return format!("{text}; nothing comes by queue {} any more", lost.join(", "));
        }
        let strange = (0..now).filter(|queue| !self.queues.contains(queue)).count();
        match strange {
            0 => text,
            _ => format!(
                "{text}; what arrives on {strange} of them goes to the kernel, not to us: start anew to take them all"
            ),
        }
    }

    /// Somebody detached the program.
    fn program_gone(&self, opened: &mut Opened<K>, device: &Device, news: &mut Vec<String>) {
        let name = &device.name;
        news.push(format!("somebody detached the XDP program from {name}; the port is opened anew"));
        opened.link = None;
        opened.seen.there = false;
        opened.device_gone();
        opened.plug.set(None);
    }

    /// The device is gone, or another one has its name: sockets are closed, and opened anew when they can be.
    fn replace(&mut self, opened: &mut Opened<K>, found: Option<Device>, news: &mut Vec<String>) {
        let name = &self.config.device;
        if opened.seen.there {
            opened.seen.there = false;
            opened.link = None;
            opened.device_gone();
            opened.plug.set(None);
            news.push(format!("{name} is gone; nothing comes, and what is sent is dropped as transmit-failed, until it is back"));
        }
        opened.queues.iter().for_each(|queue| queue.shared.counts.down.store(true, Ordering::Relaxed));
        opened.seen.looks += 1;
        if !opened.seen.closed {
            opened.seen.closed = opened.close_all();
        }
        let Some(device) = found.filter(|device| device.up) else { return };
        if opened.seen.closed && opened.seen.looks.is_multiple_of(TRY_EVERY) {
            self.reopen(opened, &device, news);
        }
    }

    fn reopen(&mut self, opened: &mut Opened<K>, device: &Device, news: &mut Vec<String>) {
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
        if self.config.busy_poll_budget().is_some() {
            // First what was there goes: it writes to the name, which is the new device's now.
            opened.deferred = None;
            opened.deferred = Some(Deferred::new(device).0);
        }
        (opened.rung, opened.link, opened.before) = (rung, Some(link), device.statistics);
        opened.seen = Seen::first(device);
    }
}

impl<K: Kernel<Halves = Halves>> Opened<K> {
    /// Takes every queue's halves and closes them; those a core has in hand, or whose ring still holds packets, are
    /// left for the next look. Are all closed?
    fn close_all(&mut self) -> bool {
        self.queues.iter().map(|queue| queue.close()).filter(|closed| !closed).count() == 0
    }
}

impl super::open::QueueState {
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
