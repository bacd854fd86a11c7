//! What is known of an answer beside its bytes.

use zerocopy::FromZeros;

/// An entry of the cache. Numbers of entries and blocks count from 1; 0 is none.
#[derive(Clone, Copy, Debug, FromZeros)]
#[repr(C)]
pub(super) struct Head {
    /// Of its key.
    pub(super) hash: u64,
    /// When it came, and when it is too old, nanoseconds of the run's clock.
    pub(super) since_ns: u64,
    pub(super) until_ns: u64,
    /// Its first block.
    pub(super) first: u32,
    /// The next entry in the same place of the index, or in the list of unused ones.
    pub(super) next: u32,
    /// Bytes of its message, how many TTLs it has, bytes of its question.
    pub(super) len: u16,
    pub(super) ttls: u16,
    pub(super) question: u16,
    /// What its key says beside the question.
    pub(super) variant: u8,
    /// The upper part of the response code.
    pub(super) extended: u8,
    /// 0: unused.
    pub(super) live: u8,
    /// 0: not used since the clock's hand came by.
    pub(super) recent: u8,
    pub(super) _pad: [u8; 6],
}

const _: () = assert!(size_of::<Head>() == 48);
