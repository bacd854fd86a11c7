//! The short way for most packets: Ethernet, at most one VLAN tag, IPv4 without options or IPv6
//! without extension headers, TCP or UDP, nothing wrong, nothing cut off.
//!
//! Every offset is a constant here, so that one length check covers all reads. What is anything
//! else, or not quite right, takes the general way, which says what it is.

use super::ETHERNET;
use crate::packet::layers::{Layers, Network, Transport};

/// The same with one tag.
const TAGGED: usize = ETHERNET + 4;

/// Layers of a plain packet that was `whole` bytes long; `None` if it is not plain.
#[inline]
pub(super) fn plain(bytes: &[u8], whole: usize) -> Option<Layers> {
    let head = bytes.first_chunk::<{ TAGGED }>()?;
    match [head[12], head[13]] {
        [0x08, 0x00] => ipv4::<ETHERNET, 28>(bytes, whole),
        [0x86, 0xdd] => ipv6::<ETHERNET, 48>(bytes, whole),
        [0x81, 0x00] => match [head[16], head[17]] {
            [0x08, 0x00] => ipv4::<TAGGED, 28>(bytes, whole).map(Layers::with_vlan),
            [0x86, 0xdd] => ipv6::<TAGGED, 48>(bytes, whole).map(Layers::with_vlan),
            _ => None,
        },
        _ => None,
    }
}

/// IPv4 at `AT`; `HEADERS` is the length of its header and UDP's.
#[inline]
fn ipv4<const AT: usize, const HEADERS: usize>(bytes: &[u8], whole: usize) -> Option<Layers> {
    let rest = bytes.get(AT..)?;
    let header = rest.first_chunk::<HEADERS>()?;
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff;
    let total = u16::from_be_bytes([header[2], header[3]]) as usize;
    if header[0] != 0x45 || fragment != 0 || AT + total > whole {
        return None;
    }
    let transport = sound(header[9], rest.get(20..)?, total.checked_sub(20)?)?;
    Some(Layers::new(Network::Ipv4, AT as u8).with_transport(transport, 5))
}

/// IPv6 at `AT`; `HEADERS` is the length of its header and UDP's.
#[inline]
fn ipv6<const AT: usize, const HEADERS: usize>(bytes: &[u8], whole: usize) -> Option<Layers> {
    let rest = bytes.get(AT..)?;
    let header = rest.first_chunk::<HEADERS>()?;
    let payload = u16::from_be_bytes([header[4], header[5]]) as usize;
    if header[0] >> 4 != 6 || AT + 40 + payload > whole {
        return None;
    }
    let transport = sound(header[6], rest.get(40..)?, payload)?;
    Some(Layers::new(Network::Ipv6, AT as u8).with_transport(transport, 10))
}

/// TCP or UDP whose whole header is in `there` and whose lengths fit a segment of `len` bytes.
#[inline]
fn sound(protocol: u8, there: &[u8], len: usize) -> Option<Transport> {
    match protocol {
        6 => {
            let header = (there.first_chunk::<20>()?[12] >> 4) as usize * 4;
            (header >= 20 && header <= len).then_some(Transport::Tcp)
        }
        17 => {
            let header = there.first_chunk::<8>()?;
            let length = u16::from_be_bytes([header[4], header[5]]) as usize;
            (length >= 8 && length <= len).then_some(Transport::Udp)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::layers::LinkClass;
    use crate::steer::parse::general;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// The short way and the long way are the same way.
        #[test]
        fn plain_agrees_with_general(
            body in proptest::collection::vec(any::<u8>(), 18..90),
            tagged: bool,
            six: bool,
            protocol in prop::sample::select(vec![6u8, 17, 1, 44]),
            len in 0u16..80,
            transport: [u8; 20],
            udp_len in 0u16..40,
            extra in 0usize..4,
        ) {
            let mut bytes = body;
            let at = if tagged { TAGGED } else { ETHERNET };
            bytes[12..14].copy_from_slice(&[0x81, 0x00]);
            bytes[at - 2..at].copy_from_slice(if six { &[0x86, 0xdd] } else { &[0x08, 0x00] });
            let mut put = |offset: usize, value: &[u8]| {
                if let Some(field) = bytes.get_mut(at + offset..at + offset + value.len()) {
                    field.copy_from_slice(value);
                }
            };
            put(0, &[if six { 0x60 } else { 0x45 }]);
            put(if six { 4 } else { 2 }, &len.to_be_bytes());
            put(6, &[0; 2]);
            put(if six { 6 } else { 9 }, &[protocol]);
            put(if six { 40 } else { 20 }, &transport);
            if protocol == 17 {
                put(if six { 44 } else { 24 }, &udp_len.to_be_bytes());
            }
            let whole = bytes.len() + extra;
            if let Some(layers) = plain(&bytes, whole) {
                prop_assert_eq!(layers, general(LinkClass::Ethernet, &bytes, whole));
                prop_assert_eq!(layers.malformed(), None);
            }
        }
    }
}
