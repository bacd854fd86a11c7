//! A hierarchical timer wheel, fixed in size: arming and cancelling take the same few steps however many timers there are.
//!
//! ```text
//! level 0: 64 slots of one tick (1,024 ns)      level 1: 64 slots of 64 ticks      ... level 8: of 64^8 ticks
//!    └ slot: chunks of 14 timers, one cache line each, all but the last one full
//! ```
//!
//! A timer lies at the level of the highest six bits in which its tick differs from where the wheel stands; when the wheel
//! comes to a slot of a higher level, its timers move down. Empty slots are passed over by bit masks, so that
//! an hour in which nothing is due costs a handful of steps.
//!
//! A slot's timers lie densely: one that is cancelled is replaced by the slot's last. So a step touches the timer's own line, its
//! chunk's, and the slot's last chunk, which is in the cache, where a linked list would touch two neighbours that are not.
//!
//! | | time | memory |
//! |---|---|---|
//! | [`arm`](TimerWheel::arm), [`cancel`](TimerWheel::cancel) | O(1) | 32 bytes a timer with a value of 8, and 64 bytes for 14 timers |
//! | [`advance`](TimerWheel::advance) | O(1) a timer that fires or moves down, at most 8 times in its life | |

mod chunk;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::ops::DerefMut;

use hugepages::{Carved, arena, prefetch};
use zerocopy::FromZeros;

pub use chunk::Chunk;
use chunk::{Chunks, NO_CHUNK, PER_CHUNK};

/// Nanoseconds of a tick, as a power of two. Timers fire by the nanosecond all the same: a tick is only where they lie.
const TICK_BITS: u32 = 10;
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
/// Levels that 64 bits of nanoseconds need.
const LEVELS: usize = (64 - TICK_BITS).div_ceil(LEVEL_BITS) as usize;

/// The most timers one wheel can be made for.
pub const MOST_CAPACITY: usize = 1 << 27;

/// Chunks a wheel for `capacity` timers needs: every slot of the wheel may have one that is not full.
pub fn chunks_for(capacity: usize) -> usize {
    capacity.div_ceil(PER_CHUNK).saturating_add(LEVELS * SLOTS)
}

/// Bytes a wheel for `capacity` timers takes from an arena.
pub fn bytes_for<V>(capacity: usize) -> usize {
    let chunks = arena::carve_bytes::<Chunk>(chunks_for(capacity));
    chunks.saturating_add(arena::carve_bytes::<Timer<V>>(capacity))
}

/// A timer of the wheel: when it is due, where it lies, what it is for.
#[derive(Clone, Copy, Debug, FromZeros)]
#[repr(C)]
pub struct Timer<V> {
    deadline_ns: u64,
    /// Chunk and place in it; the next free timer where this one is not armed.
    location: u32,
    /// Even while it is free, odd while it is armed: an old [`TimerId`] names nobody.
    generation: u32,
    value: V,
}

/// Names an armed timer. One that has fired or was cancelled is never named by it again (until its place was used two
/// thousand million times more).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    index: u32,
    /// Odd, as that of the timer while it is armed; so an `Option` of this takes no more.
    generation: NonZeroU32,
}

impl TimerId {
    /// The timer's place among all of its wheel: below the capacity, and no two armed timers have the same.
    #[inline]
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// What [`TimerWheel::advance`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// Timers that fired.
    pub fired: usize,
    /// Is all done that was due? If not, the limit was reached: call again.
    pub complete: bool,
}

/// The timers of a slot, in chunks from the last to the first.
#[derive(Clone, Copy, Debug)]
struct Slot {
    last: u32,
}

/// Timers by deadline, with a value each.
#[derive(Debug)]
pub struct TimerWheel<V, T = Carved<Timer<V>>, C = Carved<Chunk>> {
    timers: T,
    chunks: Chunks<C>,
    slots: Box<[Slot; LEVELS * SLOTS]>,
    /// By level: slots that have a timer.
    occupied: [u64; LEVELS],
    /// Where the wheel stands: every tick before it is done with.
    tick: u64,
    len: usize,
    /// First of the free timers that were armed before; those from `fresh` on never were.
    free: u32,
    fresh: u32,
    full_count: u64,
    peak: usize,
    value: std::marker::PhantomData<V>,
}

/// How many timers ahead of the one that is moved or fired the cache is asked for.
const AHEAD: usize = 8;

/// Timers that [`TimerWheel::next_deadline_ns`] looks at one by one.
pub const SCANNED: usize = 64;

const NO_TIMER: u32 = u32::MAX;

