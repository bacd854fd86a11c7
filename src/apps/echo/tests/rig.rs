//! One instance and one packet at a time, steered as a core would.

use hugepages::{Arena, PagePolicy, PoolShape, arena};

use super::super::{Echo, EchoConfig, EchoTally, Others};
use crate::packet::checksum::{ChecksumState, states};
use crate::packet::layers::{LinkClass, Transport};
use crate::packet::{Burst, CoreId, Frames, Packet, PortId, Reasons, Verdict};
use crate::pipeline::{Application, Build, Context, Routes};
use crate::steer::parse::parse;
use crate::steer::steering::Steering;
use crate::steer::steering::parse_once;

const SHAPE: PoolShape = PoolShape { frame_room: 2048, headroom: 0, frames: 64, owner: 0, chunk: 64 };

/// Our address on the port, and the asker's.
pub const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const PEER: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answer(Vec<u8>),
    Drop(String),
    Consumed,
    Pass,
}

impl Outcome {
    /// The answer.
    #[track_caller]
    pub fn answer(self) -> Vec<u8> {
        match self {
            Outcome::Answer(bytes) => bytes,
            other => panic!("no answer: {other:?}"),
        }
    }
}

/// A dropped packet.
pub fn dropped(reason: &str) -> Outcome {
    Outcome::Drop(reason.to_owned())
}

pub fn config() -> EchoConfig {
    let addresses = ["10.9.0.1/24", "fd09::1/64"].map(|text| text.parse().unwrap());
    EchoConfig { addresses: addresses.to_vec(), ..EchoConfig::default() }
}

/// An instance for one core.
pub struct Station {
    echo: Echo,
    frames: Frames,
    reasons: Reasons,
}

impl Station {
    pub fn new() -> Station {
        Station::of(&config(), &[Some(OWN)], SHAPE).unwrap()
    }

    pub fn dropping() -> Station {
        Station::of(&EchoConfig { others: Others::Drop, ..config() }, &[Some(OWN)], SHAPE).unwrap()
    }

    /// With frames of only so many bytes.
    pub fn with_room(frame_room: u32) -> Station {
        Station::of(&config(), &[Some(OWN)], PoolShape { frame_room, ..SHAPE }).unwrap()
    }

    pub fn of(
        config: &EchoConfig,
        addresses: &[Option<[u8; 6]>],
        shape: PoolShape,
    ) -> anyhow::Result<Station> {
        let mut arena = Arena::reserve(arena::pool_bytes(&shape), &PagePolicy::Never, None)?;
        let mut reasons = Reasons::default();
        let pair = |i| (PortId::new(i).unwrap(), PortId::new(i).unwrap());
        let mut build = Build {
            core: CoreId::new(0).unwrap(),
            cores: 1,
            seed: 7,
            routes: &Routes::new((0..addresses.len()).map(pair).collect()),
            addresses,
            reasons: &mut reasons,
            arena: &mut arena,
            application: "echo",
            kinds: &mut Vec::new(),
            local: None,
            shards: None,
            steering: &Steering::Direct,
            flow_sets: &[],
            messages: &[],
        };
        let echo = Echo::new(config, &mut build)?;
        let frames = Frames::new(arena.carve_pool("frames", shape)?, 0);
        Ok(Station { echo, frames, reasons })
    }

    /// What becomes of a whole Ethernet frame.
    #[track_caller]
    pub fn ask(&mut self, bytes: &[u8]) -> Outcome {
        self.ask_as(bytes, LinkClass::Ethernet, |_| {})
    }

    /// The same of one that its port says more about.
    #[track_caller]
    pub fn ask_as(&mut self, bytes: &[u8], link: LinkClass, say: impl FnOnce(&mut Packet)) -> Outcome {
        let mut frame = self.frames.acquire(bytes.len()).expect("a frame");
        frame.bytes_mut().copy_from_slice(bytes);
        let mut packet = Packet::new(frame, PortId::new(0).unwrap(), link, 0);
        say(&mut packet);
        parse_once(&mut packet);
        let mut burst = Burst::default();
        burst.packets_mut().push(packet);
        burst.reset();
        let context = Context { now_ns: 5_000_000, core: CoreId::new(0).unwrap() };
        self.echo.process(&mut burst, &context);
        let (packet, verdict) = burst.settle().next().expect("it is still there");
        let after = packet.data().to_vec();
        let (partial, wire_len) = (packet.is_checksum_partial(), packet.wire_len());
        self.frames.release(packet.into_frame());
        assert_eq!(self.frames.missing(), 0);
        let outcome = match verdict {
            Verdict::Forward(port) => {
                assert_eq!(port.index(), 0, "it leaves by the port it came in by");
                assert!(!partial && wire_len as usize == after.len());
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

    /// The most bytes a frame holds.
    pub fn room(&self) -> usize {
        self.frames.room()
    }

    pub fn tally(self) -> EchoTally {
        self.echo.tally()
    }
}

/// Every checksum of an answer is complete and right.
#[track_caller]
pub fn assert_sound(answer: &[u8]) {
    let layers = parse(LinkClass::Ethernet, answer, answer.len() as u32);
    assert_eq!(layers.malformed(), None, "{answer:02x?}");
    let (header, transport) = states(answer, layers, answer.len() as u32);
    assert!(matches!(header, None | Some(ChecksumState::Good)), "{header:?} {answer:02x?}");
    assert!(matches!(transport, None | Some(ChecksumState::Good)), "{transport:?} {answer:02x?}");
    let at = layers.network_offset();
    let message = answer.get(layers.transport_offset()..).unwrap_or_default();
    let total = match layers.transport() {
        Transport::Icmp => {
            let len = usize::from(answer[at + 2]) << 8 | usize::from(answer[at + 3]);
            words(&answer[layers.transport_offset()..at + len])
        }
        Transport::Icmpv6 => {
            let len = usize::from(answer[at + 4]) << 8 | usize::from(answer[at + 5]);
            words(&answer[at + 8..at + 40]) + len as u32 + 58 + words(&message[..len])
        }
        _ => return,
    };
    assert_eq!(fold(total), 0xffff, "{answer:02x?}");
}

/// Sum of 16-bit words (RFC 1071), computed the plain way.
pub fn words(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from)).sum()
}

pub fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
