//! Waiting until a queue that was in zero-copy mode is let go of.
//!
//! A socket that copies is gone when its last reference is: `xsk_release` waits for whoever still delivers to it. In
//! zero-copy mode the driver is told by a work item later on (`xp_put_pool`, `net/xdp/xsk_buff_pool.c`), and may write to
//! the memory until then. The kernel gives a queue to a new socket only after that, so trying to get it tells.

use std::io;
use std::ptr::NonNull;

use memmap2::MmapMut;

use super::{BindFlags, RingSizes, Socket};
use crate::errno;

/// Tries, and nanoseconds between two.
const TRIES: u32 = 2000;
const PAUSE_NS: u64 = 1_000_000;
/// Bytes of the memory the socket that tries is given: one chunk.
const CHUNK: u32 = 4096;

/// A socket that will try to get a queue when another has left it. It is opened while that one is: later the process may
/// not be allowed to any more.
#[derive(Debug)]
pub struct Successor {
    // Dropped before the memory.
    socket: Box<Socket>,
    _memory: MmapMut,
    device: u32,
    queue: u32,
}

impl Successor {
    pub(super) fn new(device: u32, queue: u32) -> io::Result<Successor> {
        let mut memory = MmapMut::map_anon(CHUNK as usize)?;
        let socket = Socket::open()?;
        // SAFETY: the memory is mapped as long as the socket is there; nothing is ever put into its fill ring.
        unsafe { socket.register(NonNull::from(&mut memory[..]), CHUNK, 0)? };
        socket.size_rings(RingSizes { fill: 2, receive: 2, transmit: 2, completion: 2 })?;
        Ok(Successor { socket: Box::new(socket), _memory: memory, device, queue })
    }

    /// Waits until no other socket has the queue, two seconds at most; is it so? A device that is gone has no queues.
    #[must_use]
    pub fn wait(self) -> bool {
        (0..TRIES).any(|_| {
            let left = self.try_once();
            if !left {
                crate::time::sleep_ns(PAUSE_NS);
            }
            left
        })
    }

    /// Is the queue to be had, or gone?
    fn try_once(&self) -> bool {
        let flags = BindFlags { copy: true, ..BindFlags::default() };
        match self.socket.bind(self.device, self.queue, flags) {
            Ok(()) => true,
            Err(error) => error.raw_os_error() == Some(errno::ENODEV),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Live: the loopback device can be bound to in copy mode by root.
    #[test]
    fn a_queue_is_waited_for_while_a_socket_has_it() {
        let lo = crate::device::by_name("lo").unwrap().unwrap().index;
        let [first, second] =
            match Successor::new(lo, 0).and_then(|first| Ok([first, Successor::new(lo, 0)?])) {
                Ok(both) => both,
                Err(error) => {
                    let required = std::env::var_os("MNVKD_CI_LIVE").is_some_and(|v| v == "1");
                    assert!(!required, "live test cannot run: {error}");
                    return println!("skipped: {error}");
                }
            };
        assert!(first.try_once());
        assert!(!second.try_once());
        drop(first);
        assert!(second.wait());
        assert!(Successor::new(u32::MAX >> 1, 0).unwrap().try_once(), "a device that is not there");
    }
}
