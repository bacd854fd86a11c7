//! `af_xdp`: packets of a Linux network device, taken before the kernel's own stack sees them (AF_XDP,
//! Documentation/networking/af_xdp.rst).
//!
//! ```toml
//! [[port]]
//! name = "wan"
//! driver = "af_xdp"
//! device = "eth0"
//! queues = 4                   # or [0, 2]; all it has without it
//! mode = "auto"                # "zero-copy", "copy", "generic": never replaced by another
//! match = "udp and dst port 7" # everything else goes on to the kernel; everything comes to us without it
//! busy_poll = true             # or the packets a call takes at most
//! ring = 2048
//! ```
//!
//! The memory packets are received into is the cores' own frame pools; a queue is one socket, polled by one core.
//! The program is attached through a link and everything else is held by descriptors, so a process that ends, in
//! whatever way, leaves nothing behind.
//!
//! **Who polls the device.** Unless told otherwise its interrupts do (on a veth: the sender's CPU). With `busy_poll` our own calls
//! poll it when a queue is empty, and interrupts are put off meanwhile, for 200 µs at most after the last call. That needs a
//! core that comes back all the time (`idle = "spin"`) and a kernel that can poll the queue; where it cannot, a note says so,
//! interrupts go on, and there are no calls. See `busy_poll`.
//!
//! **Gathering.** While packets come less than 4 µs apart, a queue is looked at every 2 µs, not in every turn (`port/gather.rs`).
//!
//! In the order a port meets them:
//!
//! - [`config`](AfXdpConfig): the keys
//! - `program`: what comes to us, as an XDP program
//! - `kernel`: what is asked of the kernel, behind a trait
//! - `ladder`: the ways to get packets, best first, and trying one
//! - `refusal`: why one does not bear
//! - `meaning`: what an errno means here, and what to do
//! - `open`: queues are opened and filled
//! - `incoming`, `outgoing`: the halves of a queue on their core
//! - `shared`, `counts`: what they have in common with the control thread
//! - `busy_poll`: polling the device by our own calls
//! - `watch`: what happens to the device while packets move
//! - `reopen`: sockets of a device that went away are replaced
//! - `losses`: what the kernel lost

mod busy_poll;
mod config;
mod counts;
mod incoming;
mod kernel;
mod ladder;
mod losses;
mod meaning;
mod open;
mod outgoing;
mod program;
mod refusal;
mod reopen;
mod shared;
mod watch;

use std::sync::Arc;

use anyhow::Context as _;
use ffi::device::Device;

pub use self::config::{AfXdpConfig, BusyPollChoice, Mode, QueueChoice};
use self::kernel::{Kernel, Linux};
use self::open::Opened;
use self::program::Filter;
use super::{Capability, FrameNeeds, Losses, MacAddress, Opening, Port, Privilege, Queue, bpf_capability};

/// Bytes an Ethernet header and two VLAN tags add to the MTU.
const HEADER_AND_TAGS: u32 = 14 + 8;
/// Bytes of a frame's memory that hold no packet: its head and the kernel's headroom.
const BEFORE_PACKET: u32 = hugepages::HEAD_BYTES as u32 + ffi::xdp::KERNEL_HEADROOM as u32;
/// The chunk larger packets are put into: a page.
const LARGE_CHUNK: u32 = 4096;

/// An `af_xdp` port.
pub struct AfXdp {
    inner: On<Linux>,
}

/// The port on a kernel, real or not.
struct On<K: Kernel> {
    config: AfXdpConfig,
    kernel: Arc<K>,
    /// The device as it was when the port was made.
    device: Device,
    /// Its queues by the port's queue number.
    queues: Vec<u32>,
    filter: Filter,
    opened: Option<Opened<K>>,
}

