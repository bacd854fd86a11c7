//! An ordered chain of applications, as it runs on one core.

use hdrhistogram::Histogram;

use super::application::Context;
use super::registry::Stage;
use crate::clock;
use crate::packet::Burst;

/// One application of a chain, with what its bursts cost.
pub(crate) struct Link {
    pub(crate) name: &'static str,
    pub(crate) stage: Box<dyn Stage>,
    pub(crate) cost: StageCost,
}

/// What a stage cost, from the turns that were measured.
#[derive(Clone, Debug)]
pub struct StageCost {
    /// Cycles a burst.
    pub cycles: Histogram<u32>,
    /// Sum of the cycles measured.
    pub cycles_sum: u64,
    /// Packets in the bursts measured.
    pub packets: u64,
}

impl Default for StageCost {
    fn default() -> Self {
        // 1 cycle to 2^36 cycles with two digits; its counters are allocated here, none later.
        let cycles = Histogram::new_with_bounds(1, 1 << 36, 2).expect("the bounds are constants and valid");
        StageCost { cycles, cycles_sum: 0, packets: 0 }
    }
}

impl StageCost {
    fn record(&mut self, cycles: u64, packets: usize) {
        self.cycles.saturating_record(cycles.max(1));
        self.cycles_sum += cycles;
        self.packets += packets as u64;
    }

    /// Adds what another core measured.
    pub fn merge(&mut self, other: &StageCost) {
        // Same bounds on every core: adding cannot fail.
        let _ = self.cycles.add(&other.cycles);
        self.cycles_sum += other.cycles_sum;
        self.packets += other.packets;
    }
}

/// The chain: calls every application with the burst, in order, until no packet is undecided.
pub(crate) struct Chain {
    pub(crate) links: Vec<Link>,
}

impl Chain {
    #[inline]
    pub(crate) fn process(&mut self, burst: &mut Burst, context: &Context) {
        for link in &mut self.links {
            link.stage.process(burst, context);
            if burst.undecided_len() == 0 {
                break;
            }
        }
    }

    /// The same, with the time each application takes recorded.
    #[cold]
    pub(crate) fn process_measured(&mut self, burst: &mut Burst, context: &Context) {
        let mut before = clock::cycles();
        for link in &mut self.links {
            let packets = burst.undecided_len();
            link.stage.process(burst, context);
            let after = clock::cycles();
            link.cost.record(after.wrapping_sub(before), packets);
            before = after;
            if burst.undecided_len() == 0 {
                break;
            }
        }
    }
}
