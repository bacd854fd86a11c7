//! Packets into a flow meter, as a core would hand them over.

use hugepages::{Arena, PagePolicy, PoolShape, arena};

use super::super::{Config, FlowMeter, FlowTally};
use crate::packet::layers::LinkClass;
use crate::packet::{Burst, CoreId, Frames, Packet, PortId, Reasons};
use crate::pipeline::{Application, Build, Context, Routes};
use crate::reduce::Tally;
use crate::steer::key::PartitionKey;
use crate::steer::steering::Hashing;
use crate::steer::steering::Steering;

const SHAPE: PoolShape = PoolShape { frame_room: 2048, headroom: 0, frames: 64, owner: 0, chunk: 64 };
const HASHING: Hashing = Hashing { key: PartitionKey::FiveTuple, seed: 7 };

/// A packet to be.
#[derive(Clone, Debug)]
pub struct Sample {
    pub data: Vec<u8>,
    pub link: LinkClass,
    pub wire_len: u32,
    pub time_ns: u64,
}

impl Sample {
    /// An Ethernet frame, whole.
    pub fn of(data: &[u8]) -> Sample {
        let wire_len = data.len() as u32;
        Sample { data: data.to_vec(), link: LinkClass::Ethernet, wire_len, time_ns: 100 }
    }

    fn packet(&self, frames: &mut Frames) -> Packet {
        let mut frame = frames.acquire(self.data.len()).expect("a frame");
        frame.bytes_mut().copy_from_slice(&self.data);
        let port = PortId::new(0).expect("a port");
        let mut packet = Packet::new(frame, port, self.link, self.time_ns);
        packet.set_wire_len(self.wire_len);
        packet
    }
}

/// A UDP packet of `len` bytes between two ports of two hosts, without checksums; its time is 100 and
/// its length, in nanoseconds.
pub fn udp(from: u16, to: u16, len: u8) -> Sample {
    let mut data = vec![0; usize::from(len)];
    data[12] = 0x08;
    data[14] = 0x45;
    data[17] = len - 14;
    data[23] = 17;
    data[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 1]);
    data[34..36].copy_from_slice(&from.to_be_bytes());
    data[36..38].copy_from_slice(&to.to_be_bytes());
    data[39] = len - 34;
    Sample { time_ns: 100 + u64::from(len), ..Sample::of(&data) }
}

/// One instance, its frames, and a burst that fills up.
pub struct Core {
    meter: FlowMeter,
    frames: Frames,
    pub burst: Burst,
}

impl Core {
    pub fn try_new(config: &Config) -> anyhow::Result<Core> {
        let bytes = FlowMeter::arena_bytes(config).saturating_add(arena::pool_bytes(&SHAPE));
        let mut arena = Arena::reserve(bytes, &PagePolicy::Never, None)?;
        let mut build = Build {
            core: CoreId::new(0).expect("a core"),
            cores: 1,
            seed: 7,
            routes: &Routes::default(),
            addresses: &[],
            reasons: &mut Reasons::default(),
            arena: &mut arena,
            application: "flow-meter",
            kinds: &mut Vec::new(),
            local: None,
            shards: None,
            steering: &Steering::Direct,
            flow_sets: &[],
            messages: &[],
        };
        let meter = FlowMeter::new(config, &mut build)?;
        let frames = Frames::new(arena.carve_pool("frames", SHAPE)?, 0);
        Ok(Core { meter, frames, burst: Burst::default() })
    }

    /// Steers a packet and adds it to the burst; a burst of `size` is processed.
    pub fn take(&mut self, sample: &Sample, size: usize) {
        let mut packet = sample.packet(&mut self.frames);
        HASHING.apply(&mut packet);
        self.burst.packets_mut().push(packet);
        if self.burst.len() == size {
            self.process();
            self.settle();
        }
    }

    pub fn process(&mut self) {
        self.burst.reset();
        let core = CoreId::new(0).expect("a core");
        self.meter.process(&mut self.burst, &Context { now_ns: 0, core });
        assert_eq!(self.burst.undecided_len(), self.burst.len(), "it decides nothing");
    }

    pub fn settle(&mut self) {
        for (packet, _) in self.burst.settle() {
            self.frames.release(packet.into_frame());
        }
    }

    pub fn finish(mut self) -> FlowTally {
        self.process();
        self.settle();
        assert_eq!(self.frames.missing(), 0);
        self.meter.tally()
    }
}

/// The tallies of `cores` instances that packets were spread over by their flow hash.
pub fn tallies<'a>(
    samples: impl IntoIterator<Item = &'a Sample>,
    config: &Config,
    cores: usize,
) -> Vec<FlowTally> {
    let mut instances: Vec<Core> = (0..cores).map(|_| Core::try_new(config).expect("an instance")).collect();
    for sample in samples {
        let mut packet = sample.packet(&mut instances[0].frames);
        let core = HASHING.apply(&mut packet) as usize % cores;
        instances[0].frames.release(packet.into_frame());
        instances[core].take(sample, 32);
    }
    instances.into_iter().map(Core::finish).collect()
}

/// What `cores` instances found out together.
pub fn metered<'a>(
    samples: impl IntoIterator<Item = &'a Sample>,
    config: &Config,
    cores: usize,
) -> FlowTally {
    tallies(samples, config, cores).into_iter().fold(FlowTally::default(), |mut all, tally| {
        all.merge(tally);
        all
    })
}
