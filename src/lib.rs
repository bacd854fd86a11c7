//! mnvkd: a kernel-bypass dataplane. The modules, in the order a packet meets them:
#![deny(unsafe_code)]

pub mod packet;
pub mod port;
pub mod steer;
pub mod lane;
pub mod pipeline;
pub mod state;
pub mod apps;
pub mod worker;
pub mod reduce;
pub mod clock;
pub mod config;
pub mod cli;
pub mod daemon;
pub mod replay;
pub mod topology;
pub use daemon::Daemon;