impl<V, T, C> TimerWheel<V, T, C>
where
    V: Copy,
    T: DerefMut<Target = [Timer<V>]>,
    C: DerefMut<Target = [Chunk]>,
{
    /// An empty wheel at `now_ns`, with room for a timer per element of `timers`. What the elements hold does not matter.
    ///
    /// # Panics
    /// If there are not [`chunks_for`] the timers, or more than [`MOST_CAPACITY`] timers.
    pub fn new(timers: T, chunks: C, now_ns: u64) -> Self {
        assert!(timers.len() <= MOST_CAPACITY, "{} timers: at most {MOST_CAPACITY}", timers.len());
        assert_eq!(chunks.len(), chunks_for(timers.len()), "chunks for {} timers", timers.len());
        TimerWheel {
            timers,
            chunks: Chunks::new(chunks),
            slots: Box::new([Slot { last: NO_CHUNK }; LEVELS * SLOTS]),
            occupied: [0; LEVELS],
            tick: now_ns >> TICK_BITS,
            len: 0,
            free: NO_TIMER,
            fresh: 0,
            full_count: 0,
            peak: 0,
            value: std::marker::PhantomData,
        }
    }

    /// Timers it has room for.
    pub fn capacity(&self) -> usize {
        self.timers.len()
    }

    /// Armed timers.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Is none armed?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The most timers that were armed at a time.
    pub fn peak(&self) -> usize {
        self.peak
    }

    /// How often a timer was refused because all were armed.
    pub fn full_count(&self) -> u64 {
        self.full_count
    }

    /// Arms a timer for `deadline_ns` (one that has passed fires at the next [`advance`](Self::advance)). `None`, and
    /// counted, when all are armed.
    #[inline]
    pub fn arm(&mut self, deadline_ns: u64, value: V) -> Option<TimerId> {
        let Some(index) = self.take_free() else {
            self.full_count += 1;
            return None;
        };
        let timer = &mut self.timers[index as usize];
        timer.deadline_ns = deadline_ns;
        timer.value = value;
        timer.generation |= 1;
        let generation = NonZeroU32::MIN | timer.generation;
        self.len += 1;
        self.peak = self.peak.max(self.len);
        self.place(index, deadline_ns);
        Some(TimerId { index, generation })
    }

    /// Takes a timer back before it fires: its value. `None` when it has fired or was cancelled.
    #[inline]
    pub fn cancel(&mut self, id: TimerId) -> Option<V> {
        let timer = self.timers.get(id.index as usize)?;
        if timer.generation != id.generation.get() {
            return None;
        }
        let (value, location) = (timer.value, timer.location);
        self.remove(location);
        self.let_go(id.index);
        Some(value)
    }

    /// When a timer is due; `None` when it has fired or was cancelled.
    pub fn deadline_ns(&self, id: TimerId) -> Option<u64> {
        let timer = self.timers.get(id.index as usize)?;
        (timer.generation == id.generation.get()).then_some(timer.deadline_ns)
    }

    /// Fires what is due at `now_ns`: never a timer before its deadline. At most `limit` timers fire or move down; tick by tick,
    /// within a tick in an order that is always the same. `fire` gets the timer that was, its deadline and its value; the timer is free by then.
    #[inline]
    pub fn advance(&mut self, now_ns: u64, limit: usize, mut fire: impl FnMut(TimerId, u64, V)) -> Advance {
        let mut advance = Advance::default();
        let mut left = limit;
        let now_tick = now_ns >> TICK_BITS;
        loop {
            if self.occupied[0] >> (self.tick as usize % SLOTS) & 1 == 1 {
                self.fire_slot(now_ns, &mut left, &mut advance, &mut fire);
                if left == 0 {
                    return advance;
                }
            }
            if self.tick >= now_tick {
                break;
            }
            match self.next_occupied() {
                Some((tick, level)) if tick <= now_tick => {
                    if level > 0 && !self.move_down(tick, level, &mut left) {
                        return advance;
                    }
                    self.tick = tick;
                }
                _ => self.tick = now_tick,
            }
        }
        advance.complete = true;
        advance
    }

    /// When the wheel is to be looked at next: the deadline of the timer that is due first; or an earlier time, after the one it
    /// was last [advanced](TimerWheel::advance) to, where that timer lies far ahead among more than [`SCANNED`] others. Nothing is due before.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        let here = self.tick as usize % SLOTS;
        let (slot, begins_ns) = if self.occupied[0] >> here & 1 == 1 {
            (here, None)
        } else {
            let (tick, level) = self.next_occupied()?;
            let slot = level * SLOTS + (tick >> (level as u32 * LEVEL_BITS)) as usize % SLOTS;
            // Within one tick the order by nanoseconds is all there is to know.
            (slot, (level > 0).then_some(tick << TICK_BITS))
        };
        let mut deadlines =
            self.chunks.iter(self.slots[slot].last).map(|index| self.timers[index as usize].deadline_ns);
        let Some(begins_ns) = begins_ns else { return deadlines.min() };
        let first = deadlines.by_ref().take(SCANNED).min();
        if deadlines.next().is_some() { Some(begins_ns) } else { first }
    }

    // ---- where timers lie

    #[inline]
    fn place(&mut self, index: u32, deadline_ns: u64) {
        let tick = (deadline_ns >> TICK_BITS).max(self.tick);
        self.place_from(self.tick, index, tick);
    }

    /// Puts a timer of `tick` where it lies when the wheel stands at `from`.
    #[inline]
    fn place_from(&mut self, from: u64, index: u32, tick: u64) {
        let highest = 63 - ((tick ^ from) | 1).leading_zeros();
        let level = (highest / LEVEL_BITS) as usize;
        let place = (tick >> (level as u32 * LEVEL_BITS)) as usize % SLOTS;
        let slot = level * SLOTS + place;
        self.occupied[level] |= 1 << place;
        let location = self.chunks.push(&mut self.slots[slot].last, slot as u16, index);
        self.timers[index as usize].location = location;
    }

    /// Takes the timer at a location out of its slot; the slot's last timer takes its place.
    #[inline]
    fn remove(&mut self, location: u32) {
        let slot = usize::from(self.chunks.slot(location));
        let moved = self.chunks.remove(&mut self.slots[slot].last, location);
        if let Some(moved) = moved {
            self.timers[moved as usize].location = location;
        }
        if self.slots[slot].last == NO_CHUNK {
            self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
        }
    }

    #[inline]
    fn take_free(&mut self) -> Option<u32> {
        if self.free != NO_TIMER {
            let index = self.free;
            self.free = self.timers[index as usize].location;
            return Some(index);
        }
        let index = self.fresh;
        let timer = self.timers.get_mut(index as usize)?;
        timer.generation = 0;
        self.fresh += 1;
        Some(index)
    }

    #[inline]
    fn let_go(&mut self, index: u32) {
        let timer = &mut self.timers[index as usize];
        timer.generation = timer.generation.wrapping_add(1);
        timer.location = self.free;
        self.free = index;
        self.len -= 1;
    }

    // ---- how the wheel turns

    /// The next tick after this one at which a slot begins that has a timer, and the slot's level.
    #[inline]
    fn next_occupied(&self) -> Option<(u64, usize)> {
        for level in 0..LEVELS {
            let at = self.tick >> (level as u32 * LEVEL_BITS);
            let after =
                self.occupied[level] & (u64::MAX - 1).checked_shl((at % SLOTS as u64) as u32).unwrap_or(0);
            if after != 0 {
                let place = u64::from(after.trailing_zeros());
                let slot = at & !(SLOTS as u64 - 1) | place;
                return Some((slot << (level as u32 * LEVEL_BITS), level));
            }
        }
        None
    }

    /// Moves the timers of the slot that begins at `tick` to lower levels. `false` when the limit was reached before all were.
    fn move_down(&mut self, tick: u64, level: usize, left: &mut usize) -> bool {
        let place = (tick >> (level as u32 * LEVEL_BITS)) as usize % SLOTS;
        let slot = level * SLOTS + place;
        while let Some(location) = self.chunks.last(self.slots[slot].last) {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            self.prefetch_before(location);
            let index = self.chunks.at(location);
            self.remove(location);
            let due = self.timers[index as usize].deadline_ns >> TICK_BITS;
            self.place_from(tick, index, due);
        }
        true
    }

    /// Asks the cache for a timer that will be looked at soon.
    #[inline]
    fn prefetch_before(&self, location: u32) {
        let earlier = self.chunks.earlier(location, AHEAD);
        if let Some(timer) = earlier.and_then(|index| self.timers.get(index as usize)) {
            prefetch::for_writing(std::ptr::from_ref(timer).cast_mut());
        }
    }

    /// Fires the timers of the tick where the wheel stands, as far as they are due.
    fn fire_slot(
        &mut self,
        now_ns: u64,
        left: &mut usize,
        advance: &mut Advance,
        fire: &mut impl FnMut(TimerId, u64, V),
    ) {
        let slot = self.tick as usize % SLOTS;
        // From the last to the first: what takes the place of a timer that is removed was looked at before.
        let mut cursor = self.chunks.last(self.slots[slot].last);
        while let Some(location) = cursor {
            cursor = self.chunks.before(location);
            self.prefetch_before(location);
            let index = self.chunks.at(location);
            let Timer { deadline_ns, value, generation, .. } = self.timers[index as usize];
            if deadline_ns > now_ns {
                continue;
            }
            if *left == 0 {
                return;
            }
            *left -= 1;
            self.remove(location);
            self.let_go(index);
            advance.fired += 1;
            fire(TimerId { index, generation: NonZeroU32::MIN | generation }, deadline_ns, value);
        }
    }
}
