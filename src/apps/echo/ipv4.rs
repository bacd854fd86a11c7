//! IPv4 (RFC 791): is a datagram for us, is it sound, and the header of its answer.

use super::fate::{Fate, Kind};
use super::host::Request;
use super::options::{self, Found};
use super::segment::{Segment, put};
use super::{icmp, udp};
use crate::packet::Packet;
use crate::packet::checksum::{ChecksumState, add, checksum, ipv4_header_state, sum};
use crate::packet::extent::be16;
use crate::packet::layers::Network;

const ICMP: u8 = 1;
const UDP: u8 = 17;
/// Bytes of a header without options.
const PLAIN: usize = 20;
/// Hops an answer may take (what IANA recommends, RFC 1700).
const TTL: u8 = 64;
/// The bits of the second byte that are the DSCP (RFC 2474); the others are ECN's (RFC 3168).
const DSCP: u8 = 0xfc;

/// Answers an echo request or a datagram to an echo port.
pub(super) fn answer(request: Request<'_>) -> Result<Kind, Fate> {
    let (layers, at) = (request.packet.layers(), request.envelope.at);
    let header = request.packet.data().get(at..).and_then(|rest| rest.first_chunk::<PLAIN>());
    let header = match header {
        Some(header) if layers.network() == Network::Ipv4 && layers.network_offset() == at => *header,
        _ => return Err(request.host.other(request.packet)),
    };
    let segment = ours(&request, &header)?;
    request.check_unicast()?;
    request.check_station()?;
    check_source(&request, &header)?;
    let data = request.packet.data();
    let found = options::look(&data[at + PLAIN..segment.start], &request.host.reasons)?;
    match (header[9], found) {
        (ICMP, Found::Records) => icmp::answer_v4(request, Segment { head: segment.start - at, ..segment }),
        (ICMP, Found::Nothing) => icmp::answer_v4(request, segment),
        _ => {
            let pseudo = Some(add(sum(&header[12..]), UDP.into()));
            udp::answer_v4(request, Segment { pseudo, ..segment })
        }
    }
}

/// The segment of a whole, sound datagram to an address and service of ours; its answer has no options.
fn ours(request: &Request<'_>, header: &[u8; PLAIN]) -> Result<Segment, Fate> {
    let (host, layers, data, at) =
        (request.host, request.packet.layers(), request.packet.data(), request.envelope.at);
    let protocol = header[9];
    let destination = [header[16], header[17], header[18], header[19]];
    if !host.addresses.has_ipv4(destination) || !matches!(protocol, ICMP | UDP) {
        return Err(host.not_for_us());
    }
    if layers.is_fragment() {
        return Err(Fate::Drop(host.reasons.fragment));
    }
    let start = at + usize::from(header[0] & 0x0f) * 4;
    let end = at + usize::from(u16::from_be_bytes([header[2], header[3]]));
    if layers.malformed().is_some() || start < at + PLAIN || end < start + 8 || end > data.len() {
        return Err(request.unsound());
    }
    let served = match protocol {
        ICMP => data[start] == icmp::REQUEST,
        _ => be16(data, start + 2).is_some_and(|port| host.serves(port)),
    };
    if !served {
        return Err(host.not_for_us());
    }
    Ok(Segment { network: at, head: PLAIN, start, end, pseudo: None })
}

/// Refuses a datagram nobody can have sent who could be answered, or whose header is not what was sent.
fn check_source(request: &Request<'_>, header: &[u8; PLAIN]) -> Result<(), Fate> {
    let (host, source) = (request.host, [header[12], header[13], header[14], header[15]]);
    if host.addresses.has_ipv4(source) || !host.addresses.is_host_ipv4(source) {
        return Err(Fate::Drop(host.reasons.bad_source));
    }
    match ipv4_header_state(request.packet.data(), request.packet.layers()) {
        Some(ChecksumState::Bad) => Err(Fate::Drop(host.reasons.bad_checksum)),
        _ => Ok(()),
    }
}

/// Turns the header of a settled answer round; its segment is `len` bytes long.
pub(super) fn turn(packet: &mut Packet, segment: &Segment, len: usize, now_ns: u64) {
    let (from, to) = (segment.network, segment.network + segment.head);
    let Some(header) = packet.data_mut().get_mut(from..to).filter(|header| header.len() >= PLAIN) else {
        return;
    };
    let (plain, options) = header.split_at_mut(PLAIN);
    let (source, destination) = plain[12..].split_at_mut(4);
    source.swap_with_slice(destination);
    plain[0] = 0x40 | (segment.head / 4) as u8;
    plain[1] &= DSCP;
    put(plain, 2, (segment.head + len) as u16);
    plain[8] = TTL;
    put(plain, 10, 0);
    options::record(options, [plain[12], plain[13], plain[14], plain[15]], now_ns);
    let value = checksum(header);
    put(header, 10, value);
}
