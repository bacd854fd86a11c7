//! A mapping with the page size it got, and why it got no better one.
//!
//! The order is map, bind to the node, populate, lock: pages are placed when they are first touched,
//! so binding comes before, and populating shows now, as an error, what would else be a SIGBUS on
//! the first packet.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::ptr::NonNull;

use ffi::memory::{self, Advice, Placement};
use memmap2::{MmapOptions, MmapRaw};

use crate::inventory;
pub use crate::policy::{PagePolicy, PageSize, UnknownPolicy};

/// No memory could be mapped as the policy wants it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot map {bytes} bytes with pages {policy}: {reason}")]
pub struct MapError {
    /// Bytes asked for.
    pub bytes: usize,
    /// How they were asked for.
    pub policy: PagePolicy,
    /// Why not, page size by page size, with numbers.
    pub reason: String,
}

/// Anonymous private memory, populated, zero at the start, unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    /// Owns the pages; the usable range lies inside, aligned to the page size obtained.
    _map: MmapRaw,
    base: NonNull<u8>,
    len: usize,
    obtained: PageSize,
    reason: Option<String>,
    node_reason: Option<String>,
    lock_reason: Option<String>,
}

// SAFETY: the mapping owns its memory; the pointer to it is bound to no thread. It gives out no
// references, only the pointer.
unsafe impl Send for Mapping {}
// SAFETY: as above; all methods read fields that never change.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps at least `bytes` bytes (one page if 0), rounded up to whole pages, on `node` if one is given.
    ///
    /// # Errors
    ///
    /// [`MapError`] when no page size the policy allows can be had.
    pub fn map(bytes: usize, policy: &PagePolicy, node: Option<u32>) -> Result<Self, MapError> {
        let mut reason = String::new();
        for &size in policy.rungs(bytes) {
            match Self::attempt(bytes, size, node) {
                Ok(mut mapping) => {
                    if let Some(partly) = mapping.reason.take() {
                        push_reason(&mut reason, &partly);
                    }
                    mapping.reason = (!reason.is_empty()).then_some(reason);
                    return Ok(mapping);
                }
                Err(why) => push_reason(&mut reason, &why),
            }
        }
        Err(MapError { bytes, policy: *policy, reason })
    }

    /// One page size, all or nothing.
    fn attempt(bytes: usize, size: PageSize, node: Option<u32>) -> Result<Self, String> {
        let unit = size.bytes().max(memory::page_size());
        let len = bytes.max(1).checked_next_multiple_of(unit).filter(|&len| isize::try_from(len).is_ok());
        let len = len.ok_or_else(|| format!("{bytes} bytes do not fit the address space"))?;
        obtainable(size, len, node)?;
        let failed = |what: &str, e: io::Error| format!("no {size} pages: {what} of {len} bytes failed: {e}");
        let (map, base) = map_aligned(len, size).map_err(|e| failed("mmap", e))?;
        let range = NonNull::slice_from_raw_parts(base, len);
        if size.hugetlb_bits().is_none() {
            let advice = if size == PageSize::Transparent { Advice::HugePage } else { Advice::NoHugePage };
            // SAFETY: `range` lies in `map`, which this function owns.
            let advised = unsafe { memory::advise(range, advice) };
            // A kernel without transparent huge pages knows neither advice: base pages it gives anyway.
            if size == PageSize::Transparent {
                advised.map_err(|e| failed("madvise(MADV_HUGEPAGE)", e))?;
            }
        }
        let bound = node.map(|node| bind(range, node, size));
        // SAFETY: as above.
        unsafe { memory::advise(range, Advice::PopulateWrite) }.map_err(|e| failed("populating", e))?;
        let reason = if size == PageSize::Transparent { transparent_share(range)? } else { None };
        let node_reason = match (node, bound) {
            (_, Some(Err(e))) => Some(e),
            (Some(node), _) => misplaced(range, node, unit),
            _ => None,
        };
        // SAFETY: as above.
        let lock_reason = unsafe { memory::lock(range) }.err().map(|e| lock_failure(len, &e));
        Ok(Self { _map: map, base, len, obtained: size, reason, node_reason, lock_reason })
    }

    /// The first byte; aligned to the page size obtained.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.base
    }

    /// Bytes mapped: whole pages, never 0.
    #[inline]
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a mapping is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The page size it got.
    #[must_use]
    pub fn obtained(&self) -> PageSize {
        self.obtained
    }

    /// Why it got less than was asked for, with numbers; `None` when it did not.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Why the memory is not (known to be) on the node asked for; `None` when it is, or none was.
    #[must_use]
    pub fn node_reason(&self) -> Option<&str> {
        self.node_reason.as_deref()
    }

    /// Why the memory is not locked; `None` when it is.
    #[must_use]
    pub fn lock_reason(&self) -> Option<&str> {
        self.lock_reason.as_deref()
    }
}

