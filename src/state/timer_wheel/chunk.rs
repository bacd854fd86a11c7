//! Chunks of timers: one cache line each, from the slot's last to its first.

use std::ops::DerefMut;

use zerocopy::FromZeros;

/// Timers in a chunk.
pub(super) const PER_CHUNK: usize = 14;
/// Bits of a location that tell the place in the chunk.
const PLACE_BITS: u32 = 4;
pub(super) const NO_CHUNK: u32 = u32::MAX;

/// Timers of one slot of the wheel.
#[derive(Clone, Copy, Debug, FromZeros)]
#[repr(C, align(64))]
pub struct Chunk {
    /// The chunk before this one in the slot; the next free one where this is free.
    before: u32,
    slot: u16,
    len: u16,
    timers: [u32; PER_CHUNK],
}

const _: () = assert!(size_of::<Chunk>() == 64);

/// All chunks of a wheel. A slot is known by its last chunk; all before that are full.
#[derive(Debug)]
pub(super) struct Chunks<C> {
    chunks: C,
    free: u32,
    fresh: u32,
}

fn location(chunk: u32, place: u16) -> u32 {
    chunk << PLACE_BITS | u32::from(place)
}

fn parts(location: u32) -> (usize, usize) {
    ((location >> PLACE_BITS) as usize, (location & ((1 << PLACE_BITS) - 1)) as usize)
}

impl<C: DerefMut<Target = [Chunk]>> Chunks<C> {
    pub(super) fn new(chunks: C) -> Chunks<C> {
        Chunks { chunks, free: NO_CHUNK, fresh: 0 }
    }

    /// A chunk nobody has. There is always one: all chunks but a slot's last are full, and there are
    /// [`chunks_for`](super::chunks_for) the timers.
    #[inline]
    fn acquire(&mut self) -> u32 {
        if self.free != NO_CHUNK {
            let chunk = self.free;
            self.free = self.chunks[chunk as usize].before;
            return chunk;
        }
        self.fresh += 1;
        self.fresh - 1
    }

    /// Puts a timer behind the last of a slot; its location.
    #[inline]
    pub(super) fn push(&mut self, last: &mut u32, slot: u16, timer: u32) -> u32 {
        if *last == NO_CHUNK || usize::from(self.chunks[*last as usize].len) == PER_CHUNK {
            let chunk = self.acquire();
            let fresh = &mut self.chunks[chunk as usize];
            (fresh.before, fresh.slot, fresh.len) = (*last, slot, 0);
            *last = chunk;
        }
        let chunk = &mut self.chunks[*last as usize];
        let place = chunk.len;
        chunk.timers[usize::from(place)] = timer;
        chunk.len += 1;
        location(*last, place)
    }

    /// The slot a location belongs to.
    #[inline]
    pub(super) fn slot(&self, location: u32) -> u16 {
        self.chunks[parts(location).0].slot
    }

    /// The timer at a location.
    #[inline]
    pub(super) fn at(&self, location: u32) -> u32 {
        let (chunk, place) = parts(location);
        self.chunks[chunk].timers[place]
    }

    /// Takes the timer at a location out of its slot, whose last timer takes its place: that one, unless it is
    /// the same.
    #[inline]
    pub(super) fn remove(&mut self, last: &mut u32, at: u32) -> Option<u32> {
        let end = *last;
        let chunk = &mut self.chunks[end as usize];
        chunk.len -= 1;
        let (place, before) = (chunk.len, chunk.before);
        let moved = chunk.timers[usize::from(place)];
        if place == 0 {
            chunk.before = self.free;
            self.free = end;
            *last = before;
        }
        if location(end, place) == at {
            return None;
        }
        let (chunk, place) = parts(at);
        self.chunks[chunk].timers[place] = moved;
        Some(moved)
    }

    /// Location of the last timer of a slot.
    #[inline]
    pub(super) fn last(&self, last: u32) -> Option<u32> {
        (last != NO_CHUNK).then(|| location(last, self.chunks[last as usize].len - 1))
    }

    /// The location before this one in its slot.
    #[inline]
    pub(super) fn before(&self, at: u32) -> Option<u32> {
        let (chunk, place) = parts(at);
        if place > 0 { Some(at - 1) } else { self.last(self.chunks[chunk].before) }
    }

    /// The timer that lies `count` places before this one in its slot, `count` being less than a chunk.
    #[inline]
    pub(super) fn earlier(&self, at: u32, count: usize) -> Option<u32> {
        let (chunk, place) = parts(at);
        let chunk = &self.chunks[chunk];
        match place.checked_sub(count) {
            Some(place) => Some(chunk.timers[place]),
            None => Some(self.chunks.get(chunk.before as usize)?.timers[place + PER_CHUNK - count]),
        }
    }

    /// The timers of a slot, from the last to the first.
    pub(super) fn iter(&self, last: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(self.last(last), |at| self.before(*at)).map(|at| self.at(at))
    }
}
