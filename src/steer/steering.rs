//! What is done with the packets of one pipeline before its applications see them.

use super::bucket::BucketTable;
use super::hash::flow_hash;
use super::key::PartitionKey;
use super::parse::parse;
use crate::packet::layers::LinkClass;
use crate::packet::{CoreId, Packet, Packets};

/// Steering of one pipeline, derived from what its applications need. What none of them asks for is
/// not done.
#[derive(Clone, Debug)]
pub enum Steering {
    /// Nothing: no application reads headers, and every queue is its core's.
    Direct,
    /// Headers are parsed; every packet stays where it came in.
    Parse,
    /// Headers are parsed and hashed by the key; every packet stays, since there is one core.
    Hash(Hashing),
    /// Headers are parsed and hashed by the key, and the bucket table says which core a packet is for.
    Spread(Hashing, BucketTable),
}

/// How packets are hashed.
#[derive(Clone, Copy, Debug)]
pub struct Hashing {
    /// By what.
    pub key: PartitionKey,
    /// With which seed.
    pub seed: u64,
}

impl Hashing {
    /// Fills in what is known of the packet's headers, once, and its flow hash.
    #[inline]
    pub fn apply(self, packet: &mut Packet) -> u32 {
        parse_once(packet);
        let hash = flow_hash(packet.link(), packet.data(), packet.layers(), self.key, self.seed);
        packet.set_hash(hash);
        hash
    }
}

/// How a port spreads packets over queues by itself: as steering spreads them over cores.
#[derive(Clone, Debug)]
pub struct Splitter {
    hashing: Hashing,
    table: BucketTable,
    queues: usize,
}

impl Splitter {
    /// Spreads over `queues` as `hashing` and `table` spread over cores.
    pub fn new(hashing: Hashing, table: BucketTable, queues: usize) -> Splitter {
        Splitter { hashing, table, queues: queues.max(1) }
    }

    /// The queue of a packet by its link layer, bytes and length on the wire: the number of its core, as
    /// far as there are queues.
    #[inline]
    pub fn queue_of(&self, link: LinkClass, bytes: &[u8], wire_len: u32) -> usize {
        let layers = parse(link, bytes, wire_len);
        let hash = flow_hash(link, bytes, layers, self.hashing.key, self.hashing.seed);
        usize::from(self.table.core_of(hash)) % self.queues
    }
}

/// Parses a packet's headers where nobody has.
#[inline]
pub fn parse_once(packet: &mut Packet) {
    if !packet.layers().is_parsed() {
        let layers = parse(packet.link(), packet.data(), packet.wire_len());
        packet.set_layers(layers);
    }
}

impl Steering {
    /// Prepares packets that just came in on core `me` and leaves those that are for it in
    /// `packets`, in order; the others go to `theirs`.
    #[inline]
    pub fn steer(&self, packets: &mut Packets, me: CoreId, mut theirs: impl FnMut(CoreId, Packet)) {
        match self {
            Steering::Direct => {}
            Steering::Parse => packets.iter_mut().for_each(parse_once),
            Steering::Hash(hashing) => {
                for packet in packets.iter_mut() {
                    hashing.apply(packet);
                }
            }
            Steering::Spread(hashing, table) => {
                let mut strangers = 0u64;
                for (i, packet) in packets.iter_mut().enumerate() {
                    let core = usize::from(table.core_of(hashing.apply(packet)));
                    strangers |= u64::from(core != me.index()) << i;
                }
                if strangers != 0 {
                    Self::part(packets, strangers, table, &mut theirs);
                }
            }
        }
    }

    fn part(
        packets: &mut Packets,
        strangers: u64,
        table: &BucketTable,
        theirs: &mut impl FnMut(CoreId, Packet),
    ) {
        let mut mine = Packets::new();
        for (i, packet) in packets.drain(..).enumerate() {
            match CoreId::new(usize::from(table.core_of(packet.hash()))) {
                Some(core) if strangers >> i & 1 == 1 => theirs(core, packet),
                _ => mine.push(packet),
            }
        }
        *packets = mine;
    }

    /// In words, for the wiring picture.
    pub fn describe(&self) -> String {
        match self {
            Steering::Direct => "direct (neither parsed nor hashed)".to_owned(),
            Steering::Parse => "parsed, each packet stays on its core".to_owned(),
            Steering::Hash(hashing) => format!("parsed, hashed by {}, one core", hashing.key.name()),
            Steering::Spread(hashing, table) => format!(
                "parsed, hashed by {}, {} buckets over {} cores",
                hashing.key.name(),
                table.buckets(),
                table.cores()
            ),
        }
    }
}