fn push_reason(all: &mut String, one: &str) {
    let separator = if all.is_empty() { "" } else { "; " };
    let _never_fails = write!(all, "{separator}{one}");
}

/// Whether it makes sense to try: the hugetlb pool is large enough, transparent pages are not off.
fn obtainable(size: PageSize, len: usize, node: Option<u32>) -> Result<(), String> {
    let sys = Path::new("/sys");
    if size == PageSize::Transparent {
        return match inventory::transparent_mode(sys).as_deref() {
            Some("never") => Err("no thp pages: /sys/kernel/mm/transparent_hugepage/enabled is never".into()),
            Some(_) => Ok(()),
            None => Err("no thp pages: this kernel has none".into()),
        };
    }
    if size.hugetlb_bits().is_none() {
        return Ok(());
    }
    let needed = (len / size.bytes()) as u64;
    let place = node.map_or(String::new(), |node| format!(" on node {node}"));
    let mend = || {
        let at = node.map_or(String::new(), |node| format!(" --node {node}"));
        format!("mend: mnvkd hugepages reserve {size} {needed}{at}")
    };
    let pool = |node| inventory::counts(sys, size, node);
    // The machine's numbers know of promised and surplus pages, the node's of where they are.
    let Some(machine) = pool(None) else {
        return Err(format!("no {size} pages: this kernel or CPU has none"));
    };
    let here = node.and_then(|node| pool(Some(node)));
    let (free, total) = here.as_ref().map_or((machine.free, machine.total), |here| (here.free, here.total));
    let spare = machine.overcommit.saturating_sub(machine.surplus);
    if machine.obtainable() < needed || free + spare < needed {
        let promised = machine.reserved;
        let promised = if promised > 0 { format!(" ({promised} promised to others)") } else { String::new() };
        let mend = mend();
        return Err(format!(
            "no {size} pages: {free} free of {total}{promised}, {needed} needed{place}; {mend}"
        ));
    }
    Ok(())
}

/// Maps `len` bytes, a multiple of the page size, at a multiple of the page size.
fn map_aligned(len: usize, size: PageSize) -> io::Result<(MmapRaw, NonNull<u8>)> {
    let mut options = MmapOptions::new();
    // The kernel aligns hugetlb mappings; for transparent pages we map one more and align ourselves.
    let slack = if size == PageSize::Transparent { size.bytes() } else { 0 };
    options.len(len.checked_add(slack).ok_or(io::ErrorKind::OutOfMemory)?);
    if let Some(bits) = size.hugetlb_bits() {
        options.huge(Some(bits));
    }
    let map = MmapRaw::from(options.map_anon()?);
    let first = NonNull::new(map.as_mut_ptr()).ok_or(io::ErrorKind::OutOfMemory)?;
    let skip = if slack > 0 { first.addr().get().wrapping_neg() % size.bytes() } else { 0 };
    // SAFETY: `skip` is less than one page and the mapping is one page longer than `len`.
    Ok((map, unsafe { first.add(skip) }))
}

