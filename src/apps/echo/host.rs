//! The host that answers: what it is told by its configuration, and who sees to which packets.

use anyhow::ensure;

use super::config::EchoConfig;
use super::fate::{Fate, Kind, Reasons};
use super::{arp, ipv4, ipv6};
use crate::apps::station::Addresses;
use crate::apps::station::Envelope;
use crate::packet::layers::{LinkClass, Malformed};
use crate::packet::{Packet, Reason};
use crate::pipeline::Build;

/// Ethernet types (IANA).
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;

/// UDP services that answer whatever they get: echo (RFC 862), daytime (867), quote of the day (865), character
/// generator (864), time (868). None of them is a client's port.
const ANSWERERS: [u16; 5] = [7, 13, 17, 19, 37];

/// What all answers need to know.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) addresses: Addresses,
    pub(super) reasons: Reasons,
    /// Ports that echo, in order.
    udp_ports: Vec<u16>,
    /// Ports that speak sockperf, in order.
    sockperf_ports: Vec<u16>,
}

/// A packet that is being looked at, and what is told of it.
pub(super) struct Request<'r> {
    pub(super) host: &'r Host,
    pub(super) packet: &'r mut Packet,
    pub(super) envelope: Envelope,
    /// Our Ethernet address where it came in.
    pub(super) mac: [u8; 6],
    /// The run's clock, nanoseconds.
    pub(super) now_ns: u64,
}

impl Host {
    /// The host of this configuration.
    ///
    /// # Errors
    /// It contradicts itself, or the run has no numbers left for drop reasons.
    pub(super) fn new(config: &EchoConfig, build: &mut Build<'_>) -> anyhow::Result<Host> {
        for (i, prefix) in config.addresses.iter().enumerate() {
            let again = config.addresses[..i].iter().any(|other| other.address == prefix.address);
            ensure!(!again, "addresses: {} is listed twice", prefix.address);
        }
        Ok(Host {
            addresses: Addresses::new(&config.addresses),
            reasons: Reasons::new(build)?,
            udp_ports: ports("udp_ports", &config.udp_ports)?,
            sockperf_ports: ports("sockperf_ports", &config.sockperf_ports)?,
        })
    }

    /// Turns a request into its answer, in place.
    ///
    /// # Errors
    /// Why it is not answered; it then is as it was.
    #[inline]
    pub(super) fn answer(
        &self,
        packet: &mut Packet,
        mac: Option<[u8; 6]>,
        now_ns: u64,
    ) -> Result<Kind, Fate> {
        if packet.link() != LinkClass::Ethernet {
            return Err(Fate::Other(Reason::LINK_TYPE));
        }
        let Some(mac) = mac else { return Err(self.not_for_us()) };
        let Some(envelope) = Envelope::of(packet.data(), &mac) else {
            let cut = packet.layers().malformed() == Some(Malformed::LinkTruncated);
            return Err(if cut { Fate::Other(Reason::MALFORMED) } else { self.not_for_us() });
        };
        let request = Request { host: self, packet, envelope, mac, now_ns };
        match envelope.kind {
            IPV4 => ipv4::answer(request),
            IPV6 => ipv6::answer(request),
            ARP => arp::answer(request),
            _ => Err(self.not_for_us()),
        }
    }

    /// Is there a service at this UDP port?
    #[inline]
    pub(super) fn serves(&self, port: u16) -> bool {
        self.echoes(port) || self.speaks_sockperf(port)
    }

    /// Does this UDP port send back what it gets?
    #[inline]
    pub(super) fn echoes(&self, port: u16) -> bool {
        self.udp_ports.binary_search(&port).is_ok()
    }

    /// Are sockperf's messages understood at this UDP port?
    #[inline]
    pub(super) fn speaks_sockperf(&self, port: u16) -> bool {
        self.sockperf_ports.binary_search(&port).is_ok()
    }

    /// Would whoever is behind this UDP port answer our answer?
    #[inline]
    pub(super) fn answers_answers(&self, port: u16) -> bool {
        ANSWERERS.contains(&port) || self.serves(port)
    }

    /// None of our business.
    #[inline]
    pub(super) fn not_for_us(&self) -> Fate {
        Fate::Other(self.reasons.not_for_us)
    }

    /// The same, for a packet to our station whose headers may be the reason why.
    #[cold]
    pub(super) fn other(&self, packet: &Packet) -> Fate {
        match packet.layers().malformed() {
            Some(_) => Fate::Other(Reason::MALFORMED),
            None => self.not_for_us(),
        }
    }
}

/// Ports in order.
fn ports(key: &str, ports: &[u16]) -> anyhow::Result<Vec<u16>> {
    ensure!(!ports.contains(&0), "{key}: 0 is no port; expected 1 to 65535");
    let mut ports = ports.to_vec();
    ports.sort_unstable();
    Ok(ports)
}

impl Request<'_> {
    /// It is for us, and not all of it is here, or it contradicts itself.
    #[cold]
    pub(super) fn unsound(&self) -> Fate {
        let cut = self.packet.wire_len() as usize > self.packet.len();
        Fate::Drop(if cut { self.host.reasons.truncated } else { Reason::MALFORMED })
    }

    /// Refuses a frame that no other station can have sent.
    #[inline]
    pub(super) fn check_station(&self) -> Result<(), Fate> {
        match self.envelope.is_from_station(&self.mac) {
            true => Ok(()),
            false => Err(Fate::Drop(self.host.reasons.bad_source)),
        }
    }

    /// Refuses a unicast datagram in a frame for a group of stations (RFC 1122, 3.3.6).
    #[inline]
    pub(super) fn check_unicast(&self) -> Result<(), Fate> {
        match self.envelope.to_group {
            true => Err(Fate::Drop(self.host.reasons.link_broadcast)),
            false => Ok(()),
        }
    }
}
