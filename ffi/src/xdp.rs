//! AF_XDP sockets (Documentation/networking/af_xdp.rst, `linux/if_xdp.h`), as thin as they can be.
//!
//! In the order a queue is set up: [`Socket::open`], [`Socket::register`] the memory, [`Socket::size_rings`],
//! [`Socket::rings`], put entries into the fill ring, [`Socket::bind`]. What the kernel may write to is decided by
//! the entries of the fill ring alone, so putting one there is what is unsafe.
//!
//! - `ring`: one side of one ring
//! - `release`: waiting until a queue is let go of
//! - `options`: what a socket can be asked and told once it is there

mod options;
mod release;
mod ring;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

pub use self::options::{BusyPoll, SocketStatistics};
pub use self::release::Successor;
pub use self::ring::{Consumer, Descriptor, Producer, RingOffsets};
use crate::check;

/// Bytes the kernel leaves free before a packet it puts into a chunk, beside the registered headroom
/// (`XDP_PACKET_HEADROOM`, `linux/bpf.h`).
pub const KERNEL_HEADROOM: u16 = 256;
/// Smallest chunk of a UMEM (`XDP_UMEM_MIN_CHUNK_SIZE`, `net/xdp/xdp_umem.h`).
pub const LEAST_CHUNK: u32 = 2048;
/// In a descriptor's options: the packet goes on in the next one (`XDP_PKT_CONTD`).
pub const CONTINUES: u32 = libc::XDP_PKT_CONTD;

/// How a socket is bound (`sxdp_flags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BindFlags {
    /// The driver moves packets into our memory itself, or binding fails (`XDP_ZEROCOPY`).
    pub zero_copy: bool,
    /// The kernel copies them (`XDP_COPY`). Neither: the kernel chooses.
    pub copy: bool,
    /// A packet may lie in several chunks (`XDP_USE_SG`, Linux 6.6).
    pub fragments: bool,
}

/// Entries of a socket's four rings, each a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingSizes {
    /// Fill ring: chunks for the kernel to write to.
    pub fill: u32,
    /// Receive ring: packets that came.
    pub receive: u32,
    /// Transmit ring: packets to send.
    pub transmit: u32,
    /// Completion ring: chunks that were sent.
    pub completion: u32,
}

/// Where the parts of the rings lie in their mappings (`XDP_MMAP_OFFSETS`, the form with flags, Linux 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllOffsets {
    /// Of the fill ring.
    pub fill: RingOffsets,
    /// Of the receive ring.
    pub receive: RingOffsets,
    /// Of the transmit ring.
    pub transmit: RingOffsets,
    /// Of the completion ring.
    pub completion: RingOffsets,
}

/// The four rings of a socket, mapped. Each mapping holds the socket open, as its descriptor does.
#[derive(Debug)]
pub struct Rings {
    /// Chunks for the kernel to write to.
    pub fill: Producer<u64>,
    /// Packets that came.
    pub receive: Consumer<Descriptor>,
    /// Packets to send.
    pub transmit: Producer<Descriptor>,
    /// Chunks that were sent.
    pub completion: Consumer<u64>,
}

