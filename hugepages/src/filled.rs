//! Values of any type in the arena, made when they are carved and dropped when their owner is.
//!
//! [`Carved`](crate::Carved) lends out memory whose zeros are values and which nobody has to clean up. What owns something
//! (a packet, a box, a sender) lies here, usually as an `Option` that is `None` at first.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use crate::pages::Mapping;

/// Elements of any type in memory carved from an arena: a `Box<[T]>` whose heap is the arena. It keeps the mapping alive.
/// Made by [`Arena::carve_filled`](crate::Arena::carve_filled).
///
/// ```compile_fail
/// fn needs_send<T: Send>() {}
/// needs_send::<hugepages::Filled<std::rc::Rc<u8>>>(); // what its elements may not, it may not
/// ```
pub struct Filled<T> {
    elements: NonNull<[T]>,
    _kept: Memory,
}

// SAFETY: it owns its elements as a `Box<[T]>` would; the mapping may be unmapped by any thread.
unsafe impl<T: Send> Send for Filled<T> {}
// SAFETY: as above: `&Filled<T>` gives `&[T]` only.
unsafe impl<T: Sync> Sync for Filled<T> {}

/// What the elements lie in, and has to outlive them.
enum Memory {
    Mapped {
        _kept: Arc<Mapping>,
    },
    /// The heap, so that tests run where there is no mapping (miri).
    #[cfg(test)]
    Heap {
        _kept: tests::Block,
    },
}

/// Drops what was made so far, if making the next one panics.
struct Made<T> {
    first: NonNull<T>,
    count: usize,
}

impl<T> Drop for Made<T> {
    fn drop(&mut self) {
        // SAFETY: the first `count` were written, and nobody else knows of them yet.
        unsafe { NonNull::slice_from_raw_parts(self.first, self.count).drop_in_place() }
    }
}

impl<T> Filled<T> {
    /// Fills the memory at `first` with what `fill` makes of each number.
    ///
    /// # Safety
    /// `first` is aligned for `T` and good for writing `n` of them, by nobody else for as long as the mapping lives.
    pub(crate) unsafe fn mapped(
        first: NonNull<T>,
        n: usize,
        fill: impl FnMut(usize) -> T,
        kept: Arc<Mapping>,
    ) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::fill(first, n, fill, Memory::Mapped { _kept: kept }) }
    }

    /// # Safety
    /// As of [`mapped`](Filled::mapped), for as long as `memory` lives.
    unsafe fn fill(first: NonNull<T>, n: usize, mut fill: impl FnMut(usize) -> T, memory: Memory) -> Self {
        let mut made = Made { first, count: 0 };
        for at in 0..n {
            let element = fill(at);
            // SAFETY: `at` is less than `n`, and the caller's promise.
            unsafe { first.add(at).write(element) };
            made.count = at + 1;
        }
        // They are this value's now.
        std::mem::forget(made);
        Filled { elements: NonNull::slice_from_raw_parts(first, n), _kept: memory }
    }
}

impl<T> Drop for Filled<T> {
    fn drop(&mut self) {
        // SAFETY: all elements were written by `fill` and are this value's alone; nothing uses them after this. The memory is given
        // back after them, with `_kept`.
        unsafe { self.elements.drop_in_place() }
    }
}

impl<T> Deref for Filled<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: all elements were written by `fill` and are this value's alone; `_kept` keeps their memory.
        unsafe { self.elements.as_ref() }
    }
}

impl<T> DerefMut for Filled<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and `&mut self` is exclusive.
        unsafe { self.elements.as_mut() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Filled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Run them under miri too: `cargo +nightly miri test -p mnvkd-hugepages --lib filled`.
#[cfg(test)]
mod tests {
    use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    use super::*;

    /// A block of the heap.
    pub(super) struct Block(NonNull<u8>, Layout);

    impl Drop for Block {
        fn drop(&mut self) {
            // SAFETY: allocated with this layout by `on_heap`, and given back once.
            unsafe { dealloc(self.0.as_ptr(), self.1) }
        }
    }

    fn on_heap<T>(n: usize, fill: impl FnMut(usize) -> T) -> Filled<T> {
        let layout = Layout::array::<T>(n).unwrap();
        let layout = Layout::from_size_align(layout.size().max(1), layout.align()).unwrap();
        // SAFETY: the size is not zero.
        let block = NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        // SAFETY: the block was allocated for `n` of them just now, and lives as long as `Block`.
        unsafe { Filled::fill(block.cast(), n, fill, Memory::Heap { _kept: Block(block, layout) }) }
    }

    #[test]
    fn what_it_owns_is_dropped_once() {
        let counted = Rc::new(());
        let mut filled = on_heap(10, |at| (at % 2 == 0).then(|| Rc::clone(&counted)));
        assert_eq!(Rc::strong_count(&counted), 6);
        filled[1] = Some(Rc::clone(&counted));
        assert!(filled[0].take().is_some());
        filled.swap(2, 3);
        assert_eq!((Rc::strong_count(&counted), filled.len()), (6, 10));
        drop(filled);
        assert_eq!(Rc::strong_count(&counted), 1);
    }

    #[test]
    fn what_was_made_before_a_panic_is_dropped() {
        let counted = Rc::new(());
        let made = catch_unwind(AssertUnwindSafe(|| {
            on_heap(10, |at| {
                assert!(at < 7, "the eighth cannot be made");
                Rc::clone(&counted)
            })
        }));
        assert!(made.is_err());
        assert_eq!(Rc::strong_count(&counted), 1);
    }

    #[test]
    fn a_panic_while_dropping_drops_the_rest() {
        struct Loud {
            _counted: Rc<()>,
            loud: bool,
        }
        impl Drop for Loud {
            fn drop(&mut self) {
                assert!(!self.loud, "this one is loud");
            }
        }
        let counted = Rc::new(());
        let filled = on_heap(5, |at| Loud { _counted: Rc::clone(&counted), loud: at == 1 });
        assert!(catch_unwind(AssertUnwindSafe(|| drop(filled))).is_err());
        assert_eq!(Rc::strong_count(&counted), 1);
    }

    #[test]
    fn elements_without_a_size_and_no_elements_at_all() {
        let filled = on_heap(1000, |_| ());
        assert_eq!(filled.iter().count(), 1000);
        assert!(on_heap(0, |_| String::new()).is_empty());
        assert_eq!(format!("{:?}", on_heap(2, |at| at)), "[0, 1]");
    }
}
