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

/// Run them under miri too: `cargo +nightly miri test -p mnvkd-hugepages --lib heap`.
#[cfg(test)]
mod tests {
    use std::alloc::{alloc, dealloc, handle_alloc_error};
    use std::thread;

    use allocator_api2::vec::Vec as HeapVec;
    use proptest::prelude::*;

    use super::*;

    /// A block of the system's heap.
    pub(super) struct Block(NonNull<u8>, Layout);

    impl Drop for Block {
        fn drop(&mut self) {
            // SAFETY: allocated with this layout by `heap`, and given back once.
            unsafe { dealloc(self.0.as_ptr(), self.1) }
        }
    }

    fn heap(bytes: usize) -> Heap {
        let layout = Layout::from_size_align(bytes.max(1), 64).unwrap();
        // SAFETY: the size is not zero.
        let block = NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        // SAFETY: allocated just now, and living as long as `Block`.
        unsafe { Heap::over(block, bytes, Memory::Boxed { _kept: Block(block, layout) }) }
    }

    #[test]
    fn what_is_full_says_so_and_goes_on_when_there_is_room_again() {
        let heap = heap(4096);
        let mut numbers: HeapVec<u64, Heap> = HeapVec::new_in(heap.clone());
        assert!(numbers.try_reserve_exact(1000).is_err());
        assert_eq!(heap.usage(), Usage { bytes: 4096, used: 0, peak: 0, refused: 1 });
        numbers.try_reserve_exact(300).unwrap();
        numbers.extend(0..300);
        let mut others: HeapVec<u64, Heap> = HeapVec::new_in(heap.clone());
        assert!(others.try_reserve_exact(300).is_err());
        assert_eq!((numbers.iter().sum::<u64>(), heap.usage().used), (299 * 150, 2400));
        drop(numbers);
        assert!(others.try_reserve_exact(300).is_ok());
        assert_eq!(heap.usage(), Usage { bytes: 4096, used: 2400, peak: 2400, refused: 2 });
    }

    #[test]
    fn a_heap_too_small_for_anything_refuses_everything() {
        for bytes in [0, 1, 31] {
            let mut bytes: HeapVec<u8, Heap> = HeapVec::new_in(heap(bytes));
            assert!(bytes.try_reserve(1).is_err());
        }
    }

    #[test]
    fn memory_outlives_the_first_handle_and_nothing_takes_no_room() {
        let first = heap(4096);
        let mut words = HeapVec::new_in(first.clone());
        words.push(String::from("kept"));
        let units: HeapVec<(), Heap> = HeapVec::from_iter_in([(); 5], &first);
        assert_eq!((units.len(), first.usage().used > 0), (5, true));
        drop((units, first));
        assert_eq!(words, ["kept"]);
    }

    trait FromIterIn<T> {
        fn from_iter_in<const N: usize>(items: [T; N], heap: &Heap) -> HeapVec<T, Heap>;
    }

    impl<T> FromIterIn<T> for HeapVec<T, Heap> {
        fn from_iter_in<const N: usize>(items: [T; N], heap: &Heap) -> HeapVec<T, Heap> {
            let mut all = HeapVec::new_in(heap.clone());
            all.extend(items);
            all
        }
    }

    #[test]
    fn two_threads_may_use_it_at_once() {
        let heap = heap(1 << 16);
        let rounds = if cfg!(miri) { 20 } else { 20_000 };
        thread::scope(|scope| {
            for mark in 1..=2u8 {
                let heap = heap.clone();
                scope.spawn(move || {
                    for round in 0..rounds {
                        let mut bytes = HeapVec::new_in(heap.clone());
                        bytes.resize(round % 200, mark);
                        assert!(bytes.iter().all(|byte| *byte == mark));
                    }
                });
            }
        });
        assert_eq!(heap.usage().used, 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

        /// Blocks do not overlap, are aligned, and all of the memory is there again at the end.
        #[test]
        fn blocks_are_disjoint(steps in proptest::collection::vec((any::<bool>(), 1usize..600, 0u32..9), 0..100)) {
            let heap = heap(8192);
            let mut blocks: Vec<(NonNull<u8>, Layout, u8)> = Vec::new();
            for (nth, (takes, size, align)) in steps.into_iter().enumerate() {
                if takes || blocks.is_empty() {
                    let layout = Layout::from_size_align(size, 1 << align).unwrap();
                    if let Ok(block) = heap.allocate(layout) {
                        let block = block.cast::<u8>();
                        prop_assert!(block.as_ptr().addr().is_multiple_of(layout.align()));
                        // SAFETY: allocated just now, with this size.
                        unsafe { block.write_bytes(nth as u8, size) };
                        blocks.push((block, layout, nth as u8));
                    }
                } else {
                    let (block, layout, mark) = blocks.swap_remove(size % blocks.len());
                    // SAFETY: it was written when it was allocated.
                    let bytes = unsafe { NonNull::slice_from_raw_parts(block, layout.size()).as_ref() };
                    prop_assert!(bytes.iter().all(|byte| *byte == mark));
                    // SAFETY: allocated with this layout, and not given back yet.
                    unsafe { heap.deallocate(block, layout) };
                }
                prop_assert_eq!(heap.usage().used, blocks.iter().map(|(_, layout, _)| layout.size()).sum::<usize>());
            }
            for (block, layout, _) in blocks {
                // SAFETY: as above.
                unsafe { heap.deallocate(block, layout) };
            }
            let most = Layout::from_size_align(7500, 1).unwrap();
            prop_assert!(heap.allocate(most).is_ok());
        }
    }
}
