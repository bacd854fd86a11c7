//! What the cores found out becomes one: tallies, books, regimes, digests, the report.

mod books;
mod output;
mod regimes;
mod tally;

pub use books::Books;
pub use output::OutputDigest;
pub use regimes::{Meter, REGIME_NAMES, REGIMES, Regime};
pub use tally::{Tally, TallyHasher};
