//! `echo`: a host that answers whoever asks whether it is there.
//!
//! It answers ARP requests (RFC 826, probes of RFC 5227 too), IPv6 neighbour solicitations (RFC 4861; those of
//! duplicate address detection, RFC 4862, too), ICMP and ICMPv6 echo requests and datagrams to its UDP ports (RFC 862)
//! for the addresses it was given. An answer is built in the request's own frame, tags and all, and leaves by the
//! port the request came in by, to the Ethernet address it came from.
//!
//! What the RFCs leave open is decided like this:
//!
//! * **Fragments are not put together** (there is no reassembly): one that is for us is dropped as `fragment`. The atomic
//!   fragment of RFC 6946 is a whole packet and answered, except where RFC 6980 forbids it (neighbour discovery).
//! * **IPv4 options**: record route and timestamp come back with the answer to a ping, with our own entry (RFC 1122,
//!   3.2.2.6; times are marked as not being universal time); an answer over UDP has none; a source-routed packet is
//!   dropped as `source-route` (RFC 7126, 4.3 and 4.4).
//! * **IPv6 extension headers** that may be skipped (RFC 8200, 4.2: options of action 00; routing headers with no segment
//!   left) are, and the answer has none; any other is dropped as `extension-header`. No ICMP error is ever sent.
//! * **Echo requests to broadcast or multicast** are not for us in IPv4 (RFC 1122, 3.2.2.6: may be discarded), and are
//!   answered in IPv6 from a unicast address, to all nodes and to our solicited-node groups (RFC 4443, 4.2: should be).
//! * **A unicast datagram in a broadcast or multicast frame** is dropped as `link-broadcast` (RFC 1122, 3.3.6).
//! * **Checksums** are verified; one that was left to a network card is as good as a right one, and so is none at all in
//!   UDP over IPv4. The answer's is always complete. UDP without one over IPv6 is dropped as `no-checksum` (RFC 8200, 8.1).
//! * **Nobody is answered who could not have asked**: zero, loopback, broadcast and multicast sources and our own address
//!   are dropped as `bad-source` (`address-conflict` where somebody else claims our address), and a datagram from a port
//!   that answers whatever it gets, as `echo-loop`, since two of those never stop.
//! * **Identification, DSCP, flow label and "don't fragment" come back as they came**; TTL and hop limit are 64 (255 in
//!   neighbour discovery), the ECN bits 0.
//!
//! **sockperf** does not want its messages back as they were: at `sockperf_ports` they are answered as its server does it.
//!
//! All else (other hosts' packets, other protocols, ports and messages) is left to the next application of the chain,
//! untouched, or dropped as `not-for-us` with `others = "drop"`.

mod arp;
mod config;
mod extensions;
mod fate;
mod host;
mod icmp;
mod ipv4;
mod ipv6;
mod neighbour;
mod options;
mod segment;
mod sockperf;
mod tally;
#[cfg(test)]
mod tests;
mod udp;

use anyhow::ensure;

pub use super::station::{Mac, Others, Prefix};
pub use config::EchoConfig;
pub use tally::{Answered, EchoTally};

use crate::packet::{Burst, PortId, Verdict};
use crate::pipeline::{Application, Build, Context, Reads};
use fate::Fate;
use host::Host;

/// Answers ARP, neighbour solicitation, ping and UDP echo.
#[derive(Debug)]
pub struct Echo {
    host: Host,
    /// By port number: our Ethernet address there.
    macs: Vec<Option<[u8; 6]>>,
    others: Others,
    tally: EchoTally,
}

impl Application for Echo {
    type Config = EchoConfig;
    type Tally = EchoTally;
    const READS: Reads = Reads::Headers;
    const ABOUT: &'static str =
        "answers ARP, IPv6 neighbour solicitation, ping and UDP echo for its addresses; all else passes";

    fn decides(config: &EchoConfig) -> bool {
        config.others == Others::Drop
    }

    fn new(config: &EchoConfig, build: &mut Build<'_>) -> anyhow::Result<Self> {
        ensure!(
            !config.addresses.is_empty(),
            "it has no address to answer for: write addresses = [\"10.9.0.1/24\"] under [app.echo]"
        );
        let host = Host::new(config, build)?;
        Ok(Echo { host, macs: macs(config, build)?, others: config.others, tally: EchoTally::default() })
    }

    #[inline]
    fn process(&mut self, burst: &mut Burst, context: &Context) {
        let Echo { host, macs, others, tally } = self;
        burst.decide(|packet| {
            let port = packet.port();
            let mac = macs.get(port.index()).copied().flatten();
            match host.answer(packet, mac, context.now_ns) {
                Ok(kind) => {
                    tally.answered.add(kind);
                    Verdict::Forward(port)
                }
                Err(Fate::Drop(reason)) => Verdict::Drop(reason),
                Err(Fate::Heard) => {
                    tally.heard += 1;
                    Verdict::Consume
                }
                Err(Fate::Other(reason)) => {
                    tally.others += 1;
                    match others {
                        Others::Pass => Verdict::Pass,
                        Others::Drop => Verdict::Drop(reason),
                    }
                }
            }
        });
    }

    fn tally(self) -> EchoTally {
        self.tally
    }
}

/// Our address on each port that packets come in by: the configured one, or else the port's own.
fn macs(config: &EchoConfig, build: &Build<'_>) -> anyhow::Result<Vec<Option<[u8; 6]>>> {
    let mut macs = vec![None; PortId::LIMIT];
    for (ingress, _) in build.routes().pairs() {
        let mac = config.mac.map(Mac::bytes).or_else(|| build.mac_address(*ingress));
        ensure!(
            mac.is_some(),
            "port number {} of the configuration has no Ethernet address of its own to answer with: write one \
             under [app.echo], like mac = \"02:00:00:00:00:01\"",
            ingress.index() + 1
        );
        macs[ingress.index()] = mac;
    }
    Ok(macs)
}
