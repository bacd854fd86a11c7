//! Packet sockets with mapped rings (`packet(7)`, `linux/if_packet.h`).
//!
//! A socket receives or sends, never both, and owns the one ring that belongs to it:
//!
//! - `layout`: where the kernel puts what, read from plain slices, every length checked
//! - `memory`: the mapping, and its words that the kernel writes too
//! - `shape`: how a ring is cut into blocks and slots
//! - `socket`: opening, binding, options, counters
//! - `arrived`: what is handed out of a receive ring
//! - `blocks` ([`RingVersion::V3`]), `slots` ([`RingVersion::V2`]), `receive`: receive rings
//! - `outgoing`, `transmit`: the transmit ring
//!
//! What is shared with the kernel is a block or a slot at a time, and its status word says whose it is. Only
//! that word is touched while it is the kernel's, as an atomic; what is ours is read as a slice.

mod arrived;
mod blocks;
mod layout;
mod memory;
mod outgoing;
mod receive;
mod shape;
mod slots;
mod socket;
mod transmit;

pub use self::arrived::{Arrived, PartialChecksum, VlanTag};
pub use self::receive::ReceiveRing;
pub use self::shape::{RingShape, RingVersion};
pub use self::socket::{Failed, PacketSocket, SocketStatistics};
pub use self::transmit::{Kicked, TransmitRing};
