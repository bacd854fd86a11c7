//! The frames a core works with: its own pool, and a tray for frames of others on their way home.

use hugepages::umem::Umem;
use hugepages::{Frame, FramePool};

/// A core's frame pool, and the frames of other cores that ended here and wait to be sent home.
///
/// The tray has room for every frame of every other core, so releasing never fails and never
/// allocates.
#[derive(Debug)]
pub struct Frames {
    pool: FramePool,
    strays: Vec<Frame>,
}

impl Frames {
    /// Frames of `pool`, beside at most `foreign_frames` of other cores.
    pub fn new(pool: FramePool, foreign_frames: usize) -> Frames {
        Frames { pool, strays: Vec::with_capacity(foreign_frames) }
    }

    /// A frame for `len` bytes; `None` when the pool is empty or its frames are too small.
    #[inline]
    pub fn acquire(&mut self, len: usize) -> Option<Frame> {
        self.pool.acquire(u32::try_from(len).ok()?)
    }

    /// Up to `count` frames of `len` bytes each, handed to `each`; how many there were.
    #[inline]
    pub fn acquire_each(&mut self, count: usize, len: u32, each: impl FnMut(Frame)) -> usize {
        self.pool.acquire_each(count, len, each)
    }

    /// Ends a packet's life: its frame goes to the pool, or onto the tray when it is another core's.
    #[inline]
    pub fn release(&mut self, frame: Frame) {
        if let Err(foreign) = self.pool.release(frame) {
            self.strays.push(foreign);
        }
    }

    /// Ends the lives of several packets.
    #[inline]
    pub fn release_each(&mut self, frames: impl IntoIterator<Item = Frame>) {
        let strays = &mut self.strays;
        self.pool.release_each(frames, |foreign| strays.push(foreign));
    }

    /// The pool's memory, to be registered with the kernel by AF_XDP ports; `None` where its frames are not made of
    /// chunks.
    pub fn umem(&self) -> Option<Umem> {
        Umem::of(&self.pool)
    }

    /// The largest packet a frame of the pool holds, in bytes.
    pub fn room(&self) -> usize {
        self.pool.room() as usize
    }

    /// Frames that can be acquired now.
    #[inline]
    pub fn available(&self) -> usize {
        self.pool.available()
    }

    /// Frames of the pool that are not home.
    pub fn missing(&self) -> usize {
        self.pool.missing()
    }

    /// Frames of the pool, home or not.
    pub fn total(&self) -> usize {
        self.pool.frames()
    }

    #[inline]
    pub(crate) fn strays(&mut self) -> &mut Vec<Frame> {
        &mut self.strays
    }

    #[inline]
    pub(crate) fn has_strays(&self) -> bool {
        !self.strays.is_empty()
    }
}
