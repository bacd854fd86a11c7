//! One producer, one consumer, bursts: what two cores, or a core and the control thread, talk through.
//!
//! A ring is one block of memory, header and slots together, and its cursors are numbers, not
//! pointers. Cursors count elements for ever, modulo 2³²; an element's slot is its number modulo the
//! capacity, a power of two. Each side writes its own cursor only, on a cache line of its own, and
//! keeps a copy of the other's that it refreshes when the copy no longer serves. A burst costs one
//! store that the other side sees, and mostly no load of the other's line.
//!
//! Neither end can be cloned: a second producer would write the slots of the first.
//!
//! ```compile_fail
//! fn needs_clone<T: Clone>() {}
//! needs_clone::<hugepages::Producer<u64>>();
//! ```
//! ```compile_fail
//! fn needs_clone<T: Clone>() {}
//! needs_clone::<hugepages::Consumer<u64>>();
//! ```
//! Nor used from two threads at a time, nor sent with elements that must stay on their thread:
//! ```compile_fail
//! fn needs_sync<T: Sync>() {}
//! needs_sync::<hugepages::Producer<u64>>();
//! ```
//! ```compile_fail
//! fn needs_send<T: Send>() {}
//! needs_send::<hugepages::Consumer<std::rc::Rc<u64>>>();
//! ```

mod block;
mod consumer;
mod producer;

pub(crate) use block::{Memory, layout};
pub use consumer::Consumer;
pub use producer::Producer;

use block::Block;

use std::alloc;
use std::ptr::NonNull;

/// Most elements a ring can have: half the range of its cursors, so that full and empty differ.
pub const MOST_CAPACITY: usize = 1 << 31;

/// Whether a ring can have this capacity: a power of two up to [`MOST_CAPACITY`].
#[must_use]
pub fn is_capacity(capacity: usize) -> bool {
    capacity.is_power_of_two() && capacity <= MOST_CAPACITY
}

/// A ring in a block of its own on the heap: for tests, benches and the control thread.
///
/// # Panics
///
/// When `capacity` is no power of two, or the block exceeds the address space; and it aborts like
/// any allocation when memory is out.
#[must_use]
pub fn boxed<T: Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    boxed_from(capacity, 0)
}

/// [`boxed`], with both cursors at `first`: lets a test cross the end of the cursors' range.
///
/// # Panics
///
/// As [`boxed`].
#[doc(hidden)]
#[must_use]
pub fn boxed_from<T: Send>(capacity: usize, first: u32) -> (Producer<T>, Consumer<T>) {
    assert!(is_capacity(capacity), "ring capacity {capacity} is no power of two up to {MOST_CAPACITY}");
    let (layout, _) = layout::<T>(capacity).expect("ring exceeds the address space");
    // SAFETY: the layout's size is not 0, it has the header.
    let Some(memory) = NonNull::new(unsafe { alloc::alloc(layout) }) else {
        alloc::handle_alloc_error(layout);
    };
    // SAFETY: the block was allocated just now with the layout for this capacity, and is given up here.
    unsafe { ends(memory, capacity, first, Memory::Heap(layout)) }
}

/// Makes a ring in `at` and returns its two ends.
///
/// # Safety
///
/// `capacity` passes [`is_capacity`]; `at` is aligned and large enough for [`layout`], belongs to
/// nobody else, and stays valid as long as `memory` is kept.
pub(crate) unsafe fn ends<T: Send>(
    at: NonNull<u8>,
    capacity: usize,
    first: u32,
    memory: Memory,
) -> (Producer<T>, Consumer<T>) {
    // SAFETY: passed on from the caller.
    let block = crate::primitive::Arc::new(unsafe { Block::<T>::create(at, capacity, first, memory) });
    (Producer::new(block.clone(), first), Consumer::new(block, first))
}
