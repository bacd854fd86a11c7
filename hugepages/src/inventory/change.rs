//! Reserving pages for the hugetlb pools and giving them back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{counts, folder, number};
use crate::policy::PageSize;

/// What reserving came to. All numbers are pages in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Pages asked for.
    pub asked: u64,
    /// Pages the pool has now. Fewer than asked when memory was too fragmented or too full.
    pub got: u64,
    /// Pages the pool had before.
    pub before: u64,
}

/// Why a pool could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// Not a size the kernel keeps a pool of, or not on this machine or node.
    #[error("no pool of {size} pages: {file} is not there; a kernel without hugetlb, or no such node")]
    NoPool {
        /// The size asked for.
        size: PageSize,
        /// The file that should be there.
        file: PathBuf,
    },
    /// The counter cannot be written.
    #[error(
        "cannot set {file} to {asked}; this needs root: run it with sudo, or set vm.nr_hugepages at boot"
    )]
    Write {
        /// The counter.
        file: PathBuf,
        /// What it should have been set to.
        asked: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// The counter was written but cannot be read back.
    #[error("cannot read {file}, which was just set to {asked}")]
    ReadBack {
        /// The counter.
        file: PathBuf,
        /// What it was set to.
        asked: u64,
    },
}

/// Makes the pool of `size` on `node` (or of the whole machine) `count` pages large. The kernel gives
/// what it can: compare `got` with `asked`.
///
/// # Errors
///
/// [`ReserveError`], which names the file and what to do.
pub fn reserve(sys: &Path, size: PageSize, count: u64, node: Option<u32>) -> Result<Reserved, ReserveError> {
    let file = folder(sys, size.bytes() as u64, node).join("nr_hugepages");
    let Some(before) = counts(sys, size, node).map(|pool| pool.total) else {
        return Err(ReserveError::NoPool { size, file });
    };
    if let Err(source) = fs::write(&file, count.to_string()) {
        return Err(ReserveError::Write { file, asked: count, source });
    }
    match number(&file) {
        Some(got) => Ok(Reserved { asked: count, got, before }),
        None => Err(ReserveError::ReadBack { file, asked: count }),
    }
}

/// Gives all free pages of the pool back to the system. Pages somebody holds stay until they are
/// let go of; `got` counts them meanwhile.
///
/// # Errors
///
/// As [`reserve`].
pub fn release(sys: &Path, size: PageSize, node: Option<u32>) -> Result<Reserved, ReserveError> {
    reserve(sys, size, 0, node)
}
