//! What a port may only do with a capability.

pub use ffi::capabilities::Capability;

/// A capability a port needs, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privilege {
    /// Which.
    pub capability: Capability,
    /// What for, as in "to open an XDP socket".
    pub why: &'static str,
    /// Is it needed again after the port was opened: by [`Port::watch`](super::Port::watch), for a device that
    /// vanished and came back, or when the port is dropped, to put settings back as they were?
    pub again: bool,
}

impl Privilege {
    /// Needed to open the port, and no more afterwards.
    pub fn to_open(capability: Capability, why: &'static str) -> Privilege {
        Privilege { capability, why, again: false }
    }

    /// Needed to open the port, to look after it and to close it.
    pub fn to_the_end(capability: Capability, why: &'static str) -> Privilege {
        Privilege { capability, why, again: true }
    }
}

/// The capability BPF programs and maps are loaded with: CAP_BPF, which Linux 5.8 brought, or CAP_SYS_ADMIN before.
pub fn bpf_capability() -> Capability {
    if ffi::capabilities::is_known(Capability::BPF) { Capability::BPF } else { Capability::SYS_ADMIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_loaded_with_what_the_kernel_asks_for() {
        let expected =
            if ffi::capabilities::is_known(Capability::PERFMON) { "CAP_BPF" } else { "CAP_SYS_ADMIN" };
        assert_eq!(bpf_capability().to_string(), expected);
    }
}
