//! `af_packet`: any Linux device by packet sockets with mapped rings (`packet(7)`).
//!
//! ```toml
//! [[port]]
//! name = "east"
//! driver = "af_packet"
//! device = "eth1"
//! queues = 2               # one a core unless given
//! ring = "v2"              # or "v3"
//! receive-slots = 4096     # packets of the largest size each queue's ring holds
//! transmit-slots = 512
//! promiscuous = true       # take in packets for other addresses too
//! qdisc-bypass = true      # send past queueing disciplines, filters and taps
//! ```
//!
//! **The kernel sees every packet too.** A packet socket gets a copy; the kernel's own stack goes on with the packet as
//! if we were not there. Where it must not answer, give the device no address, or use `af_xdp`.
//!
//! **Queues.** Each is a socket to receive and one to send. The kernel spreads what comes in over the queues by flow
//! (`PACKET_FANOUT_HASH`: both directions of a conversation come to one queue). Fragments are spread by their two
//! addresses, all of a datagram to one queue, so the kernel is not asked to put datagrams together
//! (`PACKET_FANOUT_FLAG_DEFRAG`): a dataplane gets the packets that were on the wire.
//!
//! **`ring`.** With `v2` each packet is visible as soon as it is in the ring. With `v3` packets lie close together in
//! blocks, and the kernel hands over a block when it is full or at least a millisecond old: the same memory holds many
//! more small packets, but every packet may wait that millisecond, and the port says so in a note.
//!
//! **Checksums left to the card.** What a local process sends arrives without its TCP or UDP checksum (the sum of the
//! pseudo-header stands there). Such packets are marked, and completed in software when they leave by a port of this kind:
//! so the far end sees valid checksums whatever it is. (The kernel could be asked to have the card do it; on a veth
//! nobody would, and a far end that is no Linux kernel would see a bad one.)
//!
//! **What is too large.** Frames are made for the device's MTU. Larger packets (joined by GRO or never cut by a sender's
//! TSO on a veth) are dropped as `larger-than-frame`, never cut; a note says what to turn off.
//!
//! **Books.** What came to the sockets is what was received and, under `lost`, what was not: `ring-full` (the kernel's
//! count), `larger-than-frame`, `unread` (in the ring when the run ended or the device went), `damaged` (lengths that
//! lead out of the ring), `card-missed` (the device's own count). What was taken to be sent and was not is under `lost`
//! as `transmit-rejected` (by the kernel, for its size) and `transmit-withdrawn` (in the ring when the device went
//! down or the run ended).
//!
//! In the order of a packet's way:
//!
//! - `config`: the keys
//! - `port`: what topology asks
//! - `sockets`: opening a queue's sockets, at the start and when a device is there again
//! - `receive`, `transmit`: a queue's halves
//! - `account`: what they count
//! - `watch`: a device that goes and comes back
//! - `refusal`: what the kernel's errors mean here

mod account;
mod config;
mod port;
mod receive;
mod refusal;
mod sockets;
mod transmit;
mod watch;

pub use config::{AfPacketConfig, RingFormat};
pub use port::AfPacket;
