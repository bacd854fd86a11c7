//! Devices whose other end is a file of ours: tap (Ethernet frames) and tun (IP packets), `linux/if_tun.h`.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::check;

/// `ioctl(2)` requests (`linux/if_tun.h`).
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETOFFLOAD: libc::c_ulong = 0x4004_54d0;
const TUNGETIFF: libc::c_ulong = 0x8004_54d2;
/// Flags of `TUNSETIFF`.
const IFF_TUN: i16 = 0x0001;
const IFF_TAP: i16 = 0x0002;
const IFF_NO_PI: i16 = 0x1000;
const IFF_MULTI_QUEUE: i16 = 0x0100;
/// `IFNAMSIZ` with its nul, and bytes of an `ifreq`.
const NAME_BYTES: usize = 16;
const REQUEST_BYTES: usize = 40;

/// What the packets of a device start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapMode {
    /// An Ethernet header.
    Ethernet,
    /// The IP header.
    Ip,
}

/// One queue of a tap or tun device: what the kernel sends by the device is read here, what is written here the kernel
/// receives from it. The device is gone with its last queue, unless it was there before (and made to last).
#[derive(Debug)]
pub struct Tap {
    file: OwnedFd,
}

/// An `ifreq` with a name and a first word after it.
fn request(name: &str, flags: i16) -> io::Result<[u8; REQUEST_BYTES]> {
    if name.is_empty() || name.len() >= NAME_BYTES || name.contains(['\0', '/', '%', ' ']) {
        let text =
            format!("{name:?}: names of devices have 1 to {} bytes, and none of \"/ %\"", NAME_BYTES - 1);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let mut request = [0u8; REQUEST_BYTES];
    request[..name.len()].copy_from_slice(name.as_bytes());
    request[NAME_BYTES..NAME_BYTES + 2].copy_from_slice(&flags.to_ne_bytes());
    Ok(request)
}

impl Tap {
    /// Opens a queue of the device of this name in the calling thread's network namespace, which is made if it is not
    /// there. A device can have several queues if the first one was opened with `several`.
    ///
    /// The kernel is told that we take no offloads (`TUNSETOFFLOAD` 0): what it sends by the device is cut into packets,
    /// and their checksums are complete.
    ///
    /// # Errors
    /// ENOENT: there is no `/dev/net/tun`; EPERM: no CAP_NET_ADMIN; EBUSY: another program has the device, or it has as
    /// many queues as it can have; EINVAL: there is a device of that name of another kind.
    pub fn open(name: &str, mode: TapMode, several: bool) -> io::Result<Tap> {
        let mut flags = IFF_NO_PI | if mode == TapMode::Ethernet { IFF_TAP } else { IFF_TUN };
        if several {
            flags |= IFF_MULTI_QUEUE;
        }
        let mut request = request(name, flags)?;
        let open = libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC;
        // SAFETY: the path is a C string that lives for ever.
        let fd = check(unsafe { libc::open(c"/dev/net/tun".as_ptr(), open) }.into())?;
        // SAFETY: a descriptor just made, owned by nobody else.
        let file = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        // SAFETY: the request is as long as an ifreq and lives through the call, which reads and writes it.
        check(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, request.as_mut_ptr()) }.into())?;
        // SAFETY: the argument is a number, not a pointer.
        check(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETOFFLOAD, 0 as libc::c_ulong) }.into())?;
        Ok(Tap { file })
    }

    /// The device's name now, in whatever namespace it is.
    ///
    /// # Errors
    /// EBADFD: it was deleted.
    pub fn name(&self) -> io::Result<String> {
        let mut request = [0u8; REQUEST_BYTES];
        // SAFETY: the request is as long as an ifreq and lives through the call, which writes it.
        check(unsafe { libc::ioctl(self.file.as_raw_fd(), TUNGETIFF, request.as_mut_ptr()) }.into())?;
        let name = request[..NAME_BYTES].split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    /// Reads one packet; `None` when there is none now. One that does not fit is cut: its length then is that of `into`.
    ///
    /// # Errors
    /// EBADFD: the device was deleted.
    #[inline]
    pub fn read(&self, into: &mut [u8]) -> io::Result<Option<usize>> {
        // SAFETY: pointer and length are of a slice that lives through the call.
        let got = unsafe { libc::read(self.file.as_raw_fd(), into.as_mut_ptr().cast(), into.len()) };
        match usize::try_from(got) {
            Ok(got) => Ok(Some(got)),
            Err(_) => match io::Error::last_os_error() {
                error if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                    Ok(None)
                }
                error => Err(error),
            },
        }
    }

    /// Writes one packet.
    ///
    /// # Errors
    /// EAGAIN, ENOBUFS, ENOMEM: no room now; EIO: the device is down; EBADFD: it was deleted; EINVAL: no packet of this
    /// kind (shorter than an Ethernet header, neither IPv4 nor IPv6 for a tun device).
    #[inline]
    pub fn write(&self, packet: &[u8]) -> io::Result<()> {
        // SAFETY: pointer and length are of a slice that lives through the call.
        let put = unsafe { libc::write(self.file.as_raw_fd(), packet.as_ptr().cast(), packet.len()) };
        if put < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_no_device_can_have_are_refused() {
        for name in ["", "a name", "tap%d", "a/b", "sixteen-bytes-16", "nul\0"] {
            let error = Tap::open(name, TapMode::Ethernet, false).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
    }
}
