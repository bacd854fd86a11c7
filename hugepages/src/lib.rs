//! The memory a polling core owns: pages, arena, frame pool, rings.
//!
//! A core's memory is reserved once, carved once and sealed; after that nothing here allocates from
//! the system. The same verbs all through: *reserve, carve, seal* and *acquire, release*.
//! The modules, in the order memory passes them:
//!
//! 1. [`primitive`]: atomics and cells, std's or loom's.
//! 2. [`prefetch`]: asking for a cache line ahead of time.
//! 3. [`lanes`]: comparing eight numbers at once.
//! 4. [`instructions`]: used where the CPU has them.
//! 5. [`policy`]: which pages there are, and how firmly one asks for them.
//! 6. [`inventory`]: what huge pages the machine has, who holds them, reserving and releasing them.
//! 7. [`pages`]: a mapping with the page size it got, and why it got no better one.
//! 8. [`frame`]: the owning handle of one packet buffer.
//! 9. [`pool`]: where frames are acquired and go home to.
//! 10. [`ring`]: one producer, one consumer, bursts.
//! 11. [`bell`]: what says that there is something in a ring.
//! 12. [`slots`]: where the futures of tasks live, and the queue of those that are ready.
//! 13. [`filled`]: values of any type, dropped with their owner.
//! 14. `heap`: a bounded piece of memory for maps and vectors of libraries to allocate from.
//! 15. [`arena`]: one mapping carved into slices, values, heaps, pools, rings and slots.
//! 16. [`umem`]: frames lent to the kernel through an AF_XDP socket.
#![cfg(target_os = "linux")]

pub mod arena;
pub mod bell;
pub mod filled;
pub mod frame;
#[cfg(not(loom))]
pub mod heap;
pub mod instructions;
pub mod inventory;
pub mod lanes;
pub mod pages;
pub mod policy;
pub mod pool;
pub mod prefetch;
pub mod primitive;
pub mod ring;
pub mod slots;
#[cfg(not(loom))]
pub mod umem;

pub use arena::{Arena, ArenaError, Carved, Sealed};
pub use bell::Bell;
pub use filled::Filled;
pub use frame::{Frame, HEAD_BYTES, NoRoom};
#[cfg(not(loom))]
pub use heap::Heap;
pub use pages::{MapError, Mapping, PagePolicy, PageSize};
pub use pool::{FramePool, PoolShape};
pub use ring::{Consumer, Producer};

/// Bytes of a cache line, the unit everything here is aligned to.
pub const CACHE_LINE: usize = 64;
