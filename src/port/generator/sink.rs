//! What is sent to a generator: swallowed.

use crate::packet::{Frames, Packets};
use crate::port::{Moved, Refusal, Transmit};

/// Ends every packet.
pub(super) struct Sink;

impl Transmit for Sink {
    #[inline]
    fn transmit(&mut self, packets: &mut Packets, frames: &mut Frames) -> (Moved, Option<Refusal>) {
        let mut moved = Moved { packets: packets.len() as u32, bytes: 0 };
        for packet in packets.drain(..) {
            moved.bytes += packet.len() as u64;
            frames.release(packet.into_frame());
        }
        (moved, None)
    }
}
