//! What happens to ports while a run is going on: looked after, and said.

use std::io::Write as _;

use super::privileges::Privileges;
use crate::clock;
use crate::topology::Built;

/// Nanoseconds between two looks.
const EVERY_NS: u64 = 100_000_000;
/// Events kept for the report; a device that flaps for days must not fill the memory.
const KEPT: usize = 100;

/// Looks after ports, on the control thread.
pub(super) struct Watch {
    next_ns: u64,
    kept: usize,
}

impl Watch {
    /// Looks at once, then every [`EVERY_NS`].
    pub(super) fn new() -> Watch {
        Watch { next_ns: 0, kept: 0 }
    }

    /// Asks every port, when it is time; what they say goes to stderr and into the report's notes.
    #[inline]
    pub(super) fn tick(&mut self, built: &mut Built, privileges: &Privileges) {
        let now_ns = clock::monotonic_ns();
        if now_ns >= self.next_ns {
            self.next_ns = now_ns + EVERY_NS;
            let _raised = privileges.raise_for_ports();
            self.look(built);
        }
    }

    fn look(&mut self, built: &mut Built) {
        for (name, port) in &mut built.ports {
            for news in port.watch() {
                let line = format!("port {name:?}: {news}");
                // A closed stderr ends the telling, not the run.
                let _ = writeln!(std::io::stderr(), "{line}");
                match self.kept {
                    0..KEPT => built.notes.push(line),
                    KEPT => built
                        .notes
                        .push(format!("ports had more to say than {KEPT} lines; stderr had them all")),
                    _ => {}
                }
                self.kept = self.kept.saturating_add(1);
            }
        }
    }
}