fn bind(range: NonNull<[u8]>, node: u32, size: PageSize) -> Result<(), String> {
    // Bound hugetlb pages that are not there fail to populate, and the next rung is tried. Bound
    // base pages that are not there would call the OOM killer instead, so those are preferred only.
    let placement = if size.hugetlb_bits().is_some() { Placement::Bind } else { Placement::Prefer };
    // SAFETY: the caller owns the mapping the range lies in.
    unsafe { memory::bind_to_node(range, node, placement) }
        .map_err(|e| format!("not placed on node {node}: mbind: {e}"))
}

/// Looks where the first, middle and last page really are.
fn misplaced(range: NonNull<[u8]>, node: u32, unit: usize) -> Option<String> {
    let pages = range.len() / unit;
    for page in [0, pages / 2, pages - 1] {
        // SAFETY: `page` is less than the number of pages of the range.
        let address = unsafe { range.cast::<u8>().add(page * unit) };
        // SAFETY: the caller owns the mapping the range lies in.
        match unsafe { memory::node_of_page(address) } {
            Ok(actual) if actual == node => {}
            Ok(actual) => {
                return Some(format!("page {page} of {pages} lies on node {actual}, not on node {node}"));
            }
            Err(e) => return Some(format!("cannot tell whether it lies on node {node}: get_mempolicy: {e}")),
        }
    }
    None
}

/// How much of a populated range the kernel really backed with transparent huge pages: an error if
/// none, a remark if not all, or if it cannot be told.
fn transparent_share(range: NonNull<[u8]>) -> Result<Option<String>, String> {
    let Ok(smaps) = fs::read_to_string("/proc/self/smaps") else {
        return Ok(Some("thp pages asked for; /proc/self/smaps cannot tell whether they were given".into()));
    };
    let (huge, len) = (anon_huge_bytes(&smaps, range.addr().get()), range.len() as u64);
    match huge.map(|huge| huge.min(len)) {
        None => {
            Ok(Some("thp pages asked for; /proc/self/smaps does not tell whether they were given".into()))
        }
        Some(0) => {
            Err("no thp pages: the kernel gave base pages, memory is fragmented or a cgroup forbids".into())
        }
        Some(huge) if huge < len => Ok(Some(format!("only {huge} of {len} bytes in thp pages"))),
        Some(_) => Ok(None),
    }
}

/// The `AnonHugePages` of the mapping that has `address`, in bytes.
fn anon_huge_bytes(smaps: &str, address: usize) -> Option<u64> {
    let has = |line: &&str| {
        let bounds = line.split(' ').next().and_then(|range| range.split_once('-'));
        let hex = |text| usize::from_str_radix(text, 16).ok();
        bounds.and_then(|(from, to)| Some(hex(from)? <= address && address < hex(to)?)).unwrap_or(false)
    };
    let mut lines = smaps.lines().skip_while(|line| !has(line));
    let kb = lines.find_map(|line| line.strip_prefix("AnonHugePages:"))?;
    Some(kb.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn lock_failure(len: usize, e: &io::Error) -> String {
    let limit = inventory::memlock_limit().map_or("none".into(), |bytes| format!("{bytes} bytes"));
    format!("not locked: mlock of {len} bytes: {e}; limit {limit}; mend: raise RLIMIT_MEMLOCK (ulimit -l)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaps_are_read_for_the_mapping_that_has_the_address() {
        let smaps = "1000-2000 rw-p 0 00:00 0\nAnonHugePages:      2 kB\n\
                     2000-3000 rw-p 0 00:00 0 [heap]\nRss: 4 kB\nAnonHugePages:      8 kB\n";
        assert_eq!(anon_huge_bytes(smaps, 0x1fff), Some(2048));
        assert_eq!(anon_huge_bytes(smaps, 0x2000), Some(8192));
        assert_eq!(anon_huge_bytes(smaps, 0x3000), None);
    }
}
