//! The Toeplitz hash that network cards compute for receive-side scaling.
//!
//! Microsoft's "Verifying the RSS Hash Calculation" is the definition and the source of the test
//! vectors: for every bit of the input that is set, the 32 bits of the key that start there are
//! xored in. We compute it in software to know which queue a card would choose.

/// Bytes of a key: enough for the longest input.
pub const KEY_LEN: usize = 40;

/// Bytes of the longest input: two IPv6 addresses and two ports.
pub const MAX_INPUT: usize = 36;

/// Microsoft's key, which most drivers set by default and the verification vectors use.
pub const MICROSOFT_KEY: [u8; KEY_LEN] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0,
    0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42,
    0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];

/// A key with a period of 16 bits: swapping addresses and swapping ports changes nothing (Woo and
/// Park, "Scalable TCP Session Monitoring with Symmetric Receive-side Scaling", 2012).
pub const SYMMETRIC_KEY: [u8; KEY_LEN] = symmetric();

const fn symmetric() -> [u8; KEY_LEN] {
    let mut key = [0x6d; KEY_LEN];
    let mut at = 1;
    while at < KEY_LEN {
        key[at] = 0x5a;
        at += 2;
    }
    key
}

/// The hash by its definition, bit by bit: what the fast form is checked against. Input beyond
/// [`MAX_INPUT`] bytes is ignored.
pub fn reference(key: &[u8; KEY_LEN], input: &[u8]) -> u32 {
    let bits = input.iter().take(MAX_INPUT).enumerate();
    bits.fold(0, |hash, (at, byte)| {
        (0..8)
            .filter(|bit| byte & (0x80 >> bit) != 0)
            .fold(hash, |hash, bit| hash ^ window(key, at * 8 + bit))
    })
}

/// The 32 bits of the key that start at `bit`; zeros follow the key.
const fn window(key: &[u8; KEY_LEN], bit: usize) -> u32 {
    let mut wide = 0u64;
    let mut at = bit / 8;
    let end = at + 5;
    while at < end {
        wide = wide << 8 | if at < KEY_LEN { key[at] as u64 } else { 0 };
        at += 1;
    }
    (wide >> (8 - bit % 8)) as u32
}

/// A key made ready: one table of 16 hashes for each half byte of input, 4.6 KB, which the
/// first-level cache holds (tables for whole bytes would take 36 KB and not fit).
#[derive(Clone, Debug)]
pub struct Toeplitz {
    /// Per input byte: the hashes of its high and of its low four bits.
    tables: Box<[[[u32; 16]; 2]; MAX_INPUT]>,
}

impl Toeplitz {
    /// Makes a key ready. Allocates; not for the data path.
    pub fn new(key: &[u8; KEY_LEN]) -> Toeplitz {
        let mut tables = Box::new([[[0; 16]; 2]; MAX_INPUT]);
        for (at, halves) in tables.iter_mut().enumerate() {
            for (half, table) in halves.iter_mut().enumerate() {
                for (value, hash) in table.iter_mut().enumerate() {
                    *hash = nibble(key, at * 8 + half * 4, value);
                }
            }
        }
        Toeplitz { tables }
    }

    /// Hash of `input`: source address, destination address, and then source port and
    /// destination port if the ports count, all in network order. Input beyond [`MAX_INPUT`]
    /// bytes is ignored.
    #[inline]
    pub fn hash(&self, input: &[u8]) -> u32 {
        self.tables.iter().zip(input).fold(0, |hash, ([high, low], byte)| {
            hash ^ high[(byte >> 4) as usize] ^ low[(byte & 0x0f) as usize]
        })
    }
}

/// Hash of the four bits `value` at `bit` of the input.
fn nibble(key: &[u8; KEY_LEN], bit: usize, value: usize) -> u32 {
    (0..4).filter(|i| value & (8 >> i) != 0).fold(0, |hash, i| hash ^ window(key, bit + i))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::SocketAddr;

    /// Source, destination, hash of the addresses, hash with the ports: the whole table of
    /// Microsoft's page.
    const VECTORS: [(&str, &str, u32, u32); 8] = [
        ("66.9.149.187:2794", "161.142.100.80:1766", 0x323e_8fc2, 0x51cc_c178),
        ("199.92.111.2:14230", "65.69.140.83:4739", 0xd718_262a, 0xc626_b0ea),
        ("24.19.198.95:12898", "12.22.207.184:38024", 0xd2d0_a5de, 0x5c2b_394a),
        ("38.27.205.30:48228", "209.142.163.6:2217", 0x8298_9176, 0xafc7_327f),
        ("153.39.163.191:44251", "202.188.127.2:1303", 0x5d18_09c5, 0x10e8_28a2),
        ("[3ffe:2501:200:1fff::7]:2794", "[3ffe:2501:200:3::1]:1766", 0x2cc1_8cd5, 0x4020_7d3d),
        ("[3ffe:501:8::260:97ff:fe40:efab]:14230", "[ff02::1]:4739", 0x0f0c_461c, 0xdde5_1bbf),
        (
            "[3ffe:1900:4545:3:200:f8ff:fe21:67cf]:44251",
            "[fe80::200:f8ff:fe21:67cf]:38024",
            0x4b61_e985,
            0x02d1_feef,
        ),
    ];

    fn octets(address: SocketAddr) -> Vec<u8> {
        match address {
            SocketAddr::V4(v4) => v4.ip().octets().to_vec(),
            SocketAddr::V6(v6) => v6.ip().octets().to_vec(),
        }
    }

    #[test]
    fn microsoft_vectors() {
        let fast = Toeplitz::new(&MICROSOFT_KEY);
        for (source, destination, addresses, ports) in VECTORS {
            let (source, destination): (SocketAddr, SocketAddr) =
                (source.parse().unwrap(), destination.parse().unwrap());
            let mut input = [octets(source), octets(destination)].concat();
            assert_eq!(reference(&MICROSOFT_KEY, &input), addresses, "{source} {destination}");
            assert_eq!(fast.hash(&input), addresses);
            input.extend(source.port().to_be_bytes());
            input.extend(destination.port().to_be_bytes());
            assert_eq!(reference(&MICROSOFT_KEY, &input), ports, "{source} {destination}");
            assert_eq!(fast.hash(&input), ports);
        }
    }

    proptest! {
        #[test]
        fn fast_agrees_with_reference(key: [[u8; 20]; 2], input in proptest::collection::vec(any::<u8>(), 0..50)) {
            let key: [u8; KEY_LEN] = key.concat().try_into().unwrap();
            prop_assert_eq!(Toeplitz::new(&key).hash(&input), reference(&key, &input));
        }

        #[test]
        fn symmetric_key_is_symmetric(a: [u8; 16], b: [u8; 16], p: [u8; 2], q: [u8; 2]) {
            let there = [&a[..], &b, &p, &q].concat();
            let back = [&b[..], &a, &q, &p].concat();
            prop_assert_eq!(reference(&SYMMETRIC_KEY, &there), reference(&SYMMETRIC_KEY, &back));
        }
    }
}
