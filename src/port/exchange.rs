//! How a core gets a new socket while it polls, because the device of the old one is no more: a place for the new one
//! and a place for the old one. Nobody waits.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_utils::atomic::AtomicCell;

/// Two places between the control thread and one core. A place holds a `T` that is one pointer, so putting in and taking out is one
/// atomic instruction; the core looks at a flag before that.
pub(super) struct Exchange<T> {
    offered: AtomicBool,
    new: AtomicCell<Option<T>>,
    old: AtomicCell<Option<T>>,
}

impl<T> fmt::Debug for Exchange<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("offered", &self.offered).finish_non_exhaustive()
    }
}

impl<T> Default for Exchange<T> {
    fn default() -> Self {
        const { assert!(AtomicCell::<Option<T>>::is_lock_free()) };
        Exchange { offered: AtomicBool::new(false), new: AtomicCell::new(None), old: AtomicCell::new(None) }
    }
}

impl<T> Exchange<T> {
    /// Control thread: offers a new one; one that was offered and never taken comes back.
    pub(super) fn offer(&self, new: T) -> Option<T> {
        let unwanted = self.new.swap(Some(new));
        // Release: pairs with the core's look.
        self.offered.store(true, Ordering::Release);
        unwanted
    }

    /// Core: is there a new one?
    #[inline]
    pub(super) fn is_offered(&self) -> bool {
        self.offered.load(Ordering::Acquire)
    }

    /// Core: takes the new one in place of the current one, which is returned. Nothing happens while one left before
    /// has not been collected.
    #[cold]
    pub(super) fn trade(&self, current: &mut T) -> Option<T> {
        if let Some(uncollected) = self.old.take() {
            self.old.store(Some(uncollected));
            return None;
        }
        self.offered.store(false, Ordering::Relaxed);
        self.new.take().map(|new| std::mem::replace(current, new))
    }

    /// Core: leaves the old one for the control thread, which takes it apart.
    pub(super) fn leave(&self, old: T) {
        self.old.store(Some(old));
    }

    /// Control thread: what the core left.
    pub(super) fn collect(&self) -> Option<T> {
        self.old.take()
    }

    /// The one that was offered and never taken.
    pub(super) fn take_back(&self) -> Option<T> {
        self.offered.store(false, Ordering::Relaxed);
        self.new.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_traded_for_another_and_none_is_lost() {
        let exchange = Exchange::<Box<u32>>::default();
        let mut current = Box::new(1);
        assert!(
            !exchange.is_offered() && exchange.trade(&mut current).is_none() && exchange.collect().is_none()
        );
        assert_eq!(exchange.offer(Box::new(2)), None);
        assert_eq!(exchange.offer(Box::new(3)), Some(Box::new(2)), "what nobody took comes back");
        assert!(exchange.is_offered());
        exchange.leave(exchange.trade(&mut current).unwrap());
        assert_eq!((*current, exchange.is_offered()), (3, false));
        exchange.offer(Box::new(4));
        assert_eq!(exchange.trade(&mut current), None, "the old one has not been collected");
        assert_eq!((*current, exchange.is_offered()), (3, true));
        assert_eq!(exchange.collect(), Some(Box::new(1)));
        assert_eq!(exchange.trade(&mut current), Some(Box::new(3)));
        assert_eq!((*current, exchange.collect(), exchange.take_back()), (4, None, None));
    }
}
