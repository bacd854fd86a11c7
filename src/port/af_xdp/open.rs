//! Queues are opened and filled, on the best rung that bears.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use ffi::device::{Device, Statistics};
use ffi::errno;
use ffi::xdp::RingSizes;
use hugepages::umem::{self, Umem};

use super::incoming::{Incoming, post};
use super::kernel::{Halves, Kernel};
use super::ladder::{Lender, Refused, Rung, Stood, Wanted, climb};
use super::outgoing::Outgoing;
use super::shared::Shared;
use super::{HEADER_AND_TAGS, On};
use crate::port::{Opening, Queue};

/// Bytes of an Ethernet header and the one VLAN tag that devices allow beyond their MTU (`is_skb_forwardable`).
const HEADER_AND_TAG: u32 = 14 + 4;
/// Frames a queue that only transmits keeps in its fill ring: some drivers want it filled.
const IDLE_FILL: usize = 64;

/// A port that is open.
pub(super) struct Opened<K: Kernel> {
    /// Where it stands.
    pub(super) rung: Rung,
    /// By the port's queue number.
    pub(super) queues: Vec<QueueState>,
    /// The device's counters when it was opened.
    pub(super) before: Statistics,
    /// Does it receive?
    pub(super) receives: bool,
    /// What is to be said of it.
    pub(super) notes: Vec<String>,
    /// The program's attachment, and the map it holds; gone while the device is.
    pub(super) link: Option<(Arc<K::Map>, K::Link)>,
}

/// What the control thread keeps of a queue.
pub(super) struct QueueState {
    /// Its number on the device.
    pub(super) number: u32,
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
    targets: &'a [usize],
}

impl Lender<Halves> for FromPools<'_, '_> {
    fn fill(&mut self, queue: usize, halves: &mut Halves) {
        post(&mut halves.0, self.targets[queue], self.opening.frames_of(queue));
    }

    fn undo(&mut self, queue: usize, (receiver, sender): Halves) {
        let frames = self.opening.frames_of(queue);
        // Both halves are here, so there is no other that could keep the socket open.
        let _ = umem::close(Some(receiver), Some(sender), |frame| frames.release(frame));
    }
}

impl<K: Kernel<Halves = Halves>> On<K>
where
    K::Map: Sync + 'static,
    K: Unplug,
{
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
        let target = (opening.frames_per_queue * 2 / 3).min(self.config.ring as usize);
        let target = if opening.receives { target } else { target.min(IDLE_FILL) };
        let wanted = Wanted {
            device: &device,
            queues: &self.queues,
            umems: &umems,
            sizes: self.sizes(),
            fragments,
            filter: opening.receives.then_some(&self.filter),
        };
        let targets = vec![target; umems.len()];
        let most = opening.frames_per_queue - opening.frames_per_queue * 2 / 3;
        let climbed = climb(
            &self.kernel,
            &wanted,
            Rung::of(self.config.mode),
            &mut FromPools { opening, targets: &targets },
        );
        let (stood, above) = climbed.map_err(|refused| all_refused(name, &refused))?;
        Ok(self.opened(stood, &above, &device, umems, target, most, opening))
    }

    fn sizes(&self) -> RingSizes {
        let ring = self.config.ring;
        RingSizes { fill: ring, receive: ring, transmit: ring, completion: ring }
    }

    fn umems(&self, opening: &mut Opening<'_>) -> anyhow::Result<Vec<Umem>> {
        let of = |queue| opening.frames_of(queue).umem();
        (0..self.queues.len())
            .map(of)
            .collect::<Option<Vec<_>>>()
            .context("frames are not made of chunks of 2048 or 4096 bytes; this is a bug in mnvkd")
    }

    #[expect(clippy::too_many_arguments, reason = "each is one finding of `open`")]
    fn opened(
        &mut self,
        stood: Stood<K>,
        above: &[Refused],
        device: &Device,
        umems: Vec<Umem>,
        target: usize,
        most: usize,
        opening: &Opening<'_>,
    ) -> Vec<Queue> {
        let mut notes = vec![format!("{} mode: {}", stood.rung, stood.rung.cost())];
        notes.extend(above.iter().map(|refused| format!("not {refused}")));
        let map = Arc::new(stood.map);
        let mut states = Vec::new();
        let mut queues = Vec::new();
        for ((number, umem), halves) in self.queues.iter().copied().zip(umems).zip(stood.halves) {
            if states.is_empty() {
                notes.extend(transmit_budget(&halves, self.config.ring));
            } else {
                let _ = transmit_budget(&halves, self.config.ring);
            }
            let shared = Arc::new(Shared::default());
            shared.counts.longest.store(device.mtu + HEADER_AND_TAG, Ordering::Relaxed);
            if opening.receives {
                K::unplug_by(&shared, map.clone(), number);
            }
            let (receiver, sender) = halves;
            let receive = if opening.receives {
                let (half, shared) = (Box::new(receiver), shared.clone());
                Some(Box::new(Incoming::new(opening.id, half, shared, target, false)) as _)
            } else {
                shared.parked.store(Some(Box::new(receiver)));
                None
            };
            let transmit = Outgoing::new(Box::new(sender), shared.clone(), most);
            queues.push(Queue { receive, transmit: Some(Box::new(transmit)) });
            states.push(QueueState { number, umem, target, shared });
        }
        self.opened = Some(Opened {
            rung: stood.rung,
            queues: states,
            before: device.statistics,
            receives: opening.receives,
            notes,
            link: Some((map, stood.link)),
        });
        queues
    }
}

/// How a queue's socket is taken out of a map.
pub(super) trait Unplug: Kernel {
    /// Has `shared` take the queue out of the map when its core closes it.
    fn unplug_by(shared: &Shared, map: Arc<Self::Map>, queue: u32);
}

impl Unplug for super::Linux {
    fn unplug_by(shared: &Shared, map: Arc<ffi::bpf::SocketMap>, queue: u32) {
        // Where it is not in the map any more, the device took it out by going away.
        shared.set_unplug(move || drop(map.remove(queue)));
    }
}

/// Has a wake-up send the whole ring, where the kernel can; a note where it cannot.
fn transmit_budget(halves: &Halves, ring: u32) -> Option<String> {
    let error = halves.1.socket().set_transmit_budget(ring).err()?;
    Some(match error.raw_os_error() {
        Some(errno::ENOPROTOOPT) => {
            "a call sends 32 packets at most in copy mode; from Linux 6.17 on it would be more".to_owned()
        }
        _ => format!("a call sends 32 packets at most in copy mode: {error}"),
    })
}

fn all_refused(device: &str, refused: &[Refused]) -> anyhow::Error {
    let mut text = format!("device {device:?} cannot be opened with AF_XDP");
    for refused in refused {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {refused}");
    }
    anyhow::anyhow!(text)
}
