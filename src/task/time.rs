//! Waiting for time to pass: the run's clock, real or virtual, and the core's timer wheel.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use super::local::{here, now_ns, with};
use crate::state::timer_wheel::TimerId;

/// Waits until a point in time. Made by [`sleep`] and [`sleep_until`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Sleep {
    deadline_ns: u64,
    timer: Option<TimerId>,
}

/// What a duration is in nanoseconds; the most there are where it is longer.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Waits for so long, from now on. Never shorter; longer by what the core's turn takes.
///
/// # Panics
/// Outside of tasks and of applications that declared some. When it is awaited and every timer of the core is armed: more have to be declared
/// ([`TaskNeeds::timers`](super::TaskNeeds::timers)).
#[inline]
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(now_ns().saturating_add(nanoseconds(duration)))
}

/// Waits until the run's clock stands at `deadline_ns`.
///
/// # Panics
/// As [`sleep`] does.
#[inline]
pub fn sleep_until(deadline_ns: u64) -> Sleep {
    Sleep { deadline_ns, timer: None }
}

impl Sleep {
    /// When it ends, nanoseconds of the run's clock.
    #[must_use]
    pub fn deadline_ns(&self) -> u64 {
        self.deadline_ns
    }
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let sleep = &mut *self;
        // Wakers are dropped where nothing of the core is borrowed: they may be anybody's.
        let (ready, _dropped_here) = here(|local| {
            if local.now_ns >= sleep.deadline_ns {
                let waker = sleep.timer.take().and_then(|timer| local.timers.cancel(timer));
                return (true, waker);
            }
            if let Some(timer) = sleep.timer.filter(|timer| local.timers.is_armed(*timer)) {
                return (false, local.timers.rewake(timer, context.waker()));
            }
            sleep.timer = local.timers.arm(sleep.deadline_ns, context.waker().clone());
            (false, None)
        });
        if ready {
            return Poll::Ready(());
        }
        assert!(sleep.timer.is_some(), "all timers of the core are armed: declare more (TaskNeeds::timers)");
        Poll::Pending
    }
}

impl Drop for Sleep {
    #[inline]
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            let _dropped_here = with(|local| local.timers.cancel(timer));
        }
    }
}

/// Time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time ran out")]
pub struct Elapsed;

/// Waits for a future, but for no longer than `duration` from now on.
///
/// # Errors
/// [`Elapsed`]: the future was not ready in time, and is dropped. One that is ready at the very moment wins.
///
/// # Panics
/// As [`sleep`] does.
#[inline]
pub fn timeout<F: Future>(duration: Duration, future: F) -> impl Future<Output = Result<F::Output, Elapsed>> {
    until(sleep(duration), future)
}

/// Waits for a future, but for no longer than until the run's clock stands at `deadline_ns`.
///
/// # Errors
/// [`Elapsed`], as [`timeout`].
///
/// # Panics
/// As [`sleep`] does.
#[inline]
pub fn deadline<F: Future>(deadline_ns: u64, future: F) -> impl Future<Output = Result<F::Output, Elapsed>> {
    until(sleep_until(deadline_ns), future)
}

async fn until<F: Future>(sleep: Sleep, future: F) -> Result<F::Output, Elapsed> {
    let (mut sleep, mut future) = (sleep, pin!(future));
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut sleep).poll(context).map(|()| Err(Elapsed))
    })
    .await
}

/// A point in time that an [`Interval`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// When it was due, nanoseconds of the run's clock.
    pub at_ns: u64,
    /// Points in time before it that nobody waited for.
    pub missed: u64,
}

/// Comes round again and again, at points in time that do not drift. Made by [`interval`].
#[derive(Debug)]
pub struct Interval {
    next_ns: u64,
    period_ns: u64,
}

/// Comes round every `period` (at least 1 ns), for the first time one period from now on.
///
/// # Panics
/// As [`sleep`] does.
pub fn interval(period: Duration) -> Interval {
    let period_ns = nanoseconds(period).max(1);
    Interval { next_ns: now_ns().saturating_add(period_ns), period_ns }
}

impl Interval {
    /// Waits for the next point in time. Those that passed while nobody waited are not made up for: it is the last of
    /// them, at once, and says how many there were before it.
    pub async fn tick(&mut self) -> Tick {
        sleep_until(self.next_ns).await;
        let missed = (now_ns() - self.next_ns) / self.period_ns;
        let at_ns = self.next_ns + missed * self.period_ns;
        self.next_ns = at_ns.saturating_add(self.period_ns);
        Tick { at_ns, missed }
    }
}
