//! The machine as its kernel shows it, in `/proc` and `/sys`.
//!
//! - `list`: CPUs as the kernel writes them, `0-3,8`
//! - [`kernel`](Kernel): which it is, what it was told at boot
//! - [`cpus`]: which there are, which are kept from others, what they share
//! - [`interrupts`]: whose they are, where they go
//! - `threads`: who runs on which CPU, and for how long
//!
//! Everything is read below two folders that are given, so that a test can make up a machine. Nothing here
//! fails: what is not there, or makes no sense, is not known.

pub mod cpus;
pub mod interrupts;
mod kernel;
mod list;
mod threads;

use std::io::Read as _;
use std::path::{Path, PathBuf};

pub use cpus::Cpus;
pub use interrupts::Interrupt;
pub use kernel::Kernel;
pub use list::{parse_list, show_list};
pub use threads::{
    Scheduling, Thread, allowed_cpus, name_of, own_scheduling, preemptions, scheduling, threads,
};

/// The most that is read of a file: `/proc/interrupts` of a machine of a thousand CPUs has some ten megabytes.
const LONGEST: u64 = 32 << 20;

/// Where a machine's kernel shows itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its `/sys`.
    pub sys: PathBuf,
    /// Its `/proc`.
    pub proc: PathBuf,
}

impl Host {
    /// This machine.
    pub fn here() -> Host {
        Host { sys: "/sys".into(), proc: "/proc".into() }
    }

    /// A machine whose `sys` and `proc` lie in a folder.
    pub fn below(root: &Path) -> Host {
        Host { sys: root.join("sys"), proc: root.join("proc") }
    }

    /// The text of a file below `/sys`, without blanks around it.
    pub fn sys(&self, path: impl AsRef<Path>) -> Option<String> {
        text(&self.sys.join(path))
    }

    /// The text of a file below `/proc`, without blanks around it.
    pub fn proc(&self, path: impl AsRef<Path>) -> Option<String> {
        text(&self.proc.join(path))
    }

    /// The names in a folder, in order; none where it is not there.
    pub fn names(&self, folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    /// The CPUs in a file below `/sys`; `None` where it is not there or is no list.
    pub fn cpus(&self, path: impl AsRef<Path>) -> Option<Vec<usize>> {
        parse_list(&self.sys(path)?)
    }
}

/// What of a file is text; a file that cannot be read is none.
fn text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

#[cfg(test)]
mod tests;
