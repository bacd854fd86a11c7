//! mnvkd is a kernel-bypass dataplane: polling cores each own a hugepage-backed memory arena; packets are
//! mapped to a core once; registered application pipelines run on them to completion, locally; what the
//! cores found out is reduced once, at the end. It is a framework: it calls the application.
//!
//! The modules, in the order a packet meets them:
//!
//! - [`packet`]: what travels: the packet and its frame, what is known of its headers, bursts, verdicts
//! - [`port`]: in and out: null, generator, capture, af_xdp; one trait for all
//! - [`steer`]: packet to core: parse once, hash, partition keys, bucket table
//! - [`lane`]: core to core
//! - [`worker`]: the polling core: its turn, its idling, where verdicts are matched
//! - [`pipeline`]: the application trait, the registry, the chain
//! - [`state`]: containers that live in a core's arena
//! - [`task`]: green tasks: futures in the arena, packets they hold, timers
//! - [`apps`]: the applications that come with it
//! - [`reduce`]: tallies, books, regimes, digests, the report
//!
//! And around them:
//!
//! - [`clock`]: real or virtual time; nobody else asks the machine what time it is
//! - [`host`]: the machine as its kernel shows it
//! - [`config`]: text in, checked types out
//! - [`topology`]: the map: ports × queues × cores × pipelines, budget, wiring
//! - [`replay`]: many cores on one thread, in the capture's time
//! - [`daemon`]: build, pin, start, stop, join, reduce
//! - [`doctor`]: is this machine fit for it?
//! - [`cli`]: the command line
//!
//! A first application is in README.md; [`prelude`] has what it needs.
#![deny(unsafe_code)]

pub mod apps;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod doctor;
pub mod host;
pub mod lane;
pub mod packet;
pub mod pipeline;
pub mod port;
pub mod prelude;
pub mod reduce;
pub mod replay;
pub mod state;
pub mod steer;
pub mod task;
pub mod topology;
pub mod worker;

pub use daemon::Daemon;
