//! `mac-swap`: back out of the port it came in by, Ethernet addresses exchanged.

use serde::{Deserialize, Serialize};

use crate::packet::layers::LinkClass;
use crate::packet::{Burst, Reason, Verdict};
use crate::pipeline::{Application, Build, Context, Reads};

/// No keys.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MacSwapConfig {}

/// Exchanges destination and source address (IEEE 802.3, bytes 0–5 and 6–11) and sends the packet back.
#[derive(Debug)]
pub struct MacSwap;

impl Application for MacSwap {
    type Config = MacSwapConfig;
    type Tally = ();
    const READS: Reads = Reads::Ethernet;
    const DECIDES: bool = true;
    const ABOUT: &'static str =
        "exchanges the Ethernet addresses and sends every packet back out of the port it came in by";

    fn new(_: &MacSwapConfig, _: &mut Build<'_>) -> anyhow::Result<Self> {
        Ok(MacSwap)
    }

    #[inline]
    fn process(&mut self, burst: &mut Burst, _: &Context) {
        burst.decide(|packet| {
            let port = packet.port();
            if packet.link() != LinkClass::Ethernet {
                return Verdict::Drop(Reason::LINK_TYPE);
            }
            match packet.data_mut().first_chunk_mut::<12>() {
                Some(addresses) => {
                    swap(addresses);
                    Verdict::Forward(port)
                }
                None => Verdict::Drop(Reason::MALFORMED),
            }
        });
    }

    fn tally(self) {}
}

/// Exchanges bytes 0–5 with bytes 6–11: loads and stores of words alone, since what a compiler makes of
/// rotating (a double-word shift, or a shuffle through memory) takes longer on AMD.
#[inline]
fn swap(addresses: &mut [u8; 12]) {
    let [a0, a1, a2, a3, a4, a5, b0, b1, b2, b3, b4, b5] = *addresses;
    let front = u32::from_le_bytes([b0, b1, b2, b3]);
    let middle = u32::from(u16::from_le_bytes([b4, b5])) + (u32::from(u16::from_le_bytes([a0, a1])) << 16);
    let back = u32::from_le_bytes([a2, a3, a4, a5]);
    addresses[..4].copy_from_slice(&front.to_le_bytes());
    addresses[4..8].copy_from_slice(&middle.to_le_bytes());
    addresses[8..].copy_from_slice(&back.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_exchanges_the_two_addresses() {
        let mut bytes = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16];
        swap(&mut bytes);
        assert_eq!(bytes, [11, 12, 13, 14, 15, 16, 1, 2, 3, 4, 5, 6]);
    }
}
