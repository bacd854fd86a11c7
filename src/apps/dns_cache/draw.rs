//! Numbers nobody outside can guess: ids and source ports of upstream queries (RFC 5452, sections 4.3 and 4.5).
//!
//! They are not drawn from a stream, whose next number depends on what was asked before, but are a keyed hash of the query
//! they are for: so they are the same on any number of cores, and in the replay of a capture the same as live. The key is
//! the run's seed: where spoofed answers are to be feared, it must be one that nobody guesses.

use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};

use siphasher::sip::SipHasher24;

/// The second half of the key: nothing else that is made of the seed uses it.
const PURPOSE: u64 = 0x646e_732d_6361_6368;

/// What a number is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asking<'q> {
    /// Who asked first, and at which address of ours.
    pub(super) client: SocketAddr,
    pub(super) own: IpAddr,
    /// The id the client chose.
    pub(super) id: u16,
    /// The question as it came.
    pub(super) question: &'q [u8],
}

/// 64 bits for an attempt at this query; attempts are numbered over all upstream servers.
pub(super) fn draw(seed: u64, asking: &Asking<'_>, attempt: u32) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(seed, PURPOSE);
    write_ip(&mut hasher, asking.client.ip());
    write_ip(&mut hasher, asking.own);
    hasher.write(&asking.client.port().to_be_bytes());
    hasher.write(&asking.id.to_be_bytes());
    hasher.write(&attempt.to_be_bytes());
    hasher.write(asking.question);
    hasher.finish()
}

/// IPv4 addresses are four bytes and IPv6 addresses sixteen; a query's two are of one kind.
fn write_ip(hasher: &mut SipHasher24, address: IpAddr) {
    match address {
        IpAddr::V4(address) => hasher.write(&address.octets()),
        IpAddr::V6(address) => hasher.write(&address.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(client: &str, id: u16, question: &'static [u8]) -> Asking<'static> {
        Asking { client: client.parse().unwrap(), own: "10.9.0.1".parse().unwrap(), id, question }
    }

    #[test]
    fn all_of_it_counts() {
        let base = asking("10.9.0.2:4000", 1, b"\x01a\0\0\x01\0\x01");
        let drawn = [
            draw(1, &base, 0),
            draw(2, &base, 0),
            draw(1, &base, 1),
            draw(1, &asking("10.9.0.3:4000", 1, base.question), 0),
            draw(1, &asking("10.9.0.2:4001", 1, base.question), 0),
            draw(1, &asking("10.9.0.2:4000", 2, base.question), 0),
            draw(1, &asking("10.9.0.2:4000", 1, b"\x01A\0\0\x01\0\x01"), 0),
            draw(1, &Asking { own: "10.9.0.9".parse().unwrap(), ..base }, 0),
        ];
        let mut different = drawn.to_vec();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), drawn.len());
        assert_eq!(draw(1, &base, 0), drawn[0]);
    }
}
