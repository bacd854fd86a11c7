//! IPv6 (RFC 8200): is a packet for us, is it sound, and the header of its answer.

use super::extensions::{Stop, Upper, walk};
use super::fate::{Fate, Kind};
use super::host::Request;
use super::segment::{Segment, put};
use super::{icmp, neighbour, udp};
use crate::apps::station::is_host_ipv6;
use crate::packet::Packet;
use crate::packet::checksum::{add, sum};
use crate::packet::extent::{IPV6_HEADER, be16};
use crate::packet::layers::{Network, Transport};

const UDP: u8 = 17;
const ICMPV6: u8 = 58;
/// Hops an answer may take, but neighbour discovery's.
const HOP_LIMIT: u8 = 64;
/// The bits of the second byte that are not ECN's (RFC 3168): the DSCP's end and the flow label's start.
const NOT_ECN: u8 = 0xcf;

/// A whole packet to an address of ours, or to a group we are in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// What it carries.
    pub(super) segment: Segment,
    /// ICMPv6 or UDP.
    pub(super) protocol: u8,
    /// Whom it comes from.
    pub(super) source: [u8; 16],
    /// Where it went.
    pub(super) destination: [u8; 16],
    /// The address of ours to answer from.
    pub(super) own: [u8; 16],
    /// Was it for a group?
    pub(super) to_group: bool,
    pub(super) hop_limit: u8,
    /// Did it have a fragment header?
    pub(super) fragment_header: bool,
}

/// Answers an echo request, a neighbour solicitation, or a datagram to an echo port.
pub(super) fn answer(request: Request<'_>) -> Result<Kind, Fate> {
    let (host, layers, at) = (request.host, request.packet.layers(), request.envelope.at);
    let header = request.packet.data().get(at..).and_then(|rest| rest.first_chunk::<IPV6_HEADER>());
    let header = match header {
        Some(header) if layers.network() == Network::Ipv6 && layers.network_offset() == at => *header,
        _ => return Err(host.other(request.packet)),
    };
    let asked = asked(&request, &header)?;
    let segment = asked.segment.of(request.packet);
    match (asked.protocol, segment[0]) {
        (ICMPV6, neighbour::SOLICITATION) => neighbour::answer(request, &asked),
        (ICMPV6, icmp::REQUEST_V6) => {
            check(&request, &asked)?;
            icmp::answer_v6(request, &asked)
        }
        (UDP, _) if !asked.to_group && be16(segment, 2).is_some_and(|port| host.serves(port)) => {
            check(&request, &asked)?;
            udp::answer_v6(request, &asked)
        }
        _ => Err(host.not_for_us()),
    }
}

/// What is asked of us, at least 8 bytes of it.
fn asked(request: &Request<'_>, header: &[u8; IPV6_HEADER]) -> Result<Asked, Fate> {
    let (host, layers, data, at) =
        (request.host, request.packet.layers(), request.packet.data(), request.envelope.at);
    let [mut source, mut destination] = [[0; 16]; 2];
    source.copy_from_slice(&header[8..24]);
    destination.copy_from_slice(&header[24..]);
    let to_group = destination[0] == 0xff;
    let own = match to_group {
        true => host.addresses.for_group(&destination, &source),
        false => host.addresses.has_ipv6(&destination).then_some(destination),
    };
    let Some(own) = own else { return Err(host.not_for_us()) };
    if matches!(layers.transport(), Transport::Tcp | Transport::Sctp | Transport::Other) {
        return Err(host.not_for_us());
    }
    let end = at + IPV6_HEADER + usize::from(u16::from_be_bytes([header[4], header[5]]));
    if layers.malformed().is_some() || end > data.len() {
        return Err(request.unsound());
    }
    let upper = walk(data, at + IPV6_HEADER, end, header[6]).map_err(|stop| stopped(request, stop))?;
    let Upper { protocol, start, fragment_header } = upper;
    if !matches!(protocol, UDP | ICMPV6) {
        return Err(host.not_for_us());
    }
    if end < start + 8 {
        return Err(request.unsound());
    }
    let pseudo = Some(add(sum(&header[8..]), protocol.into()));
    let segment = Segment { network: at, head: IPV6_HEADER, start, end, pseudo };
    let hop_limit = header[7];
    Ok(Asked { segment, protocol, source, destination, own, to_group, hop_limit, fragment_header })
}

/// Why extension headers are the end of it.
#[cold]
fn stopped(request: &Request<'_>, stop: Stop) -> Fate {
    let reasons = &request.host.reasons;
    match stop {
        Stop::Fragment(UDP | ICMPV6) => Fate::Drop(reasons.fragment),
        Stop::Fragment(_) => request.host.not_for_us(),
        Stop::Routed => Fate::Drop(reasons.source_route),
        Stop::Refused => Fate::Drop(reasons.extension_header),
        Stop::Truncated => request.unsound(),
    }
}

/// Refuses what no host can have sent to us that could be answered.
fn check(request: &Request<'_>, asked: &Asked) -> Result<(), Fate> {
    if !asked.to_group {
        request.check_unicast()?;
    }
    request.check_station()?;
    let addresses = &request.host.addresses;
    if addresses.has_ipv6(&asked.source) || !is_host_ipv6(&asked.source) {
        return Err(Fate::Drop(request.host.reasons.bad_source));
    }
    Ok(())
}

/// Turns the header of a settled answer round; its segment is `len` bytes long. Returns the sum of the answer's
/// pseudo-header (RFC 8200, 8.1).
pub(super) fn turn(packet: &mut Packet, asked: &Asked, len: usize) -> u16 {
    write(packet, asked, len, HOP_LIMIT, [&asked.own, &asked.source])
}

/// Writes the header of an answer from and to these addresses.
pub(super) fn write(
    packet: &mut Packet,
    asked: &Asked,
    len: usize,
    hop_limit: u8,
    [from, to]: [&[u8; 16]; 2],
) -> u16 {
    let rest = packet.data_mut().get_mut(asked.segment.network..);
    let Some(header) = rest.and_then(|rest| rest.first_chunk_mut::<IPV6_HEADER>()) else { return 0 };
    header[1] &= NOT_ECN;
    put(header, 4, len as u16);
    header[6] = asked.protocol;
    header[7] = hop_limit;
    header[8..24].copy_from_slice(from);
    header[24..].copy_from_slice(to);
    add(sum(&header[8..]), add(len as u16, asked.protocol.into()))
}
