//! A ring's memory: the header, the slots behind it, and who frees them.

use std::alloc::{self, Layout, LayoutError};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::pages::Mapping;
use crate::primitive::{AtomicBool, AtomicU32, Ordering, UnsafeCell};

/// Where one element is while it is under way. The cell makes it invariant in `T`, as it has to be:
/// what goes in at one end comes out at the other.
pub(super) type Slot<T> = UnsafeCell<MaybeUninit<T>>;

/// What one end writes and the other reads.
#[derive(Debug)]
#[repr(C)]
pub(super) struct End {
    /// Number of the next element this end will write or read.
    pub(super) cursor: AtomicU32,
    /// Set once, when the end is dropped, after its last store to `cursor`.
    pub(super) gone: AtomicBool,
}

/// The start of the block. Each end has its own lines (two, because CPUs fetch them in pairs).
#[derive(Debug)]
#[repr(C)]
pub(super) struct Header {
    pub(super) producer: CachePadded<End>,
    pub(super) consumer: CachePadded<End>,
}

/// Who keeps a block valid.
pub(crate) enum Memory {
    /// The arena's mapping.
    Mapped { _kept: Arc<Mapping> },
    /// An allocation of its own.
    Heap(Layout),
}

/// The layout of a block and where its slots begin.
pub(crate) fn layout<T>(capacity: usize) -> Result<(Layout, usize), LayoutError> {
    Layout::new::<Header>().extend(Layout::array::<Slot<T>>(capacity)?)
}

/// The block while either end exists.
pub(super) struct Block<T> {
    pub(super) header: NonNull<Header>,
    pub(super) slots: NonNull<Slot<T>>,
    /// Capacity - 1.
    pub(super) mask: u32,
    memory: Memory,
    /// It drops the elements that are left.
    elements: PhantomData<T>,
}

impl<T> Block<T> {
    /// # Safety
    ///
    /// As [`super::ends`].
    pub(super) unsafe fn create(at: NonNull<u8>, capacity: usize, first: u32, memory: Memory) -> Self {
        let slots_at = layout::<T>(capacity).map_or(size_of::<Header>(), |(_, slots_at)| slots_at);
        let header = at.cast::<Header>();
        // SAFETY: the block is large enough for the layout, says the caller.
        let slots = unsafe { at.add(slots_at) }.cast::<Slot<T>>();
        let end = || CachePadded::new(End { cursor: AtomicU32::new(first), gone: AtomicBool::new(false) });
        // SAFETY: the block is ours and aligned for the layout, so the header may be written.
        unsafe { header.write(Header { producer: end(), consumer: end() }) };
        for n in 0..capacity {
            // SAFETY: slot n of `capacity`, which the layout has room for. (Only loom's cells have
            // anything to write; std's are uninitialised memory and the loop vanishes.)
            unsafe { slots.add(n).write(UnsafeCell::new(MaybeUninit::uninit())) };
        }
        Self { header, slots, mask: (capacity - 1) as u32, memory, elements: PhantomData }
    }
}

impl<T> Drop for Block<T> {
    fn drop(&mut self) {
        // SAFETY: both ends are gone (this runs when the Arc they shared goes), so the header is
        // ours alone, and what they wrote is visible: dropping an Arc synchronises.
        let header = unsafe { self.header.as_ref() };
        // Relaxed: see above; there is nobody left to pair with.
        let mut next = header.consumer.cursor.load(Ordering::Relaxed);
        let end = header.producer.cursor.load(Ordering::Relaxed);
        while next != end {
            // SAFETY: a slot of the ring; the elements from the consumer's cursor to the producer's
            // were written and published and never read, so each is dropped here for the first time.
            unsafe { self.slots.add((next & self.mask) as usize).as_ref() }
                .with_mut(|slot| unsafe { (*slot).assume_init_drop() });
            next = next.wrapping_add(1);
        }
        #[cfg(loom)]
        for n in 0..=self.mask as usize {
            // SAFETY: loom's cells own memory; each was written in `create` and is dropped once.
            unsafe { self.slots.add(n).drop_in_place() };
        }
        // SAFETY: written in `create`, not used after this. (Only loom's atomics own anything.)
        unsafe { self.header.drop_in_place() };
        if let Memory::Heap(layout) = self.memory {
            // SAFETY: `boxed_from` allocated the block with this layout; nobody uses it any more.
            unsafe { alloc::dealloc(self.header.as_ptr().cast(), layout) };
        }
    }
}
