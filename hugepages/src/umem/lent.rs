//! Which frames the kernel has.

use std::ptr::NonNull;
use std::sync::Arc;

use crate::frame::{Frame, HEAD_BYTES};
use crate::pages::Mapping;
use crate::pool::FramePool;

/// How a pool's frames lie in its memory.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    base: NonNull<u8>,
    bytes: usize,
    stride: usize,
    /// Bytes of a frame behind its head.
    capacity: u32,
    /// Where the data of a frame just acquired starts.
    data_at: u16,
    chunk_shift: u32,
    chunks: u32,
    /// Keeps the memory mapped: what is made of these numbers is made of this pool's memory and no other's.
    _memory: Arc<Mapping>,
}

// SAFETY: an address and numbers; what is done with them is `Lent`'s to answer for.
unsafe impl Send for Shape {}
// SAFETY: as above.
unsafe impl Sync for Shape {}

impl Shape {
    /// `chunk` is a power of two that divides the pool's stride.
    pub(super) fn of(pool: &FramePool, chunk: u32) -> Shape {
        let (region, stride) = (pool.region(), pool.stride());
        Shape {
            base: region.cast(),
            bytes: region.len(),
            stride,
            capacity: u32::from(pool.headroom()) + pool.room(),
            data_at: HEAD_BYTES as u16 + pool.headroom(),
            chunk_shift: chunk.trailing_zeros(),
            chunks: (stride >> chunk.trailing_zeros()) as u32,
            _memory: pool.memory(),
        }
    }

    pub(super) fn region(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.base, self.bytes)
    }

    #[inline(always)]
    pub(super) fn chunk(&self) -> u32 {
        1 << self.chunk_shift
    }

    /// Chunks of a frame.
    #[inline(always)]
    pub(super) fn chunks(&self) -> u32 {
        self.chunks
    }

    pub(super) fn frames(&self) -> usize {
        self.bytes / self.stride
    }

    /// The frame an address lies in; `None` past the end.
    #[inline(always)]
    pub(super) fn frame_at(&self, address: u64) -> Option<usize> {
        if address >= self.bytes as u64 {
            return None;
        }
        let chunk = (address >> self.chunk_shift) as u32;
        Some(if self.chunks == 1 { chunk } else { chunk / self.chunks } as usize)
    }

    /// Bytes from the memory's start to a frame's; `None` where the frame is another pool's.
    #[inline(always)]
    pub(super) fn address_of(&self, frame: &Frame) -> Option<u64> {
        let offset = frame.start().addr().get().wrapping_sub(self.base.addr().get());
        (offset < self.bytes).then_some(offset as u64)
    }
}

/// A bit for each frame of a pool: set from when its handle ended here until it is made anew.
#[derive(Debug)]
pub(super) struct Lent {
    shape: Shape,
    bits: Box<[u64]>,
    count: usize,
}

impl Lent {
    pub(super) fn new(shape: Shape) -> Lent {
        Lent { bits: vec![0; shape.frames().div_ceil(64)].into(), count: 0, shape }
    }

    /// Frames that are out.
    #[inline(always)]
    pub(super) fn count(&self) -> usize {
        self.count
    }

    #[inline(always)]
    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Ends the handle of a frame: where it starts, counted from the memory's start.
    ///
    /// # Errors
    /// The frame, when it is another pool's.
    #[inline(always)]
    pub(super) fn lend(&mut self, frame: Frame) -> Result<u64, Frame> {
        let Some(address) = self.shape.address_of(&frame) else { return Err(frame) };
        let index = self.shape.frame_at(address).unwrap_or(0);
        self.bits[index / 64] |= 1 << (index % 64);
        self.count += 1;
        Ok(address)
    }

    /// Makes the handle of a frame again, its packet `len` bytes at this address; `None` (and nothing changed) for an
    /// address in no frame that is out, or bytes that are not all behind its head.
    ///
    /// # Safety
    /// The kernel is done with the frame.
    #[inline(always)]
    pub(super) unsafe fn reclaim(&mut self, address: u64, len: u32) -> Option<Frame> {
        let index = self.shape.frame_at(address)?;
        let offset = address as usize - index * self.shape.stride;
        let room = (HEAD_BYTES + self.shape.capacity as usize).checked_sub(offset)?;
        if offset < HEAD_BYTES || len as usize > room || offset > usize::from(u16::MAX) {
            return None;
        }
        self.take_bit(index)?;
        // SAFETY: the frame's handle ended in `lend` and its bit is cleared, so this is the only one; offset and len
        // were checked against what the frame has behind its head, which the pool initialised.
        Some(unsafe { Frame::from_start(self.start(index), offset as u16, len) })
    }

    /// The same for a frame whose packet does not matter any more.
    ///
    /// # Safety
    /// The kernel is done with the frame.
    #[inline(always)]
    pub(super) unsafe fn reclaim_empty(&mut self, index: usize) -> Option<Frame> {
        self.take_bit(index)?;
        // SAFETY: as in `reclaim`; the pool's headroom lies in the frame, and a length of 0 too.
        Some(unsafe { Frame::from_start(self.start(index), self.shape.data_at, 0) })
    }

    /// Hands out every frame that is out.
    ///
    /// # Safety
    /// The kernel is done with all of them.
    pub(super) unsafe fn reclaim_all(mut self, each: &mut impl FnMut(Frame)) {
        for index in 0..self.shape.frames() {
            // SAFETY: passed on to the caller.
            if let Some(frame) = unsafe { self.reclaim_empty(index) } {
                each(frame);
            }
        }
    }

    #[inline(always)]
    fn take_bit(&mut self, index: usize) -> Option<()> {
        let (word, bit) = (self.bits.get_mut(index / 64)?, 1 << (index % 64));
        if *word & bit == 0 {
            return None;
        }
        *word &= !bit;
        self.count -= 1;
        Some(())
    }

    /// The first byte of a frame that there is.
    #[inline(always)]
    fn start(&self, index: usize) -> NonNull<u8> {
        // SAFETY: only frames that were lent have bits, and they lie in the memory.
        unsafe { self.shape.base.add(index * self.shape.stride) }
    }
}
