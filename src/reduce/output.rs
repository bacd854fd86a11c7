//! The digest over everything transmitted.

use xxhash_rust::xxh3::xxh3_128_with_seed;

/// A digest over a multiset of packets: each (port, time, bytes), in canonical order.
///
/// Canonical order is ascending; since equal multisets are all that can give equal sorted sequences, the
/// packets' own 128-bit hashes are added up, modulo 2^128 and together with their number, and nothing
/// is sorted or kept. So the digest does not depend on which core sent what first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputDigest {
    sum: u128,
    packets: u64,
}

impl OutputDigest {
    /// Takes in one packet: the name hash of the port it left by, its time in nanoseconds, its bytes.
    pub fn add(&mut self, port: u64, time_ns: u64, bytes: &[u8]) {
        self.add_hash(Self::hash(port, time_ns, bytes));
    }

    /// The hash of one packet, for [`OutputDigest::add_hash`].
    #[inline]
    pub fn hash(port: u64, time_ns: u64, bytes: &[u8]) -> u128 {
        xxh3_128_with_seed(bytes, port ^ time_ns.rotate_left(17).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Takes in one packet by its hash.
    #[inline]
    pub fn add_hash(&mut self, hash: u128) {
        self.sum = self.sum.wrapping_add(hash);
        self.packets += 1;
    }

    /// Takes in what another core sent.
    pub fn merge(&mut self, other: &OutputDigest) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.packets += other.packets;
    }

    /// 32 hexadecimal digits and the number of packets.
    pub fn hex(&self) -> String {
        format!("{:032x}-{}", self.sum, self.packets)
    }
}
