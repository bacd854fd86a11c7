//! Wakes from other threads: a bit for every slot, so that any number of wakes finds room.

use crate::primitive::{AtomicBool, AtomicU64, Ordering};

/// Bits set by any thread, taken by one.
///
/// ```text
/// raise: bit ─▶ its word's bit in the summary ─▶ pending
/// take:  pending ─▶ summary ─▶ words           (each swapped for nothing)
/// ```
///
/// The taker starts where the raiser ends, so that a bit whose `pending` was taken with an earlier one is either found
/// with it, or sets `pending` again: none is lost.
#[derive(Debug)]
pub struct Inbox {
    words: Box<[AtomicU64]>,
    summary: Box<[AtomicU64]>,
    pending: AtomicBool,
}

fn zeroed(bits: usize) -> Box<[AtomicU64]> {
    (0..bits.div_ceil(64)).map(|_| AtomicU64::new(0)).collect()
}

impl Inbox {
    /// For numbers below `bits`.
    #[must_use]
    pub fn new(bits: usize) -> Inbox {
        let words = zeroed(bits);
        Inbox { summary: zeroed(words.len()), words, pending: AtomicBool::new(false) }
    }

    /// Raises a number, from any thread. One past the end is ignored.
    pub fn raise(&self, number: u32) {
        let number = number as usize;
        let word = number / 64;
        let (Some(bits), Some(summary)) = (self.words.get(word), self.summary.get(word / 64)) else { return };
        // Release, each: who takes the next step's flag sees this one, and all that happened before the wake.
        bits.fetch_or(1 << (number % 64), Ordering::Release);
        summary.fetch_or(1 << (word % 64), Ordering::Release);
        // A swap and no store: of two raisers the taker reads the later one's flag, and only a chain of read-modify-writes
        // lets it see what the earlier one did before (loom found that).
        self.pending.swap(true, Ordering::Release);
    }

    /// Is there something to take?
    #[inline(always)]
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed)
    }

    /// Takes every number that was raised, each once however often it was, in order.
    pub fn take(&self, mut each: impl FnMut(u32)) {
        if !self.pending.swap(false, Ordering::AcqRel) {
            return;
        }
        for (group, summary) in self.summary.iter().enumerate() {
            for word in ones(summary.swap(0, Ordering::AcqRel)) {
                let word = group * 64 + word;
                for bit in ones(self.words[word].swap(0, Ordering::AcqRel)) {
                    each((word * 64 + bit) as u32);
                }
            }
        }
    }
}

/// Numbers of the bits that are set.
fn ones(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (bits != 0).then(|| bits.trailing_zeros() as usize);
        bits &= bits.wrapping_sub(1);
        bit
    })
}
