//! The owning handle of one packet buffer.
//!
//! A frame in its pool's memory, `head` counted from its start:
//!
//! ```text
//! | FrameHead, 64 bytes | headroom | room                          |
//! ^ start               ^ 64       ^ data of a frame just acquired ^ 64 + capacity
//! ```
//!
//! **Why a `Frame` never dangles.** It has no `Drop` (a burst of them must carry no drop glue), no
//! lifetime and no reference count. Instead the pool counts what is out: a [`FramePool`] that is
//! dropped while a frame is missing leaks its mapping on purpose, so the memory outlives every
//! handle. And there is one handle for one frame: `Frame` is neither `Clone` nor `Copy`, only
//! [`FramePool::acquire`] makes one, and [`FramePool::release`] takes it by value.
//!
//! ```compile_fail
//! fn needs_clone<T: Clone>() {}
//! needs_clone::<hugepages::Frame>(); // a second handle of the same memory
//! ```
//!
//! [`FramePool`]: crate::FramePool
//! [`FramePool::acquire`]: crate::FramePool::acquire
//! [`FramePool::release`]: crate::FramePool::release

use std::fmt;
use std::ptr::NonNull;

use crate::prefetch;

/// What stands before the data of every frame: one cache line.
///
/// `capacity` and `owner` are written once, when the pool is carved, and never again: every bound
/// that the safe methods of [`Frame`] check rests on them.
#[repr(C, align(64))]
pub(crate) struct FrameHead {
    /// Bytes after this head that belong to the frame: headroom and room.
    capacity: u32,
    /// The core whose pool it is.
    owner: u16,
    checksum_start: u16,
    wire_len: u32,
    checksum_field: u16,
    order: [u64; 2],
}

/// Bytes of the head before every frame's headroom.
pub const HEAD_BYTES: usize = 64;

const _: () = assert!(size_of::<FrameHead>() == HEAD_BYTES && align_of::<FrameHead>() == HEAD_BYTES);
const _: () = assert!(size_of::<Frame>() == 16 && size_of::<Option<Frame>>() == 16);
const _: () = assert!(!std::mem::needs_drop::<Frame>());

impl FrameHead {
    pub(crate) fn new(capacity: u32, owner: u16) -> Self {
        Self { capacity, owner, checksum_start: 0, wire_len: 0, checksum_field: 0, order: [0; 2] }
    }
}

/// The one owning handle of a frame: where its data starts, how long it is, and 16 bits for the holder.
///
/// It goes home by [`FramePool::release`](crate::FramePool::release); dropping it instead loses the
/// frame until the process ends, which the pool reports as [`missing`](crate::FramePool::missing).
#[must_use = "a frame that is dropped is lost to its pool: release it"]
pub struct Frame {
    data: NonNull<u8>,
    len: u32,
    head: u16,
    tag: u16,
}

// SAFETY: a frame is the only handle of its memory (see the module's text), so sending it sends the
// memory; nothing in it is bound to a thread.
unsafe impl Send for Frame {}
// SAFETY: all that can be done through `&Frame` is reading.
unsafe impl Sync for Frame {}

/// The frame is not large enough for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room in the frame: {asked} bytes asked, {left} left")]
pub struct NoRoom {
    /// Bytes asked for.
    pub asked: u32,
    /// Bytes there were.
    pub left: u32,
}

impl Frame {
    /// Makes the handle of a frame.
    ///
    /// # Safety
    ///
    /// `start` points to an initialised `FrameHead` followed by `capacity` initialised bytes, all of
    /// it valid until this handle is released; `HEAD_BYTES ≤ head` and `head - HEAD_BYTES + len ≤
    /// capacity`; there is no other handle of this frame.
    #[inline(always)]
    pub(crate) unsafe fn from_start(start: NonNull<u8>, head: u16, len: u32) -> Self {
        // SAFETY: `head` bytes from the start is inside the frame or at its end, says the caller.
        Self { data: unsafe { start.add(usize::from(head)) }, len, head, tag: 0 }
    }

