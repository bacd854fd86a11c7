//! Answers that are remembered: a shard's, in the core's arena, of a fixed size.
//!
//! An entry is a head of 48 bytes and a chain of blocks of 64 that hold the message as it goes out (question in
//! lower case, no OPT record) and where its TTLs are. A hit looks its question up by a keyed hash, compares all of it, and
//! copies the message once; TTLs are counted down in the copy. Where there is no room, an entry that has not been
//! used for longest, or near enough (second chance over at most 16), makes room. Nothing allocates.
//!
//! The index is its own: entries vary in length, and what is compared lies in the blocks.

mod answer;
mod blocks;
mod head;
mod index;

use hugepages::Carved;

use super::message::{HEADER, Key};
use crate::pipeline::Build;
pub(super) use answer::{Answer, Capacity, Counts, Hit};
use blocks::{Blocks, Chain};
use head::Head;
use index::Index;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;
/// Entries looked at to find one that may go.
const LOOKS: u32 = 16;

/// A shard's answers.
#[derive(Debug)]
pub(super) struct Cache {
    heads: Carved<Head>,
    index: Index,
    blocks: Blocks,
    /// The first of a list of unused heads, numbered from 1.
    free: u32,
    /// Heads that were ever used.
    used: u32,
    /// The clock's hand: which entry is looked at next.
    hand: u32,
    live: u32,
    pub(super) counts: Counts,
}

impl Cache {
    /// An empty one.
    ///
    /// # Errors
    /// The arena has no room for it.
    pub(super) fn new(capacity: Capacity, build: &mut Build<'_>) -> anyhow::Result<Cache> {
        let heads = build.carve(capacity.entries as usize)?;
        let index = Index::new(build.carve(index::places(capacity.entries as usize))?);
        let blocks = Blocks::new(build.carve(capacity.blocks as usize)?);
        Ok(Cache { heads, index, blocks, free: 0, used: 0, hand: 0, live: 0, counts: Counts::default() })
    }

    /// Answers in it, those that are too old included.
    pub(super) fn len(&self) -> usize {
        self.live as usize
    }

    /// The answer to a question that was asked at `asked_ns`, if there is one that is not too old; one that came since it was
    /// asked never is.
    #[inline]
    pub(super) fn find(&mut self, key: &Key, now_ns: u64, asked_ns: u64) -> Option<Hit> {
        let number = self.look(key)?;
        let head = &mut self.heads[number as usize - 1];
        if now_ns >= head.until_ns && head.since_ns < asked_ns {
            self.counts.expired += 1;
            self.remove(number);
            return None;
        }
        head.recent = 1;
        let age = (now_ns.saturating_sub(head.since_ns) / SECOND) as u32;
        Some(Hit { head: number, len: usize::from(head.len), extended: head.extended, age })
    }

    /// The number of the entry with this key.
    #[inline]
    fn look(&self, key: &Key) -> Option<u32> {
        let mut number = self.index.first(key.hash());
        while let Some(head) = number.checked_sub(1).map(|at| &self.heads[at as usize]) {
            let equal = head.hash == key.hash()
                && head.variant == key.variant().0
                && usize::from(head.question) == key.question().len()
                && self.blocks.read(head.first).skip(HEADER).equals(key.question());
            if equal {
                return Some(number);
            }
            number = head.next;
        }
        None
    }

    /// Copies a hit's message to `to`, which is at least as long, all but the question; TTLs are counted down.
    #[inline]
    pub(super) fn copy(&self, hit: Hit, to: &mut [u8]) {
        let head = &self.heads[hit.head as usize - 1];
        let mut chain = self.blocks.read(head.first);
        let Some((message, _)) = to.split_at_mut_checked(hit.len) else { return };
        let body = HEADER + usize::from(head.question);
        let Some((header, _)) = message.split_at_mut_checked(HEADER) else { return };
        chain.copy(header);
        chain = chain.skip(usize::from(head.question));
        if let Some(records) = message.get_mut(body..) {
            chain.copy(records);
        }
        if hit.age > 0 {
            age(message, chain.skip(hit.len & 1), head.ttls, hit.age);
        }
    }

