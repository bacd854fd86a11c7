//! Echo requests of ICMP (RFC 792) and ICMPv6 (RFC 4443).

use super::fate::{Fate, Kind};
use super::host::Request;
use super::ipv6::Asked;
use super::segment::{Segment, Standing, put, write_checksum};
use super::{ipv4, ipv6};
use crate::packet::checksum::update;
use crate::packet::extent::be16;

/// ICMP's echo request.
pub(super) const REQUEST: u8 = 8;
const REPLY: u8 = 0;
/// ICMPv6's.
pub(super) const REQUEST_V6: u8 = 128;
const REPLY_V6: u8 = 129;
/// Where the checksum is, behind type and code.
pub(super) const CHECKSUM: usize = 2;

/// Answers an ICMP echo request.
pub(super) fn answer_v4(request: Request<'_>, segment: Segment) -> Result<Kind, Fate> {
    let known = check(&request, &segment)?;
    let Request { host, packet, envelope, mac, now_ns } = request;
    let len = segment.end - segment.start;
    segment.settle(packet, len, host.reasons.no_room)?;
    ipv4::turn(packet, &segment, len, now_ns);
    reply(segment.settled(packet, len), [REQUEST, REPLY], known, 0);
    envelope.turn(packet.data_mut(), &mac);
    packet.set_checksum_complete();
    Ok(Kind::Icmp)
}

/// Answers an ICMPv6 echo request.
pub(super) fn answer_v6(request: Request<'_>, asked: &Asked) -> Result<Kind, Fate> {
    let segment = &asked.segment;
    // To a group: the answer's addresses are not the request's in exchange.
    let known = check(&request, segment)?.filter(|_| !asked.to_group);
    let Request { host, packet, envelope, mac, .. } = request;
    let len = segment.end - segment.start;
    segment.settle(packet, len, host.reasons.no_room)?;
    let pseudo = ipv6::turn(packet, asked, len);
    reply(segment.settled(packet, len), [REQUEST_V6, REPLY_V6], known, pseudo);
    envelope.turn(packet.data_mut(), &mac);
    packet.set_checksum_complete();
    Ok(Kind::Icmpv6)
}

/// The checksum of an echo request; `None` where it is not a finished one.
///
/// # Errors
/// The checksum is wrong, or the code is not 0.
pub(super) fn check(request: &Request<'_>, segment: &Segment) -> Result<Option<u16>, Fate> {
    let message = segment.of(request.packet);
    if message.get(1) != Some(&0) {
        return Err(Fate::Drop(request.host.reasons.bad_code));
    }
    let value = be16(message, CHECKSUM).unwrap_or(0);
    let standing = segment.check(request, value)?;
    Ok((standing == Standing::Complete).then_some(value))
}

/// Makes a request its reply. The checksum follows the one word that changed (RFC 1624), or is computed where the
/// request's is of no use. So it is where it comes out as 0: a message of zeros has 0xffff.
fn reply(message: &mut [u8], kinds: [u8; 2], known: Option<u16>, pseudo: u16) {
    let [before, after] = kinds.map(|kind| u16::from_be_bytes([kind, 0]));
    put(message, 0, after);
    match known.map(|value| update(value, before, after)).filter(|value| *value != 0) {
        Some(value) => put(message, CHECKSUM, value),
        None => {
            write_checksum(message, CHECKSUM, pseudo);
        }
    }
}
