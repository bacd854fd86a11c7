//! A generator port with its queues open, and frames to receive into.
#![allow(dead_code, reason = "every test uses its part")]

use std::sync::Arc;

use hugepages::{Arena, PagePolicy, PoolShape, arena::pool_bytes};
use mnvkd::packet::layers::{Layers, LinkClass};
use mnvkd::packet::{Frames, Packets, PortId};
use mnvkd::port::generator::{Generator, GeneratorConfig};
use mnvkd::port::{Arrival, Gate, Opening, Port, Receive, Supply};
use mnvkd::steer::parse::parse;

/// A packet as it was received.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Received {
    pub time_ns: u64,
    pub bytes: Vec<u8>,
}

impl Received {
    pub fn layers(&self) -> Layers {
        parse(LinkClass::Ethernet, &self.bytes, self.bytes.len() as u32)
    }
}

pub struct Rig {
    pub port: Generator,
    pub queues: Vec<Box<dyn Receive>>,
    pub frames: Frames,
}

/// How a port is opened.
#[derive(Clone, Copy)]
pub struct How {
    pub queues: usize,
    pub seed: u64,
    pub virtual_time: bool,
    pub frames: u32,
}

pub const PLAIN: How = How { queues: 1, seed: 1, virtual_time: false, frames: 64 };

/// Either way of a flow comes out the same: addresses and ports, as bytes, summed.
fn symmetric(bytes: &[u8]) -> usize {
    let layers = parse(LinkClass::Ethernet, bytes, bytes.len() as u32);
    let ports = &bytes[layers.transport_offset()..][..4];
    let addresses = &bytes[layers.transport_offset() - 8..layers.transport_offset()];
    addresses.iter().chain(ports).map(|byte| usize::from(*byte)).sum()
}

impl Rig {
    pub fn open(config: GeneratorConfig, how: How) -> Rig {
        let mut port = Generator::new(config).unwrap();
        let count = how.queues;
        let mut opening = Opening {
            frames: &mut [],
            carries: Vec::new(),
            id: PortId::new(0).unwrap(),
            cores: count,
            queues: count,
            seed: how.seed,
            name: "load".to_owned(),
            pages: PagePolicy::Never,
            spread: Arc::new(move |_, bytes, _| symmetric(bytes) % count),
            virtual_time: how.virtual_time,
            receives: true,
            reads: true,
            frames_per_queue: 0,
        };
        let queues =
            port.open(&mut opening).unwrap().into_iter().map(|queue| queue.receive.unwrap()).collect();
        let frame_room = port.largest_packet() as u32;
        let shape = PoolShape { frame_room, headroom: 0, frames: how.frames, owner: 0, chunk: 64 };
        let mut arena = Arena::reserve(pool_bytes(&shape), &PagePolicy::Never, None).unwrap();
        Rig { port, queues, frames: Frames::new(arena.carve_pool("frames", shape).unwrap(), 0) }
    }

    /// One call of `receive`.
    pub fn receive(&mut self, queue: usize, limit: usize, now_ns: u64, gate: Gate) -> Vec<Received> {
        let mut packets = Packets::new();
        let moved = self.queues[queue].receive(&mut self.frames, &mut packets, limit, now_ns, gate);
        assert_eq!(moved.packets as usize, packets.len());
        assert_eq!(moved.bytes, packets.iter().map(|packet| packet.len() as u64).sum::<u64>());
        let take = |packet: mnvkd::packet::Packet| {
            let received = Received { time_ns: packet.time_ns(), bytes: packet.data().to_vec() };
            assert_eq!((packet.link(), packet.wire_len() as usize), (LinkClass::Ethernet, packet.len()));
            self.frames.release(packet.into_frame());
            received
        };
        packets.drain(..).map(take).collect()
    }

    /// Up to `count` packets of a queue.
    pub fn take(&mut self, queue: usize, count: usize) -> Vec<Received> {
        let mut all = Vec::new();
        while all.len() < count {
            let some = self.receive(queue, (count - all.len()).min(32), 0, Gate::OPEN);
            if some.is_empty() {
                break;
            }
            all.extend(some);
        }
        all
    }

    pub fn ended(&self, queue: usize) -> bool {
        self.queues[queue].supply() == Supply::Ended
    }

    pub fn next(&mut self, queue: usize) -> Option<Arrival> {
        self.queues[queue].next_arrival()
    }
}

/// The first `count` packets of a port with one queue.
pub fn packets(config: GeneratorConfig, seed: u64, count: usize) -> Vec<Received> {
    Rig::open(config, How { seed, ..PLAIN }).take(0, count)
}
