//! One side of one ring that is shared with the kernel.
//!
//! Both sides count entries in 32 bits that wrap, the ring's size being a power of two. Each side keeps the other's
//! counter as it last saw it and looks again only when that one says full or empty.

use std::fmt;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::check;

/// Where the parts of a ring lie in its mapping, bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingOffsets {
    /// The producer's counter.
    pub producer: u64,
    /// The consumer's counter.
    pub consumer: u64,
    /// The first entry.
    pub entries: u64,
    /// The flags.
    pub flags: u64,
}

impl From<libc::xdp_ring_offset> for RingOffsets {
    fn from(raw: libc::xdp_ring_offset) -> RingOffsets {
        RingOffsets { producer: raw.producer, consumer: raw.consumer, entries: raw.desc, flags: raw.flags }
    }
}

/// An entry of the receive and transmit rings (`struct xdp_desc`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// Bytes from the UMEM's start to the packet.
    pub address: u64,
    /// Bytes of the packet, or of this part of it.
    pub len: u32,
    /// [`CONTINUES`](super::CONTINUES), or 0.
    pub options: u32,
}

/// What lies in rings: integers without padding.
pub trait Entry: Copy + Send + private::Sealed {}
impl Entry for u64 {}
impl Entry for Descriptor {}

mod private {
    pub trait Sealed {}
    impl Sealed for u64 {}
    impl Sealed for super::Descriptor {}
}

/// A mapped ring; unmapped when it goes.
struct Mapped<T> {
    base: NonNull<u8>,
    bytes: usize,
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    entries: NonNull<T>,
    mask: u32,
}

// SAFETY: a mapping is not bound to a thread; its counters are atomics, and its entries are reached only through
// `&mut` of the one side that owns it.
unsafe impl<T: Entry> Send for Mapped<T> {}

impl<T: Entry> Mapped<T> {
    /// # Safety
    /// As [`super::Socket::rings`].
    unsafe fn new(fd: i32, at: u64, entries: u32, offsets: RingOffsets) -> io::Result<Mapped<T>> {
        if !entries.is_power_of_two() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a ring of no power of two"));
        }
        let first = offsets.entries as usize;
        let bytes = first + entries as usize * size_of::<T>();
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_POPULATE);
        // SAFETY: a new mapping at a place of the kernel's choosing touches no memory of ours.
        let base =
            unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, fd, at as libc::off_t) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast::<u8>()).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the caller says that the parts lie at these offsets, which the kernel keeps within the mapping and
        // aligned to cache lines.
        unsafe {
            Ok(Mapped {
                base,
                bytes,
                producer: base.add(offsets.producer as usize).cast(),
                consumer: base.add(offsets.consumer as usize).cast(),
                flags: base.add(offsets.flags as usize).cast(),
                entries: base.add(first).cast(),
                mask: entries - 1,
            })
        }
    }

    #[inline(always)]
    fn producer(&self) -> &AtomicU32 {
        // SAFETY: mapped and aligned as long as `self` lives; the kernel uses atomic accesses too.
        unsafe { self.producer.as_ref() }
    }

    #[inline(always)]
    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { self.consumer.as_ref() }
    }

    #[inline(always)]
    fn needs_wakeup(&self) -> bool {
        // SAFETY: as above.
        unsafe { self.flags.as_ref() }.load(Ordering::Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }

    #[inline(always)]
    fn entry(&self, counter: u32) -> NonNull<T> {
        // SAFETY: the mask keeps it within the ring's entries.
        unsafe { self.entries.add((counter & self.mask) as usize) }
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing points into it any more. It fails for no range that was mapped.
        let _ = check(unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) }.into());
    }
}

/// The side that puts entries in: of a fill or transmit ring.
pub struct Producer<T: Entry> {
    ring: Mapped<T>,
    /// Entries put in, published or not.
    next: u32,
    /// The consumer's counter as last seen.
    consumed: u32,
}

impl<T: Entry> Producer<T> {
    /// # Safety
    /// As [`super::Socket::rings`].
    pub(super) unsafe fn map(fd: i32, at: u64, entries: u32, offsets: RingOffsets) -> io::Result<Self> {
        // SAFETY: passed on to the caller.
        let ring = unsafe { Mapped::new(fd, at, entries, offsets)? };
        let (next, consumed) =
            (ring.producer().load(Ordering::Relaxed), ring.consumer().load(Ordering::Acquire));
        Ok(Producer { ring, next, consumed })
    }