    /// Remembers an answer in place of what was remembered of the question; `wanted` is whether anybody waits for it. One
    /// that is too large for the whole cache is not.
    pub(super) fn insert(&mut self, key: &Key, answer: &Answer<'_>, wanted: bool, now_ns: u64) {
        if let Some(number) = self.look(key) {
            self.remove(number);
        }
        let bytes = answer.message.len().next_multiple_of(2) + answer.ttls.len() * 2;
        let room = Blocks::count(bytes);
        if room > self.blocks.capacity() || self.heads.is_empty() {
            return;
        }
        while self.blocks.free() < room || self.live as usize == self.heads.len() {
            self.evict(now_ns);
        }
        let mut writer = self.blocks.write(room);
        let (head, rest) = answer.message.split_at(HEADER.min(answer.message.len()));
        let records = rest.get(key.question().len()..).unwrap_or_default();
        for part in [head, key.question(), records] {
            writer.put(part);
        }
        let odd = answer.message.len() & 1;
        writer.put(&[0][..odd]);
        answer.ttls.iter().for_each(|at| writer.put(&at.to_ne_bytes()));
        let first = writer.first();
        let number = self.take_head();
        self.heads[number as usize - 1] = Head {
            hash: key.hash(),
            since_ns: now_ns,
            until_ns: now_ns.saturating_add(u64::from(answer.life) * SECOND),
            first,
            next: self.index.push(key.hash(), number),
            len: answer.message.len() as u16,
            ttls: answer.ttls.len() as u16,
            question: key.question().len() as u16,
            variant: key.variant().0,
            extended: answer.extended,
            live: 1,
            recent: u8::from(wanted),
            _pad: [0; 6],
        };
        self.live += 1;
        self.counts.inserted += 1;
    }

    /// An unused head's number.
    fn take_head(&mut self) -> u32 {
        match self.free {
            0 => {
                self.used += 1;
                self.used
            }
            number => {
                self.free = self.heads[number as usize - 1].next;
                number
            }
        }
    }

    /// Makes one entry go: the first the clock's hand meets that is too old or was not used since it came by last, and
    /// the last of those it looks at if there is none.
    fn evict(&mut self, now_ns: u64) {
        let mut looks = 0;
        loop {
            self.hand = if self.hand >= self.used { 1 } else { self.hand + 1 };
            let head = &mut self.heads[self.hand as usize - 1];
            if head.live == 0 {
                continue;
            }
            looks += 1;
            let old = now_ns >= head.until_ns;
            if old || head.recent == 0 || looks == LOOKS {
                match old {
                    true => self.counts.expired += 1,
                    false => self.counts.evicted += 1,
                }
                return self.remove(self.hand);
            }
            head.recent = 0;
        }
    }

    fn remove(&mut self, number: u32) {
        let Head { hash, next, first, .. } = self.heads[number as usize - 1];
        let heads = &mut self.heads;
        match self.index.before(hash, number, |at| heads[at as usize - 1].next) {
            None => self.index.set(hash, next),
            Some(before) => heads[before as usize - 1].next = next,
        }
        self.blocks.release(first);
        self.heads[number as usize - 1].live = 0;
        self.heads[number as usize - 1].next = self.free;
        self.free = number;
        self.live -= 1;
    }
}

/// Counts `ttls` TTLs of a message down, whose places follow in the chain.
#[inline]
fn age(message: &mut [u8], mut places: Chain<'_>, ttls: u16, seconds: u32) {
    for _ in 0..ttls {
        let mut place = [0; 2];
        places.copy(&mut place);
        let at = usize::from(u16::from_ne_bytes(place));
        if let Some(field) = message.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) {
            *field = u32::from_be_bytes(*field).saturating_sub(seconds).to_be_bytes();
        }
    }
}
