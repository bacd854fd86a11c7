//! `forward`: out by the paired port.

use serde::{Deserialize, Serialize};

use crate::packet::{Burst, PortId, Reason, Verdict};
use crate::pipeline::{Application, Build, Context};

/// No keys.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForwardConfig {}

/// Sends every packet, as it is, out by the port its pipeline pairs with the one it came in by.
#[derive(Debug)]
pub struct Forward {
    /// The verdict by number of the port in.
    by_port: Vec<Verdict>,
}

impl Application for Forward {
    type Config = ForwardConfig;
    type Tally = ();
    const DECIDES: bool = true;
    const ABOUT: &'static str = "sends every packet out by the paired port";

    fn new(_: &ForwardConfig, build: &mut Build<'_>) -> anyhow::Result<Self> {
        let mut by_port = vec![Verdict::Drop(Reason::NO_ROUTE); PortId::LIMIT + 1];
        for (from, to) in build.routes().pairs() {
            by_port[from.index()] = Verdict::Forward(*to);
        }
        Ok(Forward { by_port })
    }

    #[inline]
    fn process(&mut self, burst: &mut Burst, _: &Context) {
        burst.decide(|packet| self.by_port[packet.port().index()]);
    }

    fn tally(self) {}
}
