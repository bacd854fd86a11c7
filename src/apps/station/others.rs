//! Packets that are somebody else's business.

use serde::{Deserialize, Serialize};

/// What becomes of packets that are not for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Others {
    /// They are left to the next application of the chain, untouched.
    Pass,
    /// They are dropped, as `not-for-us`.
    Drop,
}
