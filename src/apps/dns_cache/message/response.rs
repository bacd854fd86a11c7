//! What an upstream server says: is it an answer to what was asked, and what is to be remembered of it.

use arrayvec::ArrayVec;
use domain::base::message::RecordSection;
use domain::base::{Message, ParsedName, ParsedRecord};
use domain::rdata::Soa;

use super::wire::{HEADER, OPCODE, QR, RCODE, TC, get, number, put, rcode};

/// Most records of a message: each has at least 11 bytes, and a message no more than 4096.
const MOST_RECORDS: usize = 371;
/// TTLs of more than this are none (RFC 2181, section 8).
const MOST_TTL: u32 = i32::MAX as u32;

/// Where a message's TTLs are, bytes from its start.
pub(in super::super) type Ttls = ArrayVec<u16, MOST_RECORDS>;

/// Why a message that came back is not the answer to what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Wrong {
    /// No response, or one to something that is no query.
    Header,
    /// Another id.
    Id,
    /// Another question, or the same in letters of another case.
    Question,
}

/// What kind of answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// There is what was asked for.
    Positive,
    /// There is no such name, or nothing of that type (RFC 2308).
    Negative,
    /// The server could not or would not say.
    Failure,
}

/// What is to be known of a response beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Response {
    pub(in super::super) kind: Kind,
    /// The response code, 12 bits.
    pub(in super::super) rcode: u16,
    /// Not all of it fitted.
    pub(in super::super) truncated: bool,
    /// Had it an OPT record?
    pub(in super::super) edns: bool,
    /// Its bytes, without the OPT record and what came behind it.
    pub(in super::super) len: usize,
    /// How long it may be remembered, seconds: what its records have in common. 0 is not at all.
    pub(in super::super) life: u32,
    /// Where its TTLs are.
    pub(in super::super) ttls: Ttls,
}

/// Bounds for how long answers are remembered, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Lives {
    pub(in super::super) least: u32,
    pub(in super::super) most: u32,
    pub(in super::super) most_negative: u32,
    pub(in super::super) failure: u32,
}

/// Is `message` the answer to the query with this id and question, to the letter?
///
/// # Errors
/// Why it is not. A server that does not understand the query need not repeat the question.
pub(in super::super) fn belongs(message: &[u8], id: u16, question: &[u8]) -> Result<(), Wrong> {
    let Some(header) = message.first_chunk::<HEADER>() else { return Err(Wrong::Header) };
    let flags = get(header, 2);
    if flags & (QR | OPCODE) != QR {
        return Err(Wrong::Header);
    }
    if get(header, 0) != id {
        return Err(Wrong::Id);
    }
    let lost = matches!(flags & RCODE, rcode::FORMERR | rcode::NOTIMP);
    match get(header, 4) {
        1 if message[HEADER..].starts_with(question) => Ok(()),
        0 if lost && message.len() == HEADER => Ok(()),
        _ => Err(Wrong::Question),
    }
}

/// A message that contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Unsound;

impl<E: std::error::Error> From<E> for Unsound {
    fn from(_: E) -> Unsound {
        Unsound
    }
}

/// Reads a response that belongs to a question of so many bytes, and makes it what is remembered and sent on: TTLs
/// within their bounds, the record that negative answers live by no longer than it says (RFC 2308, section 5), no OPT
/// record, nothing behind it (additional data is never missed, RFC 2181, section 9), a failure without any records.
///
/// # Errors
/// Its records cannot be followed.
pub(in super::super) fn read(message: &mut [u8], question: usize, lives: Lives) -> Result<Response, Unsound> {
    let mut found = survey(message, question)?;
    let low = get(message, 2) & RCODE;
    let rcode = u16::from(found.extended) << 4 | low;
    let truncated = get(message, 2) & TC != 0;
    let kind = match rcode {
        0 if found.answers => Kind::Positive,
        0 | rcode::NXDOMAIN => Kind::Negative,
        rcode::YXDOMAIN => Kind::Positive,
        _ => Kind::Failure,
    };
    if kind == Kind::Failure {
        found.forget(question.min(message.len().saturating_sub(HEADER)));
    }
    for (at, count) in [6, 8, 10].into_iter().zip(found.counts) {
        put(message, at, count);
    }
    let life = match kind {
        Kind::Failure => lives.failure,
        _ if truncated => 0,
        Kind::Negative => negative(message, &found, lives),
        Kind::Positive => limit(message, &found.ttls, lives.least, lives.most),
    };
    let Found { edns, len, ttls, .. } = found;
    Ok(Response { kind, rcode, truncated, edns, len, life, ttls })
}

