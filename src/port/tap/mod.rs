//! `tap`: a device of the local kernel whose other end is this port.
//!
//! ```toml
//! [[port]]
//! name = "host"
//! driver = "tap"
//! device = "mnvkd0"                              # made if it is not there, and gone after the run
//! address = ["10.9.0.1/24", "fd09::1/64"]        # the kernel's end
//! mode = "tap"                                   # Ethernet frames; "tun": IP packets
//! mtu = 1500
//! mac = "02:00:00:00:00:01"                      # the kernel's end; derived from the device's name unless given
//! up = true
//! queues = 1                                     # one a core unless given
//! ```
//!
//! What the kernel sends by the device is received here, what is transmitted here the kernel receives from it. Every packet
//! is a system call (`read(2)`, `write(2)`): for tests and for talking to the local kernel, not for speed.
//!
//! **Two ends, two addresses.** The device has one Ethernet address, that of the kernel's end; ours, which applications
//! answer with, differs from it in the last bit.
//!
//! **Packets are whole.** The kernel is told that we take no offloads (`TUNSETOFFLOAD` 0), so it cuts what it would have
//! left to a card and completes the checksums before we read. With a virtio header on every packet (`IFF_VNET_HDR`) it
//! would leave checksums out and say so; whoever receives the packet from us would then need them completed all the same.
//! Packets from other ports whose checksums are left out are completed before they are written.
//!
//! **Books.** Under `lost`: `queue-full` (packets the kernel had for us and could not queue; the device's `tx_dropped`),
//! `larger-than-frame`, `unread` (in the queue when the run ended).

mod config;
mod port;
mod receive;
mod refusal;
mod transmit;
mod watch;

pub use config::{Mode, TapConfig};
pub use port::Tap;
