//! bpf(2): loading a program, the map of sockets it redirects to, attaching it to a device (`linux/bpf.h`).
//!
//! Everything is held by descriptors: a process that ends, in whatever way, leaves nothing behind.

use std::ffi::CString;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::check;
use crate::xdp::Socket;

/// Commands.
const MAP_CREATE: i64 = 0;
const MAP_UPDATE: i64 = 2;
const MAP_DELETE: i64 = 3;
const PROGRAM_LOAD: i64 = 5;
const PROGRAM_TEST: i64 = 10;
const LINK_CREATE: i64 = 28;
/// `BPF_MAP_TYPE_XSKMAP`, `BPF_PROG_TYPE_XDP`, attach type `BPF_XDP`.
const XSKMAP: u32 = 17;
const XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
/// `BPF_F_XDP_HAS_FRAGS`: the program copes with packets of several buffers (Linux 5.18).
const HAS_FRAGMENTS: u32 = 1 << 5;
/// Bytes of the verifier's log that are kept.
const LOG_BYTES: usize = 64 << 10;

/// Where a program is attached (`XDP_FLAGS_*`, `linux/if_link.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// In the driver.
    Native,
    /// Behind the driver, on socket buffers.
    Generic,
}

/// A program the kernel did not take: errno, and what the verifier said.
#[derive(Debug)]
pub struct LoadError {
    /// EPERM without CAP_BPF and CAP_NET_ADMIN, EINVAL or EACCES from the verifier, ENOSYS.
    pub error: io::Error,
    /// The verifier's log; empty where it did not come to it.
    pub log: String,
}

impl LoadError {
    /// The last lines of the log, where the verifier says what it does not like.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let mut last: Vec<&str> = self.log.trim_end().lines().rev().take(4).map(str::trim).collect();
        last.reverse();
        last.join(" | ")
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.log_tail())
    }
}

impl std::error::Error for LoadError {}

/// Calls bpf(2) with an attribute of integers.
///
/// # Safety
/// Every pointer and length in the attribute is of memory that lives through the call, to be written where the
/// command writes.
unsafe fn bpf<T>(command: i64, attribute: &mut T) -> io::Result<i32> {
    let length = size_of::<T>();
    // SAFETY: the attribute is as long as said; what it points to is the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attribute), length) };
    check(result).map(|value| value as i32)
}

/// The same, for commands that make a descriptor.
///
/// # Safety
/// As [`bpf`], and the command makes a descriptor.
unsafe fn bpf_descriptor<T>(command: i64, attribute: &mut T) -> io::Result<OwnedFd> {
    // SAFETY: passed on to the caller; a descriptor just made is owned by nobody else.
    unsafe { Ok(OwnedFd::from_raw_fd(bpf(command, attribute)?)) }
}

fn address<T: ?Sized>(value: &T) -> u64 {
    std::ptr::from_ref(value).cast::<u8>().expose_provenance() as u64
}

fn address_mut<T: ?Sized>(value: &mut T) -> u64 {
    std::ptr::from_mut(value).cast::<u8>().expose_provenance() as u64
}

/// An XSKMAP: AF_XDP sockets by queue.
#[derive(Debug)]
pub struct SocketMap {
    fd: OwnedFd,
}

impl SocketMap {
    /// A map for queues 0 to `queues`, exclusive.
    ///
    /// # Errors
    /// EPERM without CAP_BPF (and CAP_NET_ADMIN), EINVAL on a kernel without AF_XDP, ENOSYS without bpf(2).
    pub fn new(queues: u32) -> io::Result<SocketMap> {
        #[repr(C)]
        struct Create {
            kind: u32,
            key_bytes: u32,
            value_bytes: u32,
            entries: u32,
            flags: u32,
        }
        let mut create = Create { kind: XSKMAP, key_bytes: 4, value_bytes: 4, entries: queues, flags: 0 };
        // SAFETY: no pointers; the command makes a descriptor.
        Ok(SocketMap { fd: unsafe { bpf_descriptor(MAP_CREATE, &mut create)? } })
    }

    /// Packets redirected to this queue go to this socket from now on.
    ///
    /// # Errors
    /// E2BIG for a queue past the map's end.
    pub fn put(&self, queue: u32, socket: &Socket) -> io::Result<()> {
        let value = socket.raw();
        let mut element = Element {
            map: self.fd.as_raw_fd() as u64,
            key: address(&queue),
            value: address(&value),
            flags: 0,
        };
        // SAFETY: key and value are 4 bytes each, as the map was made, and live through the call.
        unsafe { bpf(MAP_UPDATE, &mut element) }.map(drop)
    }

    /// Packets of this queue go to no socket any more.
    ///
    /// # Errors
    /// ENOENT or EINVAL where there was none.
    pub fn remove(&self, queue: u32) -> io::Result<()> {
        let mut element =
            Element { map: self.fd.as_raw_fd() as u64, key: address(&queue), value: 0, flags: 0 };
        // SAFETY: the key is 4 bytes, as the map was made, and lives through the call.
        unsafe { bpf(MAP_DELETE, &mut element) }.map(drop)
    }
}

