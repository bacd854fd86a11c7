//! A packet's fate, a value.

use std::fmt;

use super::ids::PortId;

/// What becomes of a packet. An application gives one; the core matches it in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Undecided: the next application of the chain has its say. After the last one a packet
    /// still undecided is dropped with reason [`Reason::NO_VERDICT`].
    Pass,
    /// Out by this port.
    Forward(PortId),
    /// The application took what it needed: the packet ends here, and that is its purpose.
    Consume,
    /// The packet ends here, and the reason is counted.
    Drop(Reason),
}

impl Verdict {
    /// The code of [`Verdict::Pass`].
    pub(crate) const PASS: u16 = 0;

    /// One word for it: the kind in the high byte, port or reason in the low one.
    #[inline]
    pub(crate) const fn code(self) -> u16 {
        match self {
            Verdict::Pass => Verdict::PASS,
            Verdict::Consume => 1 << 8,
            Verdict::Forward(port) => 2 << 8 | port.code() as u16,
            Verdict::Drop(reason) => 3 << 8 | reason.0 as u16,
        }
    }

    /// The verdict with this code.
    #[inline]
    pub(crate) const fn from_code(code: u16) -> Verdict {
        match code >> 8 {
            0 => Verdict::Pass,
            1 => Verdict::Consume,
            2 => Verdict::Forward(PortId::from_code(code as u8)),
            _ => Verdict::Drop(Reason(code as u8)),
        }
    }
}

/// Why a packet was dropped; the number is the counter. Reasons of applications are named when
/// they are built (`Build::reason`) and come after the framework's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(u8);

impl Reason {
    /// How many reasons there can be, the framework's included.
    pub const LIMIT: usize = 64;

    /// An application's rule says so.
    pub const POLICY: Reason = Reason(0);
    /// The last application of the chain had passed it on.
    pub const NO_VERDICT: Reason = Reason(1);
    /// There is no such port, or the pipeline may not send there.
    pub const NO_ROUTE: Reason = Reason(2);
    /// The port's transmit queue stayed full.
    pub const TRANSMIT_FULL: Reason = Reason(3);
    /// The port cannot carry it: what it writes to failed.
    pub const TRANSMIT_FAILED: Reason = Reason(4);
    /// A packet of no bytes cannot be sent.
    pub const EMPTY: Reason = Reason(5);
    /// Its link layer is not the one the application or the port is for.
    pub const LINK_TYPE: Reason = Reason(6);
    /// Its headers could not be followed, and the application needs them.
    pub const MALFORMED: Reason = Reason(7);
    /// In flight when the run was ended by force.
    pub const STOPPED: Reason = Reason(8);
    /// The application panicked while it held the burst.
    pub const PANICKED: Reason = Reason(9);

    /// Shorter than the port's link header, or longer than it can carry.
    pub const SIZE: Reason = Reason(10);

    /// The task that had it ended, was cancelled or panicked without deciding about it.
    pub const TASK_ENDED: Reason = Reason(11);

    /// Names of the framework's reasons, in the order of their numbers; kebab-case, as in reports.
    pub const FRAMEWORK: [&'static str; 12] = [
        "policy",
        "no-verdict",
        "no-route",
        "transmit-full",
        "transmit-failed",
        "empty",
        "link-type",
        "malformed",
        "stopped",
        "panicked",
        "size",
        "task-ended",
    ];

    /// The reason with this number; `None` past [`Reason::LIMIT`].
    pub const fn new(number: usize) -> Option<Reason> {
        if number < Self::LIMIT { Some(Reason(number as u8)) } else { None }
    }

    /// Its number.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The reasons of one run: the framework's, then those applications named.
#[derive(Clone, Debug)]
pub struct Reasons {
    names: Vec<String>,
}

impl Default for Reasons {
    fn default() -> Self {
        Reasons { names: Reason::FRAMEWORK.iter().map(|name| name.to_string()).collect() }
    }
}

impl Reasons {
    /// The reason of this name, made where there is none yet; `None` when all
    /// [`Reason::LIMIT`] numbers are taken.
    pub fn intern(&mut self, name: &str) -> Option<Reason> {
        if let Some(known) = self.names.iter().position(|n| n == name) {
            return Reason::new(known);
        }
        let reason = Reason::new(self.names.len())?;
        self.names.push(name.to_owned());
        Some(reason)
    }

    /// Its name.
    pub fn name(&self, reason: Reason) -> &str {
        self.names.get(reason.index()).map_or("unknown", String::as_str)
    }

    /// All names, in the order of their numbers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Pass => write!(f, "pass"),
            Verdict::Forward(port) => write!(f, "forward to {port}"),
            Verdict::Consume => write!(f, "consume"),
            Verdict::Drop(reason) => write!(f, "drop, reason {}", reason.index()),
        }
    }
}
