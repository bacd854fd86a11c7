//! What huge pages the machine has and who holds them: what `mnvkd hugepages` prints and mends.
//!
//! Every function takes the root of the tree it reads (`/sys` or `/proc`), so that a test can give it
//! a made-up one. Sources: the kernel's `admin-guide/mm/hugetlbpage.rst` and `transhuge.rst`.

mod change;
mod holders;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

pub use change::{ReserveError, Reserved, release, reserve};
pub use holders::{Holder, holders};

use crate::policy::PageSize;

/// The hugetlb pool of one page size, of a node or of the whole machine. All numbers are pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageCounts {
    /// The NUMA node, or `None` for the whole machine.
    pub node: Option<u32>,
    /// Bytes of one page.
    pub page_bytes: u64,
    /// Pages in the pool.
    pub total: u64,
    /// Pages nobody has touched yet.
    pub free: u64,
    /// Of the free pages, those promised to a mapping that exists. The kernel counts them for the
    /// whole machine only; 0 for a node.
    pub reserved: u64,
    /// Pages above the pool's set size, handed out because overcommit is on.
    pub surplus: u64,
    /// How many pages may be handed out above the pool's size. For the whole machine only; else 0.
    pub overcommit: u64,
}

impl PageCounts {
    /// Pages a new mapping can get.
    #[must_use]
    pub fn obtainable(&self) -> u64 {
        self.free.saturating_sub(self.reserved) + self.overcommit.saturating_sub(self.surplus)
    }
}

/// The folder of a page size's counters.
fn folder(sys: &Path, page_bytes: u64, node: Option<u32>) -> PathBuf {
    let pool = format!("hugepages-{}kB", page_bytes / 1024);
    match node {
        None => sys.join("kernel/mm/hugepages").join(pool),
        Some(node) => sys.join(format!("devices/system/node/node{node}/hugepages")).join(pool),
    }
}

/// A counter. Reads no more than a counter can be long, whatever the file turns out to be: a device
/// that never ends would else be read until memory is out.
fn number(path: &Path) -> Option<u64> {
    const LONGEST: u64 = 32;
    let mut text = String::new();
    fs::File::open(path).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// The hugetlb pool of one page size; `None` when the machine has no such pages, or no such node, or
/// the size is no hugetlb size.
#[must_use]
pub fn counts(sys: &Path, size: PageSize, node: Option<u32>) -> Option<PageCounts> {
    size.hugetlb_bits()?;
    counts_of(sys, size.bytes() as u64, node)
}

fn counts_of(sys: &Path, page_bytes: u64, node: Option<u32>) -> Option<PageCounts> {
    let folder = folder(sys, page_bytes, node);
    let read = |name: &str| number(&folder.join(name));
    Some(PageCounts {
        node,
        page_bytes,
        total: read("nr_hugepages")?,
        free: read("free_hugepages")?,
        reserved: read("resv_hugepages").unwrap_or(0),
        surplus: read("surplus_hugepages").unwrap_or(0),
        overcommit: read("nr_overcommit_hugepages").unwrap_or(0),
    })
}

/// Every hugetlb pool: first those of the whole machine, then node by node, small pages first.
#[must_use]
pub fn all_counts(sys: &Path) -> Vec<PageCounts> {
    let mut places = vec![None];
    places.extend(nodes(sys).into_iter().map(Some));
    let mut found = Vec::new();
    for node in places {
        let Some(parent) = folder(sys, 0, node).parent().map(Path::to_path_buf) else { continue };
        let mut sizes: Vec<u64> = numbered(&parent, "hugepages-", "kB").map(|kb| kb * 1024).collect();
        sizes.sort_unstable();
        found.extend(sizes.into_iter().filter_map(|bytes| counts_of(sys, bytes, node)));
    }
    found
}

/// The machine's NUMA nodes, ascending; empty when the kernel knows no NUMA.
#[must_use]
pub fn nodes(sys: &Path) -> Vec<u32> {
    let mut nodes: Vec<u32> =
        numbered(&sys.join("devices/system/node"), "node", "").map(|n| n as u32).collect();
    nodes.sort_unstable();
    nodes
}

/// The numbers N of a folder's entries that are called `<prefix>N<suffix>`.
fn numbered<'a>(folder: &Path, prefix: &'a str, suffix: &'a str) -> impl Iterator<Item = u64> + use<'a> {
    fs::read_dir(folder).into_iter().flatten().flatten().filter_map(move |entry| {
        entry.file_name().to_str()?.strip_prefix(prefix)?.strip_suffix(suffix)?.parse().ok()
    })
}

/// The mode of transparent huge pages, the word in brackets: `always`, `madvise` or `never`; `None`
/// when the kernel has none.
#[must_use]
pub fn transparent_mode(sys: &Path) -> Option<String> {
    let text = fs::read_to_string(sys.join("kernel/mm/transparent_hugepage/enabled")).ok()?;
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(mode, _)| mode.to_owned())
}

/// A hugetlbfs mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HugeMount {
    /// Where it is mounted.
    pub path: String,
    /// Its options, among them `pagesize=`.
    pub options: String,
}

/// The hugetlbfs mounts this process sees. mnvkd needs none; other programs (DPDK) do.
#[must_use]
pub fn hugetlbfs_mounts(proc: &Path) -> Vec<HugeMount> {
    let text = fs::read_to_string(proc.join("self/mounts")).unwrap_or_default();
    let mounts = text.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == "hugetlbfs").then(|| HugeMount { path: path.to_owned(), options: options.to_owned() })
    });
    mounts.collect()
}

/// Bytes this process may lock in memory; `None` is without limit. Where even asking fails, 0.
#[must_use]
pub fn memlock_limit() -> Option<u64> {
    ffi::memory::lock_limit().unwrap_or(Some(0))
}
