//! What a device's driver can do with XDP programs, in the kernel's own words: the generic netlink family `netdev`
//! (`linux/netdev.h`, Linux 6.3 and later).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::check;

/// Bytes of `nlmsghdr` and `genlmsghdr` (`linux/netlink.h`, `linux/genetlink.h`).
const HEADER: usize = 16;
const GENERIC: usize = 4;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
/// The family that knows families: its number, its command, its attributes.
const CONTROL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
/// The family `netdev`: its command, its attributes.
const GET_DEVICE: u8 = 1;
const INDEX: u16 = 1;
const XDP_FEATURES: u16 = 3;
const ZERO_COPY_SEGMENTS: u16 = 4;
/// An attribute's type without the "nested" and "byte order" bits.
const TYPE_MASK: u16 = 0x3fff;

/// What a driver can do, as it is set at the moment (`enum netdev_xdp_act`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdpSupport {
    /// Programs run in the driver, before a socket buffer is made.
    pub native: bool,
    /// They can redirect, to AF_XDP sockets among others.
    pub redirect: bool,
    /// AF_XDP sockets can share memory with the card.
    pub zero_copy: bool,
    /// They see packets of more than one buffer.
    pub multi_buffer: bool,
    /// Buffers a packet may have with zero-copy; 0 where the kernel does not say.
    pub zero_copy_buffers: u32,
}

impl XdpSupport {
    /// Bits of [`XDP_FEATURES`].
    fn of(bits: u64, zero_copy_buffers: u32) -> XdpSupport {
        let bit = |number: u32| bits >> number & 1 == 1;
        XdpSupport {
            native: bit(0),
            redirect: bit(1),
            zero_copy: bit(3),
            multi_buffer: bit(5),
            zero_copy_buffers,
        }
    }
}

/// What the driver of the device of this index can do, in the calling thread's network namespace; `None` where the
/// kernel is too old to say.
///
/// # Errors
/// ENODEV where there is no such device, a socket that cannot be had, an answer that makes no sense.
pub fn of_device(index: u32) -> io::Result<Option<XdpSupport>> {
    // SAFETY: no memory is passed.
    let fd =
        unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_GENERIC) };
    let fd = check(fd.into())?;
    // SAFETY: a descriptor just made, owned by nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let Some(family) = family(&socket, b"netdev\0")? else { return Ok(None) };
    let answer = ask(&socket, family, GET_DEVICE, INDEX, &index.to_ne_bytes())?;
    device(&answer).map(Some).ok_or_else(senseless)
}

fn senseless() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "generic netlink's answer makes no sense")
}

/// The number of a family; `None` where the kernel has none of this name.
fn family(socket: &OwnedFd, name: &[u8]) -> io::Result<Option<u16>> {
    match ask(socket, CONTROL, GET_FAMILY, FAMILY_NAME, name) {
        Ok(answer) => {
            let id = attributes(&answer).find(|(kind, _)| *kind == FAMILY_ID).map(|(_, value)| value);
            id.and_then(|value| value.first_chunk())
                .map(|id| Some(u16::from_ne_bytes(*id)))
                .ok_or_else(senseless)
        }
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn device(answer: &[u8]) -> Option<XdpSupport> {
    let find = |wanted| attributes(answer).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let bits = u64::from_ne_bytes(*find(XDP_FEATURES)?.first_chunk()?);
    let segments = find(ZERO_COPY_SEGMENTS).and_then(|value| value.first_chunk());
    Some(XdpSupport::of(bits, segments.map_or(0, |value| u32::from_ne_bytes(*value))))
}

/// A command with one attribute; the whole answer.
fn ask(socket: &OwnedFd, family: u16, command: u8, kind: u16, value: &[u8]) -> io::Result<Vec<u8>> {
    let question = question(family, command, kind, value);
    // SAFETY: pointer and length are a slice's, which lives through the call.
    let sent = unsafe { libc::send(socket.as_raw_fd(), question.as_ptr().cast(), question.len(), 0) };
    check(sent as _)?;
    let mut answer = vec![0u8; 32 << 10];
    // SAFETY: as above, and the vector is ours to write.
    let got = unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
    answer.truncate(check(got as _)? as usize);
    let kind = answer.get(4..6).and_then(|bytes| bytes.first_chunk()).ok_or_else(senseless)?;
    if u16::from_ne_bytes(*kind) == NLMSG_ERROR {
        let errno = answer.get(HEADER..).and_then(|bytes| bytes.first_chunk()).ok_or_else(senseless)?;
        return Err(io::Error::from_raw_os_error(i32::from_ne_bytes(*errno).wrapping_neg()));
    }
    Ok(answer)
}

fn question(family: u16, command: u8, kind: u16, value: &[u8]) -> Vec<u8> {
    let mut message = vec![0u8; 4];
    message.extend(family.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([command, 1, 0, 0]);
    message.extend((4 + value.len() as u16).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
    let bytes = (message.len() as u32).to_ne_bytes();
    message[..4].copy_from_slice(&bytes);
    message
}

/// The attributes of an answer, type and value; what is cut off ends them.
fn attributes(answer: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = answer.get(HEADER + GENERIC..).unwrap_or_default();
    std::iter::from_fn(move || {
        let bytes = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?) & TYPE_MASK;
        let value = rest.get(4..bytes)?;
        rest = rest.get(bytes.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_runs_no_programs_in_its_driver() {
        let lo = crate::device::by_name("lo").unwrap().unwrap();
        // `None` on a kernel before 6.3.
        if let Some(support) = of_device(lo.index).unwrap() {
            assert_eq!(support, XdpSupport::default());
        }
        assert!(of_device(u32::MAX >> 1).is_err() || of_device(lo.index).unwrap().is_none());
    }

    #[test]
    fn bits_mean_what_the_header_says() {
        // linux/netdev.h: basic 1, redirect 2, zero-copy 8, received in several buffers 32.
        let all = XdpSupport {
            native: true,
            redirect: true,
            zero_copy: true,
            multi_buffer: true,
            zero_copy_buffers: 8,
        };
        assert_eq!(XdpSupport::of(1 | 2 | 8 | 32, 8), all);
        assert_eq!(XdpSupport::of(4 | 16 | 64, 0), XdpSupport::default());
    }

    #[test]
    fn a_cut_answer_never_panics() {
        let mut answer = question(20, 1, XDP_FEATURES, &43u64.to_ne_bytes());
        assert!(device(&answer).is_some_and(|support| support.native && support.multi_buffer));
        while answer.pop().is_some() {
            let _ = device(&answer);
        }
    }
}
