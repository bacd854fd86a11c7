//! Network devices as the kernel describes them: index, MTU, address, state, queues, driver, counters.
//!
//! What rtnetlink tells (`rtnetlink(7)`, RTM_GETLINK) comes in one message and belongs to the network
//! namespace the asking socket was opened in; what only ethtool knows (`linux/ethtool.h`) is asked by index.
//!
//! - `netlink`: one question, one answer
//! - `ethtool`: driver, channels, the offloads that change what a port sees

mod ethtool;
mod netlink;

use std::io;

pub use self::ethtool::{Driver, Offloads};
pub use self::netlink::Links;

/// What a device is and how it is at the moment it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its index: the number by which the kernel knows it, never given twice in a namespace's life.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Largest payload of its frames, bytes (the 14 bytes of the Ethernet header come on top).
    pub mtu: u32,
    /// Its Ethernet address; `None` where it has none of six bytes (tun).
    pub mac: Option<[u8; 6]>,
    /// Is its link layer Ethernet (`ARPHRD_ETHER`; the loopback device counts, its frames have the header)?
    pub ethernet: bool,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Operational: up, and there is a carrier (`IFF_RUNNING`).
    pub running: bool,
    /// Queues in use.
    pub queues: Queues,
    /// Its driver, where ethtool knows one.
    pub driver: Option<Driver>,
    /// Offloads that change what a port sees of its packets.
    pub offloads: Offloads,
    /// The XDP program that is attached.
    pub xdp: Option<Attached>,
    /// Counters since it was made.
    pub statistics: Statistics,
}

/// Queues a device has in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    /// That receive.
    pub receive: u32,
    /// That transmit.
    pub transmit: u32,
    /// The most that may be made to receive (`ethtool -L`).
    pub receive_most: u32,
    /// The most that may be made to transmit.
    pub transmit_most: u32,
}

/// How an XDP program is attached (`IFLA_XDP_ATTACHED`, `linux/if_link.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachMode {
    /// In the driver, before a socket buffer is made.
    Native,
    /// Behind the driver, on socket buffers ("generic").
    Generic,
    /// On the card.
    Hardware,
    /// Several at once.
    Several,
}

/// An attached XDP program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// How.
    pub mode: AttachMode,
    /// The program's id (`bpftool prog show id N`); 0 where several are attached.
    pub program: u32,
}

/// A device's counters (`rtnl_link_stats64`, `linux/if_link.h`); what `ip -s -s link` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Bad packets received, all kinds.
    pub rx_errors: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets received but not processed, for want of memory or because nobody takes their protocol.
    pub rx_dropped: u64,
    /// Packets dropped on their way to transmission.
    pub tx_dropped: u64,
    /// Packets the card had no buffer for.
    pub rx_missed_errors: u64,
    /// Packets the card's receive queue overflowed with.
    pub rx_fifo_errors: u64,
    /// Packets longer or shorter than allowed.
    pub rx_length_errors: u64,
    /// Packets nobody took on an inactive bridge or bond port.
    pub rx_nohandler: u64,
}

/// The device of this name in the calling thread's network namespace; `None` when there is none.
///
/// # Errors
/// A name no device can have (`InvalidInput`), a socket that cannot be had, an answer that makes no sense.
pub fn by_name(name: &str) -> io::Result<Option<Device>> {
    Links::open()?.by_name(name)
}

/// Names of all devices of the calling thread's network namespace, in the order of their indices.
///
/// # Errors
/// What `if_nameindex(3)` reports.
pub fn names() -> io::Result<Vec<String>> {
    // SAFETY: no arguments; what it returns is freed below, by the function that belongs to it.
    let list = unsafe { libc::if_nameindex() };
    if list.is_null() {
        return Err(io::Error::last_os_error());
    }
    let mut names = Vec::new();
    let mut at = list;
    // SAFETY: the list ends with an entry of index 0 and a null name (if_nameindex(3)); every entry before
    // it holds a C string.
    unsafe {
        while (*at).if_index != 0 && !(*at).if_name.is_null() {
            names.push(std::ffi::CStr::from_ptr((*at).if_name).to_string_lossy().into_owned());
            at = at.add(1);
        }
        libc::if_freenameindex(list);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_is_described() {
        let lo = by_name("lo").unwrap().expect("every namespace has lo");
        assert_eq!((lo.name.as_str(), lo.mac), ("lo", Some([0; 6])));
        assert!(
            lo.index > 0 && lo.mtu >= 1500 && lo.queues.receive >= 1 && lo.queues.transmit >= 1,
            "{lo:?}"
        );
        assert!(names().unwrap().contains(&"lo".to_owned()));
    }

    #[test]
    fn a_device_that_is_not_there_is_none_and_a_name_that_cannot_be_is_refused() {
        assert_eq!(by_name("no-such-dev").unwrap(), None);
        for name in ["", "a-name-longer-than-15", "with\0nul"] {
            assert_eq!(by_name(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
    }
}
