//! Names of things by number: limits are types, no raw number passes the configuration.

use std::fmt;

/// A port of the configuration, by its position there. At most 255 ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(u8);

impl PortId {
    /// How many ports one configuration can have.
    pub const LIMIT: usize = 255;

    /// The port at this position; `None` past [`PortId::LIMIT`].
    pub const fn new(position: usize) -> Option<PortId> {
        if position < Self::LIMIT { Some(PortId(position as u8)) } else { None }
    }

    /// The position in the configuration.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn code(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_code(code: u8) -> PortId {
        PortId(code)
    }
}

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {}", self.0)
    }
}

/// A polling core, counted from 0 (not the number of the CPU it is pinned to).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreId(u16);

impl CoreId {
    /// How many polling cores one dataplane can have.
    pub const LIMIT: usize = 256;

    /// The core with this number; `None` past [`CoreId::LIMIT`].
    pub const fn new(number: usize) -> Option<CoreId> {
        if number < Self::LIMIT { Some(CoreId(number as u16)) } else { None }
    }

    /// Its number.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for CoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "core {}", self.0)
    }
}

/// Packets handled together: 1 to 64, 32 unless the configuration says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurstSize(u8);

impl BurstSize {
    /// The most packets a burst holds.
    pub const MAX: usize = 64;

    /// A size of `packets`; `None` unless it is 1 to [`BurstSize::MAX`].
    pub const fn new(packets: usize) -> Option<BurstSize> {
        if packets >= 1 && packets <= Self::MAX { Some(BurstSize(packets as u8)) } else { None }
    }

    /// Packets.
    #[inline]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl Default for BurstSize {
    fn default() -> Self {
        BurstSize(32)
    }
}
