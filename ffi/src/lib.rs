//! What the outside world looks like from Rust: the only crate that names libc.
//!
//! Thin and safe: every wrapper turns a failing call into an [`std::io::Error`], and what cannot be
//! made safe is an `unsafe fn` whose contract its caller cites. Nothing here knows of packets,
//! arenas or cores. In the order a polling thread meets them:
//!
//! 1. [`affinity`]: which CPUs it may run on, pinning it to one, its name, its NUMA node.
//! 2. [`memory`]: page size, placing, populating and locking memory that is already mapped.
//! 3. [`cycles`](mod@cycles): the cycle counter.
//! 4. [`time`]: the kernel's clocks and sleep.
//! 5. [`process`]: what the scheduler did to the thread.
//! 6. [`capabilities`]: what the thread may do that others may not, and giving it up.
//! 7. [`device`]: network devices, their state, queues and counters.
//! 8. [`offloads`], [`xdp_support`]: what a device does to packets by itself, what its driver can do with XDP.
//! 9. [`packet_socket`]: packet sockets with mapped rings.
//! 10. [`tap`], [`link`]: devices of our own, and setting what they are.
//! 11. [`xdp`]: AF_XDP sockets and their rings.
//! 12. [`bpf`]: the XDP program, its map, its attachment.
//! 13. [`errno`]: what the kernel says when it says no.
#![cfg(target_os = "linux")]

pub mod affinity;
pub mod bpf;
pub mod capabilities;
pub mod cycles;
pub mod device;
pub mod errno;
pub mod file;
pub mod link;
pub mod memory;
pub mod offloads;
pub mod packet_socket;
pub mod process;
pub mod tap;
pub mod time;
pub mod xdp;
pub mod xdp_support;

use std::io;

/// Turns the -1 convention of libc into a result carrying errno.
fn check(rc: libc::c_long) -> io::Result<libc::c_long> {
    if rc == -1 { Err(io::Error::last_os_error()) } else { Ok(rc) }
}
