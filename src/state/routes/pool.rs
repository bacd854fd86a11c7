//! The memory of a tree: the root's nodes, units of 8 bytes that are taken and given back, and a note for every run in these.
//!
//! ```text
//! words:  the root, 2^18 nodes of 16 bytes │ chunks of 256 units: runs of 2 bytes, nodes │ notes: a byte a run, for updates only
//! ```
//!
//! A slab allocator (Bonwick, "The slab allocator", USENIX Summer 1994): a chunk is cut into blocks of one size, and is anyone's
//! again when all of these have been given back. So what updates give back fits what updates take, however long they go on. Taking
//! and giving back are a few steps each. What it needs to know is in the chunks' first two units and in the free blocks.

use std::ops::DerefMut;

use zerocopy::{FromBytes, IntoBytes};

use super::chunk::{CHUNK, CLASSES, Chunk, HEAD, SIZES, class_for};
use super::entry::Entry;

/// Words of the root: two for each value of an address's first 18 bits.
pub(super) const ROOT_WORDS: usize = 2 << 18;
/// Runs in a unit.
pub(super) const RUNS: usize = 4;

const _: () = assert!(ROOT_WORDS.is_multiple_of(CHUNK));

/// Words for a pool of so many units, in whole chunks.
pub(super) fn words_for(units: usize) -> usize {
    let units = units.div_ceil(CHUNK).saturating_mul(CHUNK);
    units.saturating_add(units / 2).saturating_add(ROOT_WORDS)
}

/// Units, by the number of their word, and runs, by unit times [`RUNS`] plus the place in the unit.
#[derive(Debug)]
pub(super) struct Pool<W> {
    words: W,
    /// Words of the root and of chunks; behind them are the notes.
    end: usize,
    /// Chunks of each class that have free blocks: the first one's first word; 0, which is the root's, for none.
    with_room: [u32; CLASSES],
    /// Chunks of no class.
    free: u32,
    free_chunks: usize,
}

impl<W: DerefMut<Target = [u64]>> Pool<W> {
    /// All units free; what the words hold does not matter.
    pub(super) fn new(words: W) -> Self {
        let chunks = (words.len() - ROOT_WORDS) / (CHUNK + CHUNK / 2);
        let end = ROOT_WORDS + chunks * CHUNK;
        let mut pool = Pool { words, end, with_room: [0; CLASSES], free: 0, free_chunks: chunks };
        // From the end, so that the chunks at the front are taken first.
        for chunk in (ROOT_WORDS..end).step_by(CHUNK).rev() {
            pool.free = pool.linked_before(chunk as u32, pool.free);
        }
        pool
    }

    /// Units there are.
    pub(super) fn capacity(&self) -> usize {
        self.end - ROOT_WORDS
    }

    /// Units of the chunks that are free.
    pub(super) fn free_units(&self) -> usize {
        self.free_chunks * CHUNK
    }

    #[inline(always)]
    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    pub(super) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// All of it as runs.
    #[inline(always)]
    pub(super) fn runs(&self) -> &[u16] {
        // Words are whole runs, and aligned better.
        <[u16]>::ref_from_bytes(self.words.as_bytes()).unwrap_or_default()
    }

    fn runs_mut(&mut self) -> &mut [u16] {
        <[u16]>::mut_from_bytes(self.words.as_mut_bytes()).unwrap_or_default()
    }

    fn notes(&mut self) -> &mut [u8] {
        self.words[self.end..].as_mut_bytes()
    }

    /// What a run says. A run in the root itself has its note in the run before.
    pub(super) fn entry(&self, at: usize) -> Entry {
        let run = self.runs()[at];
        let depth = match at.checked_sub(ROOT_WORDS * RUNS) {
            Some(note) => self.words[self.end..].as_bytes()[note],
            None => self.runs()[at - 1] as u8,
        };
        Entry { run, depth }
    }

    pub(super) fn set(&mut self, at: usize, entry: Entry) {
        self.runs_mut()[at] = entry.run;
        match at.checked_sub(ROOT_WORDS * RUNS) {
            Some(note) => self.notes()[note] = entry.depth,
            None => self.runs_mut()[at - 1] = entry.depth.into(),
        }
    }

    /// Takes a block of so many units or a few more; `None` when there is none, and no chunk is free.
    pub(super) fn take(&mut self, units: usize) -> Option<u32> {
        let class = class_for(units);
        let first = match self.with_room[class] {
            0 => self.take_chunk(class)?,
            first => first,
        };
        let mut chunk = self.chunk(first);
        let block = if chunk.given_back == 0 {
            chunk.touched += 1;
            first + (HEAD + (chunk.touched as usize - 1) * chunk.size()) as u32
        } else {
            let block = first + u32::from(chunk.given_back);
            chunk.given_back = self.words[block as usize] as u16;
            block
        };
        chunk.taken += 1;
        self.set_chunk(first, chunk);
        if chunk.is_full() {
            self.with_room[class] = self.unlinked(first, self.with_room[class]);
        }
        Some(block)
    }

