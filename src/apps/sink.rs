//! `sink`: every packet ends here, and that is its purpose.

use serde::{Deserialize, Serialize};

use crate::packet::{Burst, Verdict};
use crate::pipeline::{Application, Build, Context};

/// No keys.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SinkConfig {}

/// Consumes every packet.
#[derive(Debug)]
pub struct Sink;

impl Application for Sink {
    type Config = SinkConfig;
    type Tally = ();
    const DECIDES: bool = true;
    const ABOUT: &'static str = "consumes every packet";

    fn new(_: &SinkConfig, _: &mut Build<'_>) -> anyhow::Result<Self> {
        Ok(Sink)
    }

    #[inline]
    fn process(&mut self, burst: &mut Burst, _: &Context) {
        burst.decide_all(Verdict::Consume);
    }

    fn tally(self) {}
}
