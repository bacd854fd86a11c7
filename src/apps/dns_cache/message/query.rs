//! A client's query: what it asks, and what is wrong with it.

use super::wire::{AD, CD, DO, HEADER, LEAST_PAYLOAD, MOST_NAME, OPCODE, OPT, QR, RD, get, number, rcode};

/// What a query says beside its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Query {
    /// Chosen by the client.
    pub(in super::super) id: u16,
    /// The header's second word.
    pub(in super::super) flags: u16,
    /// Bytes of the question, which begins behind the header: name, type, class.
    pub(in super::super) question: usize,
    /// What its OPT record says, if it has one.
    pub(in super::super) edns: Option<Edns>,
}

/// What an OPT record says (RFC 6891, 6.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Edns {
    /// Bytes of UDP payload that are taken.
    pub(in super::super) payload: u16,
    /// Are DNSSEC's records wanted?
    pub(in super::super) dnssec_ok: bool,
}

/// Why a query is not looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Fault {
    /// It has no whole header: nobody can be told.
    Short,
    /// It is a response: answering it could go on for ever.
    Response,
    /// The client is told.
    Refused(Refusal),
}

/// An answer without data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Refusal {
    /// The response code, 12 bits.
    pub(in super::super) rcode: u16,
    /// The query, as far as it could be read; a question of 0 bytes is left out.
    pub(in super::super) query: Query,
}

impl Query {
    /// Bytes the client takes, of which we send at most `ours`.
    #[inline]
    pub(in super::super) fn limit(&self, ours: u16) -> usize {
        let theirs = self.edns.map_or(LEAST_PAYLOAD, |edns| edns.payload.max(LEAST_PAYLOAD));
        usize::from(theirs.min(ours.max(LEAST_PAYLOAD)))
    }

    /// Does it want DNSSEC's records?
    #[inline]
    pub(in super::super) fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// Does it understand the bit that says that data is authentic (RFC 6840, 5.7 and 5.8)?
    #[inline]
    pub(super) fn understands_authentic(&self) -> bool {
        self.flags & AD != 0 || self.dnssec_ok()
    }

    /// The bits of its header that an answer repeats.
    #[inline]
    pub(super) fn repeated(&self) -> u16 {
        self.flags & (OPCODE | RD | CD)
    }
}

/// Reads a query; its question lies at [`HEADER`].
///
/// # Errors
/// Why it is not to be looked up. Questions of none or several are a format error (RFC 9619), as are records where a
/// query has none, a second OPT record (RFC 6891, 6.1.1), and bytes behind the last record.
#[inline]
pub(in super::super) fn parse(message: &[u8]) -> Result<Query, Fault> {
    let Some(header) = message.first_chunk::<HEADER>() else { return Err(Fault::Short) };
    let flags = get(header, 2);
    if flags & QR != 0 {
        return Err(Fault::Response);
    }
    let mut query = Query { id: get(header, 0), flags, question: 0, edns: None };
    let refused = |rcode, query| Err(Fault::Refused(Refusal { rcode, query }));
    if flags & OPCODE != 0 {
        return refused(rcode::NOTIMP, query);
    }
    let name = name(&message[HEADER..]).filter(|name| HEADER + name + 4 <= message.len());
    let Some(name) = name.filter(|_| get(header, 4) == 1) else { return refused(rcode::FORMERR, query) };
    let end = HEADER + name + 4;
    query.question = name + 4;
    if let Some(rcode) = refuses(get(message, end - 4), get(message, end - 2)) {
        return refused(rcode, query);
    }
    match edns(message, end, get(header, 10)) {
        Ok(found) if header[6..10] == [0; 4] => {
            query.edns = found.map(|(edns, _)| edns);
            match found {
                Some((_, 1..)) => refused(rcode::BADVERS, query),
                _ => Ok(query),
            }
        }
        _ => refused(rcode::FORMERR, query),
    }
}

/// Bytes of an uncompressed name, the root's included; `None` where it is none. A question's name has nothing before it
/// that it could point to.
#[inline]
fn name(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < MOST_NAME {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            label @ 1..=63 => at += 1 + usize::from(label),
            _ => return None,
        }
    }
    None
}

/// What a type and class are refused with: transfers and mailbox queries are not for UDP or long gone (RFC 5936, 4.2; RFC
/// 6895, 3.1), and what only stands in other sections asks nothing.
#[inline]
fn refuses(kind: u16, class: u16) -> Option<u16> {
    match kind {
        0 | number::OPT | number::TKEY | number::TSIG => Some(rcode::FORMERR),
        number::IXFR | number::AXFR | number::MAILB | number::MAILA => Some(rcode::NOTIMP),
        _ if matches!(class, 0 | number::NONE) => Some(rcode::FORMERR),
        _ => None,
    }
}

/// The OPT record among `count` additional ones from `at` on, with its version.
#[inline]
fn edns(message: &[u8], mut at: usize, count: u16) -> Result<Option<(Edns, u8)>, ()> {
    let mut found = None;
    for _ in 0..count {
        let owner = skip_name(message, at).ok_or(())?;
        let fixed = message.get(owner..).and_then(|rest| rest.first_chunk::<10>()).ok_or(())?;
        let end = owner + 10 + usize::from(get(fixed, 8));
        if get(fixed, 0) == number::OPT {
            let options = message.get(owner + 10..end).ok_or(())?;
            if found.is_some() || owner - at != OPT - 10 || !are_options(options) {
                return Err(());
            }
            let edns = Edns { payload: get(fixed, 2), dnssec_ok: get(fixed, 6) & DO != 0 };
            found = Some((edns, fixed[5]));
        }
        at = end;
    }
    if at == message.len() { Ok(found) } else { Err(()) }
}

/// Where what follows the name at `at` begins.
#[inline]
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            label @ 1..=63 => at += 1 + usize::from(label),
            // A pointer ends a name (RFC 1035, 4.1.4).
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}

/// Can these options be followed to their end?
fn are_options(mut options: &[u8]) -> bool {
    while !options.is_empty() {
        let Some(rest) = options.get(4 + usize::from(get(options, 2))..) else { return false };
        options = rest;
    }
    true
}
