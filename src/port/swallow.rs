//! What becomes of packets sent to a port that leads nowhere: they are counted and end there.

use super::{Moved, Refusal, Transmit};
use crate::packet::{Frames, Packets, Reason};

/// Takes every packet but those of no bytes, which no port can send.
pub(super) struct Swallow;

impl Transmit for Swallow {
    #[inline]
    fn transmit(&mut self, packets: &mut Packets, frames: &mut Frames) -> (Moved, Option<Refusal>) {
        let mut moved = Moved::default();
        if packets.iter().any(|packet| packet.len() == 0) {
            return transmit_until_empty(packets, frames);
        }
        moved.packets = packets.len() as u32;
        frames.release_each(packets.drain(..).map(|packet| {
            moved.bytes += packet.len() as u64;
            packet.into_frame()
        }));
        (moved, None)
    }
}

/// Takes the packets before the first one of no bytes.
#[cold]
fn transmit_until_empty(packets: &mut Packets, frames: &mut Frames) -> (Moved, Option<Refusal>) {
    let mut moved = Moved::default();
    let run = packets.iter().position(|packet| packet.len() == 0).unwrap_or(packets.len());
    for packet in packets.drain(..run) {
        moved.packets += 1;
        moved.bytes += packet.len() as u64;
        frames.release(packet.into_frame());
    }
    (moved, Some(Refusal::Never(Reason::EMPTY)))
}
