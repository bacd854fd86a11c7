//! What an AF_XDP socket can be asked and told once it is there.

use std::io;

use super::Socket;

/// Socket options libc lacks for this target (`asm-generic/socket.h`).
const SO_BUSY_POLL: i32 = 46;
const SO_PREFER_BUSY_POLL: i32 = 69;
const SO_BUSY_POLL_BUDGET: i32 = 70;
const SO_INCOMING_NAPI_ID: i32 = 56;
/// `linux/if_xdp.h`, Linux 6.17.
const XDP_MAX_TX_SKB_BUDGET: i32 = 9;

/// A socket's counters (`XDP_STATISTICS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketStatistics {
    /// Packets dropped for want of a chunk, or because they were too long for one.
    pub rx_dropped: u64,
    /// Entries of the fill ring that name no chunk.
    pub rx_invalid_descs: u64,
    /// Entries of the transmit ring that name no memory of the UMEM.
    pub tx_invalid_descs: u64,
    /// Packets dropped because the receive ring was full (Linux 5.9).
    pub rx_ring_full: u64,
    /// Times the fill ring was found empty (Linux 5.9).
    pub rx_fill_ring_empty_descs: u64,
    /// Times the transmit ring was found empty (Linux 5.9).
    pub tx_ring_empty_descs: u64,
}

/// How a socket polls its device itself instead of waiting for interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyPoll {
    /// Microseconds a waiting call polls for; anything but 0 turns it on (`SO_BUSY_POLL`).
    pub microseconds: u32,
    /// Packets a call takes at most (`SO_BUSY_POLL_BUDGET`, Linux 5.11).
    pub budget: u32,
}

impl Socket {
    /// The socket's counters since it was bound.
    ///
    /// # Errors
    /// What `getsockopt(2)` reports.
    pub fn statistics(&self) -> io::Result<SocketStatistics> {
        let mut raw = [0u64; 6];
        self.get(libc::SOL_XDP, libc::XDP_STATISTICS, &mut raw)?;
        let [rx_dropped, rx_invalid_descs, tx_invalid_descs, rx_ring_full, fill_empty, transmit_empty] = raw;
        Ok(SocketStatistics {
            rx_dropped,
            rx_invalid_descs,
            tx_invalid_descs,
            rx_ring_full,
            rx_fill_ring_empty_descs: fill_empty,
            tx_ring_empty_descs: transmit_empty,
        })
    }

    /// Did it get zero-copy (`XDP_OPTIONS`, Linux 5.3)?
    ///
    /// # Errors
    /// What `getsockopt(2)` reports.
    pub fn is_zero_copy(&self) -> io::Result<bool> {
        let mut options = libc::xdp_options { flags: 0 };
        self.get(libc::SOL_XDP, libc::XDP_OPTIONS, &mut options)?;
        Ok(options.flags & libc::XDP_OPTIONS_ZEROCOPY != 0)
    }

    /// Packets one wake-up sends at most in copy mode (32 otherwise): from 32 to the entries of the transmit
    /// ring, which must be there.
    ///
    /// # Errors
    /// ENOPROTOOPT before Linux 6.17, EACCES for a number out of that range.
    pub fn set_transmit_budget(&self, packets: u32) -> io::Result<()> {
        self.set(libc::SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &packets)
    }

    /// Turns preferred busy polling on: the device is polled by our own calls and, while they come, by nothing else.
    ///
    /// # Errors
    /// ENOPROTOOPT before Linux 5.11, EPERM for a budget above 64 without CAP_NET_ADMIN.
    pub fn set_busy_poll(&self, how: BusyPoll) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, SO_PREFER_BUSY_POLL, &1i32)?;
        self.set(libc::SOL_SOCKET, SO_BUSY_POLL, &how.microseconds)?;
        self.set(libc::SOL_SOCKET, SO_BUSY_POLL_BUDGET, &how.budget)
    }

    /// Does the kernel know by which NAPI instance the socket's queue is polled (`SO_INCOMING_NAPI_ID`, Linux 4.12)?
    /// Without that it cannot busy-poll. Up to Linux 6.12 it learns it from the first packet; since then when the
    /// socket is bound, of those drivers that link their queues to NAPI instances (`netif_queue_set_napi`).
    ///
    /// # Errors
    /// ENOPROTOOPT of a kernel without busy polling.
    pub fn knows_napi(&self) -> io::Result<bool> {
        let mut id = 0u32;
        self.get(libc::SOL_SOCKET, SO_INCOMING_NAPI_ID, &mut id)?;
        Ok(id != 0)
    }
}
