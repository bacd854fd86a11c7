//! What happens to the device while packets move: seen by the control thread, told, and seen to.
//!
//! A device that is down keeps its sockets, and they go on when it is up again. One that is gone takes them with it:
//! then the control thread takes the halves from their cells, closes them, keeps the frames, and when a device of
//! that name is there again, opens new sockets, fills them with these frames and puts them into the cells.

use std::sync::atomic::Ordering;

use ffi::device::Device;

use super::kernel::{Halves, Kernel};
use super::open::{HEADER_AND_TAG, Opened};
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
    pub(super) fn say(&self, opened: &mut Opened<K>, text: String, news: &mut Vec<String>) {
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
        news.extend(self.poll_busily(opened, device));
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
}
