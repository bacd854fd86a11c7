//! Putting futures and values into slots.

use std::alloc::Layout;
use std::ptr::NonNull;

use super::super::head::state::{FUTURE, JOIN, OUTPUT, QUEUED};
use super::super::head::{Typed, Value};
use super::super::{ALIGN, NotSpawned, Refused};
use super::{Inner, NONE};

impl Inner {
    /// Puts a future into a slot and queues it.
    #[inline]
    pub(in crate::slots) fn place<F>(&self, tag: u16, future: F) -> Result<u32, NotSpawned<F>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        const {
            assert!(
                align_of::<F>() <= ALIGN && align_of::<F::Output>() <= ALIGN,
                "futures and outputs align to 16 bytes"
            );
        }
        let need = Layout::new::<F>().size().max(Layout::new::<F::Output>().size());
        let Some(number) = self.take_slot(need) else {
            return Err(NotSpawned { why: self.refuse(need), future });
        };
        let head = self.head(number);
        head.table.set(Some(&Typed::<F>::TABLE));
        head.tag.set(tag);
        head.poll.set(Typed::<F>::poll);
        // SAFETY: the slot is free, and has room for an `F` (and for its output) at an alignment that suffices.
        unsafe { head.contents().cast::<F>().write(future) };
        head.state.set(FUTURE | JOIN | QUEUED);
        self.queue.push(number);
        Ok(number)
    }

    /// Puts a value into a slot, for a handle to have.
    #[inline]
    pub(in crate::slots) fn place_value<T: 'static>(&self, value: T) -> Result<u32, (Refused, T)> {
        const {
            assert!(align_of::<T>() <= ALIGN, "values align to 16 bytes");
        }
        let need = size_of::<T>();
        let Some(number) = self.take_slot(need) else { return Err((self.refuse(need), value)) };
        let head = self.head(number);
        head.table.set(Some(&Value::<T>::TABLE));
        // SAFETY: the slot is free, and has room for a `T` at an alignment that suffices.
        unsafe { head.contents().cast::<T>().write(value) };
        head.state.set(OUTPUT | JOIN);
        Ok(number)
    }

    /// Where the value is that was put into a slot.
    #[inline(always)]
    pub(in crate::slots) fn value(&self, number: u32) -> NonNull<u8> {
        self.head(number).contents()
    }

    /// The smallest free slot with so much room.
    #[inline]
    fn take_slot(&self, need: usize) -> Option<u32> {
        let class = self.classes.iter().find(|class| class.room >= need && class.free.get() != NONE)?;
        let number = class.free.get();
        class.free.set(self.head(number).next_free.get());
        class.used.set(class.used.get() + 1);
        class.peak.set(class.peak.get().max(class.used.get()));
        Some(number)
    }

    #[cold]
    fn refuse(&self, bytes: usize) -> Refused {
        let mut large = self.classes.iter().filter(|class| class.room >= bytes).peekable();
        match large.peek() {
            Some(class) => class.refused.set(class.refused.get() + 1),
            None => {
                let most = self.classes.last().map_or(0, |class| class.room);
                return Refused::TooLarge { bytes, most };
            }
        }
        Refused::Full { bytes, slots: large.map(|class| class.slots as usize).sum() }
    }
}
