//! A port that takes packets only when it likes.
#![allow(dead_code, reason = "every test uses its part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mnvkd::Daemon;
use mnvkd::packet::{Frames, Packet, Packets, Reason};
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
    /// Writes dropped packets down, slowly.
    pub records: bool,
}

impl Default for MoodyConfig {
    fn default() -> Self {
        MoodyConfig { takes: 64, refuses: 0, never: 0, queues: 1, records: false }
    }
}

struct Moody {
    config: MoodyConfig,
    recorded: Arc<AtomicU64>,
}

impl Port for Moody {
    fn driver(&self) -> &'static str {
        "moody"
    }

    fn queues(&self, _: usize) -> usize {
        self.config.queues
    }

    fn largest_packet(&self) -> usize {
        0
    }

    fn directions(&self) -> (bool, bool) {
        (false, true)
    }

    fn records_drops(&self) -> bool {
        self.config.records
    }

    fn notes(&self) -> Vec<String> {
        let count = self.recorded.load(Ordering::Relaxed);
        if self.config.records { vec![format!("{count} drops written down")] } else { Vec::new() }
    }

    fn describe(&self) -> String {
        "takes packets when it likes".to_owned()
    }

    fn open(&mut self, opening: &mut Opening<'_>) -> anyhow::Result<Vec<Queue>> {
        let queue = |_| Queue {
            receive: None,
            transmit: Some(Box::new(MoodyQueue {
                config: self.config.clone(),
                calls: 0,
                seen: 0,
                recorded: self.recorded.clone(),
            })),
        };
        Ok((0..opening.queues).map(queue).collect())
    }
}

struct MoodyQueue {
    config: MoodyConfig,
    calls: u64,
    seen: u64,
    recorded: Arc<AtomicU64>,
}

impl Transmit for MoodyQueue {
    fn record_drop(&mut self, packet: Packet, frames: &mut Frames) {
        std::thread::sleep(Duration::from_micros(20));
        self.recorded.fetch_add(1, Ordering::Relaxed);
        frames.release(packet.into_frame());
    }

    fn transmit(&mut self, packets: &mut Packets, frames: &mut Frames) -> (Moved, Option<Refusal>) {
        self.calls += 1;
        let mut moved = Moved::default();
        if self.config.refuses == u32::MAX || !self.calls.is_multiple_of(u64::from(self.config.refuses) + 1) {
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
    daemon.driver("moody", "takes packets when it likes", |config: MoodyConfig| {
        Ok(Moody { config, recorded: Arc::default() })
    })
}
