//! Time: real or virtual. Nobody else asks the machine what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Cycles of the time-stamp counter now.
#[inline]
pub fn cycles() -> u64 {
    ffi::cycles::cycles()
}

/// Nanoseconds of the machine's monotonic clock, for the control thread's own waiting.
pub fn monotonic_ns() -> u64 {
    ffi::time::monotonic_ns()
}

/// Ratio of nanoseconds to cycles, measured against the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Nanoseconds a cycle, times 2^32.
    scaled: u64,
}

impl Rate {
    /// Measures for `window_ns` nanoseconds.
    pub fn measure(window_ns: u64) -> Rate {
        let (ns, start) = (monotonic_ns(), cycles());
        while monotonic_ns() - ns < window_ns {
            std::hint::spin_loop();
        }
        let (ns, cycles) = (monotonic_ns() - ns, cycles().wrapping_sub(start).max(1));
        Rate { scaled: ((u128::from(ns) << 32) / u128::from(cycles)) as u64 }
    }

    /// Nanoseconds these cycles took.
    #[inline]
    pub fn ns(self, cycles: u64) -> u64 {
        ((u128::from(cycles) * u128::from(self.scaled)) >> 32) as u64
    }

    /// Cycles a second.
    pub fn hertz(self) -> u64 {
        ((1_000_000_000u128 << 32) / u128::from(self.scaled.max(1))) as u64
    }
}

/// The run's one clock, in nanoseconds. Clones tell the same time.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's, from the cycle counter; 0 at start.
    Real {
        /// Counter at start.
        start: u64,
        /// What a cycle takes.
        rate: Rate,
    },
    /// Moved by arrivals and timers alone.
    Virtual(Arc<AtomicU64>),
}

impl Clock {
    /// A real clock that starts now, calibrated over 10 ms.
    pub fn real() -> Clock {
        let rate = Rate::measure(10_000_000);
        Clock::Real { start: cycles(), rate }
    }

    /// A virtual clock at 0.
    pub fn manual() -> Clock {
        Clock::Virtual(Arc::new(AtomicU64::new(0)))
    }

    /// Now, nanoseconds.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        match self {
            Clock::Real { start, rate } => rate.ns(cycles().wrapping_sub(*start)),
            // Pairs with nothing: virtual time is set and read on one thread.
            Clock::Virtual(now) => now.load(Ordering::Relaxed),
        }
    }

    /// The time when the counter stood at `cycles`, nanoseconds; a virtual clock's time now.
    #[inline]
    pub fn at(&self, cycles: u64) -> u64 {
        match self {
            Clock::Real { start, rate } => rate.ns(cycles.wrapping_sub(*start)),
            Clock::Virtual(_) => self.now_ns(),
        }
    }

    /// Moves a virtual clock forward; never backwards, and a real one not at all.
    pub fn advance_to(&self, ns: u64) {
        if let Clock::Virtual(now) = self {
            now.fetch_max(ns, Ordering::Relaxed);
        }
    }

    /// Is it moved by the capture rather than the machine?
    pub fn is_virtual(&self) -> bool {
        matches!(self, Clock::Virtual(_))
    }
}
