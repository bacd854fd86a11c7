//! Error numbers that drivers and ports tell apart (`asm-generic/errno.h`), and their names.

macro_rules! numbers {
    ($($name:ident $about:literal),* $(,)?) => {
        $(#[doc = $about] pub const $name: i32 = libc::$name;)*

        /// The symbolic name of a number told apart here.
        #[must_use]
        pub fn name(errno: i32) -> Option<&'static str> {
            match errno {
                $(libc::$name => Some(stringify!($name)),)*
                ENOTSUPP => Some("ENOTSUPP"),
                _ => None,
            }
        }
    };
}

/// "Operation is not supported", as some drivers return it though it is the kernel's own (`linux/errno.h`).
pub const ENOTSUPP: i32 = 524;

numbers! {
    EPERM "Not allowed to.",
    ENOENT "Not there.",
    ENXIO "No such device or address.",
    EAGAIN "Come again.",
    ENOMEM "Out of memory.",
    EACCES "Permission denied; of bpf(2): the verifier says no.",
    EBUSY "Somebody else has it.",
    ENODEV "No such device.",
    EINVAL "An argument makes no sense.",
    ENOSPC "No space left.",
    ERANGE "Out of range.",
    ENOSYS "No such system call.",
    E2BIG "Too large.",
    EPROTONOSUPPORT "The protocol is not supported.",
    EOPNOTSUPP "The operation is not supported.",
    EAFNOSUPPORT "The address family is not supported.",
    ENOPROTOOPT "No such socket option.",
    ENETDOWN "The network device is down.",
    ENOBUFS "No buffer space.",
    EINTR "Interrupted by a signal.",
    EMFILE "Too many open files.",
    EBADFD "The file is in no state for that; of a tap device: it was deleted.",
    EIO "Input or output failed; of a tap device: it is down.",
}
