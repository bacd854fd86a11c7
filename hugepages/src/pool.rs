//! Where frames are acquired and go home to: a stack of the free ones.
//!
//! One core owns a pool; it is sent to that core's thread once and never shared. The frame put back
//! last is handed out first, because its lines are still in the cache. Neither acquiring nor
//! releasing touches frame memory.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::CACHE_LINE;
use crate::frame::{Frame, FrameHead, HEAD_BYTES};
use crate::pages::Mapping;

/// The shape of a pool: what every frame of it can take, how many, whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Bytes for the packet in each frame: at least the largest one the port may bring. 1 or more.
    pub frame_room: u32,
    /// Bytes kept free before the packet for headers to come; at most 65,471.
    pub headroom: u16,
    /// How many frames; 1 or more.
    pub frames: u32,
    /// The core that owns the pool, as [`Frame::owner`] tells it.
    pub owner: u16,
    /// Frames start at multiples of so many bytes, counted from the pool's first; a power of two from
    /// [`CACHE_LINE`] to 4,096. More than a line is for kernels and NICs that divide the pool's memory into
    /// chunks of that size (AF_XDP's UMEM).
    pub chunk: u32,
}

impl PoolShape {
    /// Bytes from one frame to the next: head, headroom and room in chunks; where a chunk is a cache line, an
    /// odd number of them, so that the heads of successive frames fall into different cache sets.
    #[must_use]
    pub fn stride(&self) -> usize {
        let bytes = HEAD_BYTES + usize::from(self.headroom) + self.frame_room as usize;
        if self.chunk as usize <= CACHE_LINE {
            return (bytes.div_ceil(CACHE_LINE) | 1) * CACHE_LINE;
        }
        bytes.next_multiple_of(self.chunk as usize)
    }

    /// Why no pool can have this shape, if none can.
    pub(crate) fn fault(&self) -> Option<String> {
        let most = u16::MAX - HEAD_BYTES as u16;
        if self.frames == 0 || self.frame_room == 0 {
            return Some(format!("{} frames of {} bytes: neither may be 0", self.frames, self.frame_room));
        }
        if self.headroom > most {
            return Some(format!("headroom of {} bytes: at most {most}", self.headroom));
        }
        if !self.chunk.is_power_of_two() || !(CACHE_LINE as u32..=4096).contains(&self.chunk) {
            return Some(format!("chunks of {} bytes: a power of two from {CACHE_LINE} to 4096", self.chunk));
        }
        if self.frame_room.checked_add(self.headroom.into()).is_none() {
            return Some(format!("frames of {} bytes: too large", self.frame_room));
        }
        None
    }
}

/// A pool of frames of one shape, carved from an arena.
///
/// Dropped while a frame is missing, it leaks its mapping on purpose: a [`Frame`] has no lifetime,
/// and safe code that still has one must not be left with a dangling pointer.
pub struct FramePool {
    /// The first frame; `span` bytes of frames follow.
    base: NonNull<u8>,
    span: usize,
    /// The stack of free frames' starts: `frames` places, of which the first `available` are filled.
    stack: NonNull<NonNull<u8>>,
    available: usize,
    frames: usize,
    /// Bytes from a frame's start to the data of one just acquired.
    data_at: u16,
    room: u32,
    owner: u16,
    memory: ManuallyDrop<Arc<Mapping>>,
}

// SAFETY: the pool is the only one that uses its stack, and it hands each frame to one holder at a
// time; nothing in it is bound to a thread.
unsafe impl Send for FramePool {}

/// Writes the stack's height back when a batch ends, also when a caller's closure panics.
struct Height<'a> {
    top: usize,
    available: &'a mut usize,
}

impl Drop for Height<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.available = self.top;
    }
}

impl FramePool {
    /// Lays the frames out and fills the stack.
    ///
    /// # Safety
    ///
    /// `shape` has no fault; `base` is 64-byte aligned with `frames * stride` initialised bytes, and
    /// `stack` is pointer-aligned with room for `frames` pointers; both lie in `memory` and belong
    /// to nobody else.
    pub(crate) unsafe fn lay_out(
        shape: &PoolShape,
        base: NonNull<u8>,
        stack: NonNull<u8>,
        memory: Arc<Mapping>,
    ) -> Self {
        let (frames, stride) = (shape.frames as usize, shape.stride());
        let stack = stack.cast::<NonNull<u8>>();
        let capacity = u32::from(shape.headroom) + shape.frame_room;
        for n in 0..frames {
            // SAFETY: frame n lies within the `frames * stride` bytes at `base`.
            let start = unsafe { base.add(n * stride) };
            // SAFETY: the start is aligned for a FrameHead (base and stride are multiples of 64) and
            // stack place `frames - 1 - n` is one of `frames`. The first frame ends on top.
            unsafe {
                start.cast().write(FrameHead::new(capacity, shape.owner));
                stack.add(frames - 1 - n).write(start);
            }
        }
        Self {
            base,
            span: frames * stride,
            stack,
            available: frames,
            frames,
            data_at: HEAD_BYTES as u16 + shape.headroom,
            room: shape.frame_room,
            owner: shape.owner,
            memory: ManuallyDrop::new(memory),
        }
    }

