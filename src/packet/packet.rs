//! The packet: the one owning handle of a frame.

use hugepages::Frame;

use super::ids::PortId;
use super::layers::{Layers, LinkClass, Network, Transport};
use super::verdict::Reason;

/// Bits of a frame's tag, beside the port in its low byte.
mod tag {
    pub(super) const PORT: u16 = 0x00ff;
    pub(super) const LINK_SHIFT: u32 = 8;
    pub(super) const LINK: u16 = 0x0700;
    pub(super) const SNAPPED: u16 = 0x0800;
    pub(super) const ORDERED: u16 = 0x1000;
    pub(super) const DROPPED: u16 = 0x2000;
    pub(super) const PARTIAL: u16 = 0x4000;
}

/// A packet in a frame of some core's arena: 32 bytes that move from burst to burst and through
/// lanes; the bytes of the packet stay where the port put them.
///
/// Neither `Clone` nor `Copy`: there is one handle a frame. It has no destructor either, so that a
/// burst carries no drop glue; whoever ends a packet's life gives [`Packet::into_frame`] back to
/// [`Frames::release`](super::Frames::release). One that is lost all the same shows up as
/// a pool that is not full when the run ends, and fails it.
#[must_use = "a packet that is dropped is a frame lost to its pool: give it a verdict or release its frame"]
#[derive(Debug)]
pub struct Packet {
    frame: Frame,
    time_ns: u64,
    hash: u32,
    layers: Layers,
}

const _: () = assert!(size_of::<Packet>() == 32);

impl Packet {
    /// The packet in `frame` that came in by `port` at `time_ns` (nanoseconds of the run's clock:
    /// since 1970 for captures, since start otherwise), whole: its length on the wire is the frame's.
    #[inline]
    pub fn new(mut frame: Frame, port: PortId, link: LinkClass, time_ns: u64) -> Packet {
        frame.set_tag(port.code() as u16 | (link as u16) << tag::LINK_SHIFT);
        Packet { frame, time_ns, hash: 0, layers: Layers::UNPARSED }
    }

    /// Bytes of the packet, from its link header on.
    #[inline]
    pub fn data(&self) -> &[u8] {
        self.frame.bytes()
    }

