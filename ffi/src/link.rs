//! Setting what a network device is: its MTU, its Ethernet address, its IP addresses, up or down (`rtnetlink(7)`).

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::check;

/// Numbers of `linux/rtnetlink.h`, `linux/netlink.h`, `linux/if_link.h`, `linux/if_addr.h`.
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_ACK: u16 = 0x004;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_CREATE: u16 = 0x400;
const IFLA_ADDRESS: u16 = 1;
const IFLA_MTU: u16 = 4;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_F_NODAD: u8 = 0x02;
const IFF_UP: u32 = 1;
/// Bytes of a message's header; in an acknowledgement the error code follows it.
const HEADER: usize = 16;

/// What is to be changed of a device; `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkSettings {
    /// Bytes.
    pub mtu: Option<u32>,
    /// Its Ethernet address.
    pub mac: Option<[u8; 6]>,
    /// Administratively up.
    pub up: Option<bool>,
}

/// A message to be sent: header, fixed part, attributes.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16) -> Message {
        let mut bytes = vec![0u8; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
        Message(bytes)
    }

    fn put(mut self, bytes: &[u8]) -> Message {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds an attribute: its length (with these four bytes), its type, its value, padded to four bytes.
    fn attribute(mut self, kind: u16, value: &[u8]) -> Message {
        self.0.extend_from_slice(&((value.len() + 4) as u16).to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Sends it and waits for the kernel's answer.
    fn send(mut self) -> io::Result<()> {
        let len = self.0.len() as u32;
        self.0[..4].copy_from_slice(&len.to_ne_bytes());
        // SAFETY: no memory is passed.
        let fd = check(unsafe {
            libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE).into()
        })?;
        // SAFETY: a descriptor just made, owned by nobody else.
        let socket = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        // SAFETY: pointer and length are of a slice that lives through the call.
        check(unsafe { libc::send(socket.as_raw_fd(), self.0.as_ptr().cast(), self.0.len(), 0) } as _)?;
        let mut answer = [0u8; 4096];
        // SAFETY: pointer and length are of a slice that lives through the call.
        let got = check(
            unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) } as _,
        )?;
        acknowledged(&answer[..usize::try_from(got).unwrap_or(0)])
    }
}

/// What an acknowledgement says: 0, or an error's negative number.
fn acknowledged(answer: &[u8]) -> io::Result<()> {
    let kind = answer.get(4..6).and_then(|kind| kind.first_chunk()).map(|kind| u16::from_ne_bytes(*kind));
    let code = answer.get(HEADER..).and_then(|rest| rest.first_chunk()).map(|code| i32::from_ne_bytes(*code));
    match (kind, code) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(NLMSG_ERROR), Some(code)) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer is no acknowledgement")),
    }
}

/// Changes a device of the calling thread's network namespace.
///
/// # Errors
/// EPERM: no CAP_NET_ADMIN; ENODEV: no such device; EINVAL, ERANGE: a value it cannot have; EBUSY: its address cannot be
/// changed while it is up.
pub fn configure(index: u32, settings: &LinkSettings) -> io::Result<()> {
    let flags = if settings.up == Some(true) { IFF_UP } else { 0 };
    let change = if settings.up.is_some() { IFF_UP } else { 0 };
    // `ifinfomsg`: family and type (of no matter), index, flags, which of them.
    let mut message = Message::new(RTM_NEWLINK, 0)
        .put(&[0; 4])
        .put(&index.to_ne_bytes())
        .put(&flags.to_ne_bytes())
        .put(&change.to_ne_bytes());
    if let Some(mtu) = settings.mtu {
        message = message.attribute(IFLA_MTU, &mtu.to_ne_bytes());
    }
    if let Some(mac) = &settings.mac {
        message = message.attribute(IFLA_ADDRESS, mac);
    }
    message.send()
}

/// Gives a device of the calling thread's network namespace an address of its own; one that it has stays. An IPv6 address
/// is good at once, not after a second of asking whether somebody else has it.
///
/// # Errors
/// EPERM: no CAP_NET_ADMIN; EACCES: IPv6 is disabled on the device; ENODEV: no such device; EINVAL: a prefix too long.
pub fn add_address(index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
    let message = Message::new(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
    // `ifaddrmsg`: family, prefix, flags, scope (of the whole world), index.
    match address {
        IpAddr::V4(address) => message
            .put(&[libc::AF_INET as u8, prefix, 0, 0])
            .put(&index.to_ne_bytes())
            .attribute(IFA_LOCAL, &address.octets())
            .attribute(IFA_ADDRESS, &address.octets())
            .send(),
        IpAddr::V6(address) => message
            .put(&[libc::AF_INET6 as u8, prefix, IFA_F_NODAD, 0])
            .put(&index.to_ne_bytes())
            .attribute(IFA_ADDRESS, &address.octets())
            .send(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_say_their_length() {
        let message = Message::new(RTM_NEWLINK, 0).attribute(IFLA_ADDRESS, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(message.0.len(), HEADER + 12);
        assert_eq!(message.0[HEADER..HEADER + 2], 10u16.to_ne_bytes());
        assert_eq!(message.0[HEADER + 10..], [0, 0]);
    }

    #[test]
    fn the_kernel_s_answer_is_read_and_not_believed() {
        let mut answer = vec![0u8; 20];
        answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        assert!(acknowledged(&answer).is_ok());
        answer[16..20].copy_from_slice(&(-libc::ENODEV).to_ne_bytes());
        assert_eq!(acknowledged(&answer).unwrap_err().raw_os_error(), Some(libc::ENODEV));
        for short in [0, 5, 19] {
            assert_eq!(acknowledged(&answer[..short]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn a_device_that_is_not_there_cannot_be_changed() {
        let settings = LinkSettings { mtu: Some(1500), ..LinkSettings::default() };
        assert!(configure(0x7fff_fff0, &settings).is_err());
        assert!(add_address(0x7fff_fff0, "10.9.0.1".parse().unwrap(), 24).is_err());
    }
}
