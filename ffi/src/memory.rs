//! Placing, populating and locking memory that is already mapped.
//!
//! The functions that take a range are `unsafe`: giving advice about memory is harmless to its
//! contents for every advice named here, but only its owner may decide about it.

use std::io;
use std::ptr::NonNull;

use crate::check;

/// Highest NUMA node a mask here can name, plus one (the kernel's largest `MAX_NUMNODES`).
const NODES: usize = 1024;
/// `linux/mempolicy.h`: the memory comes from these nodes or not at all.
const MPOL_BIND: libc::c_int = 2;
/// `linux/mempolicy.h`: these nodes first, others when they are full.
const MPOL_PREFERRED: libc::c_int = 1;
/// `linux/mempolicy.h`: tell the node, not the policy...
const MPOL_F_NODE: libc::c_ulong = 1;
/// ... of the page at an address.
const MPOL_F_ADDR: libc::c_ulong = 2;

/// What the kernel is told about a range (`madvise(2)`); none of these changes its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// `MADV_HUGEPAGE`: back it with transparent huge pages. EINVAL on kernels without them.
    HugePage,
    /// `MADV_NOHUGEPAGE`: never back it with transparent huge pages.
    NoHugePage,
    /// `MADV_POPULATE_WRITE` (Linux 5.14): fault every page in now, for writing. Where a page
    /// cannot be had this fails (EFAULT, ENOMEM) while a first touch would have raised SIGBUS.
    PopulateWrite,
    /// `MADV_DONTDUMP`: leave it out of core dumps.
    DontDump,
}

/// How firmly memory is placed on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// From that node or not at all: populating fails when the node is out of pages.
    Bind,
    /// From that node first, then from the nearest.
    Prefer,
}

/// The size of a base page in bytes (4096 nearly everywhere; 16 or 64 KiB on some aarch64).
#[must_use]
pub fn page_size() -> usize {
    // SAFETY: sysconf takes a number and touches no memory of ours.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}

/// Gives the kernel advice about a mapped range.
///
/// # Errors
///
/// What `madvise(2)` reports: EINVAL for an address that is no page multiple or advice this kernel
/// does not know, ENOMEM where part of the range is not mapped or not to be had.
///
/// # Safety
///
/// The caller owns the mapping the range lies in (it is mapped, and nobody unmaps it meanwhile).
pub unsafe fn advise(range: NonNull<[u8]>, advice: Advice) -> io::Result<()> {
    let advice = match advice {
        Advice::HugePage => libc::MADV_HUGEPAGE,
        Advice::NoHugePage => libc::MADV_NOHUGEPAGE,
        Advice::PopulateWrite => libc::MADV_POPULATE_WRITE,
        Advice::DontDump => libc::MADV_DONTDUMP,
    };
    // SAFETY: the caller owns the range, and none of these advices changes what it holds.
    check(unsafe { libc::madvise(range.as_ptr().cast(), range.len(), advice) }.into()).map(drop)
}

/// Places the pages of a mapped range that are not yet populated on a NUMA node.
///
/// # Errors
///
/// `InvalidInput` for a node of 1024 or more; what `mbind(2)` reports: EINVAL when there is no
/// such node or the cpuset forbids it, ENOSYS on a kernel without NUMA, EPERM in a sandbox.
///
/// # Safety
///
/// The caller owns the mapping the range lies in.
pub unsafe fn bind_to_node(range: NonNull<[u8]>, node: u32, placement: Placement) -> io::Result<()> {
    const WORD_BITS: usize = libc::c_ulong::BITS as usize;
    let node = node as usize;
    if node >= NODES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("NUMA node {node} of at most {NODES}"),
        ));
    }
    let mut mask = [0 as libc::c_ulong; NODES / WORD_BITS];
    mask[node / WORD_BITS] = 1 << (node % WORD_BITS);
    let mode = match placement {
        Placement::Bind => MPOL_BIND,
        Placement::Prefer => MPOL_PREFERRED,
    };
    // SAFETY: the caller owns the range; the kernel reads NODES bits of `mask` (it takes one off the
    // count it is given) and moves no page that is already there, because no MPOL_MF flag is set.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_mbind,
            range.as_ptr().cast::<u8>(),
            range.len(),
            mode,
            mask.as_ptr(),
            NODES + 1,
            0 as libc::c_uint,
        )
    };
    check(rc).map(drop)
}

/// The NUMA node the page at an address lies on; faults the page in if it is not there.
///
/// # Errors
///
/// What `get_mempolicy(2)` reports: EFAULT when nothing is mapped there, ENOSYS without NUMA.
///
/// # Safety
///
/// The caller owns the mapping the address lies in.
pub unsafe fn node_of_page(address: NonNull<u8>) -> io::Result<u32> {
    let mut node: libc::c_int = 0;
    // SAFETY: `node` lives through the call; the mask is null with length 0, so nothing else is written.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            &raw mut node,
            std::ptr::null_mut::<libc::c_ulong>(),
            0usize,
            address.as_ptr(),
            MPOL_F_NODE | MPOL_F_ADDR,
        )
    };
    check(rc)?;
    Ok(node as u32)
}

/// Locks a mapped range in memory: it is never swapped out.
///
/// # Errors
///
/// ENOMEM or EPERM where `RLIMIT_MEMLOCK` is too small and the process lacks `CAP_IPC_LOCK`.
///
/// # Safety
///
/// The caller owns the mapping the range lies in.
pub unsafe fn lock(range: NonNull<[u8]>) -> io::Result<()> {
    // SAFETY: the caller owns the range; locking does not change what it holds.
    check(unsafe { libc::mlock(range.as_ptr().cast(), range.len()) }.into()).map(drop)
}

/// How many bytes this process may lock (`RLIMIT_MEMLOCK`, soft); `None` is without limit.
///
/// # Errors
///
/// What `getrlimit(2)` reports.
pub fn lock_limit() -> io::Result<Option<u64>> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives through the call.
    check(unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) }.into())?;
    Ok((limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page-aligned range of a leaked vector: owned, mapped, never unmapped.
    fn pages(count: usize) -> NonNull<[u8]> {
        let page = page_size();
        let memory: &'static mut [u8] = Vec::leak(vec![7u8; page * (count + 1)]);
        let skip = memory.as_ptr().align_offset(page);
        NonNull::from(&mut memory[skip..skip + page * count])
    }

    #[test]
    fn advice_leaves_the_contents_alone() {
        let range = pages(4);
        for advice in [Advice::NoHugePage, Advice::DontDump, Advice::PopulateWrite] {
            // SAFETY: `pages` leaks the memory, so it is ours for good.
            unsafe { advise(range, advice) }.unwrap();
        }
        // SAFETY: as above; nobody writes to it while it is read.
        assert!(unsafe { range.as_ref() }.iter().all(|&b| b == 7));
    }

    #[test]
    fn a_node_that_is_not_there_is_refused() {
        let range = pages(1);
        for node in [1000, 5000] {
            // SAFETY: `pages` leaks the memory, so it is ours for good.
            assert!(unsafe { bind_to_node(range, node, Placement::Bind) }.is_err());
        }
    }

    #[test]
    fn one_page_can_be_locked_or_the_limit_says_why_not() {
        // SAFETY: `pages` leaks the memory, so it is ours for good.
        let locked = unsafe { lock(pages(1)) };
        assert!(locked.is_ok() || lock_limit().unwrap().is_some());
        assert!(page_size().is_power_of_two());
    }
}
