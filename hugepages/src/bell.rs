//! A bell: what a core looks at once a turn, instead of at every ring that leads to it.

use std::fmt;

use crossbeam_utils::CachePadded;

use crate::primitive::{Arc, AtomicBool, Ordering};

/// Rung by any thread, after it has put something somewhere; heard by one, which then goes and looks there. A bell that was rung
/// several times before it is heard is heard once.
///
/// ```
/// let bell = hugepages::Bell::default();
/// let (mut out, mut intake) = hugepages::ring::boxed(4);
/// let elsewhere = bell.clone();
/// std::thread::spawn(move || {
///     out.push(7).unwrap();
///     elsewhere.ring();
/// }).join().unwrap();
/// assert!(bell.heard());
/// assert_eq!(intake.pop(), Some(7));
/// assert!(!bell.heard());
/// ```
#[derive(Clone)]
pub struct Bell {
    /// On a line of its own: all who ring write it.
    rung: Arc<CachePadded<AtomicBool>>,
}

impl Default for Bell {
    /// A silent one.
    fn default() -> Bell {
        Bell { rung: Arc::new(CachePadded::new(AtomicBool::new(false))) }
    }
}

impl Bell {
    /// Rings it.
    #[inline]
    pub fn ring(&self) {
        // Release: who hears it sees all that this thread did before. A swap and no store: who hears the later of two reads
        // only its value, and a chain of read-modify-writes lets him see what the earlier one did as well.
        self.rung.swap(true, Ordering::Release);
    }

    /// Was it rung since it was heard last? What was done before that can be seen now; what is done later rings it again.
    #[inline(always)]
    #[must_use]
    pub fn heard(&self) -> bool {
        // Acquire: pairs with `ring`. And a swap again: a plain store could wipe out a ring that came after the look.
        self.is_rung() && self.rung.swap(false, Ordering::Acquire)
    }

    /// The same without hearing it. Another thread's ring may take a while to show.
    #[inline(always)]
    #[must_use]
    pub fn is_rung(&self) -> bool {
        // Relaxed: a hint, which is missed this time or seen the next.
        self.rung.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bell({})", if self.is_rung() { "rung" } else { "silent" })
    }
}
