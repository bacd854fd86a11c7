//! One core's part without tasks, one packet at a time.

use hugepages::{Arena, PagePolicy, PoolShape, arena};

use super::super::cache::Cache;
use super::super::config::DnsCacheConfig;
use super::super::core::{Core, Shard};
use super::super::pending::Pending;
use super::super::settings::Settings;
use crate::packet::checksum::{ChecksumState, states};
use crate::packet::layers::{LinkClass, Transport};
use crate::packet::{CoreId, Frames, Packet, PortId, Reasons, Verdict};
use crate::pipeline::{Build, Routes};
use crate::steer::parse::parse;
use crate::steer::steering::{Steering, parse_once};

const SHAPE: PoolShape = PoolShape { frame_room: 2048, headroom: 0, frames: 64, owner: 0, chunk: 64 };

/// Our Ethernet address, and the client's.
pub const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const PEER: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// Calls `f` with what a constructor is given, an arena of so many bytes and more, and ports with these Ethernet addresses,
/// each its own pair.
pub fn with_build<R>(
    bytes: usize,
    addresses: &[Option<[u8; 6]>],
    routes: Vec<(usize, usize)>,
    f: impl FnOnce(&mut Build<'_>) -> R,
) -> (R, Frames, Reasons) {
    let room = arena::pool_bytes(&SHAPE) + bytes + (1 << 16);
    let mut arena = Arena::reserve(room, &PagePolicy::Never, None).unwrap();
    let mut reasons = Reasons::default();
    let port = |i| PortId::new(i).unwrap();
    let mut build = Build {
        core: CoreId::new(0).unwrap(),
        cores: 1,
        seed: 7,
        routes: &Routes::new(routes.into_iter().map(|(a, b)| (port(a), port(b))).collect()),
        addresses,
        reasons: &mut reasons,
        arena: &mut arena,
        application: "dns-cache",
        kinds: &mut Vec::new(),
        local: None,
        shards: Some(1),
        steering: &Steering::Direct,
        flow_sets: &[],
        messages: &[],
    };
    let made = f(&mut build);
    let frames = Frames::new(arena.carve_pool("frames", SHAPE).unwrap(), 0);
    (made, frames, reasons)
}

/// A cache of so many entries and blocks.
pub fn cache(entries: u32, blocks: u32) -> Cache {
    let capacity = super::super::cache::Capacity { entries, blocks };
    with_build(capacity.arena_bytes(), &[], vec![], |build| Cache::new(capacity, build).unwrap()).0
}

pub fn config() -> DnsCacheConfig {
    let addresses = ["10.9.0.1/24", "fd09::1/64"].map(|text| text.parse().unwrap()).to_vec();
    let upstreams = vec!["10.9.0.3:53".parse().unwrap(), "[fd09::3]:5353".parse().unwrap()];
    DnsCacheConfig { addresses, upstreams, shards: 1, ..DnsCacheConfig::default() }
}

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answer(Vec<u8>),
    Drop(String),
    Consumed,
    Pass,
}

impl Outcome {
    #[track_caller]
    pub fn answer(self) -> Vec<u8> {
        match self {
            Outcome::Answer(bytes) => bytes,
            other => panic!("no answer: {other:?}"),
        }
    }
}

pub fn dropped(reason: &str) -> Outcome {
    Outcome::Drop(reason.to_owned())
}

/// One core.
pub struct Station {
    pub core: Core<()>,
    frames: Frames,
    reasons: Reasons,
}

impl Station {
    pub fn new(config: &DnsCacheConfig) -> Station {
        let (core, frames, reasons) =
            with_build(config.capacity().arena_bytes(), &[Some(OWN)], vec![(0, 0)], |build| {
                let settings = Settings::new(config, build).unwrap();
                let asked_ns = vec![None; settings.hops.len()];
                let cache = Cache::new(config.capacity(), build).unwrap();
                Core::new(
                    settings,
                    vec![Some(Shard { cache, pending: Pending::new(config.limits()), asked_ns })],
                )
            });
        Station { core, frames, reasons }
    }

    /// What becomes at once of a whole Ethernet frame.
    #[track_caller]
    pub fn ask(&mut self, bytes: &[u8], now_ns: u64) -> Outcome {
        let mut frame = self.frames.acquire(bytes.len()).expect("a frame");
        frame.bytes_mut().copy_from_slice(bytes);
        let mut packet = Packet::new(frame, PortId::new(0).unwrap(), LinkClass::Ethernet, now_ns);
        parse_once(&mut packet);
        let verdict = self.core.look(&mut packet, now_ns);
        let after = packet.data().to_vec();
        let (partial, wire_len) = (packet.is_checksum_partial(), packet.wire_len());
        self.frames.release(packet.into_frame());
        let outcome = match verdict {
            Verdict::Forward(port) => {
                assert!(port.index() == 0 && !partial && wire_len as usize == after.len());
                assert_sound(&after);
                return Outcome::Answer(after);
            }
            Verdict::Drop(reason) => Outcome::Drop(self.reasons.name(reason).to_owned()),
            Verdict::Pass => Outcome::Pass,
            Verdict::Consume => Outcome::Consumed,
        };
        assert_eq!(after, bytes, "what is not answered is not touched");
        outcome
    }
}

/// Every checksum of an answer is complete and right, and its frame not too short.
#[track_caller]
pub fn assert_sound(answer: &[u8]) {
    let layers = parse(LinkClass::Ethernet, answer, answer.len() as u32);
    assert!(answer.len() >= 60 && layers.malformed().is_none(), "{answer:02x?}");
    let (header, transport) = states(answer, layers, answer.len() as u32);
    assert!(matches!(header, None | Some(ChecksumState::Good)), "{header:?} {answer:02x?}");
    let good = layers.transport() == Transport::Icmpv6 || transport == Some(ChecksumState::Good);
    assert!(good, "{transport:?} {answer:02x?}");
}
