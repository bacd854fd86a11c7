//! What an answer is found by: the question, whatever the case of its letters, and what else changes the answer.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::query::Query;
use super::wire::{CD, HEADER, MOST_QUESTION, RD};

/// What an answer depends on beside the question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Variant(pub(in super::super) u8);

impl Variant {
    const RECURSION: u8 = 1;
    const CHECKING_DISABLED: u8 = 2;
    const DNSSEC_OK: u8 = 4;

    /// That of a query.
    #[inline]
    pub(in super::super) fn of(query: &Query) -> Variant {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        Variant(
            bit(query.flags & RD != 0, Variant::RECURSION)
                | bit(query.flags & CD != 0, Variant::CHECKING_DISABLED)
                | bit(query.dnssec_ok(), Variant::DNSSEC_OK),
        )
    }

    /// The header's bits for it.
    pub(super) fn flags(self) -> u16 {
        let bit = |bit: u8, flag: u16| if self.0 & bit != 0 { flag } else { 0 };
        bit(Variant::RECURSION, RD) | bit(Variant::CHECKING_DISABLED, CD)
    }

    pub(super) fn dnssec_ok(self) -> bool {
        self.0 & Variant::DNSSEC_OK != 0
    }
}

/// A question in lower case, with its hash.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Key {
    bytes: [u8; MOST_QUESTION],
    len: u16,
    variant: Variant,
    hash: u64,
}

impl Key {
    /// The key of a query that was read from this message.
    #[inline]
    pub(in super::super) fn new(message: &[u8], query: &Query, seed: u64) -> Key {
        let mut bytes = [0; MOST_QUESTION];
        let question = message.get(HEADER..HEADER + query.question).unwrap_or_default();
        let len = question.len().min(MOST_QUESTION);
        bytes[..len].copy_from_slice(&question[..len]);
        // Lengths of labels are below the letters (RFC 1035, 2.3.4).
        bytes[..len.saturating_sub(4)].make_ascii_lowercase();
        let variant = Variant::of(query);
        let hash = xxh3_64_with_seed(&bytes[..len], seed ^ u64::from(variant.0) << 56);
        Key { bytes, len: len as u16, variant, hash }
    }

    /// Name in lower case, type, class.
    #[inline]
    pub(in super::super) fn question(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// What else the answer depends on.
    #[inline]
    pub(in super::super) fn variant(&self) -> Variant {
        self.variant
    }

    /// Its hash with the run's seed.
    #[inline]
    pub(in super::super) fn hash(&self) -> u64 {
        self.hash
    }
}

impl PartialEq for Key {
    #[inline]
    fn eq(&self, other: &Key) -> bool {
        self.hash == other.hash && self.variant == other.variant && self.question() == other.question()
    }
}

impl Eq for Key {}
