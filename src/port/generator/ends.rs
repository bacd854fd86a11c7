//! Who talks to whom: the two ends of each flow, from ranges that belong to nobody.
//!
//! A flow's number is shuffled into a client's host and port, so no two flows have the same client, and
//! clients and servers never share an address. Addresses are of the networks for benchmarks (198.18.0.0/15,
//! RFC 2544 appendix C.2.2) and for documentation (2001:db8::/32, RFC 3849); MAC addresses are locally
//! administered (IEEE 802 clause 8.2.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::draw::{Draw, Shuffle};

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct End {
    pub(super) mac: [u8; 6],
    pub(super) address: IpAddr,
    pub(super) port: u16,
}

/// Hosts on either side: 1 to this, neither a network's own address nor its broadcast address.
const HOSTS: u32 = 65_534;
/// The first port a client uses (RFC 6335 section 6); servers use those from 1024 up to it.
const CLIENT_PORT: u32 = 49_152;
const CLIENT_PORTS: u32 = 65_536 - CLIENT_PORT;
const SERVER_PORT: u32 = 1024;

/// Which side of the wire.
#[derive(Clone, Copy)]
enum Side {
    Client = 0,
    Server = 1,
}

/// The ends of all flows of a port.
#[derive(Debug)]
pub(super) struct Ends(Shuffle);

impl Ends {
    pub(super) fn new(draw: Draw) -> Ends {
        Ends(Shuffle::new(HOSTS * CLIENT_PORTS, draw))
    }

    /// Client and server of the flow with this number; what is free to choose comes from `draw`.
    pub(super) fn of(&self, flow: u32, ipv6: bool, draw: &mut Draw) -> [End; 2] {
        let place = self.0.place(flow);
        let client_port = CLIENT_PORT + place % CLIENT_PORTS;
        let server_port = SERVER_PORT + draw.below(CLIENT_PORT - SERVER_PORT);
        [
            end(Side::Client, 1 + place / CLIENT_PORTS, client_port, ipv6),
            end(Side::Server, 1 + draw.below(HOSTS), server_port, ipv6),
        ]
    }
}

fn end(side: Side, host: u32, port: u32, ipv6: bool) -> End {
    let [_, _, high, low] = host.to_be_bytes();
    let side = side as u8;
    let address = if ipv6 {
        Ipv6Addr::new(0x2001, 0xdb8, u16::from(side), 0, 0, 0, 0, host as u16).into()
    } else {
        Ipv4Addr::new(198, 18 + side, high, low).into()
    };
    End { mac: [0x02, 0, 0, side, high, low], address, port: port as u16 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn flows_are_told_apart_and_stay_in_their_ranges() {
        let (ends, mut draw) = (Ends::new(Draw::new(1, 0, 0)), Draw::new(1, 1, 0));
        let mut seen = HashSet::new();
        for flow in 0..100_000 {
            let ipv6 = flow % 2 == 0;
            let [client, server] = ends.of(flow, ipv6, &mut draw);
            for end in [client, server] {
                assert!(end.port >= 1024 && end.mac[0] == 2);
                match end.address {
                    IpAddr::V4(address) => assert!(!ipv6 && matches!(address.octets(), [198, 18 | 19, ..])),
                    IpAddr::V6(address) => assert!(ipv6 && address.segments()[..2] == [0x2001, 0xdb8]),
                }
            }
            assert!(client.address != server.address && seen.insert((client.address, client.port)));
        }
    }
}
