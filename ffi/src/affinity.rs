//! Which CPUs a thread may run on, and which it does run on: `sched_setaffinity(2)`, `prctl(2)`.

use std::ffi::CString;
use std::io;
use std::mem::size_of_val;
use std::path::Path;

use crate::check;

const WORD_BITS: usize = u64::BITS as usize;
/// Words in the first CPU mask tried: 1024 CPUs, what `cpu_set_t` has.
const FIRST_WORDS: usize = 16;
/// Words after which growing the mask is given up: 262,144 CPUs, above any kernel's `NR_CPUS`.
const MOST_WORDS: usize = 4096;
/// Bytes of a thread name the kernel keeps, without the closing zero (`TASK_COMM_LEN` - 1).
const NAME_BYTES: usize = 15;

/// The CPUs the calling thread may run on, in ascending order (cpusets and `taskset` included).
///
/// # Errors
///
/// What `sched_getaffinity(2)` reports, for instance where a sandbox forbids it.
pub fn allowed_cpus() -> io::Result<Vec<usize>> {
    let mut mask = vec![0u64; FIRST_WORDS];
    loop {
        // SAFETY: the pointer and the byte count describe `mask`, which outlives the call; the
        // kernel writes at most that many bytes of it, and any bit pattern is a valid u64.
        let rc =
            unsafe { libc::sched_getaffinity(0, size_of_val(mask.as_slice()), mask.as_mut_ptr().cast()) };
        match check(rc.into()) {
            Ok(_) => return Ok(bits(&mask)),
            // EINVAL: the mask is smaller than the kernel's number of CPUs.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) && mask.len() < MOST_WORDS => {
                mask.resize(mask.len() * 2, 0);
            }
            Err(e) => return Err(e),
        }
    }
}

fn bits(mask: &[u64]) -> Vec<usize> {
    (0..mask.len() * WORD_BITS).filter(|cpu| mask[cpu / WORD_BITS] >> (cpu % WORD_BITS) & 1 == 1).collect()
}

/// Pins the calling thread to one CPU. Threads it starts later inherit the pinning.
///
/// # Errors
///
/// `InvalidInput` (EINVAL) when there is no such CPU or the cpuset forbids it; else what
/// `sched_setaffinity(2)` reports.
pub fn pin_current_thread(cpu: usize) -> io::Result<()> {
    allow_current_thread(&[cpu])
}

/// Lets the calling thread run on these CPUs and no others. Threads it starts later inherit that.
///
/// # Errors
///
/// `InvalidInput` (EINVAL) when the cpuset forbids all of them, or there is no such CPU; else what
/// `sched_setaffinity(2)` reports.
pub fn allow_current_thread(cpus: &[usize]) -> io::Result<()> {
    let last = cpus.iter().copied().max().unwrap_or(0);
    if last >= MOST_WORDS * WORD_BITS {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut mask = vec![0u64; FIRST_WORDS.max(last / WORD_BITS + 1)];
    for cpu in cpus {
        mask[cpu / WORD_BITS] |= 1 << (cpu % WORD_BITS);
    }
    // SAFETY: the pointer and the byte count describe `mask`, which the kernel only reads.
    let rc = unsafe { libc::sched_setaffinity(0, size_of_val(mask.as_slice()), mask.as_ptr().cast()) };
    check(rc.into()).map(drop)
}

/// The CPU the calling thread runs on at this moment; unless it is pinned it may have moved already.
///
/// # Errors
///
/// What `getcpu(2)` reports (ENOSYS on kernels without it).
pub fn current_cpu() -> io::Result<usize> {
    // SAFETY: the call takes no arguments and touches no memory of ours.
    let cpu = check(unsafe { libc::sched_getcpu() }.into())?;
    Ok(cpu as usize)
}

/// Names the calling thread as `ps -L`, `top -H` and `perf` show it: its first 15 bytes.
///
/// # Errors
///
/// `InvalidInput` when the name has a zero byte inside; else what `prctl(2)` reports.
pub fn name_current_thread(name: &str) -> io::Result<()> {
    let kept = &name.as_bytes()[..name.len().min(NAME_BYTES)];
    let name = CString::new(kept).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    // SAFETY: PR_SET_NAME reads a zero-ended string of at most 16 bytes, which `name` is.
    let rc = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    check(rc.into()).map(drop)
}

/// The NUMA node of a CPU as `/sys/devices/system/cpu/cpuN/nodeM` tells it; `None` when there is
/// no such CPU or the kernel knows no NUMA.
#[must_use]
pub fn numa_node_of_cpu(cpu: usize) -> Option<u32> {
    numa_node_below(Path::new("/sys"), cpu)
}

/// [`numa_node_of_cpu`] in another `/sys` tree than the machine's own, for tests.
#[must_use]
pub fn numa_node_below(sys: &Path, cpu: usize) -> Option<u32> {
    let folder = sys.join(format!("devices/system/cpu/cpu{cpu}"));
    std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .find_map(|entry| entry.file_name().to_str()?.strip_prefix("node")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_runs_where_it_was_pinned() {
        let cpus = allowed_cpus().unwrap();
        let last = *cpus.last().unwrap();
        std::thread::spawn(move || {
            pin_current_thread(last).unwrap();
            assert_eq!(allowed_cpus().unwrap(), [last]);
            assert_eq!(current_cpu().unwrap(), last);
            allow_current_thread(&cpus).unwrap();
            assert_eq!(allowed_cpus().unwrap(), cpus);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_cpu_that_is_not_there_is_refused() {
        for cpu in [100_000, usize::MAX] {
            assert_eq!(pin_current_thread(cpu).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(allow_current_thread(&[]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn names_are_cut_at_fifteen_bytes_and_shown_by_the_kernel() {
        std::thread::spawn(|| {
            name_current_thread("mnvkd-core-0123456").unwrap();
            let shown = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
            assert_eq!(shown.trim_end(), "mnvkd-core-0123");
            assert_eq!(name_current_thread("a\0b").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn the_mask_is_read_bit_by_bit() {
        assert_eq!(bits(&[0b101, 1 << 63]), [0, 2, 127]);
    }
}
