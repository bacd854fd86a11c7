//! UDP echo (RFC 768, RFC 862).

use super::fate::{Fate, Kind};
use super::host::Request;
use super::ipv6::Asked;
use super::segment::{Segment, Standing, put, write_checksum};
use super::sockperf::{self, Wants};
use super::{ipv4, ipv6};
use crate::packet::checksum::{add, update_udp};
use crate::packet::extent::be16;

/// Bytes of the header.
const HEADER: usize = 8;
/// Where its fields are.
const LENGTH: usize = 4;
const CHECKSUM: usize = 6;

/// What is in a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    /// Something that goes back as it is.
    Any,
    /// A message of sockperf that wants an answer.
    Sockperf,
}

/// Sends a datagram over IPv4 back.
pub(super) fn answer_v4(request: Request<'_>, segment: Segment) -> Result<Kind, Fate> {
    let segment = sound(&request, segment)?;
    let standing = match field(&request, &segment, CHECKSUM) {
        0 => Standing::Unfinished,
        value => segment.check(&request, value)?,
    };
    let message = message(&request, &segment)?;
    let Request { host, packet, envelope, mac, now_ns } = request;
    let len = segment.end - segment.start;
    segment.settle(packet, len, host.reasons.no_room)?;
    ipv4::turn(packet, &segment, len, now_ns);
    let pseudo = add(segment.pseudo.unwrap_or(0), len as u16);
    turn(segment.settled(packet, len), message, standing, pseudo);
    envelope.turn(packet.data_mut(), &mac);
    packet.set_checksum_complete();
    Ok(Kind::Udp)
}

/// Sends a datagram over IPv6 back.
pub(super) fn answer_v6(request: Request<'_>, asked: &Asked) -> Result<Kind, Fate> {
    let segment = sound(&request, asked.segment)?;
    let standing = match field(&request, &segment, CHECKSUM) {
        0 => return Err(Fate::Drop(request.host.reasons.no_checksum)),
        value => segment.check(&request, value)?,
    };
    let message = message(&request, &segment)?;
    let Request { host, packet, envelope, mac, .. } = request;
    let len = segment.end - segment.start;
    segment.settle(packet, len, host.reasons.no_room)?;
    let pseudo = ipv6::turn(packet, asked, len);
    turn(segment.settled(packet, len), message, standing, pseudo);
    envelope.turn(packet.data_mut(), &mac);
    packet.set_checksum_complete();
    Ok(Kind::Udp)
}

/// The datagram alone, without what may stand behind it, if somebody can be answered there.
fn sound(request: &Request<'_>, segment: Segment) -> Result<Segment, Fate> {
    let reasons = &request.host.reasons;
    let len = usize::from(field(request, &segment, LENGTH));
    if len < HEADER || len > segment.end - segment.start {
        return Err(request.unsound());
    }
    match field(request, &segment, 0) {
        // No port: nobody waits for an answer (RFC 768).
        0 => Err(Fate::Drop(reasons.bad_source)),
        port if request.host.answers_answers(port) => Err(Fate::Drop(reasons.echo_loop)),
        _ => Ok(Segment { end: segment.start + len, ..segment }),
    }
}

fn field(request: &Request<'_>, segment: &Segment, at: usize) -> u16 {
    be16(segment.of(request.packet), at).unwrap_or(0)
}

/// What kind of message this is, at the service it is for.
fn message(request: &Request<'_>, segment: &Segment) -> Result<Message, Fate> {
    let port = field(request, segment, 2);
    if request.host.speaks_sockperf(port) {
        let payload = segment.of(request.packet).get(HEADER..).unwrap_or_default();
        match sockperf::look(payload) {
            Some(Wants::Answer) => return Ok(Message::Sockperf),
            Some(Wants::Nothing) => return Err(Fate::Heard),
            None if !request.host.echoes(port) => return Err(request.host.not_for_us()),
            None => {}
        }
    }
    Ok(Message::Any)
}

/// Exchanges the ports. That, and that the addresses are exchanged, changes no sum: a right checksum stays right.
fn turn(datagram: &mut [u8], message: Message, standing: Standing, pseudo: u16) {
    if let Some([a, b, c, d]) = datagram.first_chunk_mut::<4>() {
        std::mem::swap(a, c);
        std::mem::swap(b, d);
    }
    if message == Message::Sockperf {
        let (header, payload) = datagram.split_at_mut(HEADER);
        let [before, after] = sockperf::answer(payload);
        let value = be16(header, CHECKSUM).unwrap_or(0);
        put(header, CHECKSUM, update_udp(value, &before, &after));
    }
    if standing == Standing::Unfinished && write_checksum(datagram, CHECKSUM, pseudo) == 0 {
        put(datagram, CHECKSUM, 0xffff);
    }
}