    /// Gives back a block that was taken.
    pub(super) fn give_back(&mut self, block: u32) {
        let first = block / CHUNK as u32 * CHUNK as u32;
        let mut chunk = self.chunk(first);
        let class = chunk.class as usize;
        if chunk.is_full() {
            self.with_room[class] = self.linked_before(first, self.with_room[class]);
        }
        self.words[block as usize] = chunk.given_back.into();
        chunk.given_back = (block - first) as u16;
        chunk.taken -= 1;
        self.set_chunk(first, chunk);
        if chunk.taken == 0 {
            self.with_room[class] = self.unlinked(first, self.with_room[class]);
            self.free = self.linked_before(first, self.free);
            self.free_chunks += 1;
        }
    }

    /// Units of a block that was taken.
    pub(super) fn size_of(&self, block: u32) -> usize {
        self.chunk(block / CHUNK as u32 * CHUNK as u32).size()
    }

    /// Would so many units come in a smaller block than this one?
    pub(super) fn is_too_large(&self, block: u32, units: usize) -> bool {
        SIZES[class_for(units)] < self.size_of(block)
    }

    fn take_chunk(&mut self, class: usize) -> Option<u32> {
        let first = self.free;
        if first == 0 {
            return None;
        }
        self.free = self.unlinked(first, first);
        self.free_chunks -= 1;
        self.set_chunk(first, Chunk { class: class as u8, taken: 0, touched: 0, given_back: 0 });
        self.with_room[class] = self.linked_before(first, 0);
        Some(first)
    }

    fn chunk(&self, first: u32) -> Chunk {
        Chunk::from_word(self.words[first as usize + 1])
    }

    fn set_chunk(&mut self, first: u32, chunk: Chunk) {
        self.words[first as usize + 1] = chunk.word();
    }

    /// Puts a chunk before the first one of a list: the list's first one from then on.
    fn linked_before(&mut self, chunk: u32, next: u32) -> u32 {
        self.words[chunk as usize] = next.into();
        if next != 0 {
            let links = &mut self.words[next as usize];
            *links = u64::from(*links as u32) | u64::from(chunk) << 32;
        }
        chunk
    }

    /// Takes a chunk out of the list that begins with `head`: the list's first one from then on.
    fn unlinked(&mut self, chunk: u32, head: u32) -> u32 {
        let links = self.words[chunk as usize];
        let (next, previous) = (links as u32, (links >> 32) as u32);
        if next != 0 {
            let links = &mut self.words[next as usize];
            *links = u64::from(*links as u32) | u64::from(previous) << 32;
        }
        if previous == 0 {
            return next;
        }
        let links = &mut self.words[previous as usize];
        *links = *links >> 32 << 32 | u64::from(next);
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_never_overlap_and_chunks_are_free_again(
            chunks in 0usize..9,
            steps in proptest::collection::vec((any::<bool>(), 1usize..=128, any::<prop::sample::Index>()), 0..300),
        ) {
            let mut pool = Pool::new(vec![u64::MAX; words_for(chunks * CHUNK)]);
            prop_assert_eq!(pool.capacity(), chunks * CHUNK);
            let mut taken: Vec<(u32, u32)> = Vec::new();
            for (take, units, which) in steps {
                if !take && !taken.is_empty() {
                    let (start, _) = taken.swap_remove(which.index(taken.len()));
                    pool.give_back(start);
                } else if let Some(start) = pool.take(units) {
                    let end = start + pool.size_of(start) as u32;
                    prop_assert!(end - start >= units as u32 && !pool.is_too_large(start, units));
                    prop_assert!(start as usize >= ROOT_WORDS && end as usize <= pool.end);
                    prop_assert!(taken.iter().all(|other| other.1 <= start || end <= other.0));
                    // Whatever is written into it does not matter to the others.
                    pool.words[start as usize..end as usize].fill(u64::MAX);
                    taken.push((start, end));
                } else {
                    prop_assert_eq!(pool.free_units(), 0, "refused only when no chunk is free");
                }
            }
            taken.into_iter().for_each(|(start, _)| pool.give_back(start));
            prop_assert_eq!(pool.free_units(), pool.capacity());
            for _ in 0..chunks {
                prop_assert!(pool.take(128).is_some());
            }
            prop_assert!(pool.take(1).is_none() && pool.take(128).is_none());
        }
    }
}
