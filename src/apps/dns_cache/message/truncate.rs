//! Less than all: what fits into what the client takes.

use domain::base::{Message, ParsedName, ParsedRecord};

use super::wire::{HEADER, TC, get, number, put};

/// Cuts a message without an OPT record down to at most `room` bytes, by whole RRsets (RFC 2181, section 9), and counts
/// what is left. A missing answer or authority record sets the truncation bit, missing additional ones do not. Returns
/// its length, which is no less than header and question (`question` bytes).
pub(in super::super) fn fit(message: &mut [u8], question: usize, room: usize) -> usize {
    let bare = Cut { counts: [0; 3], len: HEADER + question, truncated: true };
    let cut = cut(message, room).unwrap_or(bare);
    for (at, count) in [6, 8, 10].into_iter().zip(cut.counts) {
        put(message, at, count);
    }
    if cut.truncated {
        let flags = get(message, 2);
        put(message, 2, flags | TC);
    }
    cut.len
}

/// How much stays.
#[derive(Clone, Copy)]
struct Cut {
    /// Records by section.
    counts: [u16; 3],
    /// Bytes.
    len: usize,
    truncated: bool,
}

/// What the records of one RRset have in common; signatures belong to what they sign (RFC 4035, 2.2).
#[derive(Clone, Copy, PartialEq)]
struct Set<'m> {
    owner: ParsedName<&'m [u8]>,
    kind: u16,
    class: u16,
    signed: u16,
}

impl<'m> Set<'m> {
    /// The set of a record that ends at `end`.
    fn of(record: &ParsedRecord<'m, [u8]>, message: &[u8], end: usize) -> Set<'m> {
        let kind = record.rtype().to_int();
        let signed = if kind == number::RRSIG { get(message, end - usize::from(record.rdlen())) } else { 0 };
        Set { owner: record.owner(), kind, class: record.class().to_int(), signed }
    }
}

/// Where to cut; `None` where the message cannot be followed.
fn cut(message: &[u8], room: usize) -> Option<Cut> {
    let mut records = Message::from_slice(message).ok()?.answer().ok()?;
    let mut counts = [0; 3];
    // The last place between two RRsets.
    let mut cut = Cut { counts, len: records.pos(), truncated: false };
    for section in 0..3 {
        let (mut before, mut start) = (None, records.pos());
        while let Some(record) = records.next() {
            let end = records.pos();
            let set = Set::of(&record.ok()?, message, end);
            if before.replace(set) != Some(set) {
                cut = Cut { counts, len: start, ..cut };
            }
            if end > room {
                return Some(Cut { truncated: section < 2, ..cut });
            }
            counts[section] += 1;
            start = end;
        }
        cut = Cut { counts, len: start, ..cut };
        match records.next_section().ok()? {
            Some(next) => records = next,
            None => break,
        }
    }
    Some(cut)
}
