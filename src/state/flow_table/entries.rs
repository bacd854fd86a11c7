//! The entries of a flow table, key beside value; apart from them, when each was used last, and the list of those that are free.

use std::ops::DerefMut;

use hugepages::prefetch;
use zerocopy::FromZeros;

use crate::state::hash::{Key, same};
use crate::state::stamp::Stamp;

/// A key and what is known of it.
#[derive(Clone, Copy, Debug, FromZeros)]
#[repr(C)]
pub struct Entry<K, V> {
    pub(super) key: K,
    pub(super) value: V,
}

/// All entries, in use or free.
///
/// Stamps lie apart: a lookup that is no use needs none of them, the hand of ageing nothing else.
#[derive(Debug)]
pub(super) struct Entries<E, S> {
    all: E,
    stamps: S,
    /// Leads to the first of the free entries that were in use before.
    free: Stamp,
    /// Those from here on never were; what they hold means nothing.
    fresh: usize,
}

impl<K, V, E, S> Entries<E, S>
where
    K: Key,
    V: Copy,
    E: DerefMut<Target = [Entry<K, V>]>,
    S: DerefMut<Target = [Stamp]>,
{
    pub(super) fn new(all: E, stamps: S) -> Self {
        assert_eq!(all.len(), stamps.len(), "a stamp for each entry");
        Entries { all, stamps, free: Stamp::NO_ENTRY, fresh: 0 }
    }

    pub(super) fn capacity(&self) -> usize {
        self.all.len()
    }

    /// Entries that are or were in use: the others need not be looked at.
    #[inline(always)]
    pub(super) fn used(&self) -> usize {
        self.fresh
    }

    /// Asks the cache for the first and the last line of an entry. Any number will do.
    #[inline(always)]
    pub(super) fn prefetch(&self, at: usize) {
        let first = self.all.as_ptr().wrapping_add(at).cast::<u8>();
        prefetch::for_many(first);
        let bytes = size_of::<Entry<K, V>>();
        // One that cannot lie across lines has one line.
        if !bytes.is_power_of_two() || bytes > hugepages::CACHE_LINE {
            prefetch::for_many(first.wrapping_add(bytes.saturating_sub(1)));
        }
    }

    #[inline(always)]
    pub(super) fn prefetch_stamp(&self, at: usize) {
        prefetch::for_many(self.stamps.as_ptr().wrapping_add(at));
    }

    /// The entry, if it is this key's. It may be one that is free, and has kept its key.
    #[inline(always)]
    pub(super) fn with_key(&self, at: usize, key: &K) -> Option<&V> {
        self.all.get(at).filter(|entry| same(&entry.key, key)).map(|entry| &entry.value)
    }

    /// An entry that is in use.
    #[inline(always)]
    pub(super) fn get(&self, at: usize) -> Option<&Entry<K, V>> {
        self.stamp(at)?;
        self.all.get(at)
    }

    /// When an entry was used last that is in use.
    #[inline(always)]
    pub(super) fn stamp(&self, at: usize) -> Option<Stamp> {
        self.stamps.get(at).copied().filter(|stamp| at < self.fresh && !stamp.is_free())
    }

    /// The value of an entry that is in use, and used now.
    #[inline(always)]
    pub(super) fn touch(&mut self, at: usize, now_ns: u64) -> Option<&mut V> {
        *self.stamps.get_mut(at)? = Stamp::at(now_ns);
        Some(&mut self.all.get_mut(at)?.value)
    }

    /// Is an entry free?
    #[inline]
    pub(super) fn has_free(&self) -> bool {
        self.free != Stamp::NO_ENTRY || self.fresh < self.all.len()
    }

    /// Puts key and value in a free entry, the one that was freed last.
    #[inline]
    pub(super) fn take(&mut self, (key, value): (K, V), now_ns: u64) -> Option<usize> {
        let at = self.free.next_free().unwrap_or(self.fresh);
        let (entry, stamp) = (self.all.get_mut(at)?, self.stamps.get_mut(at)?);
        if at == self.fresh {
            self.fresh += 1;
        } else {
            self.free = *stamp;
        }
        *stamp = Stamp::at(now_ns);
        *entry = Entry { key, value };
        Some(at)
    }

    /// Frees an entry that is in use.
    #[inline]
    pub(super) fn let_go(&mut self, at: usize) -> (K, V) {
        self.stamps[at] = self.free;
        self.free = Stamp::free_before(at);
        (self.all[at].key, self.all[at].value)
    }
}
