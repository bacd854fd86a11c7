//! What an upstream server is asked.

use super::answer::append_opt;
use super::key::Variant;
use super::wire::{AD, HEADER, OPT, put};

/// Bytes of an upstream query with a question of so many.
pub(in super::super) fn ask_len(question: usize, edns: bool) -> usize {
    HEADER + question + if edns { OPT } else { 0 }
}

/// Writes an upstream query: the question as the client wrote it, an OPT record unless the server does not understand
/// them. AD is set, so that the answer says whether it is authentic (RFC 6840, 5.7).
pub(in super::super) fn ask(
    message: &mut [u8],
    id: u16,
    question: &[u8],
    variant: Variant,
    payload: Option<u16>,
) {
    let Some((header, rest)) = message.split_first_chunk_mut::<HEADER>() else { return };
    *header = [0; HEADER];
    put(header, 0, id);
    put(header, 2, variant.flags() | AD);
    put(header, 4, 1);
    if let Some(place) = rest.get_mut(..question.len()) {
        place.copy_from_slice(question);
    }
    if let Some(payload) = payload {
        append_opt(message, HEADER + question.len(), 0, variant.dnssec_ok(), payload);
    }
}
