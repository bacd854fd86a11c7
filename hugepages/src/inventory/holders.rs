//! Which processes hold pages of the hugetlb pools, from `/proc/PID/smaps_rollup` (Linux 4.14).

use std::fs;
use std::path::Path;

/// A process that has hugetlb pages mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its command, as `/proc/PID/comm` has it (15 bytes at most).
    pub command: String,
    /// Bytes in pages only it has.
    pub private_bytes: u64,
    /// Bytes in pages others may have too; summed over processes these count more than once.
    pub shared_bytes: u64,
}

/// The processes that hold hugetlb pages, the largest first. Processes of other users are seen only
/// by root (or with `CAP_SYS_PTRACE`); what cannot be read is left out.
#[must_use]
pub fn holders(proc: &Path) -> Vec<Holder> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut found: Vec<Holder> = entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let text = fs::read_to_string(entry.path().join("smaps_rollup"))
                .or_else(|_| fs::read_to_string(entry.path().join("smaps")))
                .ok()?;
            let (private_bytes, shared_bytes) =
                (sum(&text, "Private_Hugetlb:"), sum(&text, "Shared_Hugetlb:"));
            let command = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let command = command.trim_end().to_owned();
            (private_bytes + shared_bytes > 0).then_some(Holder { pid, command, private_bytes, shared_bytes })
        })
        .collect();
    found.sort_by_key(|holder| (std::cmp::Reverse(holder.private_bytes + holder.shared_bytes), holder.pid));
    found
}

/// The bytes of all `<key> N kB` lines.
fn sum(text: &str, key: &str) -> u64 {
    let kb = text
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.trim().strip_suffix("kB")?.trim().parse().ok());
    kb.fold(0u64, |sum, kb: u64| sum.saturating_add(kb.saturating_mul(1024)))
}
