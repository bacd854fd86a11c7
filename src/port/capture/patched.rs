//! Which record header a file with the "modified" magic `a1b2cd34` has.
//!
//! Alexey Kuznetzov's patches to libpcap wrote the interface index, protocol and packet type after
//! the usual 16 bytes. Most files have 24-byte headers (libpcap's `pcap_sf_patched_pkthdr`); the
//! older `ss990915` patch wrote 28 (Wireshark's `pcaprec_ss990915_hdr`) under the same magic, so one
//! has to look: the size whose chain of headers holds for longer is the one.

use super::bytes::{ByteOrder, header_at};
use super::record::MAX_CAPTURED_LEN;

/// Bytes of a record header as libpcap knows it.
const USUAL: usize = 24;
/// Bytes of the older one.
const OLDER: usize = 28;
/// Records to look at, at most.
const LOOKED_AT: usize = 8;

/// The size of the record headers after `first`, in bytes: 24 unless 28 explains more records.
pub(super) fn record_header_len(file: &[u8], first: usize, order: ByteOrder) -> usize {
    let holds = |len| chain_length(file, first, order, len);
    if holds(OLDER) > holds(USUAL) { OLDER } else { USUAL }
}

/// How many records in a row look sane, up to [`LOOKED_AT`], if headers have `header_len` bytes.
fn chain_length(file: &[u8], first: usize, order: ByteOrder, header_len: usize) -> usize {
    let mut at = first;
    for seen in 0..LOOKED_AT {
        if at == file.len() {
            return LOOKED_AT;
        }
        match sane_record_end(file, at, order, header_len) {
            Some(end) => at = end,
            None => return seen,
        }
    }
    LOOKED_AT
}

/// Where the record at `at` ends, if its fraction of a second and its lengths are possible.
fn sane_record_end(file: &[u8], at: usize, order: ByteOrder, header_len: usize) -> Option<usize> {
    let header = header_at::<16>(file, at)?;
    let captured = order.u32_at::<8, 16>(header);
    let possible = order.u32_at::<4, 16>(header) < 1_000_000
        && captured <= MAX_CAPTURED_LEN
        && captured <= order.u32_at::<12, 16>(header);
    let end = at.checked_add(header_len)?.checked_add(captured as usize)?;
    (possible && end <= file.len()).then_some(end)
}