/// Brings TTLs within bounds; the least of them, 0 where there is none.
fn limit(message: &mut [u8], ttls: &Ttls, least: u32, most: u32) -> u32 {
    let mut life = None;
    for at in ttls {
        let Some(field) = message.get_mut(usize::from(*at)..).and_then(|rest| rest.first_chunk_mut::<4>())
        else {
            continue;
        };
        let ttl = Some(u32::from_be_bytes(*field)).filter(|ttl| *ttl <= MOST_TTL).unwrap_or(0);
        let ttl = ttl.max(least).min(most);
        *field = ttl.to_be_bytes();
        life = Some(life.unwrap_or(ttl).min(ttl));
    }
    life.unwrap_or(0)
}

/// How long a negative answer lives: as its SOA record says, which has to be there (RFC 2308, section 5).
fn negative(message: &mut [u8], found: &Found, lives: Lives) -> u32 {
    let others = limit(message, &found.ttls, lives.least, lives.most);
    let Some((at, minimum)) = found.soa else { return 0 };
    let Some(field) = message.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) else { return 0 };
    let most = minimum.min(MOST_TTL).max(lives.least).min(lives.most_negative);
    let ttl = u32::from_be_bytes(*field).min(most);
    *field = ttl.to_be_bytes();
    others.min(ttl)
}

/// What a walk over all records finds.
struct Found {
    /// Records of the answer, authority and additional sections that are kept.
    counts: [u16; 3],
    ttls: Ttls,
    len: usize,
    extended: u8,
    edns: bool,
    /// Is there a record of the type that was asked for?
    answers: bool,
    /// The SOA record of the authority section: where its TTL is, and its minimum.
    soa: Option<(usize, u32)>,
}

impl Found {
    /// Nothing is kept but header and question.
    fn forget(&mut self, question: usize) {
        self.counts = [0; 3];
        self.ttls.clear();
        self.len = HEADER + question;
    }
}

fn survey(message: &[u8], question: usize) -> Result<Found, Unsound> {
    let asked = get(message, HEADER + question.saturating_sub(4));
    let mut found = Found {
        counts: [0; 3],
        ttls: Ttls::new(),
        len: message.len(),
        extended: 0,
        edns: false,
        answers: false,
        soa: None,
    };
    let mut records = Message::from_slice(message)?.answer()?;
    for section in 0..3 {
        walk(&mut records, section, asked, &mut found)?;
        match records.next_section()? {
            Some(next) => records = next,
            None => break,
        }
    }
    if !found.edns {
        found.len = records.pos();
    }
    Ok(found)
}

/// Follows the records of one section.
fn walk(
    records: &mut RecordSection<'_, [u8]>,
    section: usize,
    asked: u16,
    found: &mut Found,
) -> Result<(), Unsound> {
    let mut start = records.pos();
    while let Some(record) = records.next() {
        let record = record?;
        let end = records.pos();
        let ttl_at = end - usize::from(record.rdlen()) - 6;
        let kind = record.rtype().to_int();
        if kind == number::OPT {
            if section != 2 || found.edns {
                return Err(Unsound);
            }
            (found.edns, found.len) = (true, start);
            found.extended = (record.ttl().as_secs() >> 24) as u8;
        } else if !found.edns {
            found.counts[section] += 1;
            found.ttls.try_push(ttl_at as u16)?;
            found.answers |= section == 0 && (kind == asked || asked == number::ANY);
            if section == 1 && kind == number::SOA && found.soa.is_none() {
                found.soa = Some((ttl_at, minimum(&record)?));
            }
        }
        start = end;
    }
    Ok(())
}

/// The last number of an SOA record: how long negative answers live, seconds (RFC 2308, section 4).
fn minimum(record: &ParsedRecord<'_, [u8]>) -> Result<u32, Unsound> {
    let soa = record.to_record::<Soa<ParsedName<&[u8]>>>()?;
    soa.map(|soa| soa.data().minimum().as_secs()).ok_or(Unsound)
}
