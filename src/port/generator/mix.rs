//! The sizes a port's packets have, and all that follows from a size and the headers of a flow.

use super::draw::scale;
use super::template::{Kind, LEAST_DATA, data_at};
use super::units::Size;
use crate::packet::checksum::sum;

/// Sizes of which each is as likely as any other; one that is likelier stands there more often.
const SLOTS: usize = 12;
/// The simple internet mix, 7:4:1.
const IMIX: [u32; SLOTS] = [60, 60, 60, 60, 60, 60, 60, 590, 590, 590, 590, 1514];

/// A packet of one size and one kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    /// Bytes of the frame.
    pub(super) frame: u32,
    /// IPv4: total length. IPv6: payload length.
    pub(super) network: u16,
    /// Bytes of transport header and data.
    pub(super) transport: u16,
    /// Bytes of data.
    pub(super) data: u16,
    /// Folded sum of the data.
    pub(super) data_sum: u16,
}

impl Shape {
    /// A packet of `frame` bytes, raised where the headers need it, of which the first `used` are all that
    /// the network layer knows of.
    fn new(kind: Kind, frame: usize, used: usize, data: &[u8]) -> Shape {
        let network = if kind.ipv6() { used - kind.transport_at() } else { used - kind.network_at() };
        Shape {
            frame: frame as u32,
            network: network as u16,
            transport: (used - kind.transport_at()) as u16,
            data: (used - kind.headers()) as u16,
            // Headers are of an even length, so these words are those of the whole datagram.
            data_sum: sum(&data[kind.headers()..used]),
        }
    }

    /// The same packet without data: what is left of it is padding.
    pub(super) fn bare(self, kind: Kind) -> Shape {
        Shape {
            network: self.network - self.data,
            transport: (kind.headers() - kind.transport_at()) as u16,
            data: 0,
            data_sum: 0,
            ..self
        }
    }
}

/// The shapes of a port's packets, by kind, and the bytes they are filled with.
#[derive(Debug)]
pub(super) struct Mix {
    shapes: [[Shape; SLOTS]; Kind::COUNT],
    /// As long as the longest packet: a packet's data is what lies here at the packet's own positions.
    pub(super) data: Box<[u8]>,
}

/// Bytes of a frame of `size` bytes with headers of this kind.
fn raised(size: u32, kind: Kind) -> usize {
    (size as usize).max(kind.headers() + LEAST_DATA)
}

impl Mix {
    pub(super) fn new(size: Size) -> Mix {
        let slots = slots(size);
        let longest = longest(size);
        let data: Box<[u8]> = (0..longest).map(data_at).collect();
        let shapes = Kind::all().map(|kind| {
            slots.map(|size| {
                let frame = raised(size, kind);
                Shape::new(kind, frame, frame, &data)
            })
        });
        Mix { shapes, data }
    }

    /// The shape that a draw picks for a packet of this kind.
    #[inline]
    pub(super) fn pick(&self, kind: Kind, draw: u64) -> &Shape {
        &self.shapes[kind.index()][scale(draw, SLOTS as u32) as usize]
    }
}

fn slots(size: Size) -> [u32; SLOTS] {
    match size {
        Size::Bytes(bytes) => [bytes; SLOTS],
        Size::Imix => IMIX,
    }
}

/// Bytes of the longest packet that may come of a size.
pub(super) fn longest(size: Size) -> usize {
    let longest = slots(size).into_iter().max().unwrap_or_default();
    Kind::all().into_iter().map(|kind| raised(longest, kind)).max().unwrap_or_default()
}

/// Bytes of the shortest packets of this kind, where the headers do not fit the size that was asked for.
pub(super) fn raised_to(size: Size, kind: Kind) -> Option<usize> {
    let shortest = slots(size).into_iter().min().unwrap_or_default();
    let raised = raised(shortest, kind);
    (raised > shortest as usize).then_some(raised)
}
