//! Queues are opened and filled, on the best rung that bears.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use ffi::device::{Device, Statistics};
use ffi::errno;
use ffi::xdp::{BusyPoll, RingSizes};
use hugepages::umem::{self, Umem};

use super::busy_poll::Deferred;
use super::incoming::{How, Incoming, post};
use super::kernel::{Halves, Kernel};
use super::ladder::{Lender, Rung, Stood, Wanted, climb};
use super::outgoing::Outgoing;
use super::refusal::Refused;
use super::shared::{Plug, Shared, Turn};
use super::watch::Seen;
use super::{HEADER_AND_TAGS, On};
use crate::port::{Opening, Queue};

/// Bytes of an Ethernet header and the one VLAN tag that devices allow beyond their MTU (`is_skb_forwardable`).
pub(super) const HEADER_AND_TAG: u32 = 14 + 4;
/// What turns busy polling on: microseconds a call that waits would poll for; ours never wait.
const BUSY_POLL_US: u32 = 20;
/// Frames a queue that only transmits keeps in its fill ring: some drivers want it filled.
const IDLE_FILL: usize = 64;

/// A port that is open.
pub(super) struct Opened<K: Kernel> {
    /// Where it stands.
    pub(super) rung: Rung,
    /// By the port's queue number.
    pub(super) queues: Vec<QueueState>,
    /// May packets lie in several chunks?
    pub(super) fragments: bool,
    /// Does it receive?
    pub(super) receives: bool,
    /// What is to be said of it.
    pub(super) notes: Vec<String>,
    /// The program's attachment; `None` while there is no device.
    pub(super) link: Option<K::Link>,
    /// Its interrupts, put off while we poll it.
    pub(super) deferred: Option<Deferred>,
    /// The device as it was when last looked at.
    pub(super) seen: Seen,
    /// Its counters when it was opened.
    pub(super) before: Statistics,
    /// What it had counted since when last looked at.
    pub(super) last: Statistics,
    /// What it had counted when the port was closed.
    pub(super) ended: Arc<Mutex<Option<Statistics>>>,
    /// What takes its sockets out of the map.
    pub(super) plug: Arc<Plug>,
    /// Counters of devices that went away, from when each was opened.
    pub(super) gone: Statistics,
}

/// What the control thread keeps of a queue.
pub(super) struct QueueState {
    /// Its core's memory.
    pub(super) umem: Umem,
    /// Frames kept with the kernel to receive into.
    pub(super) target: usize,
    /// What its halves share.
    pub(super) shared: Arc<Shared>,
}

/// Lends frames of the cores' pools.
struct FromPools<'a, 'b> {
    opening: &'a mut Opening<'b>,
    target: usize,
}

impl Lender<Halves> for FromPools<'_, '_> {
    fn fill(&mut self, queue: usize, halves: &mut Halves) {
        post(&mut halves.0, self.target, self.opening.frames_of(queue));
    }

    fn undo(&mut self, queue: usize, (receiver, sender): Halves) {
        let frames = self.opening.frames_of(queue);
        // Both halves are here, so there is no other that could keep the socket open.
        let _ = umem::close(Some(receiver), Some(sender), |frame| frames.release(frame));
    }
}

/// Frames a queue may have in its fill ring, and those it may have sent, of all it may keep.
fn shares(frames: usize, ring: u32, receives: bool) -> (usize, usize) {
    let fill = (frames * 2 / 3).min(ring as usize);
    (if receives { fill } else { fill.min(IDLE_FILL) }, (frames - fill).max(1))
}

impl<K: Kernel<Halves = Halves>> On<K> {
    pub(super) fn open(&mut self, opening: &mut Opening<'_>) -> anyhow::Result<Vec<Queue>> {
        anyhow::ensure!(
            !opening.virtual_time,
            "driver = \"af_xdp\" brings live packets, and there are none in virtual time: use `mnvkd run`"
        );
        let name = &self.config.device;
        let device = self.kernel.device(name)?.with_context(|| format!("device {name:?} is gone"))?;
        let umems = self.umems(opening)?;
        let fragments =
            umems.iter().any(|umem| umem.chunks() > 1 || device.mtu + HEADER_AND_TAGS > umem.chunk_room());
        let receives = opening.receives;
        let (target, most) = shares(opening.frames_per_queue, self.config.ring, receives);
        anyhow::ensure!(
            target > 0,
            "no frames for the queues of {name:?}: set dataplane.frames or dataplane.arena higher"
        );
        let wanted = self.wanted(&device, &umems, fragments, receives);
        let mut lender = FromPools { opening, target };
        let (stood, above) = climb(&*self.kernel, &wanted, Rung::of(self.config.mode), &mut lender)
            .map_err(|refused| all_refused(name, &refused))?;
        let mut notes = vec![format!("{} mode: {}", stood.rung, stood.rung.cost())];
        notes.extend(above.iter().map(|refused| format!("not {refused}")));
        notes.extend(stood.halves.first().map(|halves| self.tune(halves)).unwrap_or_default());
        if receives && device.offloads.strips_vlan {
            notes.push(strips_vlan(&device.name));
        }
        let Stood { rung, halves, map, link } = stood;
        let plug = Arc::new(Plug::default());
        let ended = Arc::new(Mutex::new(None));
        self.plug_in(&plug, &ended, map);
        let how = How { prefetch: opening.reads, busy_poll: self.config.busy_poll_budget().is_some() };
        let mut queues = Vec::new();
        let mut states = Vec::new();
        for (umem, halves) in umems.into_iter().zip(halves) {
            let shared = self.share(halves, plug.clone(), &device, receives);
            let receive =
                receives.then(|| Box::new(Incoming::new(opening.id, shared.clone(), target, how)) as _);
            let transmit = Outgoing::new(shared.clone(), most);
            queues.push(Queue { receive, transmit: Some(Box::new(transmit)) });
            states.push(QueueState { umem, target, shared });
        }
        let mut opened = Opened {
            rung,
            queues: states,
            fragments,
            receives,
            notes,
            link: Some(link),
            seen: Seen::first(&device),
            before: device.statistics,
            last: Statistics::default(),
            gone: Statistics::default(),
            ended,
            plug,
            deferred: None,
        };
        let note = self.busy_poll_note(&mut opened, &device);
        opened.notes.extend(note);
        self.opened = Some(opened);
        Ok(queues)
    }

