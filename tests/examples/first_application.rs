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
        let flags = burst.undecided().filter_map(|packet| packet.tcp_flags());
        self.0 += flags.filter(|flags| flags & 0x12 == 0x02).count() as u64;
    }
    fn tally(self) -> u64 {
        self.0
    }
}

fn main() -> std::process::ExitCode {
    Daemon::new().register::<SynCount>("syn-count").main()
}
