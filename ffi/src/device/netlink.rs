//! One question to rtnetlink: what is the device of this name?

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::{AttachMode, Attached, Device, Queues, Statistics, ethtool};
use crate::check;

/// Bytes of `nlmsghdr` and `ifinfomsg` (`linux/netlink.h`, `linux/rtnetlink.h`).
const HEADER: usize = 16;
const LINK_INFO: usize = 16;
/// Numbers of `linux/rtnetlink.h` and `linux/netlink.h`.
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
/// An attribute's type without the "nested" and "byte order" bits.
const TYPE_MASK: u16 = 0x3fff;
/// Link types (`linux/if_arp.h`).
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;
/// `IFNAMSIZ` with its nul.
const NAME_BYTES: usize = 16;

/// Attributes of a link (`linux/if_link.h`).
mod attribute {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const NAME: u16 = 3;
    pub(super) const MTU: u16 = 4;
    pub(super) const STATS64: u16 = 23;
    pub(super) const NUM_TX_QUEUES: u16 = 31;
    pub(super) const NUM_RX_QUEUES: u16 = 32;
    pub(super) const XDP: u16 = 43;
    pub(super) const XDP_ATTACHED: u16 = 2;
    pub(super) const XDP_PROGRAM: u16 = 4;
}

/// A socket to ask about devices of the network namespace it was opened in, wherever its owner goes later.
#[derive(Debug)]
pub struct Links {
    socket: OwnedFd,
}

impl Links {
    /// Opens one in the calling thread's network namespace.
    ///
    /// # Errors
    /// What `socket(2)` reports.
    pub fn open() -> io::Result<Links> {
        // SAFETY: no memory is passed.
        let fd = check(unsafe {
            libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE).into()
        })?;
        // SAFETY: a descriptor just made, owned by nobody else.
        Ok(Links { socket: unsafe { OwnedFd::from_raw_fd(fd as i32) } })
    }

    /// The device of this name; `None` when there is none.
    ///
    /// # Errors
    /// A name no device can have (`InvalidInput`), what `send(2)` and `recv(2)` report, an answer that makes no
    /// sense (`InvalidData`).
    pub fn by_name(&self, name: &str) -> io::Result<Option<Device>> {
        if name.is_empty() || name.len() >= NAME_BYTES || name.contains('\0') {
            let text = format!("{name:?}: names of devices have 1 to {} bytes", NAME_BYTES - 1);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut answer = vec![0u8; 32 << 10];
        let got = self.ask(&question(name), &mut answer)?;
        let Some(mut device) = parse(&answer[..got])? else { return Ok(None) };
        ethtool::complete(&self.socket, &mut device);
        Ok(Some(device))
    }

    /// One question, one answer: how many bytes of it there are.
    fn ask(&self, question: &[u8], answer: &mut [u8]) -> io::Result<usize> {
        let fd = self.socket.as_raw_fd();
        // SAFETY: pointer and length are a slice's, which lives through the call.
        let sent = unsafe { libc::send(fd, question.as_ptr().cast(), question.len(), 0) };
        check(sent as _)?;
        // SAFETY: as above, and the slice is ours to write.
        let got = unsafe { libc::recv(fd, answer.as_mut_ptr().cast(), answer.len(), 0) };
        Ok(check(got as _)? as usize)
    }
}

/// RTM_GETLINK with the name.
fn question(name: &str) -> Vec<u8> {
    let mut attribute = Vec::new();
    attribute.extend((4 + name.len() as u16 + 1).to_ne_bytes());
    attribute.extend(attribute::NAME.to_ne_bytes());
    attribute.extend(name.as_bytes());
    attribute.push(0);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    let mut message = Vec::new();
    message.extend(((HEADER + LINK_INFO + attribute.len()) as u32).to_ne_bytes());
    message.extend(RTM_GETLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8 + LINK_INFO]);
    message.extend(attribute);
    message
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The device an answer describes; `None` where the answer says there is none.
fn parse(answer: &[u8]) -> io::Result<Option<Device>> {
    let senseless = || io::Error::new(io::ErrorKind::InvalidData, "rtnetlink's answer makes no sense");
    match u16_at(answer, 4).ok_or_else(senseless)? {
        NLMSG_ERROR => {
            let errno = u32_at(answer, HEADER).ok_or_else(senseless)? as i32;
            if errno == -libc::ENODEV { Ok(None) } else { Err(io::Error::from_raw_os_error(-errno)) }
        }
        RTM_NEWLINK => described(answer).map(Some).ok_or_else(senseless),
        _ => Err(senseless()),
    }
}

