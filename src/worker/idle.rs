//! What a core does when it has nothing to do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Idle policy of the polling cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdlePolicy {
    /// Polls again at once. Lowest latency; the CPU looks busy to everyone.
    Spin,
    /// One `pause` instruction between turns: kinder to a sibling thread of the core.
    Pause,
    /// Gives the CPU to whoever else wants it between turns.
    Yield,
    /// Polls, then pauses, then yields, then sleeps up to 100 µs at a time; never sleeps while anything is pending.
    Adaptive,
}

impl IdlePolicy {
    /// Names, as in the configuration.
    pub const NAMES: [&'static str; 4] = ["spin", "pause", "yield", "adaptive"];
}

impl fmt::Display for IdlePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMES[*self as usize])
    }
}

impl FromStr for IdlePolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "spin" => Ok(IdlePolicy::Spin),
            "pause" => Ok(IdlePolicy::Pause),
            "yield" => Ok(IdlePolicy::Yield),
            "adaptive" => Ok(IdlePolicy::Adaptive),
            other => Err(format!("{other:?} is no idle policy: expected one of {}", Self::NAMES.join(", "))),
        }
    }
}

/// Idle turns in a row before an adaptive core pauses, yields, sleeps.
const PAUSE_AFTER: u32 = 64;
const YIELD_AFTER: u32 = 512;
const SLEEP_AFTER: u32 = 1024;
/// The longest an adaptive core sleeps at a time, nanoseconds.
const LONGEST_SLEEP_NS: u64 = 100_000;
/// The shortest sleep that is worth its system call, nanoseconds.
const SHORTEST_SLEEP_NS: u64 = 1_000;

/// Counts idle turns and acts on them.
#[derive(Debug)]
pub(crate) struct Idler {
    policy: IdlePolicy,
    idle_turns: u32,
}

impl Idler {
    pub(crate) fn new(policy: IdlePolicy) -> Idler {
        Idler { policy, idle_turns: 0 }
    }

    #[inline]
    pub(crate) fn busy(&mut self) {
        self.idle_turns = 0;
    }

    /// The turn found nothing to do; `pending` says that something waits all the same (a full ring), `rest_ns` how long it may
    /// be until something is due.
    #[inline]
    pub(crate) fn idle(&mut self, pending: bool, rest_ns: impl FnOnce() -> u64) {
        self.idle_turns = self.idle_turns.saturating_add(1);
        match self.policy {
            IdlePolicy::Spin => {}
            IdlePolicy::Pause => std::hint::spin_loop(),
            IdlePolicy::Yield => std::thread::yield_now(),
            IdlePolicy::Adaptive => self.adapt(pending, rest_ns),
        }
    }

    fn adapt(&self, pending: bool, rest_ns: impl FnOnce() -> u64) {
        match self.idle_turns {
            0..PAUSE_AFTER => {}
            PAUSE_AFTER..YIELD_AFTER => std::hint::spin_loop(),
            YIELD_AFTER..SLEEP_AFTER => std::thread::yield_now(),
            _ if pending => std::thread::yield_now(),
            turns => {
                let wanted = u64::from(turns - SLEEP_AFTER + 1).saturating_mul(1_000).min(LONGEST_SLEEP_NS);
                match wanted.min(rest_ns()) {
                    // A sleep takes longer than it says, and whoever waits for the time waits for it to come.
                    0..SHORTEST_SLEEP_NS => std::hint::spin_loop(),
                    rest => ffi::time::sleep_ns(rest),
                }
            }
        }
    }
}
