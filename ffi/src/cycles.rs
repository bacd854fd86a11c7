//! The cycle counter: what a measurement on the data path costs least with.

/// The machine's cycle counter: `rdtsc` on x86-64, `cntvct_el0` on aarch64, elsewhere
/// `CLOCK_MONOTONIC` in nanoseconds. Unit: ticks of that counter, to be calibrated against
/// [`crate::time::monotonic_ns`]. Not serialising: the CPU may move it by some tens of instructions.
#[inline]
#[must_use]
pub fn cycles() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: every x86-64 CPU has `rdtsc`, and it touches no memory.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(target_arch = "aarch64")]
    {
        let ticks: u64;
        // SAFETY: Linux lets user space read the virtual counter; the instruction only writes `ticks`.
        unsafe {
            core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags));
        }
        ticks
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        crate::time::monotonic_ns()
    }
}

/// Whether [`cycles`] ticks at one rate on all cores whatever their frequency or sleep state.
///
/// On x86-64 CPUID leaf 8000_0007h, EDX bit 8 (AMD APM volume 3, Intel SDM volume 2A); true elsewhere, where
/// the architecture promises it. Some hypervisors hide the bit: false means "not promised".
#[must_use]
pub fn tsc_is_invariant() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::__cpuid;
        const HIGHEST_EXTENDED: u32 = 0x8000_0000;
        const POWER_MANAGEMENT: u32 = 0x8000_0007;
        __cpuid(HIGHEST_EXTENDED).eax >= POWER_MANAGEMENT && __cpuid(POWER_MANAGEMENT).edx >> 8 & 1 == 1
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_moves_forward() {
        let before = cycles();
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert!(cycles() > before);
        let _either = tsc_is_invariant();
    }
}
