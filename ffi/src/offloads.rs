//! What a network device does to packets by itself, and switching it: features as `ethtool -k` and `-K` know them
//! (`linux/ethtool.h`, ioctl SIOCETHTOOL).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::check;

/// Commands, and the set of strings that are names of features.
const GET_STRINGS: u32 = 0x1b;
const GET_SET_INFO: u32 = 0x37;
const GET_FEATURES: u32 = 0x3a;
const SET_FEATURES: u32 = 0x3b;
const STRINGS_OF_FEATURES: u32 = 4;
/// `ETH_GSTRING_LEN`.
const STRING_BYTES: usize = 32;
/// More features than a kernel will have; 6.18 has fewer than 64.
const MOST: usize = 4096;
/// Bits of the answer to [`SET_FEATURES`]: not supported; taken down as a wish, but not in force.
const UNSUPPORTED: libc::c_long = 1;
const WISH: libc::c_long = 2;
/// `linux/sockios.h`.
const SIOCETHTOOL: libc::c_ulong = 0x8946;

/// A feature of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name in the kernel, as `rx-lro`, `rx-gro-hw`, `rx-vlan-hw-parse`.
    pub name: String,
    /// Is it in force?
    pub active: bool,
    /// Can it be switched?
    pub changeable: bool,
}

/// The features of a device of the calling thread's network namespace, in the kernel's order.
///
/// # Errors
/// ENODEV where there is no such device, `InvalidInput` for a name none can have, else what `ioctl(2)` reports.
pub fn features(device: &str) -> io::Result<Vec<Feature>> {
    Ethtool::open(device)?.features()
}

/// Switches a feature of a device on or off. Needs CAP_NET_ADMIN.
///
/// # Errors
/// EPERM without the capability; `Unsupported` where the device cannot switch it, or not as things are; `NotFound`
/// where the kernel knows no feature of this name; else as [`features`].
pub fn switch(device: &str, feature: &str, on: bool) -> io::Result<()> {
    let ethtool = Ethtool::open(device)?;
    let names = ethtool.names()?;
    let place = names.iter().position(|name| name == feature);
    let place =
        place.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the kernel knows no such feature"))?;
    // `ethtool_sfeatures`: command, blocks; of each block which bits are meant, and what they are to be.
    let blocks = names.len().div_ceil(32);
    let mut request = vec![0u32; 2 + 2 * blocks];
    (request[0], request[1]) = (SET_FEATURES, blocks as u32);
    let bit = 1 << (place % 32);
    request[2 + 2 * (place / 32)] = bit;
    request[3 + 2 * (place / 32)] = if on { bit } else { 0 };
    match ethtool.ask(&mut request)? & (UNSUPPORTED | WISH) {
        0 => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the device does not switch it, or not as it is set",
        )),
    }
}

/// A socket to ask about one device.
struct Ethtool {
    socket: OwnedFd,
    name: [libc::c_char; libc::IFNAMSIZ],
}

impl Ethtool {
    fn open(device: &str) -> io::Result<Ethtool> {
        if device.is_empty() || device.len() >= libc::IFNAMSIZ || device.contains('\0') {
            let text = format!("{device:?}: names of devices have 1 to {} bytes", libc::IFNAMSIZ - 1);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut name = [0; libc::IFNAMSIZ];
        for (to, from) in name.iter_mut().zip(device.bytes()) {
            *to = from as libc::c_char;
        }
        // SAFETY: no memory is passed.
        let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        let fd = check(fd.into())?;
        // SAFETY: a descriptor just made, owned by nobody else.
        Ok(Ethtool { socket: unsafe { OwnedFd::from_raw_fd(fd as i32) }, name })
    }

    /// A command with its argument, the command first. The argument must have room for the answer.
    fn ask(&self, argument: &mut [u32]) -> io::Result<libc::c_long> {
        // SAFETY: an ifreq is integers, bytes and pointers that may be null.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        request.ifr_name = self.name;
        request.ifr_ifru.ifru_data = argument.as_mut_ptr().cast();
        // SAFETY: request and argument live through the call. What the kernel copies is: for GET_SET_INFO one word
        // behind 16 bytes, as one set is asked for; for GET_STRINGS the kernel's own number of strings, for which
        // `names` made room by asking for that number, a constant of the running kernel; for GET_FEATURES and
        // SET_FEATURES no more blocks than the argument's second word says, and all callers have that many.
        check(unsafe { libc::ioctl(self.socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) }.into())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        // `ethtool_sset_info`: command, reserved, mask of 64 bits, one count.
        let mut info = [GET_SET_INFO, 0, 0, 0, 0];
        let mask = (1u64 << STRINGS_OF_FEATURES).to_ne_bytes();
        info[2] = u32::from_ne_bytes([mask[0], mask[1], mask[2], mask[3]]);
        info[3] = u32::from_ne_bytes([mask[4], mask[5], mask[6], mask[7]]);
        self.ask(&mut info)?;
        let count = info[4] as usize;
        if count > MOST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "ethtool's answer makes no sense"));
        }
        // `ethtool_gstrings`: command, set, count, the strings.
        let mut strings = vec![0u32; 3 + count * STRING_BYTES / 4];
        (strings[0], strings[1], strings[2]) = (GET_STRINGS, STRINGS_OF_FEATURES, count as u32);
        self.ask(&mut strings)?;
        let bytes: Vec<u8> = strings[3..].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let text = |bytes: &[u8]| {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        Ok(bytes.chunks_exact(STRING_BYTES).map(text).collect())
    }

    fn features(&self) -> io::Result<Vec<Feature>> {
        let names = self.names()?;
        let blocks = names.len().div_ceil(32);
        // `ethtool_gfeatures`: command, blocks; of each block what is available, wished for, active, never changed.
        let mut answer = vec![0u32; 2 + 4 * blocks];
        (answer[0], answer[1]) = (GET_FEATURES, blocks as u32);
        self.ask(&mut answer)?;
        let bit = |place: usize, word: usize| answer[2 + 4 * (place / 32) + word] >> (place % 32) & 1 == 1;
        let feature = |(place, name): (usize, String)| Feature {
            name,
            active: bit(place, 2),
            changeable: bit(place, 0) && !bit(place, 3),
        };
        Ok(names.into_iter().enumerate().map(feature).filter(|feature| !feature.name.is_empty()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_has_features() {
        let features = features("lo").unwrap();
        let named = |name: &str| features.iter().find(|feature| feature.name == name);
        // net/core/dev.c, drivers/net/loopback.c: always there, never to be switched.
        assert!(
            named("loopback").is_some_and(|feature| feature.active && !feature.changeable),
            "{features:?}"
        );
        assert!(
            named("rx-lro").is_some_and(|feature| !feature.active) && named("rx-vlan-hw-parse").is_some()
        );
    }

    #[test]
    fn what_is_not_there_is_refused() {
        assert_eq!(features("no-such-dev").unwrap_err().raw_os_error(), Some(libc::ENODEV));
        assert_eq!(switch("lo", "no-such-feature", true).unwrap_err().kind(), io::ErrorKind::NotFound);
        for name in ["", "a-name-longer-than-15", "with\0nul"] {
            assert_eq!(features(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
    }
}