    /// A free frame with a packet of `len` bytes, its contents whatever the frame held last; `None`
    /// when `len` is more than [`room`](Self::room) or no frame is free.
    #[inline(always)]
    pub fn acquire(&mut self, len: u32) -> Option<Frame> {
        if len > self.room || self.available == 0 {
            return None;
        }
        self.available -= 1;
        // SAFETY: place `available` of the stack was filled, and is not any more, so there is no
        // other handle of this frame; `len` was checked against the room behind the headroom.
        Some(unsafe { Frame::from_start(self.stack.add(self.available).read(), self.data_at, len) })
    }

    /// Hands up to `count` free frames, each with a packet of `len` bytes, to `f`; returns how many:
    /// as many as are free, and none when `len` is more than [`room`](Self::room).
    ///
    /// If `f` panics, the frames it was not given stay here.
    #[inline(always)]
    pub fn acquire_each(&mut self, count: usize, len: u32, mut f: impl FnMut(Frame)) -> usize {
        if len > self.room {
            return 0;
        }
        let count = count.min(self.available);
        let stack = self.stack;
        let mut height = Height { top: self.available, available: &mut self.available };
        for _ in 0..count {
            height.top -= 1;
            // SAFETY: as in `acquire`: `count` is at most the filled places, each is read once, and
            // the height is written back without those that were read.
            f(unsafe { Frame::from_start(stack.add(height.top).read(), self.data_at, len) });
        }
        count
    }

    /// Whether the frame is one of this pool's. Compares addresses, touches no frame memory.
    #[inline(always)]
    #[must_use]
    pub fn owns(&self, frame: &Frame) -> bool {
        frame.start().addr().get().wrapping_sub(self.base.addr().get()) < self.span
    }

    /// Takes a frame home.
    ///
    /// # Errors
    ///
    /// The frame itself, when it is another pool's.
    #[inline(always)]
    pub fn release(&mut self, frame: Frame) -> Result<(), Frame> {
        if !self.owns(&frame) {
            return Err(frame);
        }
        debug_assert!(self.available < self.frames);
        // SAFETY: the frame is one of `frames` and was out (its handle is here), so fewer than
        // `frames` places are filled. It is the only handle, and it ends here.
        unsafe { self.stack.add(self.available).write(frame.start()) };
        self.available += 1;
        Ok(())
    }

    /// Takes frames home, each as [`release`](Self::release) does; those of other pools go to
    /// `foreign`. Returns how many came home.
    ///
    /// If the iterator or `foreign` panics, the frames taken so far are home.
    #[inline(always)]
    pub fn release_each(
        &mut self,
        frames: impl IntoIterator<Item = Frame>,
        mut foreign: impl FnMut(Frame),
    ) -> usize {
        let before = self.available;
        let (base, span, stack, all) = (self.base.addr().get(), self.span, self.stack, self.frames);
        let mut height = Height { top: self.available, available: &mut self.available };
        for frame in frames {
            let start = frame.start();
            if start.addr().get().wrapping_sub(base) >= span {
                foreign(frame);
                continue;
            }
            debug_assert!(height.top < all);
            // SAFETY: as in `release`.
            unsafe { stack.add(height.top).write(start) };
            height.top += 1;
        }
        height.top - before
    }

    /// Which of the pool's frames this is, counted from 0 in the order of addresses; `None` when it
    /// is another pool's. For drivers that keep handles in a table while the kernel has the memory.
    #[must_use]
    pub fn index_of(&self, frame: &Frame) -> Option<u32> {
        let offset = frame.start().addr().get().wrapping_sub(self.base.addr().get());
        (offset < self.span).then(|| (offset / self.stride()) as u32)
    }

    /// The memory of all frames: page-aligned, [`frames`](Self::frames) × [`stride`](Self::stride)
    /// bytes, in pages that belong to this pool alone, so that it can be registered with a kernel or
    /// a NIC. Writing through the pointer is up to whoever holds the frames.
    #[must_use]
    pub fn region(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.base, self.span)
    }

    /// The mapping the pool lies in: as long as someone has this, it stays.
    #[cfg(not(loom))]
    pub(crate) fn memory(&self) -> Arc<Mapping> {
        Arc::clone(&self.memory)
    }

    /// Bytes from one frame to the next.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.span / self.frames
    }

    /// Free frames.
    #[inline(always)]
    #[must_use]
    pub fn available(&self) -> usize {
        self.available
    }

    /// Frames the pool was made with.
    #[inline(always)]
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Frames that are out: with a holder, or lost.
    #[inline(always)]
    #[must_use]
    pub fn missing(&self) -> usize {
        self.frames - self.available
    }

    /// Whether every frame is home, as it must be at the end of every run.
    #[inline(always)]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.missing() == 0
    }

    /// Bytes for the packet in each frame.
    #[inline(always)]
    #[must_use]
    pub fn room(&self) -> u32 {
        self.room
    }

    /// Bytes before the packet in a frame just acquired.
    #[inline(always)]
    #[must_use]
    pub fn headroom(&self) -> u16 {
        self.data_at - HEAD_BYTES as u16
    }

    /// The core that owns the pool.
    #[must_use]
    pub fn owner(&self) -> u16 {
        self.owner
    }
}

impl Drop for FramePool {
    fn drop(&mut self) {
        // A frame that is out still points into the mapping: then the count of the Arc stays up for
        // good and the mapping is never unmapped.
        if self.is_full() {
            // SAFETY: `memory` is not used after this, `self` being dropped.
            unsafe { ManuallyDrop::drop(&mut self.memory) };
        }
    }
}

impl fmt::Debug for FramePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FramePool({} of {} frames of {} bytes)", self.available, self.frames, self.room)
    }
}
