//! Source ports for flows of tasks' own: those of which answers come back to this core.

use std::net::{IpAddr, SocketAddr};

use crate::packet::CoreId;
use crate::packet::flow::FlowKey;
use crate::steer::hash::conversation_hash;
use crate::steer::steering::Steering;

/// First of the ports that are picked from: the upper half, where no service listens (RFC 6056, section 3.2, recommends as large
/// a range as there can be; a power of two makes each sequence of candidates pass over all of them).
const FIRST_PORT: u16 = 1 << 15;
const PORTS: u32 = 1 << 15;
/// Ports that are looked at before it is said that there is none: with a sixty-fourth of the hashes leading here, one in 10^14
/// searches gives up too early.
const TRIES: u32 = 2048;

/// Why a task's own flow was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The two addresses are not of one family, or the protocol has no ports.
    #[error("no flow goes from one family of addresses to the other, or without ports")]
    NoFlow,
    /// All ports of which answers come to this core are in use towards this remote end, or rest.
    #[error("all source ports whose answers come back to this core are in use or rest")]
    NoPort,
    /// Every mailbox is open, or the run ends.
    #[error("all flows that there may be are open (TaskNeeds::mailboxes), or the run ends")]
    Full,
    /// Packets come to whatever core, since no application has a key: nobody knows where an answer will be.
    #[error("no application of the pipeline has a partition key: which core an answer comes to is not known")]
    Unsteered,
}

/// Which hashes lead to this core.
#[derive(Clone, Debug)]
pub(crate) struct Homes {
    steering: Steering,
    core: CoreId,
    cores: usize,
    /// Of the application, where it has some; as many as buckets, or more.
    shards: Option<u16>,
}

impl Homes {
    /// Those that `steering` sends to `core` of so many; to the very shard of a packet, where there are shards.
    pub(crate) fn new(steering: Steering, core: CoreId, cores: usize, shards: Option<u16>) -> Homes {
        Homes { steering, core, cores, shards }
    }

    /// A key from `local` to `remote` whose port is not `taken` and of which answers come home.
    pub(super) fn port_for(
        &self,
        home: u32,
        local: IpAddr,
        remote: SocketAddr,
        protocol: u8,
        draw: u64,
        taken: impl Fn(&FlowKey) -> bool,
    ) -> Result<FlowKey, OpenError> {
        let (first, step) = (draw as u32, (draw >> 32) as u32 | 1);
        for attempt in 0..TRIES {
            let place = first.wrapping_add(step.wrapping_mul(attempt)) % PORTS;
            let source = SocketAddr::new(local, FIRST_PORT + place as u16);
            if !self.leads_home(home, source, remote, protocol)? {
                continue;
            }
            let (key, _) = FlowKey::between(source, remote, protocol).ok_or(OpenError::NoFlow)?;
            if !taken(&key) {
                return Ok(key);
            }
        }
        Err(OpenError::NoPort)
    }

    fn leads_home(
        &self,
        home: u32,
        local: SocketAddr,
        remote: SocketAddr,
        protocol: u8,
    ) -> Result<bool, OpenError> {
        match &self.steering {
            Steering::Direct | Steering::Parse if self.cores > 1 => Err(OpenError::Unsteered),
            Steering::Direct | Steering::Parse | Steering::Hash(_) => Ok(true),
            Steering::Spread(hashing, table) => {
                let hash = conversation_hash(remote, local, protocol, hashing.key, hashing.seed);
                let hash = hash.ok_or(OpenError::NoFlow)?;
                Ok(match self.shards {
                    Some(shards) => (hash ^ home).is_multiple_of(u32::from(shards)),
                    None => usize::from(table.core_of(hash)) == self.core.index(),
                })
            }
        }
    }
}