    /// The same, to be rewritten in place.
    #[inline]
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.frame.bytes_mut()
    }

    /// Bytes that are here.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "an empty packet is a length like any other")]
    pub fn len(&self) -> usize {
        self.frame.len()
    }

    /// Bytes the packet had on the wire: more than [`Packet::len`] where a capture cut it.
    #[inline]
    pub fn wire_len(&self) -> u32 {
        if self.frame.tag() & tag::SNAPPED == 0 { self.frame.len() as u32 } else { self.frame.wire_len() }
    }

    /// Says how long the packet was on the wire.
    #[inline]
    pub fn set_wire_len(&mut self, bytes: u32) {
        if bytes as usize == self.frame.len() {
            self.frame.set_tag(self.frame.tag() & !tag::SNAPPED);
        } else {
            self.frame.set_wire_len(bytes);
            self.frame.set_tag(self.frame.tag() | tag::SNAPPED);
        }
    }

    /// Does the sender's kernel leave its TCP or UDP checksum to the network card, so that the field holds the
    /// sum of the pseudo-header only? Said by the port it came in by; where the port cannot know, `false`.
    #[inline]
    pub fn is_checksum_partial(&self) -> bool {
        self.frame.tag() & tag::PARTIAL != 0
    }

    /// Says that its transport checksum is left to the network card, and that nobody knows where it is.
    #[inline]
    pub fn set_checksum_partial(&mut self) {
        self.set_checksum_partial_at(0, 0);
    }

    /// Says that a checksum is left to the network card: it covers the packet from byte `start` to the end, its field is
    /// `field` bytes after `start`. With a tunnel that is the inner packet's.
    #[inline]
    pub fn set_checksum_partial_at(&mut self, start: u16, field: u16) {
        self.frame.set_checksum_place(start, field);
        self.frame.set_tag(self.frame.tag() | tag::PARTIAL);
    }

    /// Makes it `bytes` long, here and on the wire; `false`, and nothing changed, where its frame has no room for
    /// that. Bytes that come in at the end hold what was there before.
    #[inline]
    pub fn resize(&mut self, bytes: usize) -> bool {
        let Ok(bytes) = u32::try_from(bytes) else { return false };
        let fits = self.frame.set_len(bytes).is_ok();
        if fits {
            self.set_wire_len(bytes);
        }
        fits
    }

    /// Where the checksum is that is left to the network card (see [`Packet::set_checksum_partial_at`]); `None` where
    /// there is none or its place is not known.
    #[inline]
    pub fn partial_checksum(&self) -> Option<(u16, u16)> {
        let place = || Some(self.frame.checksum_place()).filter(|(start, _)| *start != 0);
        if self.is_checksum_partial() { place() } else { None }
    }

    /// Says that its checksums are complete.
    #[inline]
    pub fn set_checksum_complete(&mut self) {
        self.frame.set_tag(self.frame.tag() & !tag::PARTIAL);
    }

    /// When it came in, nanoseconds (see [`Packet::new`]).
    #[inline]
    pub fn time_ns(&self) -> u64 {
        self.time_ns
    }

    /// Says that it is sent at a time of its own.
    #[inline]
    pub(crate) fn set_time(&mut self, time_ns: u64) {
        self.time_ns = time_ns;
    }

    /// The port it came in by; once a verdict sent it out, the port it leaves by.
    #[inline]
    pub fn port(&self) -> PortId {
        PortId::from_code((self.frame.tag() & tag::PORT) as u8)
    }

    #[inline]
    pub(crate) fn set_port(&mut self, port: PortId) {
        self.frame.set_tag(self.frame.tag() & !tag::PORT | port.code() as u16);
    }

    /// What its first bytes are.
    #[inline]
    pub fn link(&self) -> LinkClass {
        LinkClass::from_code(((self.frame.tag() & tag::LINK) >> tag::LINK_SHIFT) as u8)
    }

    /// What steer found out about its headers; unparsed where no application of the pipeline asked.
    #[inline]
    pub fn layers(&self) -> Layers {
        self.layers
    }

    /// The packet from its (outer) network header on; empty where none was found.
    #[inline]
    pub fn network(&self) -> &[u8] {
        match self.layers.network() {
            Network::Ipv4 | Network::Ipv6 => {
                self.data().get(self.layers.network_offset()..).unwrap_or_default()
            }
            Network::Unparsed | Network::Other => &[],
        }
    }

    /// The packet from its transport header on; empty where none was found.
    #[inline]
    pub fn transport(&self) -> &[u8] {
        match self.layers.transport() {
            Transport::None => &[],
            _ => self.data().get(self.layers.transport_offset()..).unwrap_or_default(),
        }
    }

    /// The TCP flags (RFC 9293, section 3.1: FIN is bit 0, SYN bit 1, RST bit 2, ACK bit 4); `None` where
    /// it is no TCP or the flags are cut off.
    #[inline]
    pub fn tcp_flags(&self) -> Option<u8> {
        match self.layers.transport() {
            Transport::Tcp => self.transport().get(13).copied(),
            _ => None,
        }
    }

    /// Flow hash by the pipeline's partition key, 0 where no application of it has one.
    #[inline]
    pub fn hash(&self) -> u32 {
        self.hash
    }

    #[inline]
    pub(crate) fn set_layers(&mut self, layers: Layers) {
        self.layers = layers;
    }

    #[inline]
    pub(crate) fn set_hash(&mut self, hash: u32) {
        self.hash = hash;
    }

    /// Place in the order of arrival of the whole run (arrival time, ordinal and what the port adds to it),
    /// kept in the frame's head by ports that know one. The same on every machine and any number of cores.
    #[inline]
    pub fn order(&self) -> Option<[u64; 2]> {
        (self.frame.tag() & tag::ORDERED != 0).then(|| self.frame.order())
    }

    #[inline]
    pub(crate) fn set_order(&mut self, order: [u64; 2]) {
        self.frame.set_order(order);
        self.frame.set_tag(self.frame.tag() | tag::ORDERED);
    }

    /// Marks a packet whose fate is sealed and counted, on its way to the port that writes it down.
    #[inline]
    pub(crate) fn mark_dropped(&mut self, reason: Reason) {
        self.hash = reason.index() as u32;
        self.frame.set_tag(self.frame.tag() | tag::DROPPED);
    }

    /// The reason it was dropped for, if it is one of those.
    #[inline]
    pub(crate) fn dropped(&self) -> Option<Reason> {
        if self.frame.tag() & tag::DROPPED == 0 { None } else { Reason::new(self.hash as usize) }
    }

    /// The frame it lies in.
    #[inline]
    pub(crate) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Asks the cache for the first bytes.
    #[inline]
    pub fn prefetch(&self) {
        self.frame.prefetch();
    }

    /// Gives up the handle; what is left is the frame, to be released to its pool.
    #[inline]
    pub fn into_frame(self) -> Frame {
        self.frame
    }
}
