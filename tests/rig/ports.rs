//! A port that takes packets only when it likes.
#![allow(dead_code, reason = "every test uses its part")]

use mnvkd::Daemon;
use mnvkd::packet::{Frames, Packets, Reason};
use mnvkd::port::{Moved, Opening, Port, Queue, Refusal, Transmit};
use serde::{Deserialize, Serialize};

/// Keys of a moody port.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MoodyConfig {
    /// Packets taken in a call that takes any.
    pub takes: usize,
    /// Calls that find the queue full for each that does not; `u32::MAX` is always full.
    pub refuses: u32,
    /// Every so many packets, one that will never be carried; 0 is none.
    pub never: u64,
    /// Transmit queues.
    pub queues: usize,
}

impl Default for MoodyConfig {
    fn default() -> Self {
        MoodyConfig { takes: 64, refuses: 0, never: 0, queues: 1 }
    }
}

struct Moody(MoodyConfig);

impl Port for Moody {
    fn driver(&self) -> &'static str {
        "moody"
    }

    fn queues(&self, _: usize) -> usize {
        self.0.queues
    }

    fn largest_packet(&self) -> usize {
        0
    }

    fn directions(&self) -> (bool, bool) {
        (false, true)
    }

    fn describe(&self) -> String {
        "takes packets when it likes".to_owned()
    }

    fn open(&mut self, opening: &Opening) -> anyhow::Result<Vec<Queue>> {
        let queue = |_| Queue {
            receive: None,
            transmit: Some(Box::new(MoodyQueue { config: self.0.clone(), calls: 0, seen: 0 })),
        };
        Ok((0..opening.queues).map(queue).collect())
    }
}

struct MoodyQueue {
    config: MoodyConfig,
    calls: u64,
    seen: u64,
}

impl Transmit for MoodyQueue {
    fn transmit(&mut self, packets: &mut Packets, frames: &mut Frames) -> (Moved, Option<Refusal>) {
        self.calls += 1;
        let mut moved = Moved::default();
        if self.config.refuses == u32::MAX || self.calls % (u64::from(self.config.refuses) + 1) != 0 {
            return (moved, Some(Refusal::Full));
        }
        while !packets.is_empty() && (moved.packets as usize) < self.config.takes {
            self.seen += 1;
            if self.config.never != 0 && self.seen.is_multiple_of(self.config.never) {
                return (moved, Some(Refusal::Never(Reason::TRANSMIT_FAILED)));
            }
            let packet = packets.remove(0);
            moved.packets += 1;
            moved.bytes += packet.len() as u64;
            frames.release(packet.into_frame());
        }
        (moved, (!packets.is_empty()).then_some(Refusal::Full))
    }
}

/// Adds the driver `moody`.
pub fn moody(daemon: Daemon) -> Daemon {
    daemon.driver("moody", "takes packets when it likes", |config: MoodyConfig| Ok(Moody(config)))
}
