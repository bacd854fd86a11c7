//! The inventory of a made-up machine.
#![cfg(not(loom))]

use std::fs;
use std::path::{Path, PathBuf};

use hugepages::PageSize;
use hugepages::inventory::{self, Holder, HugeMount, ReserveError, Reserved};

/// A folder that goes with the test.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("mnvkd-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(root)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

const SYS: &[(&str, &str)] = &[
    ("kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "64\n"),
    ("kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "40\n"),
    ("kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "8\n"),
    ("kernel/mm/hugepages/hugepages-2048kB/surplus_hugepages", "1\n"),
    ("kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages", "3\n"),
    ("kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "1\n"),
    ("kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "0\n"),
    ("devices/system/node/node10/hugepages/hugepages-2048kB/nr_hugepages", "60\n"),
    ("devices/system/node/node10/hugepages/hugepages-2048kB/free_hugepages", "39\n"),
    ("devices/system/node/node2/hugepages/hugepages-2048kB/nr_hugepages", "4\n"),
    ("devices/system/node/node2/hugepages/hugepages-2048kB/free_hugepages", "1\n"),
    ("devices/system/node/possible", "0-10\n"),
    ("kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
];

#[test]
fn pools_are_listed_machine_first_and_then_by_node() {
    let sys = Tree::new("pools", SYS);
    let all = inventory::all_counts(&sys.0);
    let short: Vec<_> = all.iter().map(|c| (c.node, c.page_bytes >> 20, c.total, c.free)).collect();
    assert_eq!(short, [(None, 2, 64, 40), (None, 1024, 1, 0), (Some(2), 2, 4, 1), (Some(10), 2, 60, 39)]);
    assert_eq!(all[0].obtainable(), 40 - 8 + 3 - 1);
    assert_eq!(inventory::nodes(&sys.0), [2, 10]);
    assert_eq!(inventory::counts(&sys.0, PageSize::Transparent, None), None);
    assert_eq!(inventory::counts(&sys.0, PageSize::Huge2M, Some(7)), None);
    assert_eq!(inventory::transparent_mode(&sys.0).as_deref(), Some("madvise"));
    let nowhere = Path::new("/nonexistent");
    assert!(inventory::all_counts(nowhere).is_empty() && inventory::transparent_mode(nowhere).is_none());
}

#[test]
fn reserving_writes_the_counter_and_says_what_it_got() {
    let sys = Tree::new("reserve", SYS);
    let got = inventory::reserve(&sys.0, PageSize::Huge2M, 7, Some(2)).unwrap();
    assert_eq!(got, Reserved { asked: 7, got: 7, before: 4 });
    let got = inventory::release(&sys.0, PageSize::Huge2M, None).unwrap();
    assert_eq!(got, Reserved { asked: 0, got: 0, before: 64 });
    for (size, node) in [(PageSize::Huge1G, Some(2)), (PageSize::Huge2M, Some(99)), (PageSize::Base4K, None)]
    {
        let error = inventory::reserve(&sys.0, size, 1, node).unwrap_err();
        assert!(matches!(error, ReserveError::NoPool { .. }), "{error}");
    }
}

#[test]
fn a_counter_that_cannot_be_written_is_named_with_what_to_do() {
    let file = PathBuf::from("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
    let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let error = ReserveError::Write { file, asked: 7, source };
    let text = error.to_string();
    assert!(text.contains("hugepages-2048kB/nr_hugepages to 7; this needs root"), "{text}");
    // What the kernel said is the cause, which those who print the whole chain would otherwise say twice.
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains("permission denied") && !text.contains("permission denied"), "{cause}");

    // Nobody is kept from writing as root; elsewhere the same comes out of the real thing.
    if ffi::process::effective_uid() != 0 {
        let sys = Tree::new("write", SYS);
        let counter = sys.0.join("kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
        fs::set_permissions(&counter, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
        let error = inventory::reserve(&sys.0, PageSize::Huge2M, 7, None).unwrap_err();
        assert!(matches!(error, ReserveError::Write { asked: 7, .. }), "{error}");
    }
}

#[test]
fn a_counter_that_is_no_number_is_no_pool() {
    let sys = Tree::new("garbage", SYS);
    let counter = sys.0.join("kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
    fs::write(&counter, "9".repeat(1 << 16)).unwrap();
    assert_eq!(inventory::counts(&sys.0, PageSize::Huge2M, None), None);
}

#[test]
fn holders_are_found_the_largest_first() {
    let proc = Tree::new(
        "proc",
        &[
            (
                "7/smaps_rollup",
                "5000-6000 ---p 0 00:00 0 [rollup]\nRss: 9 kB\nShared_Hugetlb:  0 kB\nPrivate_Hugetlb:  2048 kB\n",
            ),
            ("7/comm", "dpdk\n"),
            (
                "12/smaps",
                "Private_Hugetlb: 4096 kB\nVmFlags: rd\nPrivate_Hugetlb: 2048 kB\nShared_Hugetlb: 2048 kB\n",
            ),
            ("12/comm", "postgres\n"),
            ("13/smaps_rollup", "Shared_Hugetlb: 0 kB\nPrivate_Hugetlb: 0 kB\n"),
            ("self/mounts", "none /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\nproc /proc proc rw 0 0\n"),
        ],
    );
    let holder = |pid, command: &str, private_mib: u64, shared_mib: u64| Holder {
        pid,
        command: command.into(),
        private_bytes: private_mib << 20,
        shared_bytes: shared_mib << 20,
    };
    assert_eq!(inventory::holders(&proc.0), [holder(12, "postgres", 6, 2), holder(7, "dpdk", 2, 0)]);
    let mount = HugeMount { path: "/dev/hugepages".into(), options: "rw,pagesize=2M".into() };
    assert_eq!(inventory::hugetlbfs_mounts(&proc.0), [mount]);
    assert!(inventory::holders(Path::new("/nonexistent")).is_empty());
}
