//! One mapping carved into slices, pools and rings, once, before a core starts.
//!
//! *Reserve* the bytes that [`carve_bytes`], [`pool_bytes`] and [`ring_bytes`] add up to, *carve*
//! them, *seal* what is left. A carving never needs more than its function says, whatever came
//! before it: every carving starts and ends at a cache line, and padding to a larger alignment is
//! counted in full. Each carving keeps the mapping alive.

use std::fmt;
use std::mem::needs_drop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use zerocopy::FromZeros;

use crate::CACHE_LINE;
use crate::filled::Filled;
#[cfg(not(loom))]
use crate::heap::Heap;
use crate::pages::{MapError, Mapping, PagePolicy, PageSize};
use crate::pool::{FramePool, PoolShape};
use crate::ring::{self, Consumer, Producer};
use crate::slots::{self, SlotClass, Slots};

/// Pools start at and are padded to base pages, so that a kernel or a NIC can be given one.
const POOL_ALIGN: usize = PageSize::Base4K.bytes();

/// Bytes for `bytes` bytes aligned to `align`, a power of two, at worst, from a cache line to a
/// cache line; `None` when that exceeds the address space.
fn bytes_with_alignment(bytes: usize, align: usize) -> Option<usize> {
    bytes.checked_next_multiple_of(CACHE_LINE)?.checked_add(align.max(CACHE_LINE) - CACHE_LINE)
}

/// The bytes [`Arena::carve`] needs for `n` elements; `usize::MAX` when they exceed the address space.
#[must_use]
pub fn carve_bytes<T>(n: usize) -> usize {
    let bytes = size_of::<T>().checked_mul(n).and_then(|bytes| bytes_with_alignment(bytes, align_of::<T>()));
    bytes.unwrap_or(usize::MAX)
}

/// The bytes [`Arena::carve_heap`] needs for a heap of `bytes` bytes; `usize::MAX` when they exceed the address space.
#[must_use]
pub fn heap_bytes(bytes: usize) -> usize {
    carve_bytes::<u8>(bytes)
}

/// The bytes [`Arena::carve_pool`] needs: frames, in whole base pages, and the stack of free ones.
/// `usize::MAX` when they exceed the address space.
#[must_use]
pub fn pool_bytes(shape: &PoolShape) -> usize {
    let frames = frames_bytes(shape).and_then(|bytes| bytes_with_alignment(bytes, POOL_ALIGN));
    frames.and_then(|bytes| bytes.checked_add(stack_bytes(shape))).unwrap_or(usize::MAX)
}

fn frames_bytes(shape: &PoolShape) -> Option<usize> {
    shape.stride().checked_mul(shape.frames as usize)?.checked_next_multiple_of(POOL_ALIGN)
}

fn stack_bytes(shape: &PoolShape) -> usize {
    carve_bytes::<NonNull<u8>>(shape.frames as usize)
}

/// The bytes [`Arena::carve_ring`] needs; `usize::MAX` when they exceed the address space.
#[must_use]
pub fn ring_bytes<T>(capacity: usize) -> usize {
    let layout = ring::layout::<T>(capacity).ok();
    layout.and_then(|(layout, _)| bytes_with_alignment(layout.size(), layout.align())).unwrap_or(usize::MAX)
}

/// The bytes [`Arena::carve_slots`] needs; `usize::MAX` when they exceed what slots can take.
#[must_use]
pub fn slots_bytes(classes: &[SlotClass]) -> usize {
    let queue = carve_bytes::<u32>(slots::queue_places(classes));
    let bytes = slots::storage_bytes(classes).and_then(|bytes| bytes.checked_add(queue));
    bytes.unwrap_or(usize::MAX)
}

/// Why an arena could not be reserved or carved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArenaError {
    /// The memory could not be mapped.
    #[error(transparent)]
    Map(#[from] MapError),
    /// What is left of the arena is too small.
    #[error("arena full: {what} needs {needed} bytes, {left} of {total} are left")]
    Full {
        /// What was to be carved.
        what: &'static str,
        /// Bytes it needs at most.
        needed: usize,
        /// Bytes left.
        left: usize,
        /// Bytes of the arena.
        total: usize,
    },
    /// Nothing of that shape can be carved from any arena.
    #[error("cannot carve {what}: {fault}")]
    Shape {
        /// What was to be carved.
        what: &'static str,
        /// What is wrong with it.
        fault: String,
    },
}

/// One carving, for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carving {
    /// What it is.
    pub what: &'static str,
    /// Where it starts, in bytes from the start of the arena.
    pub offset: usize,
    /// Its bytes, without padding before it.
    pub bytes: usize,
}

