//! What is answered, byte by byte, and what is not.

mod arp;
mod config;
mod damage;
mod extension;
mod icmp;
mod neighbour;
mod packets;
mod rig;
mod source;
mod udp;