    /// What is to be opened, for a device as it is now.
    pub(super) fn wanted<'a>(
        &'a self,
        device: &'a Device,
        umems: &'a [Umem],
        fragments: bool,
        receives: bool,
    ) -> Wanted<'a> {
        let ring = self.config.ring;
        Wanted {
            device,
            queues: &self.queues,
            umems,
            sizes: RingSizes { fill: ring, receive: ring, transmit: ring, completion: ring },
            fragments,
            filter: receives.then_some(&self.filter),
        }
    }

    fn umems(&self, opening: &mut Opening<'_>) -> anyhow::Result<Vec<Umem>> {
        let of = |queue| opening.frames_of(queue).umem();
        (0..self.queues.len())
            .map(of)
            .collect::<Option<Vec<_>>>()
            .context("frames are not made of chunks of 2048 or 4096 bytes; this is a bug in mnvkd")
    }

    /// Puts the halves of a queue where its core finds them.
    fn share(&self, halves: Halves, plug: Arc<Plug>, device: &Device, receives: bool) -> Arc<Shared> {
        let _ = self.tune(&halves);
        let polled = self.can_poll(&halves);
        let (receiver, sender) = halves;
        let (users, turn) = if receives { (2, Turn::Core) } else { (1, Turn::Control) };
        let shared = Shared::new(receiver, sender, users, turn, plug);
        shared.counts.polled.store(polled, Ordering::Relaxed);
        shared.counts.longest.store(device.mtu + HEADER_AND_TAG, Ordering::Relaxed);
        Arc::new(shared)
    }

    /// How the port's sockets are taken out of the map at the end, the device's counters read just before: what it
    /// drops later is the kernel's business.
    pub(super) fn plug_in(&self, plug: &Plug, ended: &Arc<Mutex<Option<Statistics>>>, map: K::Map) {
        let (kernel, name, queues) = (self.kernel.clone(), self.config.device.clone(), self.queues.clone());
        let ended = ended.clone();
        plug.set(Some(Box::new(move || {
            let last = kernel.device(&name).ok().flatten().map(|device| device.statistics);
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = last;
            queues.iter().for_each(|queue| kernel.remove(&map, *queue));
        })));
    }

    /// Is the kernel to poll this queue for us, and can it?
    pub(super) fn can_poll(&self, halves: &Halves) -> bool {
        self.config.busy_poll_budget().is_some() && halves.0.socket().knows_napi().unwrap_or(false)
    }

    /// Sets what can be set on a socket that is bound; what could not.
    pub(super) fn tune(&self, halves: &Halves) -> Vec<String> {
        let busy_poll = self.config.busy_poll_budget().and_then(|budget| {
            let how = BusyPoll { microseconds: BUSY_POLL_US, budget };
            let error = halves.0.socket().set_busy_poll(how).err()?;
            Some(format!("no busy polling: {error}; it needs Linux 5.11, and CAP_NET_ADMIN for more than 64 packets a call"))
        });
        busy_poll.into_iter().chain(self.transmit_budget(halves)).collect()
    }

    /// Has a wake-up send the whole ring, where the kernel can; a note where it cannot.
    fn transmit_budget(&self, halves: &Halves) -> Option<String> {
        let error = halves.1.socket().set_transmit_budget(self.config.ring).err()?;
        Some(match error.raw_os_error() {
            Some(errno::ENOPROTOOPT) => {
                "a call sends 32 packets at most in copy mode; from Linux 6.17 on it would be more".to_owned()
            }
            _ => format!("a call sends 32 packets at most in copy mode: {error}"),
        })
    }
}

fn strips_vlan(name: &str) -> String {
    format!(
        "rx-vlan-offload of {name} is on: VLAN tags that the device takes off are lost to us, and `vlan` does not match them: \
         `ethtool -K {name} rxvlan off` (of a veth, `txvlan off` at its peer)"
    )
}

fn all_refused(device: &str, refused: &[Refused]) -> anyhow::Error {
    let mut text = format!("device {device:?} cannot be opened with AF_XDP");
    for refused in refused {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {refused}");
    }
    anyhow::anyhow!(text)
}