/// The record of an arena that nothing more can be carved from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Bytes mapped.
    pub total: usize,
    /// Bytes carved, padding included.
    pub used: usize,
    /// What was carved, in order.
    pub carvings: Vec<Carving>,
    /// The page size it got.
    pub obtained: PageSize,
    /// Why it got less than was asked for, if it did.
    pub reason: Option<String>,
    /// Why it is not on the NUMA node asked for, if it is not.
    pub node_reason: Option<String>,
    /// Why it is not locked in memory, if it is not.
    pub lock_reason: Option<String>,
}

/// A core's memory while it is being divided.
#[derive(Debug)]
pub struct Arena {
    mapping: Arc<Mapping>,
    used: usize,
    carvings: Vec<Carving>,
}

impl Arena {
    /// Maps the memory: `bytes` or more, rounded up to whole pages, on `node` if one is given.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Map`] when the policy's pages cannot be had.
    pub fn reserve(bytes: usize, policy: &PagePolicy, node: Option<u32>) -> Result<Self, ArenaError> {
        let mapping = Arc::new(Mapping::map(bytes, policy, node)?);
        Ok(Self { mapping, used: 0, carvings: Vec::new() })
    }

    /// The memory it carves from: its page size, and what it did not get.
    #[must_use]
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Bytes not yet carved.
    #[must_use]
    pub fn left(&self) -> usize {
        self.mapping.len() - self.used
    }

    /// Takes `bytes` bytes at a multiple of `align`. They are zero and nobody else's.
    fn take(&mut self, what: &'static str, bytes: usize, align: usize) -> Result<NonNull<u8>, ArenaError> {
        let (total, left) = (self.mapping.len(), self.left());
        // SAFETY: at most `len` bytes are used, so this is inside the mapping or at its end.
        let free = unsafe { self.mapping.as_ptr().add(self.used) };
        let padding = free.addr().get().wrapping_neg() % align.max(CACHE_LINE);
        let taken = bytes.checked_next_multiple_of(CACHE_LINE).and_then(|whole| whole.checked_add(padding));
        let Some(taken) = taken.filter(|&taken| taken <= left) else {
            let needed = bytes_with_alignment(bytes, align).unwrap_or(usize::MAX);
            return Err(ArenaError::Full { what, needed, left, total });
        };
        self.carvings.push(Carving { what, offset: self.used + padding, bytes });
        self.used += taken;
        // SAFETY: `padding` is at most `taken`, which is at most what is left.
        Ok(unsafe { free.add(padding) })
    }