impl AfXdp {
    /// A port on a device that is there; it is not touched yet, and no privilege is needed.
    ///
    /// # Errors
    /// A key that makes no sense, a device or queue that is not there.
    pub fn new(config: AfXdpConfig) -> anyhow::Result<AfXdp> {
        let kernel = Linux::new().context("the kernel cannot be asked about devices")?;
        Ok(AfXdp { inner: On::new(config, kernel)? })
    }
}

impl<K: Kernel> On<K> {
    fn new(config: AfXdpConfig, kernel: K) -> anyhow::Result<On<K>> {
        config.check()?;
        let name = &config.device;
        let asked = kernel.device(name).with_context(|| format!("device {name:?}"))?;
        let Some(device) = asked else {
            let there = ffi::device::names().unwrap_or_default().join(", ");
            anyhow::bail!("device {name:?} is not there; there are {there}");
        };
        anyhow::ensure!(
            device.ethernet,
            "device {name:?} does not carry Ethernet, and AF_XDP needs that; use driver = \"af_packet\""
        );
        let queues = config.queue_numbers(device.queues.receive)?;
        Ok(On {
            filter: Filter::of(config.matches.as_deref())?,
            config,
            kernel: Arc::new(kernel),
            device,
            queues,
            opened: None,
        })
    }

    fn frame_needs(&self) -> FrameNeeds {
        let fits = self.device.mtu + HEADER_AND_TAGS + BEFORE_PACKET <= ffi::xdp::LEAST_CHUNK;
        FrameNeeds {
            headroom: ffi::xdp::KERNEL_HEADROOM,
            chunk: if fits { ffi::xdp::LEAST_CHUNK } else { LARGE_CHUNK },
            per_queue: self.config.ring + self.config.ring / 2,
        }
    }

    fn describe(&self) -> String {
        let Device { name, driver, .. } = &self.device;
        let driver = driver.as_ref().map_or("driver not known", |driver| driver.name.as_str());
        let queues = match self.queues.len() {
            1 => "1 queue".to_owned(),
            count => format!("{count} queues"),
        };
        let matches = self.config.matches.as_ref().map(|text| format!(", only {text:?}")).unwrap_or_default();
        format!("{name} ({driver}, MTU {}), {queues}{matches}", self.device.mtu)
    }
}

impl Port for AfXdp {
    fn driver(&self) -> &'static str {
        "af_xdp"
    }

    fn queues(&self, _cores: usize) -> usize {
        self.inner.queues.len()
    }

    fn largest_packet(&self) -> usize {
        (self.inner.device.mtu + HEADER_AND_TAGS) as usize
    }

    fn frame_needs(&self) -> FrameNeeds {
        self.inner.frame_needs()
    }

    fn mac_address(&self) -> Option<MacAddress> {
        self.inner.device.mac
    }

    fn privileges(&self) -> Vec<Privilege> {
        let again = |capability, why| Privilege::to_the_end(capability, why);
        let mut needed = vec![
            again(Capability::NET_RAW, "to open AF_XDP sockets, again when the device comes back"),
            again(Capability::NET_ADMIN, "to attach the XDP program, again when the device comes back"),
            again(bpf_capability(), "to load the XDP program, again when the device comes back"),
        ];
        // Where memory that may be locked is limited, who has this capability is not held to it.
        let may = ffi::capabilities::of_this_thread()
            .is_ok_and(|sets| sets.permitted.contains(Capability::IPC_LOCK));
        if may && ffi::memory::lock_limit().is_ok_and(|limit| limit.is_some()) {
            needed.push(again(Capability::IPC_LOCK, "to have frames pinned beyond RLIMIT_MEMLOCK"));
        }
        needed
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn open(&mut self, opening: &mut Opening<'_>) -> anyhow::Result<Vec<Queue>> {
        self.inner.open(opening)
    }

    fn watch(&mut self) -> Vec<String> {
        self.inner.watch()
    }

    fn losses(&self) -> Losses {
        self.inner.losses()
    }

    fn notes(&self) -> Vec<String> {
        self.inner.notes()
    }
}
