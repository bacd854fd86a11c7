//! What the cores found out becomes one: tallies, books, regimes, the output digest, the report.

mod books;
mod occupancy;
mod output;
mod regimes;
pub mod report;
mod tally;
pub mod text;

pub use books::Books;
pub use occupancy::{Containers, Occupancy};
pub use output::OutputDigest;
pub use regimes::{Meter, REGIME_NAMES, REGIMES, Regime};
pub use report::Report;
pub use tally::{Tally, TallyHasher};
