//! mnvkd: a kernel-bypass dataplane.
#![deny(unsafe_code)]
pub mod packet;
pub mod port;
pub mod steer;
