//! `drop`: all packets, or a share of them, by seed.

use serde::de::{Deserializer, Error as _, Unexpected};
use serde::{Deserialize, Serialize};

use crate::packet::{Burst, Packet, Reason, Verdict};
use crate::pipeline::{Application, Build, Context};

/// Keys of `[app.drop]`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DropConfig {
    /// Share of the packets to drop, 0.0 to 1.0; the others pass on along the chain.
    #[serde(deserialize_with = "share")]
    pub share: f64,
}

impl Default for DropConfig {
    fn default() -> Self {
        DropConfig { share: 1.0 }
    }
}

/// Reads a share.
fn share<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(from)?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(D::Error::invalid_value(Unexpected::Float(share), &"a share of 0.0 to 1.0"))
    }
}

/// Drops packets with reason `policy`.
///
/// Which ones is decided by the run's seed. A packet of a capture is told by its place in the order of
/// arrival, so that the same packets are dropped on any machine and any number of cores; where there is
/// no such order (live ports), by a sequence of the core's own.
#[derive(Debug)]
pub struct Drop {
    /// Drawn numbers below this drop; `None` drops all.
    below: Option<u64>,
    seed: u64,
    sequence: u64,
}

impl Application for Drop {
    type Config = DropConfig;
    type Tally = ();
    const ABOUT: &'static str = "drops all packets, or a share of them chosen by seed (reason policy)";

    fn new(config: &DropConfig, build: &mut Build<'_>) -> anyhow::Result<Self> {
        let below = (config.share < 1.0).then_some((config.share * 18_446_744_073_709_551_616.0) as u64);
        Ok(Drop { below, seed: build.seed(), sequence: (build.core().index() as u64) << 48 })
    }

    #[inline]
    fn process(&mut self, burst: &mut Burst, _: &Context) {
        let Some(below) = self.below else {
            burst.decide_all(Verdict::Drop(Reason::POLICY));
            return;
        };
        burst.decide(
            |packet| {
                if self.draw(packet) < below { Verdict::Drop(Reason::POLICY) } else { Verdict::Pass }
            },
        );
    }

    fn tally(self) {}
}

impl Drop {
    #[inline]
    fn draw(&mut self, packet: &Packet) -> u64 {
        let place = match packet.order() {
            Some([_, place]) => place,
            None => {
                self.sequence += 1;
                self.sequence
            }
        };
        mix(place ^ self.seed.rotate_left(32))
    }
}

/// The finaliser of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[inline]
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}
