//! IPv4 options (RFC 791, 3.1) of a request, and in the answer to a ping (RFC 1122, 3.2.2.6).

use super::fate::{Fate, Reasons};

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

/// Says that a timestamp is not milliseconds since midnight UT (RFC 791, 3.1, Internet Timestamp).
const NOT_UNIVERSAL: u32 = 1 << 31;

/// What is among the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing that is to be in the answer.
    Nothing,
    /// Some in which hosts on the way leave their addresses or the time.
    Records,
}

/// Follows the options to their end.
///
/// # Errors
/// One that cannot be followed, or a source route.
#[inline]
pub(super) fn look(options: &[u8], reasons: &Reasons) -> Result<Found, Fate> {
    if options.is_empty() { Ok(Found::Nothing) } else { follow(options, reasons) }
}

#[cold]
fn follow(options: &[u8], reasons: &Reasons) -> Result<Found, Fate> {
    let (mut at, mut found) = (0, Found::Nothing);
    while let Some(&kind) = options.get(at).filter(|kind| **kind != END) {
        let len = len_at(options, at).ok_or(Fate::Drop(reasons.ip_option))?;
        match kind {
            LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => return Err(Fate::Drop(reasons.source_route)),
            RECORD_ROUTE | TIMESTAMP => found = Found::Records,
            _ => {}
        }
        at += len;
    }
    Ok(found)
}

/// Length of the option at `at`; `None` where it runs off the end.
fn len_at(options: &[u8], at: usize) -> Option<usize> {
    let least = match options.get(at)? {
        &END | &NO_OPERATION => return Some(1),
        // Kind, length, pointer; and overflow.
        &RECORD_ROUTE => 3,
        &TIMESTAMP => 4,
        _ => 2,
    };
    let len = usize::from(*options.get(at + 1)?);
    (len >= least && at + len <= options.len()).then_some(len)
}

/// Leaves our address and the time where a request's options ask for them, and nothing else in them: options that
/// were for the request alone become no operations.
pub(super) fn record(options: &mut [u8], own: [u8; 4], now_ns: u64) {
    let mut at = 0;
    while let Some(&kind) = options.get(at).filter(|kind| **kind != END) {
        let Some(len) = len_at(options, at) else { break };
        let option = &mut options[at..at + len];
        match kind {
            RECORD_ROUTE => record_route(option, own),
            TIMESTAMP => record_time(option, own, now_ns),
            _ => option.fill(NO_OPERATION),
        }
        at += len;
    }
    options[at..].fill(END);
}

/// The place of `N` bytes that an option's pointer points to, which counts from 1.
fn place<const N: usize>(option: &mut [u8], least: usize) -> Option<&mut [u8; N]> {
    let pointer = usize::from(option[2]);
    let at = pointer.checked_sub(1).filter(|_| pointer >= least)?;
    option.get_mut(at..)?.first_chunk_mut::<N>()
}

fn record_route(option: &mut [u8], own: [u8; 4]) {
    if let Some(place) = place::<4>(option, 4) {
        *place = own;
        option[2] += 4;
    }
}

fn record_time(option: &mut [u8], own: [u8; 4], now_ns: u64) {
    let time = ((now_ns / 1_000_000) as u32 | NOT_UNIVERSAL).to_be_bytes();
    let written = match option[3] & 0x0f {
        0 => place::<4>(option, 5).map(|place| {
            *place = time;
            4
        }),
        // With addresses: all of them, or those the sender chose.
        flag @ (1 | 3) => match place::<8>(option, 5) {
            Some(place) if flag == 1 || place[..4] == own => {
                place[..4].copy_from_slice(&own);
                place[4..].copy_from_slice(&time);
                Some(8)
            }
            Some(_) => Some(0),
            None => None,
        },
        _ => Some(0),
    };
    match written {
        Some(bytes) => option[2] += bytes,
        // No room left: the hosts that could not leave theirs are counted in the upper four bits.
        None if option[3] < 0xf0 && option[3] & 0x0f != 3 => option[3] += 0x10,
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [u8; 4] = [10, 9, 0, 1];
    const AT: u64 = 5_000_000;

    fn recorded(options: &[u8]) -> Vec<u8> {
        let mut options = options.to_vec();
        record(&mut options, OWN, AT);
        options
    }

    #[test]
    fn a_route_is_recorded_where_there_is_room() {
        assert_eq!(recorded(&[7, 7, 4, 0, 0, 0, 0, 0]), [7, 7, 8, 10, 9, 0, 1, 0]);
        assert_eq!(recorded(&[1, 7, 7, 8, 9, 9, 9, 9]), [1, 7, 7, 8, 9, 9, 9, 9], "full");
        assert_eq!(recorded(&[7, 5, 4, 0, 0, 0, 9, 9]), [7, 5, 4, 0, 0, 0, 0, 0], "no room for an address");
        assert_eq!(
            recorded(&[7, 7, 0, 0, 0, 0, 0, 1]),
            [7, 7, 0, 0, 0, 0, 0, 1],
            "a pointer before the data"
        );
    }

    #[test]
    fn times_are_recorded_and_marked() {
        assert_eq!(recorded(&[68, 8, 5, 0, 0, 0, 0, 0]), [68, 8, 9, 0, 0x80, 0, 0, 5]);
        assert_eq!(recorded(&[68, 8, 9, 0, 1, 2, 3, 4]), [68, 8, 9, 0x10, 1, 2, 3, 4], "overflow");
        assert_eq!(recorded(&[68, 8, 9, 0xf0, 1, 2, 3, 4]), [68, 8, 9, 0xf0, 1, 2, 3, 4], "overflow's end");
        let with_address = [68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(recorded(&with_address), [68, 12, 13, 1, 10, 9, 0, 1, 0x80, 0, 0, 5]);
        let chosen = [68, 12, 5, 3, 10, 9, 0, 1, 0, 0, 0, 0];
        assert_eq!(recorded(&chosen), [68, 12, 13, 3, 10, 9, 0, 1, 0x80, 0, 0, 5]);
        let anothers = [68, 12, 5, 3, 10, 9, 0, 9, 0, 0, 0, 0];
        assert_eq!(recorded(&anothers), anothers);
    }

    #[test]
    fn other_options_stay_behind() {
        assert_eq!(recorded(&[148, 4, 0, 0, 7, 3, 4, 0, 9, 9, 9, 9]), [1, 1, 1, 1, 7, 3, 4, 0, 0, 0, 0, 0]);
    }
}
