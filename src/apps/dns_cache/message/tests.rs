//! Messages made by hand and by `domain`, garbage, and everything cut off everywhere.

mod answers;
mod queries;
mod responses;

use domain::base::iana::{Class, Rcode};
use domain::base::rdata::UnknownRecordData;
use domain::base::{Message, MessageBuilder, Name, Rtype, Ttl};

use super::key::Key;
use super::query::Query;
use super::wire::HEADER;

/// A question of class IN on the wire.
pub fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.trim_end_matches('.').split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&[0, 1]);
    bytes
}

/// A message with these header fields, and bytes behind it.
pub fn message(id: u16, flags: u16, counts: [u16; 4], parts: &[&[u8]]) -> Vec<u8> {
    let words = [&[id, flags][..], &counts].concat();
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// An OPT record.
pub fn opt(payload: u16, extended: u8, version: u8, flags: u16, options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 41];
    bytes.extend_from_slice(&payload.to_be_bytes());
    bytes.extend_from_slice(&[extended, version]);
    bytes.extend_from_slice(&flags.to_be_bytes());
    bytes.extend_from_slice(&(options.len() as u16).to_be_bytes());
    bytes.extend_from_slice(options);
    bytes
}

pub type Rows<'r> = &'r [(&'r str, u16, u32, &'r [u8])];

/// A response as a server would compress it.
pub fn response(id: u16, name: &str, kind: u16, rcode: u8, sections: [Rows<'_>; 3]) -> Vec<u8> {
    let target = domain::base::StaticCompressor::new(Vec::new());
    let mut builder = MessageBuilder::from_target(target).unwrap();
    builder.header_mut().set_id(id);
    builder.header_mut().set_qr(true);
    builder.header_mut().set_aa(true);
    builder.header_mut().set_rcode(Rcode::masked_from_int(rcode));
    let mut builder = builder.question();
    let named = |name: &str| name.parse::<Name<Vec<u8>>>().unwrap();
    builder.push((named(name), Rtype::from_int(kind))).unwrap();
    let record = |&(name, kind, ttl, data): &(&str, u16, u32, &[u8])| {
        let data = UnknownRecordData::from_octets(Rtype::from_int(kind), data.to_vec()).unwrap();
        (named(name), Class::IN, Ttl::from_secs(ttl), data)
    };
    let mut builder = builder.answer();
    sections[0].iter().for_each(|row| builder.push(record(row)).unwrap());
    let mut builder = builder.authority();
    sections[1].iter().for_each(|row| builder.push(record(row)).unwrap());
    let mut builder = builder.additional();
    sections[2].iter().for_each(|row| builder.push(record(row)).unwrap());
    builder.finish().into_target()
}

/// The data of an SOA record with this minimum.
pub fn soa(minimum: u32) -> Vec<u8> {
    let mut data = vec![0, 0];
    [1u32, 2, 3, 4, minimum].iter().for_each(|word| data.extend_from_slice(&word.to_be_bytes()));
    data
}

/// Owner, type, TTL of every record, section by section.
pub fn rows(bytes: &[u8]) -> Vec<(usize, String, u16, u32)> {
    let message = Message::from_octets(bytes).unwrap();
    let sections = message.sections().unwrap();
    let (_, answer, authority, additional) = sections;
    let mut rows = Vec::new();
    for (number, section) in [answer, authority, additional].into_iter().enumerate() {
        for record in section {
            let record = record.unwrap();
            let owner = record.owner().to_string();
            rows.push((number, owner, record.rtype().to_int(), record.ttl().as_secs()));
        }
    }
    rows
}

/// The key of a query for this question.
pub fn key(question: &[u8], seed: u64) -> Key {
    let query = Query { id: 0, flags: 0, question: question.len(), edns: None };
    Key::new(&message(0, 0, [1, 0, 0, 0], &[question]), &query, seed)
}

const _: () = assert!(HEADER == 12);
