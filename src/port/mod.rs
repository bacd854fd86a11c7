//! Ports: where packets come from and go to.
pub mod capture;
