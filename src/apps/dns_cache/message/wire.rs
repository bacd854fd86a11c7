//! Numbers of the wire format: the header's bits (RFC 1035, 4.1.1; RFC 4035, 3.1.6 and 3.2.2), codes, lengths.

/// Bytes of a message's header.
pub(in super::super) const HEADER: usize = 12;
/// Most bytes of a name on the wire (RFC 1035, 3.1).
pub(super) const MOST_NAME: usize = 255;
/// Most bytes of a question: name, type, class.
pub(in super::super) const MOST_QUESTION: usize = MOST_NAME + 4;
/// Bytes of an OPT record without options (RFC 6891, 6.1.2).
pub(in super::super) const OPT: usize = 11;
/// The least a client without EDNS takes, and the least one with it may name (RFC 1035, 4.2.1; RFC 6891, 6.2.3).
pub(super) const LEAST_PAYLOAD: u16 = 512;

/// A response.
pub(super) const QR: u16 = 0x8000;
/// What is asked for: 0 is a query.
pub(super) const OPCODE: u16 = 0x7800;
/// Truncated.
pub(super) const TC: u16 = 0x0200;
/// Recursion desired.
pub(super) const RD: u16 = 0x0100;
/// Recursion available.
pub(super) const RA: u16 = 0x0080;
/// Authentic data.
pub(super) const AD: u16 = 0x0020;
/// Checking disabled.
pub(super) const CD: u16 = 0x0010;
/// The lower four bits of the response code.
pub(super) const RCODE: u16 = 0x000f;

/// The DO bit in the second half of an OPT record's TTL (RFC 3225).
pub(super) const DO: u16 = 0x8000;

/// Response codes (RFC 6895, 2.3).
pub(in super::super) mod rcode {
    /// The query cannot be read.
    pub(in super::super::super) const FORMERR: u16 = 1;
    /// It went wrong.
    pub(in super::super::super) const SERVFAIL: u16 = 2;
    /// There is no such name.
    pub(in super::super::super) const NXDOMAIN: u16 = 3;
    /// No such kind of query is answered.
    pub(in super::super::super) const NOTIMP: u16 = 4;
    /// A DNAME's target would be too long (RFC 6672, 2.2).
    pub(in super::super::super) const YXDOMAIN: u16 = 6;
    /// A version of EDNS that is not known (RFC 6891, 9).
    pub(in super::super::super) const BADVERS: u16 = 16;
}

/// Types and classes that are no data (RFC 6895, 3.1 and 3.2).
pub(super) mod number {
    pub(in super::super) const SOA: u16 = 6;
    pub(in super::super) const OPT: u16 = 41;
    pub(in super::super) const RRSIG: u16 = 46;
    pub(in super::super) const TKEY: u16 = 249;
    pub(in super::super) const TSIG: u16 = 250;
    pub(in super::super) const IXFR: u16 = 251;
    pub(in super::super) const AXFR: u16 = 252;
    pub(in super::super) const MAILB: u16 = 253;
    pub(in super::super) const MAILA: u16 = 254;
    pub(in super::super) const ANY: u16 = 255;
    /// The class NONE.
    pub(in super::super) const NONE: u16 = 254;
}

/// A 16-bit field; 0 past the end.
#[inline]
pub(in super::super) fn get(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()).map_or(0, |field| u16::from_be_bytes(*field))
}

/// Writes a 16-bit field; nothing past the end.
#[inline]
pub(in super::super) fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(field) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>()) {
        *field = value.to_be_bytes();
    }
}
