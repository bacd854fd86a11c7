//! Opening packet sockets, binding them, their options and counters.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Mutex;

use super::shape::Cut;
use crate::check;

/// Options (`linux/if_packet.h`, level SOL_PACKET).
pub(super) mod option {
    pub(in super::super) const ADD_MEMBERSHIP: i32 = 1;
    pub(in super::super) const RX_RING: i32 = 5;
    pub(in super::super) const STATISTICS: i32 = 6;
    pub(in super::super) const VERSION: i32 = 10;
    pub(in super::super) const TX_RING: i32 = 13;
    pub(in super::super) const VNET_HDR: i32 = 15;
    pub(in super::super) const FANOUT: i32 = 18;
    pub(in super::super) const QDISC_BYPASS: i32 = 20;
    pub(in super::super) const IGNORE_OUTGOING: i32 = 23;
}
/// `PACKET_MR_PROMISC`.
const PROMISCUOUS: u16 = 1;
/// `PACKET_FANOUT_HASH`, `PACKET_FANOUT_FLAG_UNIQUEID`, `PACKET_FANOUT_FLAG_IGNORE_OUTGOING`.
const BY_HASH: u32 = 0;
const UNIQUE_ID: u32 = 0x2000;
const IGNORE_OUTGOING: u32 = 0x4000;
/// `ETH_P_ALL`, in the order of the network.
pub(super) const ALL_PROTOCOLS: u16 = 3u16.to_be();
/// Classic BPF (`linux/filter.h`): the answer is how many bytes are taken.
const NOTHING: [libc::sock_filter; 1] = [instruction(0x06, 0, 0, 0)];
/// Load the packet's type (`SKF_AD_OFF + SKF_AD_PKTTYPE`), take nothing of `PACKET_OUTGOING`, else all.
const WHAT_COMES_IN: [libc::sock_filter; 4] = [
    instruction(0x30, 0, 0, 0xffff_f004),
    instruction(0x15, 0, 1, 4),
    instruction(0x06, 0, 0, 0),
    instruction(0x06, 0, 0, u32::MAX),
];

const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// A step of opening a packet socket that failed, and what the kernel said.
#[derive(Debug)]
pub struct Failed {
    /// What was being done, as in "a receive ring of 4194304 bytes".
    pub step: String,
    /// What the kernel said.
    pub error: io::Error,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.error)
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Turns an error into a [`Failed`] with its step.
pub(super) fn step(step: impl Into<String>) -> impl FnOnce(io::Error) -> Failed {
    move |error| Failed { step: step.into(), error }
}

/// What a receiving socket's kernel side counted since it was opened (`PACKET_STATISTICS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketStatistics {
    /// Packets that came to the socket, those dropped included.
    pub packets: u64,
    /// Packets dropped because the ring had no room.
    pub drops: u64,
    /// Times a [`V3`](super::RingVersion::V3) ring was full.
    pub freezes: u64,
}

/// A packet socket. The ring that belongs to it holds one handle; others bind it and read its counters, from
/// any thread.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
    /// Reading the kernel's counters sets them to zero; this is their sum.
    counted: Mutex<SocketStatistics>,
}

impl PacketSocket {
    /// Opens one that receives nothing yet, in the calling thread's network namespace.
    pub(super) fn open() -> Result<PacketSocket, Failed> {
        // SAFETY: no memory is passed.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        let fd = check(fd.into()).map_err(step("a packet socket"))?;
        // SAFETY: a descriptor just made, owned by nobody else.
        let socket = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        Ok(PacketSocket { socket, counted: Mutex::default() })
    }

    /// Sets an option; `T` is what the option's value is in C, integers only.
    pub(super) fn set<T: Copy>(&self, name: i32, value: &T) -> io::Result<()> {
        self.set_at(libc::SOL_PACKET, name, value)
    }

    fn set_at<T>(&self, level: i32, name: i32, value: &T) -> io::Result<()> {
        let len = size_of::<T>() as libc::socklen_t;
        // SAFETY: pointer and length are of one value, which lives through the call; the kernel copies it.
        let rc = unsafe {
            libc::setsockopt(self.socket.as_raw_fd(), level, name, (&raw const *value).cast(), len)
        };
        check(rc.into()).map(drop)
    }

    /// Has the kernel make the socket's ring. V2 reads the first four words, V3 all seven.
    pub(super) fn make_ring(&self, name: i32, cut: &Cut, v3_timeout_ms: Option<u32>) -> io::Result<()> {
        let number = |n: usize| u32::try_from(n).map_err(|_| io::Error::from_raw_os_error(libc::ENOMEM));
        let request = [
            number(cut.block_bytes)?,
            number(cut.blocks)?,
            number(cut.slot_bytes)?,
            number(cut.slots())?,
            v3_timeout_ms.unwrap_or(0),
            0,
            0,
        ];
        match (v3_timeout_ms, request.first_chunk::<4>()) {
            (None, Some(short)) => self.set(name, short),
            _ => self.set(name, &request),
        }
    }

