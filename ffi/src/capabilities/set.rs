//! Capabilities by number and name, and sets of them.

use std::fmt;

/// Their names by number, without the prefix (`linux/capability.h`, to Linux 6.18).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// One capability; shown as `CAP_NET_RAW`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(u8);

impl Capability {
    /// Files of anybody can be read and written.
    pub const DAC_OVERRIDE: Capability = Capability(1);
    /// Devices can be set, XDP programs attached.
    pub const NET_ADMIN: Capability = Capability(12);
    /// Raw, packet and XDP sockets can be made.
    pub const NET_RAW: Capability = Capability(13);
    /// Memory can be locked beyond the limit of the user.
    pub const IPC_LOCK: Capability = Capability(14);
    /// Much of everything; before Linux 5.8, what [`Capability::BPF`] and [`Capability::PERFMON`] are for too.
    pub const SYS_ADMIN: Capability = Capability(21);
    /// Real-time scheduling, CPUs of other processes.
    pub const SYS_NICE: Capability = Capability(23);
    /// Limits of resources can be raised.
    pub const SYS_RESOURCE: Capability = Capability(24);
    /// Performance counters, pointers in BPF programs (Linux 5.8).
    pub const PERFMON: Capability = Capability(38);
    /// BPF programs and maps (Linux 5.8).
    pub const BPF: Capability = Capability(39);

    /// The capability of this number in `linux/capability.h`; `None` from 64 on, which no set holds.
    #[must_use]
    pub const fn numbered(number: u8) -> Option<Capability> {
        if number < 64 { Some(Capability(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// As `capabilities(7)` calls it; one that is not known by its number.
impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0)) {
            Some(name) => write!(f, "CAP_{name}"),
            None => write!(f, "capability {}", self.0),
        }
    }
}

/// A set of capabilities; shown as their names, `none` where it is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// None at all.
    pub const NONE: Capabilities = Capabilities(0);

    /// The set of these bits, as `/proc/PID/status` shows them.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Capabilities {
        Capabilities(bits)
    }

    /// Its bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// One more.
    #[must_use]
    pub const fn with(self, one: Capability) -> Capabilities {
        Capabilities(self.0 | 1 << one.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 & other.0)
    }

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 | other.0)
    }

    /// What is in it and not in the other.
    #[must_use]
    pub const fn without(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 & !other.0)
    }

    /// Is this one in it?
    #[must_use]
    pub const fn contains(self, one: Capability) -> bool {
        self.0 >> one.0 & 1 == 1
    }

    /// Is none in it?
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many are in it.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Each, by number.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        (0..64).map(Capability).filter(move |one| self.contains(*one))
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(each: I) -> Capabilities {
        each.into_iter().fold(Capabilities::NONE, Capabilities::with)
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let names: Vec<String> = self.iter().map(|one| one.to_string()).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_kernels_names() {
        // linux/capability.h: CAP_NET_ADMIN 12, CAP_IPC_LOCK 14, CAP_SYS_NICE 23, CAP_BPF 39.
        let named = [
            Capability::DAC_OVERRIDE,
            Capability::NET_ADMIN,
            Capability::NET_RAW,
            Capability::IPC_LOCK,
            Capability::SYS_ADMIN,
            Capability::SYS_NICE,
            Capability::SYS_RESOURCE,
            Capability::PERFMON,
            Capability::BPF,
        ];
        let shown: Capabilities = named.into_iter().collect();
        assert_eq!(
            shown.to_string(),
            "CAP_DAC_OVERRIDE, CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK, CAP_SYS_ADMIN, CAP_SYS_NICE, \
             CAP_SYS_RESOURCE, CAP_PERFMON, CAP_BPF"
        );
        assert_eq!(
            Capability::numbered(40).map(|one| one.to_string()).as_deref(),
            Some("CAP_CHECKPOINT_RESTORE")
        );
        assert_eq!(Capability::numbered(63).map(|one| one.to_string()).as_deref(), Some("capability 63"));
        assert_eq!(Capability::numbered(64), None);
    }

    #[test]
    fn sets_are_what_their_bits_say() {
        let all = Capabilities::from_bits(0x1ff_ffff_ffff);
        let net = Capabilities::NONE.with(Capability::NET_RAW).with(Capability::NET_ADMIN);
        assert_eq!((all.len(), net.bits()), (41, 0x3000));
        assert_eq!(all.without(net).or(net), all);
        assert_eq!(all.and(net), net);
        assert!(all.without(net).and(net).is_empty() && !net.contains(Capability::BPF));
        assert_eq!(Capabilities::NONE.to_string(), "none");
    }
}
