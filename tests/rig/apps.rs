//! Applications that do what they should not.
#![allow(dead_code, reason = "every test uses its part")]

use std::time::{Duration, Instant};

use mnvkd::packet::{Burst, Verdict};
use mnvkd::pipeline::{Application, Build, Context};
use serde::{Deserialize, Serialize};

/// Keys of `[app.fuse]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FuseConfig {
    /// The core it blows on.
    pub core: usize,
    /// Packets it lets pass there before.
    pub after: u64,
}

/// Panics on one core after so many packets, in the middle of a burst.
pub struct Fuse {
    left: u64,
}

impl Application for Fuse {
    type Config = FuseConfig;
    type Tally = ();

    fn new(config: &FuseConfig, build: &mut Build<'_>) -> anyhow::Result<Fuse> {
        let mine = build.core().index() == config.core;
        Ok(Fuse { left: if mine { config.after } else { u64::MAX } })
    }

    fn process(&mut self, burst: &mut Burst, _: &Context) {
        burst.decide(|_| {
            assert!(self.left > 0, "the fuse blows, as it should in this test");
            self.left -= 1;
            Verdict::Pass
        });
    }

    fn tally(self) {}
}

/// Decides about every second packet and leaves the others undecided.
pub struct Waverer {
    packets: u64,
}

impl Application for Waverer {
    type Config = ();
    type Tally = ();

    fn new((): &(), _: &mut Build<'_>) -> anyhow::Result<Waverer> {
        Ok(Waverer { packets: 0 })
    }

    fn process(&mut self, burst: &mut Burst, _: &Context) {
        burst.decide(|_| {
            self.packets += 1;
            if self.packets.is_multiple_of(2) { Verdict::Consume } else { Verdict::Pass }
        });
    }

    fn tally(self) {}
}

/// Sends packets to a port number that is not there.
pub struct Stray;

impl Application for Stray {
    type Config = ();
    type Tally = ();
    const DECIDES: bool = true;

    fn new((): &(), _: &mut Build<'_>) -> anyhow::Result<Stray> {
        Ok(Stray)
    }

    fn process(&mut self, burst: &mut Burst, _: &Context) {
        let nowhere = mnvkd::packet::PortId::new(200).expect("a port number");
        burst.decide_all(Verdict::Forward(nowhere));
    }

    fn tally(self) {}
}

/// Takes its time on every core but the first, so that lanes fill up.
pub struct Slow {
    core: usize,
}

impl Application for Slow {
    type Config = ();
    type Tally = ();

    fn new((): &(), build: &mut Build<'_>) -> anyhow::Result<Slow> {
        Ok(Slow { core: build.core().index() })
    }

    fn process(&mut self, _: &mut Burst, _: &Context) {
        let start = Instant::now();
        while self.core > 0 && start.elapsed() < Duration::from_micros(200) {
            std::hint::spin_loop();
        }
    }

    fn tally(self) {}
}