    /// Entries that can be put in now, counted anew when fewer than `wanted` were known of.
    #[inline(always)]
    pub fn room(&mut self, wanted: u32) -> u32 {
        let entries = self.ring.mask + 1;
        let known = entries - self.next.wrapping_sub(self.consumed);
        if known >= wanted {
            return known;
        }
        // Acquire: entries that the kernel has consumed are written only after it has read them.
        let consumed = self.ring.consumer().load(Ordering::Acquire);
        // The kernel consumes no more than there is; a counter that says so is not believed.
        if self.next.wrapping_sub(consumed) <= entries {
            self.consumed = consumed;
        }
        entries - self.next.wrapping_sub(self.consumed)
    }

    /// Puts an entry in, to be published; `false` (and nothing put) when the ring is full.
    ///
    /// # Safety
    /// In a fill ring: nothing but the kernel touches the chunk from its publishing until it comes back in the
    /// receive ring, or until the socket and all its mappings are gone.
    #[inline(always)]
    pub unsafe fn put(&mut self, entry: T) -> bool {
        if self.room(1) == 0 {
            return false;
        }
        // SAFETY: the place is within the ring, and it is ours: the kernel has consumed what was there.
        unsafe { self.ring.entry(self.next).write(entry) };
        self.next = self.next.wrapping_add(1);
        true
    }

    /// Lets the kernel see what was put in.
    #[inline(always)]
    pub fn publish(&mut self) {
        // Release: the entries are there before the counter that covers them.
        self.ring.producer().store(self.next, Ordering::Release);
    }

    /// Does the kernel wait to be called before it looks at the ring?
    #[inline(always)]
    #[must_use]
    pub fn needs_wakeup(&self) -> bool {
        self.ring.needs_wakeup()
    }

    /// Entries the kernel has not consumed yet.
    #[inline]
    pub fn waiting(&mut self) -> u32 {
        let entries = self.ring.mask + 1;
        entries - self.room(entries)
    }
}

/// The side that takes entries out: of a receive or completion ring.
pub struct Consumer<T: Entry> {
    ring: Mapped<T>,
    /// Entries taken out, given back or not.
    next: u32,
    /// The producer's counter as last seen.
    produced: u32,
}

impl<T: Entry> Consumer<T> {
    /// # Safety
    /// As [`super::Socket::rings`].
    pub(super) unsafe fn map(fd: i32, at: u64, entries: u32, offsets: RingOffsets) -> io::Result<Self> {
        // SAFETY: passed on to the caller.
        let ring = unsafe { Mapped::new(fd, at, entries, offsets)? };
        let next = ring.consumer().load(Ordering::Relaxed);
        Ok(Consumer { ring, next, produced: next })
    }

    /// Entries to be taken, as of now.
    #[inline(always)]
    pub fn available(&mut self) -> u32 {
        // The kernel writes the entry and the counter on another CPU: both lines are asked for at once.
        prefetch(self.ring.entry(self.next).as_ptr());
        // Acquire: with the kernel's release, entries are there before the counter that covers them.
        let produced = self.ring.producer().load(Ordering::Acquire);
        // The kernel puts in no more than there is room for; a counter that says so is not believed.
        if produced.wrapping_sub(self.next) <= self.ring.mask + 1 {
            self.produced = produced;
        }
        self.produced.wrapping_sub(self.next)
    }

    /// Takes the next entry of those last counted, looking again when there is none of them left.
    #[inline(always)]
    pub fn take(&mut self) -> Option<T> {
        if self.produced == self.next && self.available() == 0 {
            return None;
        }
        // SAFETY: within the ring, and covered by the producer's counter, which was read with acquire; the kernel
        // writes there again only after `release`.
        let entry = unsafe { self.ring.entry(self.next).read() };
        self.next = self.next.wrapping_add(1);
        Some(entry)
    }

    /// Gives the places of entries taken back to the kernel.
    #[inline(always)]
    pub fn release(&mut self) {
        // Release: they have been read before the kernel sees that they may be written.
        self.ring.consumer().store(self.next, Ordering::Release);
    }
}

/// Asks the cache for the line at an address; a hint that never faults.
#[inline(always)]
fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address does no harm, and every x86-64 has it.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

impl<T: Entry> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Producer({} of {})", self.next.wrapping_sub(self.consumed), self.ring.mask + 1)
    }
}

impl<T: Entry> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consumer({} of {})", self.produced.wrapping_sub(self.next), self.ring.mask + 1)
    }
}
