//! Counts the TCP connections that are opened.
use mnvkd::prelude::*;

struct SynCount(u64);

impl Application for SynCount {
    type Config = ();
    type Tally = u64;
    const READS: Reads = Reads::Headers;
    fn new(_: &(), _: &mut Build) -> Result<Self> {
        Ok(SynCount(0))
    }
    fn process(&mut self, burst: &mut Burst, _: &Context) {
        self.0 += burst.undecided().filter_map(|p| p.tcp_flags()).filter(|f| f & 0x12 == 2).count() as u64;
    }
    fn tally(self) -> u64 {
        self.0
    }
}

fn main() -> std::process::ExitCode {
    Daemon::new().register::<SynCount>("syn-count").main()
}
