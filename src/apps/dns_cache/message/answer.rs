//! What a client is sent.

use super::query::{Query, Refusal};
use super::wire::{AD, HEADER, OPT, QR, RA, RCODE, TC, get, number, put, rcode};

/// Makes `message` the answer to `query`: in it lies a response or a copy of the cache, `body` bytes long without an OPT
/// record, with the client's own question and room for an OPT record behind it where the client sent one.
///
/// Response code, "truncated" and "authentic" are taken from the header that is there; `extended` is the upper part of the
/// response code, `payload` what we take ourselves. Returns the response code, all of it; one that only EDNS can say is
/// "server failure" to others.
#[inline]
pub(in super::super) fn finish(
    message: &mut [u8],
    query: &Query,
    body: usize,
    extended: u8,
    payload: u16,
) -> u16 {
    let mut stored = get(message, 2);
    if query.edns.is_none() && extended > 0 {
        stored = stored & !RCODE | rcode::SERVFAIL;
    }
    let authentic = if query.understands_authentic() { stored & AD } else { 0 };
    put(message, 0, query.id);
    put(message, 2, QR | RA | query.repeated() | stored & (TC | RCODE) | authentic);
    if query.edns.is_some() {
        append_opt(message, body, extended, query.dnssec_ok(), payload);
        return u16::from(extended) << 4 | stored & RCODE;
    }
    stored & RCODE
}

/// Bytes of an answer without data: the question is repeated where it could be read.
fn refusal_len(refusal: &Refusal) -> usize {
    HEADER + refusal.query.question + if refusal.query.edns.is_some() { OPT } else { 0 }
}

/// Makes the query in `message` an answer without data. Returns its length, which is no more than the query's.
pub(in super::super) fn refuse(message: &mut [u8], refusal: &Refusal, payload: u16) -> usize {
    let Refusal { rcode, query } = refusal;
    let len = refusal_len(refusal).min(message.len());
    let (message, body) = (&mut message[..len], HEADER + query.question);
    put(message, 0, query.id);
    put(message, 2, QR | RA | query.repeated() | rcode & RCODE);
    for (at, count) in [(4, u16::from(query.question > 0)), (6, 0), (8, 0), (10, 0)] {
        put(message, at, count);
    }
    if query.edns.is_some() {
        append_opt(message, body, (rcode >> 4) as u8, query.dnssec_ok(), payload);
    }
    len
}

/// Writes an OPT record at `at` and counts it (RFC 6891, 6.1.2; RFC 3225, section 3: DO comes back as it came).
#[inline]
pub(super) fn append_opt(message: &mut [u8], at: usize, extended: u8, dnssec_ok: bool, payload: u16) {
    let Some(record) = message.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<OPT>()) else { return };
    let [kind, size] = [number::OPT, payload].map(u16::to_be_bytes);
    let bits = if dnssec_ok { 0x80 } else { 0 };
    *record = [0, kind[0], kind[1], size[0], size[1], extended, 0, bits, 0, 0, 0];
    let additional = get(message, 10);
    put(message, 10, additional.saturating_add(1));
}