/// An AF_XDP socket. Its descriptor is not to be had: a copy of it would keep the socket open, and with it the
/// kernel's hands on memory that was lent.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    /// What will tell when a driver that writes to the memory itself has let go of the queue.
    successor: Mutex<Option<Successor>>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW, EAFNOSUPPORT on a kernel without AF_XDP.
    pub fn open() -> io::Result<Socket> {
        // SAFETY: no memory is passed.
        let fd = check(unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) }.into())?;
        // SAFETY: a descriptor just made, owned by nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        Ok(Socket { fd, successor: Mutex::new(None) })
    }

    /// A socket by its descriptor.
    ///
    /// # Safety
    /// The descriptor is the only one of its open file: memory lent through a socket is taken back when this goes.
    pub unsafe fn from_descriptor(fd: OwnedFd) -> Socket {
        Socket { fd, successor: Mutex::new(None) }
    }

    pub(crate) fn raw(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    /// Registers memory as the socket's UMEM: chunks of `chunk` bytes, in which `headroom` bytes beside
    /// [`KERNEL_HEADROOM`] are left free before a packet. The pages are pinned until the socket is gone.
    ///
    /// # Errors
    /// ENOBUFS where RLIMIT_MEMLOCK is too low, EINVAL for a chunk that is no power of two from
    /// [`LEAST_CHUNK`] to a page or a region that is not page-aligned, ENOMEM.
    ///
    /// # Safety
    /// The region is mapped and the caller's, all of it.
    pub unsafe fn register(&self, region: NonNull<[u8]>, chunk: u32, headroom: u32) -> io::Result<()> {
        let umem = libc::xdp_umem_reg {
            addr: region.as_ptr().cast::<u8>().expose_provenance() as u64,
            len: region.len() as u64,
            chunk_size: chunk,
            headroom,
            flags: 0,
            tx_metadata_len: 0,
        };
        self.set(libc::SOL_XDP, libc::XDP_UMEM_REG, &umem)
    }

    /// Makes the four rings.
    ///
    /// # Errors
    /// EINVAL for a size that is no power of two, ENOMEM.
    pub fn size_rings(&self, sizes: RingSizes) -> io::Result<()> {
        self.set(libc::SOL_XDP, libc::XDP_UMEM_FILL_RING, &sizes.fill)?;
        self.set(libc::SOL_XDP, libc::XDP_UMEM_COMPLETION_RING, &sizes.completion)?;
        self.set(libc::SOL_XDP, libc::XDP_RX_RING, &sizes.receive)?;
        self.set(libc::SOL_XDP, libc::XDP_TX_RING, &sizes.transmit)
    }

    /// Where the parts of the rings lie.
    ///
    /// # Errors
    /// `Unsupported` on a kernel before 5.4, whose rings have no flags.
    pub fn offsets(&self) -> io::Result<AllOffsets> {
        let zero = libc::xdp_ring_offset { producer: 0, consumer: 0, desc: 0, flags: 0 };
        let mut all = libc::xdp_mmap_offsets { rx: zero, tx: zero, fr: zero, cr: zero };
        let length = self.get(libc::SOL_XDP, libc::XDP_MMAP_OFFSETS, &mut all)?;
        if length != size_of_val(&all) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "rings without flags: Linux before 5.4"));
        }
        Ok(AllOffsets {
            fill: all.fr.into(),
            receive: all.rx.into(),
            transmit: all.tx.into(),
            completion: all.cr.into(),
        })
    }

    /// Maps the four rings.
    ///
    /// # Errors
    /// What `mmap(2)` reports; `InvalidInput` for a size that is no power of two.
    ///
    /// # Safety
    /// The descriptor is that of an AF_XDP socket whose rings were made with these sizes, or of memory laid out
    /// alike; the offsets are its own; nobody else maps them to play our side.
    pub unsafe fn rings(&self, sizes: RingSizes, offsets: &AllOffsets) -> io::Result<Rings> {
        let fd = self.fd.as_raw_fd();
        // SAFETY: passed on to the caller; each ring is mapped at the place the kernel has it at.
        unsafe {
            Ok(Rings {
                fill: Producer::map(fd, libc::XDP_UMEM_PGOFF_FILL_RING, sizes.fill, offsets.fill)?,
                receive: Consumer::map(fd, libc::XDP_PGOFF_RX_RING as u64, sizes.receive, offsets.receive)?,
                transmit: Producer::map(
                    fd,
                    libc::XDP_PGOFF_TX_RING as u64,
                    sizes.transmit,
                    offsets.transmit,
                )?,
                completion: Consumer::map(
                    fd,
                    libc::XDP_UMEM_PGOFF_COMPLETION_RING,
                    sizes.completion,
                    offsets.completion,
                )?,
            })
        }
    }

    /// Binds the socket to a queue of a device; need-wake-up is always asked for.
    ///
    /// # Errors
    /// What `bind(2)` reports: EBUSY where another socket has the queue (or a process that just ended still
    /// does), EOPNOTSUPP where the driver cannot do what the flags ask for, EINVAL for a queue that is not
    /// there, ENODEV, ENETDOWN.
    pub fn bind(&self, device: u32, queue: u32, flags: BindFlags) -> io::Result<()> {
        let successor = flags.zero_copy.then(|| Successor::new(device, queue)).transpose()?;
        let mut bits = libc::XDP_USE_NEED_WAKEUP;
        for (wanted, bit) in [
            (flags.zero_copy, libc::XDP_ZEROCOPY),
            (flags.copy, libc::XDP_COPY),
            (flags.fragments, libc::XDP_USE_SG),
        ] {
            bits |= if wanted { bit } else { 0 };
        }
        let address = libc::sockaddr_xdp {
            sxdp_family: libc::AF_XDP as u16,
            sxdp_flags: bits,
            sxdp_ifindex: device,
            sxdp_queue_id: queue,
            sxdp_shared_umem_fd: 0,
        };
        let length = size_of_val(&address) as libc::socklen_t;
        // SAFETY: the address lives through the call and is as long as said.
        let bound = unsafe { libc::bind(self.fd.as_raw_fd(), (&raw const address).cast(), length) };
        check(bound.into())?;
        *self.successor.lock().unwrap_or_else(PoisonError::into_inner) = successor;
        Ok(())
    }

    /// What tells, when this socket is gone, that the driver is done with its memory; `None` where the kernel copies:
    /// there it is done at once.
    pub fn successor(&self) -> Option<Successor> {
        self.successor.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Has the kernel send what lies in the transmit ring.
    ///
    /// # Errors
    /// EAGAIN, EBUSY, ENOBUFS: come again. ENETDOWN: the device is down. ENXIO: it is gone.
    #[inline]
    pub fn wake_transmit(&self) -> io::Result<()> {
        // SAFETY: a length of 0: no memory is read.
        let sent = unsafe {
            libc::sendto(self.fd.as_raw_fd(), std::ptr::null(), 0, libc::MSG_DONTWAIT, std::ptr::null(), 0)
        };
        check(sent as _).map(drop)
    }

    /// Has the kernel look at the fill ring, and poll the device where busy polling is on.
    ///
    /// # Errors
    /// As [`Socket::wake_transmit`].
    #[inline]
    pub fn wake_receive(&self) -> io::Result<()> {
        let null = std::ptr::null_mut();
        // SAFETY: a length of 0 and no address: no memory is written.
        let got = unsafe {
            libc::recvfrom(self.fd.as_raw_fd(), null, 0, libc::MSG_DONTWAIT, null.cast(), null.cast())
        };
        check(got as _).map(drop)
    }

    fn set<T>(&self, level: i32, name: i32, value: &T) -> io::Result<()> {
        let length = size_of::<T>() as libc::socklen_t;
        // SAFETY: the value lives through the call and is as long as said; the kernel only reads it.
        let set = unsafe {
            libc::setsockopt(self.fd.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length)
        };
        check(set.into()).map(drop)
    }

    /// Bytes of the value that the kernel filled in.
    fn get<T: Copy>(&self, level: i32, name: i32, value: &mut T) -> io::Result<usize> {
        let mut length = size_of::<T>() as libc::socklen_t;
        // SAFETY: the value lives through the call and is as long as said; every T asked for here is integers.
        let got = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                level,
                name,
                std::ptr::from_mut(value).cast(),
                &raw mut length,
            )
        };
        check(got.into())?;
        Ok(length as usize)
    }
}
