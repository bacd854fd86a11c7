//! A bounded piece of an arena that maps and vectors of libraries allocate from.
//!
//! Two-level segregated fit (the crate `rlsf`; Masmano and others: TLSF, a new dynamic memory allocator for real-time systems, 2004):
//! allocating and freeing take constant time. When nothing that fits is left, allocating fails, and nothing is taken from the
//! system instead: use what tells (`try_reserve`), because what cannot tell (`push`, `insert`) ends the process.
//!
//! **Threads.** A collection is built on one thread and moves to its core with its application, so a [`Heap`] may be sent, and may be
//! shared. A flag keeps its users apart: an exchange and a store per allocation, on a line that stays with its core as long as
//! the collections do. Whoever should come at the same time waits for the other's hundred cycles.

use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use allocator_api2::alloc::{AllocError, Allocator};
use rlsf::Tlsf;

use crate::pages::Mapping;

/// Sizes by power of two from 32 bytes up; so the largest block is of 32 << 28 bytes, 8 GiB.
const FIRST_LEVELS: usize = 28;
/// Classes each of them is divided into.
const SECOND_LEVELS: usize = 32;

/// A handle of a piece of memory to allocate from. Clones are of the same piece. Made by
/// [`Arena::carve_heap`](crate::Arena::carve_heap).
#[derive(Clone)]
pub struct Heap {
    shared: Arc<Shared>,
}

struct Shared {
    busy: AtomicBool,
    blocks: UnsafeCell<Blocks>,
    bytes: usize,
    _kept: Memory,
}

// SAFETY: `blocks` is touched between taking and giving back `busy` only (`Shared::with`), which orders one user's accesses before
// the next one's; the memory it names is this value's alone, and may be unmapped by any thread.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// What the blocks lie in, and has to outlive them.
enum Memory {
    Mapped {
        _kept: Arc<Mapping>,
    },
    /// The system's heap, so that tests run where there is no mapping (miri).
    #[cfg(test)]
    Boxed {
        _kept: tests::Block,
    },
}

struct Blocks {
    fit: Tlsf<'static, u32, u32, FIRST_LEVELS, SECOND_LEVELS>,
    used: usize,
    peak: usize,
    refused: u64,
}

/// How full a heap is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes carved. What the allocator itself needs (16 bytes a block, 32 at least) is taken from them.
    pub bytes: usize,
    /// Bytes allocated.
    pub used: usize,
    /// The most bytes that were allocated at a time.
    pub peak: usize,
    /// Allocations that found no room.
    pub refused: u64,
}

/// Gives the flag back, also when what is called in between panics.
struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        // Pairs with the exchange in `with`: what was done is seen by who takes it next.
        self.0.store(false, Ordering::Release);
    }
}

impl Shared {
    #[inline]
    fn with<R>(&self, act: impl FnOnce(&mut Blocks) -> R) -> R {
        // Pairs with the store in `Busy::drop`.
        while self.busy.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        let _busy = Busy(&self.busy);
        // SAFETY: whoever has set the flag is the only one here; `act` is one of the functions below, none of which comes back here.
        act(unsafe { &mut *self.blocks.get() })
    }
}

impl Heap {
    /// A heap over `bytes` bytes at `first`.
    ///
    /// # Safety
    /// They are good for reading and writing, by nobody else for as long as the mapping lives.
    pub(crate) unsafe fn mapped(first: NonNull<u8>, bytes: usize, kept: Arc<Mapping>) -> Heap {
        // SAFETY: the caller's promise.
        unsafe { Heap::over(first, bytes, Memory::Mapped { _kept: kept }) }
    }

    /// # Safety
    /// As of [`mapped`](Heap::mapped), for as long as `memory` lives.
    unsafe fn over(first: NonNull<u8>, bytes: usize, memory: Memory) -> Heap {
        let mut blocks = Blocks { fit: Tlsf::new(), used: 0, peak: 0, refused: 0 };
        // Too small a piece for a single block is refused here, and every allocation then is.
        // SAFETY: the caller's promise; `fit` lies beside `memory` and is not used after it.
        let _taken = unsafe { blocks.fit.insert_free_block_ptr(NonNull::slice_from_raw_parts(first, bytes)) };
        let busy = AtomicBool::new(false);
        Heap { shared: Arc::new(Shared { busy, blocks: UnsafeCell::new(blocks), bytes, _kept: memory }) }
    }

    /// How full it is.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let bytes = self.shared.bytes;
        self.shared.with(|blocks| Usage {
            bytes,
            used: blocks.used,
            peak: blocks.peak,
            refused: blocks.refused,
        })
    }
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.usage().fmt(f)
    }
}

// SAFETY: blocks are disjoint and as large and aligned as asked for, which is the allocator's contract; they stay where they are, and
// `shared`, which every clone holds, keeps their memory, for as long as there is a handle.
unsafe impl Allocator for Heap {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            let dangling = NonNull::without_provenance(align(layout));
            return Ok(NonNull::slice_from_raw_parts(dangling, 0));
        }
        self.shared.with(|blocks| match blocks.fit.allocate(layout) {
            Some(block) => {
                blocks.used += layout.size();
                blocks.peak = blocks.peak.max(blocks.used);
                Ok(NonNull::slice_from_raw_parts(block, layout.size()))
            }
            None => {
                blocks.refused += 1;
                Err(AllocError)
            }
        })
    }

    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
        if layout.size() > 0 {
            self.shared.with(|blocks| {
                blocks.used -= layout.size();
                // SAFETY: the caller's promise: the block came from `allocate` of this heap, with this alignment.
                unsafe { blocks.fit.deallocate(block, layout.align()) }
            });
        }
    }
}

fn align(layout: Layout) -> std::num::NonZero<usize> {
    // An alignment is a power of two.
    std::num::NonZero::new(layout.align()).unwrap_or(std::num::NonZero::<usize>::MIN)
}

#[cfg(test)]
mod tests;