fn described(answer: &[u8]) -> Option<Device> {
    let link_type = u16_at(answer, HEADER + 2)?;
    let flags = u32_at(answer, HEADER + 8)?;
    let mut device = Device {
        index: u32_at(answer, HEADER + 4)?,
        ethernet: matches!(link_type, ARPHRD_ETHER | ARPHRD_LOOPBACK),
        up: flags & libc::IFF_UP as u32 != 0,
        running: flags & libc::IFF_RUNNING as u32 != 0,
        ..Device::default()
    };
    for (kind, value) in Attributes(answer.get(HEADER + LINK_INFO..)?) {
        match kind {
            attribute::ADDRESS => device.mac = value.try_into().ok(),
            attribute::NAME => device.name = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned(),
            attribute::MTU => device.mtu = u32_at(value, 0)?,
            attribute::NUM_RX_QUEUES => device.queues.receive = u32_at(value, 0)?,
            attribute::NUM_TX_QUEUES => device.queues.transmit = u32_at(value, 0)?,
            attribute::STATS64 => device.statistics = statistics(value)?,
            attribute::XDP => device.xdp = attached(value),
            _ => {}
        }
    }
    let Queues { receive, transmit, .. } = device.queues;
    device.queues = Queues { receive, transmit, receive_most: receive, transmit_most: transmit };
    Some(device)
}

/// Attributes one after the other: type and value. What is cut off ends them.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & TYPE_MASK;
        let value = self.0.get(4..bytes)?;
        self.0 = self.0.get(bytes.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// Fields of `rtnl_link_stats64`, each 8 bytes, by their place.
fn statistics(value: &[u8]) -> Option<Statistics> {
    let field = |place: usize| u64_at(value, place * 8);
    Some(Statistics {
        rx_packets: field(0)?,
        tx_packets: field(1)?,
        rx_bytes: field(2)?,
        tx_bytes: field(3)?,
        rx_errors: field(4)?,
        tx_errors: field(5)?,
        rx_dropped: field(6)?,
        tx_dropped: field(7)?,
        rx_length_errors: field(10)?,
        rx_fifo_errors: field(14)?,
        rx_missed_errors: field(15)?,
        // Since Linux 4.6.
        rx_nohandler: field(23).unwrap_or(0),
    })
}

fn attached(value: &[u8]) -> Option<Attached> {
    let find = |wanted| Attributes(value).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let mode = match find(attribute::XDP_ATTACHED)?.first()? {
        0 => return None,
        1 => AttachMode::Native,
        2 => AttachMode::Generic,
        3 => AttachMode::Hardware,
        _ => AttachMode::Several,
    };
    let program = find(attribute::XDP_PROGRAM).and_then(|value| u32_at(value, 0)).unwrap_or(0);
    Some(Attached { mode, program })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers are kernel memory as bytes: whatever they are cut to, reading them ends in an error or a device.
    #[test]
    fn a_cut_answer_never_panics() {
        let links = Links::open().unwrap();
        let mut answer = vec![0u8; 32 << 10];
        let got = links.ask(&question("lo"), &mut answer).unwrap();
        let whole = parse(&answer[..got]).unwrap().unwrap();
        assert_eq!(whole.name, "lo");
        for cut in 0..got {
            let _ = parse(&answer[..cut]);
        }
    }
}
