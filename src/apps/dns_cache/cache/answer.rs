//! What goes into the cache and comes out of it, and how large it is.

use hugepages::arena;

use super::blocks::Block;
use super::head::Head;
use super::index;

/// How large a shard's cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Capacity {
    /// Answers.
    pub(in super::super) entries: u32,
    /// Bytes of answers, in blocks.
    pub(in super::super) blocks: u32,
}

impl Capacity {
    /// Bytes of the arena.
    pub(in super::super) fn arena_bytes(self) -> usize {
        let (entries, blocks) = (self.entries as usize, self.blocks as usize);
        arena::carve_bytes::<Head>(entries)
            .saturating_add(arena::carve_bytes::<u32>(index::places(entries)))
            .saturating_add(arena::carve_bytes::<Block>(blocks))
    }
}

/// What is remembered of an answer.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Answer<'m> {
    /// Header, question, records; no OPT record.
    pub(in super::super) message: &'m [u8],
    /// Where its TTLs are.
    pub(in super::super) ttls: &'m [u16],
    /// The upper part of the response code.
    pub(in super::super) extended: u8,
    /// Seconds.
    pub(in super::super) life: u32,
}

/// An answer that was found; good until the cache is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Hit {
    pub(super) head: u32,
    /// Bytes of the message.
    pub(in super::super) len: usize,
    /// The upper part of the response code.
    pub(in super::super) extended: u8,
    /// Whole seconds since it came.
    pub(super) age: u32,
}

/// What happened to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Counts {
    /// Answers put in.
    pub(in super::super) inserted: u64,
    /// Answers that made room for others before their time.
    pub(in super::super) evicted: u64,
    /// Answers that were too old when they were looked for or had to make room.
    pub(in super::super) expired: u64,
}