impl SocketMap {
    /// What a program's instruction that loads the map's address names it by (`BPF_PSEUDO_MAP_FD`).
    #[must_use]
    pub fn descriptor(&self) -> i32 {
        self.fd.as_raw_fd()
    }
}

#[repr(C)]
struct Element {
    map: u64,
    key: u64,
    value: u64,
    flags: u64,
}

/// An XDP program the kernel has taken.
#[derive(Debug)]
pub struct Program {
    fd: OwnedFd,
}

impl Program {
    /// Loads instructions (8 bytes each, `struct bpf_insn`, in memory order). `fragments`: it copes with packets
    /// of several buffers.
    ///
    /// # Errors
    /// What the kernel said, with the verifier's log.
    pub fn load(name: &str, instructions: &[[u8; 8]], fragments: bool) -> Result<Program, LoadError> {
        #[repr(C)]
        #[derive(Default)]
        struct Load {
            kind: u32,
            count: u32,
            instructions: u64,
            license: u64,
            log_level: u32,
            log_bytes: u32,
            log: u64,
            kernel: u32,
            flags: u32,
            name: [u8; 16],
            device: u32,
            attach: u32,
        }
        let license = CString::from(c"MIT");
        let mut load = Load {
            kind: XDP,
            count: instructions.len() as u32,
            instructions: address(instructions),
            license: address(license.as_bytes_with_nul()),
            flags: if fragments { HAS_FRAGMENTS } else { 0 },
            attach: ATTACH_XDP,
            ..Load::default()
        };
        for (to, from) in load.name.iter_mut().take(15).zip(name.bytes()) {
            *to = from;
        }
        // SAFETY: instructions and license live through the call, the count is the slice's.
        if let Ok(fd) = unsafe { bpf_descriptor(PROGRAM_LOAD, &mut load) } {
            return Ok(Program { fd });
        }
        // Once more for the log: it costs memory, and a full one is a failure of its own.
        let mut log = vec![0u8; LOG_BYTES];
        (load.log_level, load.log_bytes, load.log) = (1, LOG_BYTES as u32, address_mut(log.as_mut_slice()));
        // SAFETY: as above, and the log is as long as said.
        match unsafe { bpf_descriptor(PROGRAM_LOAD, &mut load) } {
            Ok(fd) => Ok(Program { fd }),
            Err(error) => {
                let text = log.split(|byte| *byte == 0).next().unwrap_or_default();
                Err(LoadError { error, log: String::from_utf8_lossy(text).into_owned() })
            }
        }
    }

    /// Runs the program over a packet without any device (BPF_PROG_TEST_RUN): its verdict (`XDP_*`).
    ///
    /// # Errors
    /// EPERM, EINVAL for a packet of fewer than 14 bytes or more than about a page.
    pub fn test(&self, packet: &[u8]) -> io::Result<u32> {
        #[repr(C)]
        #[derive(Default)]
        struct Test {
            program: u32,
            verdict: u32,
            bytes_in: u32,
            bytes_out: u32,
            packet: u64,
            out: u64,
            repeat: u32,
            duration: u32,
            context_in: u32,
            context_out: u32,
            contexts: [u64; 2],
            flags: u32,
            cpu: u32,
            batch: u32,
            rest: u32,
        }
        let mut test = Test {
            program: self.fd.as_raw_fd() as u32,
            bytes_in: packet.len() as u32,
            packet: address(packet),
            repeat: 1,
            ..Test::default()
        };
        // SAFETY: the packet lives through the call and is as long as said; there is no room for output, and the
        // kernel is told so.
        unsafe { bpf(PROGRAM_TEST, &mut test) }?;
        Ok(test.verdict)
    }

    /// Attaches it to a device for as long as the link lives.
    ///
    /// # Errors
    /// EBUSY where another program is attached, EOPNOTSUPP where the driver has no such hook, ERANGE or EINVAL
    /// where the MTU is too large for it, ENOSPC where there are too few queues, ENODEV, EPERM.
    pub fn attach(&self, device: u32, hook: Hook) -> io::Result<Link> {
        #[repr(C)]
        struct Create {
            program: u32,
            device: u32,
            attach: u32,
            flags: u32,
        }
        let flags = match hook {
            Hook::Generic => 1 << 1,
            Hook::Native => 1 << 2,
        };
        let program = self.fd.as_raw_fd() as u32;
        let mut create = Create { program, device, attach: ATTACH_XDP, flags };
        // SAFETY: no pointers; the command makes a descriptor.
        Ok(Link { _fd: unsafe { bpf_descriptor(LINK_CREATE, &mut create)? } })
    }
}

/// A program's being attached to a device; it ends when this goes.
#[derive(Debug)]
pub struct Link {
    _fd: OwnedFd,
}
