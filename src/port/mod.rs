//! Ports: where packets come from and go to. One trait for all, one driver a file.
//!
//! A driver is built on the control thread as a [`Port`], asked how many queues it has, and opened into
//! one [`Queue`] a queue; each queue goes to the one core that polls it. After the run the port, which
//! stayed behind, says what came of it.

pub mod af_packet;
pub mod af_xdp;
pub mod capture;
mod device;
pub mod driver;
mod exchange;
mod gather;
pub mod generator;
pub mod ladder;
pub mod null;
mod privilege;
pub mod self_test;
mod swallow;
pub mod tap;

use std::path::PathBuf;
use std::sync::Arc;

pub use privilege::{Capability, Privilege, bpf_capability};

use crate::packet::layers::LinkClass;
use crate::packet::{Frames, Packet, Packets, PortId, Reason, Reasons};

/// What one call of [`Receive::receive`] or [`Transmit::transmit`] moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Packets.
    pub packets: u32,
    /// Bytes of these packets as they lay in their frames.
    pub bytes: u64,
}

/// Whether a receive queue will ever bring anything again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// It may.
    Open,
    /// Never: the file was read to its end, the count was reached.
    Ended,
}

/// When the next packet of a queue arrives, in virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// Nanoseconds; never less than that of the arrival before it, even where the capture's clock ran backwards.
    pub time_ns: u64,
    /// Position in the port's order of arrival, over all its queues.
    pub ordinal: u64,
}

/// Which arrivals a queue may deliver now: those at or before a time and below an ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Latest arrival time that passes, nanoseconds.
    pub until_ns: u64,
    /// First ordinal that does not pass.
    pub before_ordinal: u64,
}

impl Gate {
    /// Everything passes: real time.
    pub const OPEN: Gate = Gate { until_ns: u64::MAX, before_ordinal: u64::MAX };
    /// Nothing passes.
    pub const SHUT: Gate = Gate { until_ns: 0, before_ordinal: 0 };

    /// Does this arrival pass?
    #[inline]
    pub fn passes(&self, arrival: Arrival) -> bool {
        arrival.time_ns <= self.until_ns && arrival.ordinal < self.before_ordinal
    }
}

/// The receiving half of a queue.
pub trait Receive: Send {
    /// Appends up to `limit` packets to `into` (which has room for them), each in a frame of `frames`.
    /// Fewer, or none, when there are no more now, when `frames` ran out, or when `gate` is shut;
    /// that is no loss. `now_ns` is the run's clock, read once a turn.
    fn receive(
        &mut self,
        frames: &mut Frames,
        into: &mut Packets,
        limit: usize,
        now_ns: u64,
        gate: Gate,
    ) -> Moved;

    /// Will it ever bring anything again?
    fn supply(&self) -> Supply;

    /// The run is over and nothing more will be received: closes the queue and releases every frame it still has.
    ///
    /// # Errors
    /// What could not be closed, in words for the report.
    fn close(&mut self, _frames: &mut Frames) -> Result<(), String> {
        Ok(())
    }

    /// The next arrival, for ports that know it before it is due; what virtual time is moved by.
    fn next_arrival(&mut self) -> Option<Arrival> {
        None
    }
}

/// What a transmit queue says of a packet before it is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The queue is full for now: the core keeps the packets and comes again.
    Full,
    /// The port will never carry the packet at the front; it is to be dropped with this reason.
    Never(Reason),
}

/// The transmitting half of a queue.
pub trait Transmit: Send {
    /// Takes packets from the front of `packets`, as many as it can, and releases their frames to `frames`
    /// once they are done with. When packets are left over, the refusal says why the one at the front was
    /// not taken.
    fn transmit(&mut self, packets: &mut Packets, frames: &mut Frames) -> (Moved, Option<Refusal>);

    /// The names of all drop reasons of the run, told once before it starts.
    fn name_reasons(&mut self, _reasons: &Reasons) {}

    /// Writes down a packet that was dropped (and counted), where the port was asked to keep those
    /// ([`Port::records_drops`]), and releases its frame.
    fn record_drop(&mut self, packet: Packet, frames: &mut Frames) {
        frames.release(packet.into_frame());
    }

    /// Lets go of everything taken: called once in every turn that transmitted, and in the turns after it as long as
    /// [`Transmit::has_unsent`]. Nothing is held for a batch.
    fn flush(&mut self, _frames: &mut Frames) {}

    /// Is something that was taken still here because its kernel or card would not have it now? Who has no use for being flushed
    /// again at once, its device being down, says no: it is asked again every few hundred turns.
    fn has_unsent(&self) -> bool {
        false
    }

    /// A step of virtual time is over: what was taken since the last one can be put in its canonical order.
    fn end_step(&mut self, _frames: &mut Frames) {}

    /// The run is over and nothing more will come: writes out and closes.
    ///
    /// # Errors
    /// What could not be written, in words for the report.
    fn close(&mut self, _frames: &mut Frames) -> Result<(), String> {
        Ok(())
    }
}

/// One queue of a port, both halves.
pub struct Queue {
    /// The receiving half; `None` for a port that brings nothing.
    pub receive: Option<Box<dyn Receive>>,
    /// The transmitting half; `None` for a port that takes nothing.
    pub transmit: Option<Box<dyn Transmit>>,
}

/// Which queue a packet belongs to, by its link layer, bytes and length on the wire; given by topology to
/// ports that spread their packets themselves, so that they do it as steering would.
pub type Spread = Arc<dyn Fn(LinkClass, &[u8], u32) -> usize + Send + Sync>;

