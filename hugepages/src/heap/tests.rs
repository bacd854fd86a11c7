//! Run them under miri too: `cargo +nightly miri test -p mnvkd-hugepages --lib heap`.

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
