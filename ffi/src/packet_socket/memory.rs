//! A ring's mapping. The kernel writes to it, so nothing here is a reference for longer than it is ours.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

/// The memory of one ring, mapped into this process for as long as this lives.
#[derive(Debug)]
pub(super) struct RingMemory {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread; who may touch which part of it is up to the one
// ring that owns this.
unsafe impl Send for RingMemory {}

impl RingMemory {
    /// Maps the ring a socket was given.
    ///
    /// # Errors
    /// What `mmap(2)` reports.
    pub(super) fn map(socket: &impl AsFd, bytes: usize) -> io::Result<RingMemory> {
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_fd().as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(RingMemory { base, bytes })
    }

    /// Zeroed memory that belongs to no socket: the test is the kernel.
    #[cfg(test)]
    pub(super) fn anonymous(bytes: usize) -> RingMemory {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let base = unsafe {
            libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
        };
        assert_ne!(base, libc::MAP_FAILED);
        RingMemory { base: NonNull::new(base.cast()).unwrap(), bytes }
    }

    /// The status word at an offset.
    ///
    /// # Panics
    /// It is not inside the mapping or not at a multiple of four: offsets come from our own arithmetic.
    #[inline]
    pub(super) fn word(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && at < self.bytes && self.bytes - at >= 4);
        // SAFETY: inside the mapping (which starts at a page) and aligned, just checked; mapped as long as `self`.
        // The kernel reads and writes the word while we do, which is what an atomic is for; while a slice of `ours`
        // covers it, nobody writes it.
        unsafe { AtomicU32::from_ptr(self.base.add(at).as_ptr().cast()) }
    }

    /// Bytes that are ours now.
    ///
    /// # Safety
    /// The status word that governs these bytes says (read with acquire) that they are ours, and it is not given
    /// back while the slice lives. Status words inside it are not written while it lives.
    ///
    /// # Panics
    /// They are not all inside the mapping.
    #[inline]
    pub(super) unsafe fn ours(&self, at: usize, len: usize) -> &[u8] {
        assert!(at <= self.bytes && self.bytes - at >= len);
        // SAFETY: inside the mapping, just checked, which is initialised memory; nobody writes to it, says the caller.
        unsafe { std::slice::from_raw_parts(self.base.add(at).as_ptr(), len) }
    }

    /// Writes bytes at an offset.
    ///
    /// # Safety
    /// As for [`ours`](Self::ours): the bytes written to are ours now, and no slice of them is alive.
    ///
    /// # Panics
    /// They are not all inside the mapping.
    #[inline]
    pub(super) unsafe fn write(&self, at: usize, bytes: &[u8]) {
        assert!(at <= self.bytes && self.bytes - at >= bytes.len());
        // SAFETY: inside the mapping, just checked, and ours, says the caller; a slice of Rust's own memory or of
        // another slot does not overlap with it.
        unsafe { self.base.add(at).as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    }

    /// Asks the cache for the line at an offset; outside the mapping nothing happens.
    #[inline]
    pub(super) fn prefetch(&self, at: usize) {
        if at < self.bytes {
            // SAFETY: inside the mapping, just checked. A prefetch reads nothing the program sees.
            #[cfg(target_arch = "x86_64")]
            unsafe {
                std::arch::x86_64::_mm_prefetch(
                    self.base.add(at).as_ptr().cast(),
                    std::arch::x86_64::_MM_HINT_T0,
                );
            }
        }
    }
}

impl Drop for RingMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone and nothing borrows from it any more, `self` being dropped.
        let unmapped = unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
        debug_assert_eq!(unmapped, 0, "a mapping of our own can be unmapped");
    }
}
