//! `[app.echo]`: addresses and ports as they are written.

use serde::{Deserialize, Serialize};

use crate::apps::station::{Mac, Others, Prefix};

/// Keys of `[app.echo]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EchoConfig {
    /// The addresses it answers for, with the length of their prefix: `"10.9.0.1/24"`, `"fd09::1/64"`. Without one it
    /// stands alone.
    pub addresses: Vec<Prefix>,
    /// Its Ethernet address; the port's own unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// UDP ports that send back what they get.
    pub udp_ports: Vec<u16>,
    /// UDP ports at which sockperf's messages are answered as its server answers them: not as they came, and not all.
    pub sockperf_ports: Vec<u16>,
    /// What becomes of packets that are not for it.
    pub others: Others,
}

impl Default for EchoConfig {
    fn default() -> EchoConfig {
        // 7 is the echo service's (RFC 862), 11111 what sockperf talks to unless told otherwise.
        EchoConfig {
            addresses: Vec::new(),
            mac: None,
            udp_ports: vec![7, 11_111],
            sockperf_ports: vec![11_111],
            others: Others::Pass,
        }
    }
}
