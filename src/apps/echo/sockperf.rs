//! Messages of sockperf (version 3), as far as its server looks at them to answer.
//!
//! A message begins with 14 bytes in network order: sequence number (8), flags (2), length of the message (4). A
//! server answers where the flags say that the client waits for it, and not while it warms up; the answer is the
//! message without the flag that it comes from a client. A client takes one that has it for its own, and goes on
//! waiting.

/// Bytes of the header.
const HEADER: usize = 14;
/// Where the flags are, an even distance from the start of the datagram.
const FLAGS: usize = 8;
const FROM_CLIENT: u16 = 1;
const WANTS_ANSWER: u16 = 2;
const WARM_UP: u16 = 4;

/// What a client's message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// To be answered.
    Answer,
    /// Only to be received.
    Nothing,
}

/// What this payload asks for; `None` where it is no message of a client.
#[inline]
pub(super) fn look(payload: &[u8]) -> Option<Wants> {
    let [.., f0, f1, a, b, c, d] = *payload.first_chunk::<HEADER>()?;
    let flags = u16::from_be_bytes([f0, f1]);
    let whole = u32::from_be_bytes([a, b, c, d]) as usize == payload.len();
    if !whole || flags & FROM_CLIENT == 0 || flags > FROM_CLIENT | WANTS_ANSWER | WARM_UP {
        return None;
    }
    match flags & (WANTS_ANSWER | WARM_UP) {
        WANTS_ANSWER => Some(Wants::Answer),
        _ => Some(Wants::Nothing),
    }
}

/// Makes a message its answer: the flags before and after.
#[inline]
pub(super) fn answer(payload: &mut [u8]) -> [[u8; 2]; 2] {
    let Some(flags) = payload.get_mut(FLAGS..).and_then(|rest| rest.first_chunk_mut::<2>()) else {
        return [[0; 2]; 2];
    };
    let before = *flags;
    *flags = (u16::from_be_bytes(before) & !FROM_CLIENT).to_be_bytes();
    [before, *flags]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(flags: u16, len: u32, payload: usize) -> Vec<u8> {
        let mut bytes = [&[0, 0, 0, 0, 0, 0, 0, 9][..], &flags.to_be_bytes(), &len.to_be_bytes()].concat();
        bytes.resize(payload, 7);
        bytes
    }

    #[test]
    fn a_clients_message_is_told_from_anything_else() {
        assert_eq!(look(&message(3, 14, 14)), Some(Wants::Answer));
        assert_eq!(look(&message(3, 600, 600)), Some(Wants::Answer));
        assert_eq!(look(&message(1, 64, 64)), Some(Wants::Nothing), "under load most want none");
        assert_eq!(look(&message(5, 14, 14)), Some(Wants::Nothing), "warming up");
        assert_eq!(look(&message(7, 14, 14)), Some(Wants::Nothing), "warming up");
        for (flags, len, payload) in [(2, 14, 14), (3, 15, 14), (3, 14, 15), (11, 14, 14), (0x103, 14, 14)] {
            assert_eq!(look(&message(flags, len, payload)), None, "{flags} {len} {payload}");
        }
        assert_eq!(look(&message(3, 13, 14)[..13]), None);
        assert_eq!(look(&[]), None);
    }

    #[test]
    fn an_answer_comes_from_no_client() {
        let mut bytes = message(3, 20, 20);
        assert_eq!(answer(&mut bytes), [[0, 3], [0, 2]]);
        assert_eq!(bytes, message(2, 20, 20));
    }
}
