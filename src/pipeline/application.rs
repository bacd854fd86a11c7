//! What a user writes: an application.

use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::build::Build;
use crate::packet::{Burst, CoreId};
use crate::reduce::{Occupancy, Tally};
use crate::steer::key::PartitionKey;
use crate::task::TaskNeeds;

/// What an application reads of a packet; what nobody of a chain reads is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reads {
    /// Nothing of the packet, or only its length and bytes as they are: any link layer will do.
    Nothing,
    /// The Ethernet header, by itself: captures of another link layer are refused.
    Ethernet,
    /// What steer finds out: [`Packet::layers`](crate::packet::Packet::layers) is filled in.
    Headers,
}

/// Code that is called with bursts of packets, one instance a core.
///
/// The life of an instance: [`new`](Application::new) on the control thread, before anything is
/// sealed; then it moves to its core and [`process`](Application::process) is called once a burst;
/// at the end [`tally`](Application::tally) hands over what it found out, which is merged with what
/// the instances of the other cores found out, and [`finish`](Application::finish) is called once
/// with the whole.
pub trait Application: Sized + Send + 'static {
    /// Its part of the configuration, `[app.NAME]`; `Default` is what holds where there is none.
    /// Give it `#[serde(default, deny_unknown_fields)]`, so that a misspelt key is an error with its place.
    type Config: DeserializeOwned + Serialize + Default + Send + Sync + 'static;

    /// What it finds out.
    type Tally: Tally;

    /// What its state is keyed by: all packets of one key come to the same core, so that its state
    /// needs no sharing. Steering is derived from it.
    const KEY: PartitionKey = PartitionKey::None;

    /// What it reads of a packet. An application with a key reads headers, whatever it says here.
    const READS: Reads = Reads::Nothing;

    /// Does every packet that reaches it get a verdict? The last application of a chain should.
    const DECIDES: bool = false;

    /// One line for `mnvkd apps`.
    const ABOUT: &'static str = "";

    /// The same, with this configuration.
    fn decides(_config: &Self::Config) -> bool {
        Self::DECIDES
    }

    /// Bytes it will carve from its core's arena with this configuration.
    fn arena_bytes(_config: &Self::Config) -> usize {
        0
    }

    /// What its tasks need on each core with this configuration. Where this is nothing, it has none.
    fn tasks(_config: &Self::Config) -> TaskNeeds {
        TaskNeeds::default()
    }

    /// Shards its state is divided into, a power of two: packets whose [hash](crate::packet::Packet::hash) is the same modulo this
    /// number always come to the same core, however many cores there are, so that what comes of a shard is the same on any number of
    /// them. `None` where its [`KEY`](Application::KEY) alone says what belongs together. An application that has shards has a key,
    /// and [`arena_bytes`](Application::arena_bytes) are those of one shard.
    fn shards(_config: &Self::Config) -> Option<u16> {
        None
    }

    /// The file [`finish`](Application::finish) will write with this configuration, if any: it may be nothing that
    /// a port reads or writes.
    fn writes(_config: &Self::Config) -> Option<PathBuf> {
        None
    }

    /// An instance for one core.
    ///
    /// # Errors
    /// What is wrong with the configuration, in words; the run does not start.
    fn new(config: &Self::Config, build: &mut Build<'_>) -> anyhow::Result<Self>;

    /// Called once on its core, before the first burst, where an application of the dataplane has [tasks](Application::tasks): the place
    /// to spawn those that it always has.
    fn start(&mut self, _context: &Context) {}

    /// Looks at a burst. Allocates nothing, waits for nothing.
    fn process(&mut self, burst: &mut Burst, context: &Context);

    /// How full its containers are, for the report; called once, before [`tally`](Application::tally).
    fn occupancy(&self) -> Vec<Occupancy> {
        Vec::new()
    }

    /// What this instance found out; called once, after the last burst.
    fn tally(self) -> Self::Tally;

    /// The reduced tally of all cores, on the control thread, after the run: the place to write files.
    /// What it returns are lines for the report.
    ///
    /// # Errors
    /// What could not be written; the run counts as failed.
    fn finish(_tally: &Self::Tally, _config: &Self::Config) -> anyhow::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// What an application is told beside the burst.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The run's clock when the turn began, nanoseconds: of the machine, or in replay of the capture.
    pub now_ns: u64,
    /// The core that calls.
    pub core: CoreId,
}
