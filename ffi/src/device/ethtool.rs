//! What only ethtool knows of a device (`linux/ethtool.h`, ioctl SIOCETHTOOL).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::Device;
use crate::check;

/// Commands.
const GET_DRIVER: u32 = 0x03;
const GET_FLAGS: u32 = 0x25;
const GET_GRO: u32 = 0x2b;
const GET_CHANNELS: u32 = 0x3c;
/// Bits of the answer to [`GET_FLAGS`].
const TX_VLAN: u32 = 1 << 7;
const RX_VLAN: u32 = 1 << 8;
const LRO: u32 = 1 << 15;
/// `linux/sockios.h`.
const SIOCETHTOOL: libc::c_ulong = 0x8946;

/// The driver behind a device (`ethtool -i`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Driver {
    /// Its name, as in "veth".
    pub name: String,
    /// Where the device sits: the PCI address; empty for a virtual one.
    pub bus: String,
}

/// Offloads that change what a port sees of its packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// VLAN tags are taken off received packets and kept beside them.
    pub strips_vlan: bool,
    /// VLAN tags kept beside packets are put into them by the device when it sends.
    pub inserts_vlan: bool,
    /// Received TCP segments are joined by the device.
    pub lro: bool,
    /// Received segments are joined by the kernel.
    pub gro: bool,
}

#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    version: [u8; 32],
    firmware: [u8; 32],
    bus: [u8; 32],
    rom: [u8; 32],
    rest: [u32; 8],
}
const _: () = assert!(size_of::<DriverInfo>() == 196);

#[repr(C)]
#[derive(Default)]
struct Channels {
    command: u32,
    receive_most: u32,
    transmit_most: u32,
    other_most: u32,
    combined_most: u32,
    receive: u32,
    transmit: u32,
    other: u32,
    combined: u32,
}

#[repr(C)]
#[derive(Default)]
struct Value {
    command: u32,
    data: u32,
}

/// Arguments of SIOCETHTOOL: integers and bytes only, the command first.
///
/// # Safety
/// The type is as long as what the kernel copies for its command, and any bytes are a value of it.
unsafe trait Argument {}
// SAFETY: `ethtool_drvinfo`, 196 bytes.
unsafe impl Argument for DriverInfo {}
// SAFETY: `ethtool_channels`, nine u32.
unsafe impl Argument for Channels {}
// SAFETY: `ethtool_value`, two u32.
unsafe impl Argument for Value {}

fn ask<A: Argument>(socket: &OwnedFd, name: &str, argument: &mut A) -> io::Result<()> {
    // SAFETY: an ifreq is integers, bytes and pointers that may be null.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().take(libc::IFNAMSIZ - 1).zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut *argument).cast();
    // SAFETY: request and argument live through the call; the kernel copies no more than the command's
    // structure, which is what the argument's type is (contract of `Argument`).
    check(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) }.into()).map(drop)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// Adds what ethtool knows; what it does not know stays as it is.
pub(super) fn complete(socket: &OwnedFd, device: &mut Device) {
    let name = device.name.clone();
    let mut info = DriverInfo {
        command: GET_DRIVER,
        driver: [0; 32],
        version: [0; 32],
        firmware: [0; 32],
        bus: [0; 32],
        rom: [0; 32],
        rest: [0; 8],
    };
    if ask(socket, &name, &mut info).is_ok() {
        device.driver = Some(Driver { name: text(&info.driver), bus: text(&info.bus) });
    }
    let value = |command| {
        let mut value = Value { command, data: 0 };
        ask(socket, &name, &mut value).map_or(0, |()| value.data)
    };
    let flags = value(GET_FLAGS);
    device.offloads = Offloads {
        strips_vlan: flags & RX_VLAN != 0,
        inserts_vlan: flags & TX_VLAN != 0,
        lro: flags & LRO != 0,
        gro: value(GET_GRO) != 0,
    };
    count_queues(socket, device);
}

/// Channels where the driver tells them, else what sysfs shows, else all that were allocated.
fn count_queues(socket: &OwnedFd, device: &mut Device) {
    let mut channels = Channels { command: GET_CHANNELS, ..Channels::default() };
    let queues = &mut device.queues;
    if ask(socket, &device.name, &mut channels).is_ok() && channels.receive + channels.combined > 0 {
        queues.receive = channels.receive + channels.combined;
        queues.transmit = channels.transmit + channels.combined;
        queues.receive_most = channels.receive_most.max(channels.combined_most);
        queues.transmit_most = channels.transmit_most.max(channels.combined_most);
    } else if let Some((receive, transmit)) = shown(&device.name, device.index) {
        (queues.receive, queues.transmit) = (receive, transmit);
    }
}

/// Queues shown in sysfs, where that shows the device (it is another namespace's where the index differs).
fn shown(name: &str, index: u32) -> Option<(u32, u32)> {
    let folder = format!("/sys/class/net/{name}");
    let there = std::fs::read_to_string(format!("{folder}/ifindex")).ok()?;
    (there.trim().parse() == Ok(index)).then_some(())?;
    let (mut receive, mut transmit) = (0, 0);
    for entry in std::fs::read_dir(format!("{folder}/queues")).ok()?.flatten() {
        let name = entry.file_name();
        receive += u32::from(name.as_encoded_bytes().starts_with(b"rx-"));
        transmit += u32::from(name.as_encoded_bytes().starts_with(b"tx-"));
    }
    (receive > 0 && transmit > 0).then_some((receive, transmit))
}