/// A link layer by its number in the LINKTYPE registry (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// What steering makes of it.
    pub class: LinkClass,
    /// LINKTYPE_ value.
    pub number: u16,
    /// Its name there, without the prefix.
    pub name: &'static str,
}

impl Link {
    /// Ethernet.
    pub const ETHERNET: Link = Link { class: LinkClass::Ethernet, number: 1, name: "ETHERNET" };
}

/// What a driver's kernel or card wants frames to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameNeeds {
    /// Bytes kept free before a packet that comes in.
    pub headroom: u16,
    /// Frames start at multiples of so many bytes (see [`hugepages::PoolShape::chunk`]).
    pub chunk: u32,
    /// Frames a queue keeps with its kernel or card when it has as many as it can use; pools are made larger by so
    /// many where the memory allowed takes them.
    pub per_queue: u32,
}

/// An Ethernet address.
pub type MacAddress = [u8; 6];

/// What topology tells a port when it opens its queues, and the memory they receive into.
pub struct Opening<'a> {
    /// The port's own number.
    pub id: PortId,
    /// Cores of the dataplane.
    pub cores: usize,
    /// Queues to open, as [`Port::queues`] answered.
    pub queues: usize,
    /// Seed of the run.
    pub seed: u64,
    /// The port's name in the configuration.
    pub name: String,
    /// Pages for memory the port needs beside the cores' arenas.
    pub pages: hugepages::PagePolicy,
    /// Link layers of the ports whose packets are forwarded to this one.
    pub carries: Vec<Link>,
    /// How to spread packets over the queues.
    pub spread: Spread,
    /// Simulated cores in virtual time: outputs are put in canonical order.
    pub virtual_time: bool,
    /// Does any pipeline take the port's packets? Where none does, receiving halves are not kept.
    pub receives: bool,
    /// Does steering or an application read the port's packets? Where none does, the cache need not be asked for them.
    pub reads: bool,
    /// Frames each queue may keep with its kernel or card: what [`Port::frame_needs`] asked for, or its share of what there is.
    pub frames_per_queue: usize,
    /// The frames of every core.
    pub frames: &'a mut [Frames],
}

impl Opening<'_> {
    /// The core that will poll a queue of the port.
    pub fn core_of(&self, queue: usize) -> usize {
        queue % self.cores
    }

    /// The frames of the core that will poll a queue of the port.
    pub fn frames_of(&mut self, queue: usize) -> &mut Frames {
        let core = self.core_of(queue);
        &mut self.frames[core]
    }
}

/// Something a port read that was damaged, or that it could not carry on with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputReport {
    /// Packets the input holds up to its end or its damage.
    pub packets: u64,
    /// Byte offset of the damage in the input.
    pub offset: Option<u64>,
    /// What is wrong, in words, with the name of the file.
    pub error: Option<String>,
}

/// Losses a port knows of that never became packets: reason and count, as the kernel or the card names them.
pub type Losses = Vec<(&'static str, u64)>;

/// Files of a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortFiles {
    /// Those it reads.
    pub read: Vec<PathBuf>,
    /// The one it writes, if it writes one.
    pub written: Option<PathBuf>,
}

/// A driver instance on the control thread.
pub trait Port: Send {
    /// The driver's name, as in the configuration.
    fn driver(&self) -> &'static str;

    /// Queues this port will have with so many cores: its own number, or one a core.
    fn queues(&self, cores: usize) -> usize;

    /// The largest packet it may bring, bytes: frames are made at least so large.
    fn largest_packet(&self) -> usize;

    /// What its kernel or card wants frames to be like.
    fn frame_needs(&self) -> FrameNeeds {
        FrameNeeds { headroom: 0, chunk: 64, per_queue: 0 }
    }

    /// Its own Ethernet address, for ports that have one.
    fn mac_address(&self) -> Option<MacAddress> {
        None
    }

    /// Link layers of the packets it brings, as far as it knows before the start.
    fn links(&self) -> Vec<Link> {
        vec![Link::ETHERNET]
    }

    /// Does it bring packets / take packets? For the wiring check and picture.
    fn directions(&self) -> (bool, bool) {
        (true, true)
    }

    /// Does it keep packets that were dropped, with the reason ([`Transmit::record_drop`])?
    fn records_drops(&self) -> bool {
        false
    }

    /// The files it reads and writes: none may be written that anything else reads or writes.
    fn files(&self) -> PortFiles {
        PortFiles::default()
    }

    /// Bytes it needs beside the cores' arenas (preloaded captures), for the budget.
    fn memory(&self) -> u64 {
        0
    }

    /// The capabilities it needs, each with what for; they are checked before anything is opened. Afterwards
    /// queues are polled without any, whatever they are called for; [`Port::watch`] and the port's end have
    /// those that are needed again.
    fn privileges(&self) -> Vec<Privilege> {
        Vec::new()
    }

    /// One line for people: the file, the device, the traffic.
    fn describe(&self) -> String;

    /// Opens the queues.
    ///
    /// # Errors
    /// What is wrong and what to do, in words.
    fn open(&mut self, opening: &mut Opening<'_>) -> anyhow::Result<Vec<Queue>>;

    /// Called by the control thread about ten times a second while the run is going on: looks after what the
    /// queues cannot see to themselves (a device that went down, changed, vanished or came back), and says what
    /// happened, a line each, for people and for the report's notes.
    fn watch(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// What was read, for ports with an input that has an end.
    fn input(&self) -> Option<InputReport> {
        None
    }

    /// Losses outside: the kernel's, the card's.
    fn losses(&self) -> Losses {
        Losses::new()
    }

    /// Findings worth a line in the report (normalised timestamps, zero-length records...).
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}
