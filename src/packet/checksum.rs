//! The internet checksum (RFC 1071): sum, incremental update (RFC 1624), and of a packet's
//! outer headers: verify ([`states`]) and fill in ([`fill_ipv4`], [`fill_transport`]); complete one that was
//! left to the network card ([`complete`]).

mod complete;
mod fill;
mod plain;
mod verify;

pub use complete::complete;
pub use fill::{fill_ipv4, fill_transport};
pub use verify::{ChecksumState, ipv4_header_state, states, transport_state};

/// One's-complement sum of the 16-bit big-endian words of `bytes`, folded to 16 bits. An odd
/// last byte counts as the high byte of a word (RFC 1071 section 4.1). 0 only if every byte is.
///
/// The sum is taken in the machine's byte order and turned round once (section 2(B)), in 64-bit
/// words: the wrapping total of all words less the total of their high halves is the total of
/// their low halves. That is three vector operations for 16 bytes with nothing beyond SSE2.
#[inline]
pub fn sum(bytes: &[u8]) -> u16 {
    u16::from_be(fold64(unfolded(bytes)))
}

/// The same sum in the machine's byte order, not folded; less than 2^40.
#[inline]
fn unfolded(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<64>();
    let (mut total, mut high) = ([0u64; 8], [0u64; 8]);
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for lane in 0..8 {
            let word = u64::from_ne_bytes(words[lane]);
            total[lane] = total[lane].wrapping_add(word);
            high[lane] += word >> 32;
        }
    }
    let mut sum = short(rest);
    if !blocks.is_empty() {
        let total = total.into_iter().fold(0, u64::wrapping_add);
        let high = high.into_iter().sum::<u64>();
        sum += fold32s(total.wrapping_sub(high << 32)) + fold32s(high);
    }
    sum
}

/// Sum of fewer than 64 bytes, not folded: words of eight bytes with their carries, then what is left in
/// pieces of four, two and one.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    let (words, mut rest) = bytes.as_chunks::<8>();
    let total = words.iter().fold(0u128, |total, word| total + u128::from(u64::from_ne_bytes(*word)));
    let mut sum = fold32s(total as u64) + (total >> 64) as u64;
    if let Some((four, more)) = rest.split_first_chunk::<4>() {
        sum += u64::from(u32::from_ne_bytes(*four));
        rest = more;
    }
    if let Some((two, more)) = rest.split_first_chunk::<2>() {
        sum += u64::from(u16::from_ne_bytes(*two));
        rest = more;
    }
    match rest {
        [last, ..] => sum + u64::from(u16::from_ne_bytes([*last, 0])),
        [] => sum,
    }
}

/// Adds the halves of a sum: at most 33 bits are left.
#[inline]
const fn fold32s(sum: u64) -> u64 {
    (sum & 0xffff_ffff) + (sum >> 32)
}

/// Folds a sum to 16 bits with end-around carry.
#[inline]
const fn fold64(sum: u64) -> u16 {
    let sum = fold32s(fold32s(sum));
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// One's-complement addition of two folded sums.
#[inline]
pub const fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u16
}

/// The checksum of `bytes`: the complement of their sum. The checksum field must be 0 in them.
#[inline]
pub fn checksum(bytes: &[u8]) -> u16 {
    !sum(bytes)
}

/// The checksum after one 16-bit word it covers changed from `old` to `new` (RFC 1624,
/// equation 3: HC' = ~(~HC + ~m + m')).
///
/// Not for a UDP checksum of 0, which means that there is none: see [`update_udp`].
#[inline]
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    !add(add(!checksum, !old), new)
}

/// The checksum after bytes it covers changed from `old` to `new`: an address, a port. They start
/// at an even distance from the start of what is covered, and are of the same length.
#[inline]
pub fn update_bytes(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    update(checksum, sum(old), sum(new))
}

/// The same for UDP (RFC 768): an absent checksum stays absent, and one that would come out as
/// 0 is sent as all ones.
#[inline]
pub fn update_udp(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    match (checksum, update_bytes(checksum, old, new)) {
        (0, _) => 0,
        (_, 0) => 0xffff,
        (_, updated) => updated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 section 4.1, word by word.
    fn slow(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from);
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    #[test]
    fn example_of_rfc_1071() {
        // Section 3: the sum of these is ddf2.
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
        assert_eq!(checksum(&[]), 0xffff);
    }

    #[test]
    fn example_of_rfc_1624() {
        // Section 4: 0x5555 becomes 0x3285 in a header whose checksum is 0xdd2f; the answer of
        // equation 3 is 0, where equation 2 of RFC 1141 gives 0xffff.
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn carries_fold_to_the_end() {
        for len in [1, 2, 7, 8, 9, 31, 64, 1500, 65_535] {
            assert_eq!(sum(&vec![0xff; len]), slow(&vec![0xff; len]), "{len}");
        }
    }

    proptest! {
        #[test]
        fn sum_agrees_with_the_definition(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(sum(&bytes), slow(&bytes));
        }

        #[test]
        fn update_agrees_with_computing_anew(
            bytes in proptest::collection::vec(any::<u8>(), 40..60),
            new: [u8; 4],
            at in 0usize..18,
        ) {
            let mut after = bytes.clone();
            after[at * 2..at * 2 + 4].copy_from_slice(&new);
            let updated = update_bytes(checksum(&bytes), &bytes[at * 2..at * 2 + 4], &new);
            // All-zero data has two representations; RFC 1624 cannot tell them apart.
            prop_assert!(updated == checksum(&after) || after.iter().all(|byte| *byte == 0));
        }

        #[test]
        fn udp_never_turns_absent(checksum: u16, old: [u8; 4], new: [u8; 4]) {
            prop_assert_eq!(update_udp(checksum, &old, &new) == 0, checksum == 0);
        }
    }
}