    /// Binds it to a device: packets of `protocol` are received from now on, none with 0; what is sent goes out there.
    pub(super) fn bind_to(&self, index: u32, protocol: u16) -> io::Result<()> {
        let index = i32::try_from(index).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: protocol,
            sll_ifindex: index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: pointer and length are of one address, which lives through the call; the kernel copies it.
        let rc = unsafe { libc::bind(self.socket.as_raw_fd(), (&raw const address).cast(), len) };
        check(rc.into()).map(drop)
    }

    /// Receives every packet of a device from now on, as far as [`deny`](Self::deny) does not hold it back. A
    /// device that is down is bound all the same; packets come once it is up.
    ///
    /// # Errors
    /// ENODEV: there is no such device.
    pub fn bind(&self, index: u32) -> io::Result<()> {
        self.bind_to(index, ALL_PROTOCOLS)
    }

    /// Has the device take in packets for other addresses too, for as long as the socket is open.
    ///
    /// # Errors
    /// ENODEV: there is no such device.
    pub fn make_promiscuous(&self, index: u32) -> io::Result<()> {
        let index = i32::try_from(index).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
        // `packet_mreq`: index, kind (16 bits), length of an address (16 bits) and the address, which there is none of.
        let mut membership = [0u8; 16];
        membership[..4].copy_from_slice(&index.to_ne_bytes());
        membership[4..6].copy_from_slice(&PROMISCUOUS.to_ne_bytes());
        self.set(option::ADD_MEMBERSHIP, &membership)
    }

    /// Nothing is received any more, and nothing counted: a filter that passes no packet.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn deny(&self) -> io::Result<()> {
        self.filter(&NOTHING)
    }

    /// Lets packets in, in place of what [`deny`](Self::deny) did: none of those our own host sends. (A group does not
    /// know of its sockets' `PACKET_IGNORE_OUTGOING`, and kernels before its own flag for that overlook the flag: then only
    /// the filter keeps us from receiving what we send.)
    ///
    /// # Errors
    /// ENOMEM.
    pub fn admit(&self) -> io::Result<()> {
        self.filter(&WHAT_COMES_IN)
    }

    fn filter(&self, instructions: &[libc::sock_filter]) -> io::Result<()> {
        let mut copy = instructions.to_vec();
        let program = libc::sock_fprog { len: copy.len() as u16, filter: copy.as_mut_ptr() };
        self.set_at(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }

    /// Makes it the first of a group among which the device's packets are spread by flow; the group's number. Both
    /// directions of a flow come to one socket (`__skb_get_hash_symmetric`), fragments go by their addresses.
    ///
    /// # Errors
    /// EINVAL on kernels before 6.13 where the device is down.
    pub fn start_group(&self) -> io::Result<u16> {
        self.set(option::FANOUT, &((BY_HASH | UNIQUE_ID | IGNORE_OUTGOING) << 16))?;
        let mut value = 0u32;
        self.get(option::FANOUT, &mut value)?;
        Ok(value as u16)
    }

    /// Joins the group of that number.
    ///
    /// # Errors
    /// ENOSPC: it has as many sockets as it can have; EINVAL as for [`start_group`](Self::start_group).
    pub fn join_group(&self, group: u16) -> io::Result<()> {
        self.set(option::FANOUT, &(u32::from(group) | (BY_HASH | IGNORE_OUTGOING) << 16))
    }

    fn get<T: Copy>(&self, name: i32, value: &mut T) -> io::Result<()> {
        let mut len = size_of::<T>() as libc::socklen_t;
        let fd = self.socket.as_raw_fd();
        // SAFETY: pointer and length are of one value of integers, which lives through the call; the kernel writes
        // at most `len` bytes, and any bytes are a value.
        let rc =
            unsafe { libc::getsockopt(fd, libc::SOL_PACKET, name, (&raw mut *value).cast(), &raw mut len) };
        check(rc.into()).map(drop)
    }

    /// What its kernel side counted since it was opened.
    #[must_use]
    pub fn statistics(&self) -> SocketStatistics {
        let mut sum = self.counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // `tpacket_stats_v3`; of a V2 ring the kernel fills in the first two.
        let mut now = [0u32; 3];
        // Only a bad descriptor or address makes this fail, and neither can be; then nothing is added.
        if self.get(option::STATISTICS, &mut now).is_ok() {
            let [packets, drops, freezes] = now;
            sum.packets += u64::from(packets);
            sum.drops += u64::from(drops);
            sum.freezes += u64::from(freezes);
        }
        *sum
    }

    /// Lets the kernel send what the transmit ring holds, without waiting (`MSG_DONTWAIT`).
    pub(super) fn send_ring(&self) -> io::Result<()> {
        // SAFETY: no memory is passed: what is sent lies in the ring.
        let rc = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                std::ptr::null(),
                0,
                libc::MSG_DONTWAIT,
                std::ptr::null(),
                0,
            )
        };
        check(rc as _).map(drop)
    }

    /// Raises what the socket may have in flight (`SO_SNDBUFFORCE`, else `SO_SNDBUF`).
    pub(super) fn allow_in_flight(&self, bytes: usize) -> io::Result<()> {
        let bytes = i32::try_from(bytes / 2).unwrap_or(i32::MAX);
        self.set_at(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &bytes)
            .or_else(|_| self.set_at(libc::SOL_SOCKET, libc::SO_SNDBUF, &bytes))
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