    /// The first byte of the frame, where its `FrameHead` is.
    #[inline(always)]
    pub(crate) fn start(&self) -> NonNull<u8> {
        // SAFETY: `data` is `head` bytes from the start of the frame, within one mapping.
        unsafe { self.data.sub(usize::from(self.head)) }
    }

    #[inline(always)]
    fn read_head(&self) -> &FrameHead {
        // SAFETY: the start is an initialised, aligned FrameHead (contract of `from_start`); it is
        // written only through `&mut self`.
        unsafe { self.start().cast().as_ref() }
    }

    #[inline(always)]
    fn write_head(&mut self) -> &mut FrameHead {
        // SAFETY: as in `read_head`, and `&mut self` of the only handle is exclusive.
        unsafe { self.start().cast().as_mut() }
    }

    /// The packet's bytes.
    #[inline(always)]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: data and len lie inside the frame (contract of `from_start`, kept by every method),
        // which is initialised and written only through `&mut self`.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len as usize) }
    }

    /// The packet's bytes, to write.
    #[inline(always)]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` of the only handle is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), self.len as usize) }
    }

    /// Length of the packet in bytes.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an empty packet is nothing anyone asks for")]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Bytes from the start of the data to the end of the frame: the most [`set_len`](Self::set_len)
    /// takes. Reads the frame's head.
    #[inline]
    #[must_use]
    pub fn room(&self) -> u32 {
        self.read_head().capacity - (u32::from(self.head) - HEAD_BYTES as u32)
    }

    /// Bytes before the data that [`grow_front`](Self::grow_front) can still take.
    #[inline(always)]
    #[must_use]
    pub fn headroom(&self) -> u16 {
        self.head - HEAD_BYTES as u16
    }

    /// Cuts the packet to `len` bytes; nothing happens when it is not longer than that.
    #[inline(always)]
    pub fn truncate(&mut self, len: u32) {
        self.len = self.len.min(len);
    }

    /// Makes the packet `len` bytes long. Bytes that come in at the end are what was there before.
    ///
    /// # Errors
    ///
    /// [`NoRoom`], and nothing changed, when `len` is more than [`room`](Self::room).
    #[inline]
    pub fn set_len(&mut self, len: u32) -> Result<(), NoRoom> {
        let left = self.room();
        if len > left {
            return Err(NoRoom { asked: len, left });
        }
        self.len = len;
        Ok(())
    }

    /// Puts `count` bytes before the packet, for another header, and returns them to be filled. They
    /// hold what was there before.
    ///
    /// # Errors
    ///
    /// [`NoRoom`], and nothing changed, when the headroom is less than `count`.
    #[inline]
    pub fn grow_front(&mut self, count: u16) -> Result<&mut [u8], NoRoom> {
        let left = self.headroom();
        if count > left {
            return Err(NoRoom { asked: count.into(), left: left.into() });
        }
        // SAFETY: `head - count` is still behind the FrameHead, hence inside the frame.
        self.data = unsafe { self.data.sub(usize::from(count)) };
        self.head -= count;
        self.len += u32::from(count);
        Ok(&mut self.bytes_mut()[..usize::from(count)])
    }

    /// Takes `count` bytes off the front of the packet, a header that is done with.
    ///
    /// # Errors
    ///
    /// [`NoRoom`], and nothing changed, when the packet is shorter than that or its data would start
    /// more than 65,535 bytes into the frame.
    #[inline]
    pub fn trim_front(&mut self, count: u16) -> Result<(), NoRoom> {
        let left = self.len.min(u32::from(u16::MAX - self.head));
        if u32::from(count) > left {
            return Err(NoRoom { asked: count.into(), left });
        }
        // SAFETY: `count` is at most `len`, so the new data is inside the frame or at its end.
        self.data = unsafe { self.data.add(usize::from(count)) };
        self.head += count;
        self.len -= u32::from(count);
        Ok(())
    }

    /// Bytes from the frame's first to the packet's: what a driver adds to the frame's address for the kernel.
    #[inline(always)]
    #[must_use]
    pub fn offset(&self) -> u16 {
        self.head
    }

    /// Says where in the frame the packet lies, counted from the frame's first byte, and how long it is: for
    /// drivers whose kernel or NIC chose the place.
    ///
    /// # Errors
    ///
    /// [`NoRoom`], and nothing changed, when that is before the headroom ([`HEAD_BYTES`]) or past the frame's end.
    #[inline]
    pub fn place(&mut self, offset: u16, len: u32) -> Result<(), NoRoom> {
        let capacity = self.read_head().capacity;
        let left =
            u32::from(offset).checked_sub(HEAD_BYTES as u32).and_then(|front| capacity.checked_sub(front));
        if left.is_none_or(|left| len > left) {
            return Err(NoRoom { asked: len, left: left.unwrap_or(0) });
        }
        // SAFETY: HEAD_BYTES ≤ offset and the packet ends within the frame, as was just checked.
        self.data = unsafe { self.start().add(usize::from(offset)) };
        self.head = offset;
        self.len = len;
        Ok(())
    }

    /// The 16 bits the holder put there; 0 in a frame just acquired.
    #[inline(always)]
    #[must_use]
    pub fn tag(&self) -> u16 {
        self.tag
    }

    /// Puts 16 bits of the holder's into the handle.
    #[inline(always)]
    pub fn set_tag(&mut self, tag: u16) {
        self.tag = tag;
    }

    /// The core whose pool the frame belongs to. Reads the frame's head.
    #[inline]
    #[must_use]
    pub fn owner(&self) -> u16 {
        self.read_head().owner
    }

    /// The length on the wire as [`set_wire_len`](Self::set_wire_len) left it: it survives release
    /// and acquire, so whoever receives sets it.
    #[inline]
    #[must_use]
    pub fn wire_len(&self) -> u32 {
        self.read_head().wire_len
    }

    /// Notes the length the packet had on the wire, in bytes.
    #[inline]
    pub fn set_wire_len(&mut self, bytes: u32) {
        self.write_head().wire_len = bytes;
    }

    /// The place of an incomplete checksum as [`set_checksum_place`](Self::set_checksum_place) left it: it survives
    /// release and acquire, so whoever receives sets it.
    #[inline]
    #[must_use]
    pub fn checksum_place(&self) -> (u16, u16) {
        let head = self.read_head();
        (head.checksum_start, head.checksum_field)
    }

    /// Notes where the packet has a checksum that is not complete: the first byte it covers, and how many bytes after
    /// that its field is.
    #[inline]
    pub fn set_checksum_place(&mut self, start: u16, field: u16) {
        let head = self.write_head();
        head.checksum_start = start;
        head.checksum_field = field;
    }

    /// The place in the order of arrival as [`set_order`](Self::set_order) left it: it survives
    /// release and acquire, so whoever receives sets it.
    #[inline]
    #[must_use]
    pub fn order(&self) -> [u64; 2] {
        self.read_head().order
    }

    /// Notes the packet's place in the order of arrival.
    #[inline]
    pub fn set_order(&mut self, order: [u64; 2]) {
        self.write_head().order = order;
    }

    /// Asks for the first line of the data ahead of time.
    #[inline(always)]
    pub fn prefetch(&self) {
        prefetch::for_reading(self.data.as_ptr());
    }

    /// Asks for the line of the frame's head ahead of time.
    #[inline(always)]
    pub fn prefetch_head(&self) {
        prefetch::for_reading(self.start().as_ptr());
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("data", &self.data)
            .field("len", &self.len)
            .field("head", &self.head)
            .field("tag", &self.tag)
            .finish()
    }
}
