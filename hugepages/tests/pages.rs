//! Mappings on the machine at hand: without privileges, and live ones with huge pages as root.
//!
//! The live part is skipped, with a message, where there is no root; with `MNVKD_CI_LIVE=1` that is
//! a failure. Tests that change or depend on the machine's pools take turns,
//! and never make a pool smaller than they found it.
#![cfg(not(loom))]

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hugepages::inventory::{counts, holders, reserve};
use hugepages::{Mapping, PagePolicy, PageSize};

static POOLS: Mutex<()> = Mutex::new(());

/// Pages added to the machine's 2M pool; as many are taken off again when it goes. The pool is never
/// made smaller than it was found: others on the machine may count on its pages.
struct Added {
    pages: u64,
    _turn: MutexGuard<'static, ()>,
}

fn sys() -> &'static Path {
    Path::new("/sys")
}

fn total() -> u64 {
    counts(sys(), PageSize::Huge2M, None).map_or(0, |pool| pool.total)
}

fn turn() -> MutexGuard<'static, ()> {
    POOLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `None`, with a message, where the pool cannot be made larger.
fn add(pages: u64) -> Option<Added> {
    let turn = turn();
    let why = match reserve(sys(), PageSize::Huge2M, total() + pages, None) {
        Ok(reserved) => {
            let added = Added { pages: reserved.got.saturating_sub(reserved.before), _turn: turn };
            if added.pages == pages {
                return Some(added);
            }
            format!("{reserved:?}")
        }
        Err(error) => error.to_string(),
    };
    assert!(std::env::var_os("MNVKD_CI_LIVE").is_none_or(|v| v != "1"), "live test cannot run: {why}");
    println!("skipped: {why}");
    None
}

impl Drop for Added {
    fn drop(&mut self) {
        if self.pages > 0 {
            let _back = reserve(sys(), PageSize::Huge2M, total().saturating_sub(self.pages), None);
        }
    }
}

fn write_everywhere(mapping: &Mapping) {
    for at in (0..mapping.len()).step_by(4096) {
        // SAFETY: inside the mapping, which nobody else uses.
        unsafe {
            let byte = mapping.as_ptr().add(at);
            assert_eq!(byte.read(), 0, "memory is zero at the start");
            byte.write(1);
        }
    }
}

#[test]
fn never_gives_base_pages_and_needs_no_excuse() {
    for (asked, got) in [(0, 4096), (1, 4096), (4096, 4096), (10_000, 12_288)] {
        let mapping = Mapping::map(asked, &PagePolicy::Never, None).unwrap();
        assert_eq!((mapping.obtained(), mapping.len(), mapping.reason()), (PageSize::Base4K, got, None));
        write_everywhere(&mapping);
    }
}

#[test]
fn lengths_beyond_the_address_space_are_refused() {
    for policy in [PagePolicy::Never, PagePolicy::Prefer(None), PagePolicy::Require(PageSize::Huge1G)] {
        for bytes in [usize::MAX, isize::MAX as usize, 1 << 60] {
            assert!(Mapping::map(bytes, &policy, None).is_err());
        }
    }
}

#[test]
fn without_enough_huge_pages_prefer_says_why_and_require_fails_with_numbers() {
    let _turn = turn();
    let Some(pool) = counts(sys(), PageSize::Huge2M, None) else {
        return println!("skipped: this kernel has no 2M pages");
    };
    // More than there are, whatever there are: a machine without any needs 33.
    let needed = pool.total + pool.overcommit + 33;
    if needed > 1024 {
        return println!("skipped: {} pages of 2M are more than this test maps instead", pool.total);
    }
    let bytes = needed as usize * (2 << 20) - 5;
    let (numbers, mend) = (format!("{needed} needed"), format!("mend: mnvkd hugepages reserve 2M {needed}"));
    let mapping = Mapping::map(bytes, &PagePolicy::Prefer(Some(PageSize::Huge2M)), None).unwrap();
    assert!(mapping.obtained() >= PageSize::Transparent);
    let reason = mapping.reason().unwrap();
    assert!(
        reason.starts_with("no 2M pages: ") && reason.contains(&numbers) && reason.contains(&mend),
        "{reason}"
    );
    drop(mapping);
    let error = Mapping::map(bytes, &PagePolicy::Require(PageSize::Huge2M), None).unwrap_err().to_string();
    assert!(error.contains(&numbers) && error.contains(" free of "), "{error}");
    let error = Mapping::map(bytes, &PagePolicy::Require(PageSize::Huge2M), Some(0)).unwrap_err().to_string();
    assert!(error.contains(&format!("{numbers} on node 0; {mend} --node 0")), "{error}");
}

#[test]
fn transparent_pages_are_given_or_the_kernel_s_reason_is() {
    match Mapping::map(5 << 20, &PagePolicy::Require(PageSize::Transparent), None) {
        Ok(mapping) => {
            assert_eq!((mapping.obtained(), mapping.len()), (PageSize::Transparent, 6 << 20));
            assert!(mapping.as_ptr().addr().get().is_multiple_of(2 << 20));
            write_everywhere(&mapping);
        }
        Err(error) => assert!(error.reason.contains("no thp pages"), "{error}"),
    }
}

#[test]
fn a_node_that_is_not_there_is_reported() {
    let mapping = Mapping::map(4096, &PagePolicy::Never, Some(63)).unwrap();
    assert!(mapping.node_reason().unwrap().contains("node 63"), "{:?}", mapping.node_reason());
}

#[test]
fn live_huge_pages_are_mapped_held_and_given_back() {
    let Some(_added) = add(4) else { return };
    let mapping = Mapping::map(3 * (2 << 20) - 1, &PagePolicy::Prefer(None), Some(0)).unwrap();
    assert_eq!((mapping.obtained(), mapping.len(), mapping.reason()), (PageSize::Huge2M, 6 << 20, None));
    assert_eq!((mapping.node_reason(), mapping.lock_reason()), (None, None));
    write_everywhere(&mapping);
    let ours = || holders(Path::new("/proc")).into_iter().find(|holder| holder.pid == std::process::id());
    assert_eq!(ours().unwrap().private_bytes, 6 << 20);
    drop(mapping);
    assert_eq!(ours(), None, "a length that is no page multiple is unmapped whole");
}