    /// Carves `n` zeroed elements, aligned to a cache line or more if `T` wants more.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Full`] with the numbers, and nothing is carved.
    pub fn carve<T: FromZeros + 'static>(
        &mut self,
        what: &'static str,
        n: usize,
    ) -> Result<Carved<T>, ArenaError> {
        const { assert!(!needs_drop::<T>(), "elements in an arena are never dropped") };
        let bytes = size_of::<T>().saturating_mul(n);
        let first = self.take(what, bytes, align_of::<T>())?.cast::<T>();
        Ok(Carved { elements: NonNull::slice_from_raw_parts(first, n), _kept: self.mapping.clone() })
    }

    /// Carves `n` elements of any type, each made by `fill` of its number, aligned to a cache line or more if `T` wants
    /// more; [`carve_bytes`] says what they take. They are dropped with what is returned.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Full`] with the numbers, and nothing is carved or made.
    pub fn carve_filled<T>(
        &mut self,
        what: &'static str,
        n: usize,
        fill: impl FnMut(usize) -> T,
    ) -> Result<Filled<T>, ArenaError> {
        let bytes = size_of::<T>().saturating_mul(n);
        let first = self.take(what, bytes, align_of::<T>())?.cast::<T>();
        // SAFETY: taken just now, with this size and alignment, from the mapping handed over; nobody else has it.
        Ok(unsafe { Filled::mapped(first, n, fill, self.mapping.clone()) })
    }

    /// Carves a heap of `bytes` bytes; [`heap_bytes`] says what it takes.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Full`] with the numbers, and nothing is carved.
    #[cfg(not(loom))]
    pub fn carve_heap(&mut self, what: &'static str, bytes: usize) -> Result<Heap, ArenaError> {
        let first = self.take(what, bytes, CACHE_LINE)?;
        // SAFETY: taken just now, with this size, from the mapping handed over; nobody else has it.
        Ok(unsafe { Heap::mapped(first, bytes, self.mapping.clone()) })
    }

    /// Carves a pool of frames, all of them home.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Shape`] when no pool can have that shape, [`ArenaError::Full`] with the numbers;
    /// nothing is carved.
    pub fn carve_pool(&mut self, what: &'static str, shape: PoolShape) -> Result<FramePool, ArenaError> {
        if let Some(fault) = shape.fault() {
            return Err(ArenaError::Shape { what, fault });
        }
        let needed = pool_bytes(&shape);
        let (total, left) = (self.mapping.len(), self.left());
        // Checked for both parts at once, so that failing leaves nothing carved.
        let Some(bytes) = frames_bytes(&shape).filter(|_| needed <= left) else {
            return Err(ArenaError::Full { what, needed, left, total });
        };
        let base = self.take(what, bytes, POOL_ALIGN)?;
        let stack = self.take(what, stack_bytes(&shape), CACHE_LINE)?;
        // SAFETY: the shape has no fault; both ranges were taken just now with the sizes and
        // alignments asked for, zeroed, from the mapping handed over, and nobody else has them.
        Ok(unsafe { FramePool::lay_out(&shape, base, stack, self.mapping.clone()) })
    }

    /// Carves a ring for `capacity` elements, a power of two.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Shape`] when the capacity is no power of two, [`ArenaError::Full`] with the
    /// numbers; nothing is carved.
    pub fn carve_ring<T: Send>(
        &mut self,
        what: &'static str,
        capacity: usize,
    ) -> Result<(Producer<T>, Consumer<T>), ArenaError> {
        if !ring::is_capacity(capacity) {
            let fault = format!("capacity {capacity} is no power of two up to {}", ring::MOST_CAPACITY);
            return Err(ArenaError::Shape { what, fault });
        }
        let Ok((layout, _)) = ring::layout::<T>(capacity) else {
            return Err(ArenaError::Shape {
                what,
                fault: format!("{capacity} elements exceed the address space"),
            });
        };
        let at = self.take(what, layout.size(), layout.align())?;
        let memory = ring::Memory::Mapped { _kept: self.mapping.clone() };
        // SAFETY: the capacity was checked; the block was taken just now with the ring's layout from
        // the mapping that `memory` keeps, and nobody else has it.
        Ok(unsafe { ring::ends(at, capacity, 0, memory) })
    }

    /// Carves slots for tasks, of up to 255 classes, all of them free.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Shape`] when no slots can have these classes, [`ArenaError::Full`] with the numbers;
    /// nothing is carved.
    pub fn carve_slots(&mut self, what: &'static str, classes: &[SlotClass]) -> Result<Slots, ArenaError> {
        let shape = |fault: String| ArenaError::Shape { what, fault };
        let Some(bytes) = slots::storage_bytes(classes).filter(|_| classes.len() <= 255) else {
            return Err(shape(format!("at most 255 classes, {} bytes in all", slots::MOST_BYTES)));
        };
        let (needed, total, left) = (slots_bytes(classes), self.mapping.len(), self.left());
        if needed > left {
            return Err(ArenaError::Full { what, needed, left, total });
        }
        let Some((inbox, instance)) = slots::Storage::number(bytes) else {
            return Err(shape(
                "this process has had as many instances of slots as wakers can tell apart".to_owned(),
            ));
        };
        let places = slots::queue_places(classes);
        let base = self.take(what, bytes, CACHE_LINE)?;
        let queue = self.take(what, places * size_of::<u32>(), CACHE_LINE)?;
        let (classes, memory) = (classes.to_vec(), self.mapping.clone());
        Ok(Slots::new(slots::Storage { classes, slots: base, bytes, queue, places, memory, inbox, instance }))
    }

    /// Ends the carving and tells what was carved. What is left stays unused.
    #[must_use]
    pub fn seal(self) -> Sealed {
        let text = |reason: Option<&str>| reason.map(str::to_owned);
        Sealed {
            total: self.mapping.len(),
            used: self.used,
            carvings: self.carvings,
            obtained: self.mapping.obtained(),
            reason: text(self.mapping.reason()),
            node_reason: text(self.mapping.node_reason()),
            lock_reason: text(self.mapping.lock_reason()),
        }
    }
}

/// A slice carved from an arena, zero at the start. It keeps the mapping alive.
///
/// ```compile_fail
/// fn needs_clone<T: Clone>() {}
/// needs_clone::<hugepages::Carved<u64>>(); // two owners of the same elements
/// ```
pub struct Carved<T> {
    elements: NonNull<[T]>,
    _kept: Arc<Mapping>,
}

// SAFETY: it owns its elements as a `Box<[T]>` would.
unsafe impl<T: Send> Send for Carved<T> {}
// SAFETY: as above: `&Carved<T>` gives `&[T]` only.
unsafe impl<T: Sync> Sync for Carved<T> {}

impl<T> Deref for Carved<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: the range was carved for this value alone, aligned and zeroed, and zero is a value
        // of `T` (FromZeros); the mapping lives as long as `_kept`.
        unsafe { self.elements.as_ref() }
    }
}

impl<T> DerefMut for Carved<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and `&mut self` is exclusive.
        unsafe { self.elements.as_mut() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Carved<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
