//! A datagram of our own.

use std::net::{IpAddr, SocketAddr};

use super::headers::{ETHERNET, IPV4, IPV6, SHORTEST_FRAME, UDP, finish_ipv4, finish_ipv6, finish_udp};
use crate::apps::dns_cache::message::put;
use crate::apps::station::address;
use crate::packet::Packet;
use crate::packet::checksum::{add, sum};

/// Who sends to whom.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Route {
    /// Ethernet addresses: ours, and the next hop's.
    pub(in super::super) mac: [u8; 6],
    pub(in super::super) next_hop: [u8; 6],
    /// Of one family.
    pub(in super::super) from: SocketAddr,
    pub(in super::super) to: SocketAddr,
}

impl Route {
    /// Puts a datagram with a message of `len` bytes, which `write` writes, into an empty packet; `false` where its frame has
    /// no room for it.
    pub(in super::super) fn send(
        &self,
        packet: &mut Packet,
        len: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> bool {
        let head = ETHERNET + if self.to.is_ipv6() { IPV6 } else { IPV4 } + UDP;
        let whole = (head + len).max(SHORTEST_FRAME);
        if !packet.resize(whole) {
            return false;
        }
        let data = packet.data_mut();
        data.fill(0);
        address(data, &self.next_hop, &self.mac);
        if let Some(message) = data.get_mut(head..head + len) {
            write(message);
        }
        let network = &mut data[ETHERNET..];
        let ports = [self.from.port(), self.to.port()];
        let kind: u16 = match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let Some((header, rest)) = network.split_first_chunk_mut::<IPV4>() else { return false };
                header[0] = 0x45;
                put(header, 2, (IPV4 + UDP + len) as u16);
                // Not to be fragmented; so it needs no identification (RFC 6864, 4.1).
                header[6] = 0x40;
                header[12..16].copy_from_slice(&from.octets());
                header[16..].copy_from_slice(&to.octets());
                finish_ipv4(header);
                finish_udp(rest, len, ports, add(sum(&header[12..]), 17));
                0x0800
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let Some((header, rest)) = network.split_first_chunk_mut::<IPV6>() else { return false };
                header[0] = 0x60;
                header[8..24].copy_from_slice(&from.octets());
                header[24..].copy_from_slice(&to.octets());
                finish_ipv6(header, rest, len, ports);
                0x86dd
            }
            _ => return false,
        };
        put(data, 12, kind);
        true
    }
}
