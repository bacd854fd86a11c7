//! A port that is one of several: the first whose self-test passes.
//!
//! The rungs, best first, are topology's to name. Each is tried on a port made for the trial; what failed, and why, is a note,
//! and so is what the rung that was taken costs. Nothing is replaced later on.

use super::self_test::{SelfTest, self_test};
use super::{FrameNeeds, Link, Losses, MacAddress, Opening, Port, Privilege, Queue};

/// Makes a port of a rung.
pub type MakeRung = Box<dyn Fn() -> anyhow::Result<Box<dyn Port>> + Send>;

/// One of the ways to drive a device.
pub struct Rung {
    /// Its name, for people: `af_xdp zero-copy`.
    pub name: &'static str,
    /// What standing on it costs.
    pub cost: &'static str,
    /// Makes its port, not open yet.
    pub make: MakeRung,
}

/// A rung that was looked at.
enum Looked {
    /// Its port, not open yet.
    Port(Box<dyn Port>),
    /// Why there is none.
    Not(String),
}

/// The port.
pub struct Ladder {
    rungs: Vec<(Rung, Looked)>,
    chosen: Option<usize>,
    notes: Vec<String>,
}

impl Ladder {
    /// Looks at every rung: devices are looked up, nothing is opened.
    ///
    /// # Errors
    /// No rung has a port: the last one's reason, which says what all have in common.
    pub fn new(rungs: Vec<Rung>) -> anyhow::Result<Ladder> {
        let look = |rung: Rung| match (rung.make)() {
            Ok(port) => (rung, Looked::Port(port)),
            Err(error) => (rung, Looked::Not(format!("{error:#}"))),
        };
        let rungs: Vec<(Rung, Looked)> = rungs.into_iter().map(look).collect();
        if let Some((_, Looked::Not(reason))) = rungs.last()
            && rungs.iter().all(|(_, looked)| matches!(looked, Looked::Not(_)))
        {
            anyhow::bail!("{reason}");
        }
        Ok(Ladder { rungs, chosen: None, notes: Vec::new() })
    }

    fn ports(&self) -> impl Iterator<Item = &dyn Port> {
        self.rungs.iter().filter_map(|(_, looked)| match looked {
            Looked::Port(port) => Some(&**port),
            Looked::Not(_) => None,
        })
    }

    /// The port that was chosen; before that, the best there may be.
    fn port(&self) -> Option<&dyn Port> {
        match self.chosen.and_then(|at| self.rungs.get(at)) {
            Some((_, Looked::Port(port))) => Some(&**port),
            _ => self.ports().next(),
        }
    }

    fn chosen_mut(&mut self) -> Option<&mut Box<dyn Port>> {
        match self.rungs.get_mut(self.chosen?) {
            Some((_, Looked::Port(port))) => Some(port),
            _ => None,
        }
    }
}

/// Tries a rung: its self-test, or why it has no port.
pub fn try_rung(rung: &Rung) -> SelfTest {
    match (rung.make)() {
        Ok(mut port) => self_test(&mut *port),
        Err(error) => SelfTest::refused(&error),
    }
}

impl Port for Ladder {
    fn driver(&self) -> &'static str {
        "auto"
    }

    fn queues(&self, cores: usize) -> usize {
        self.port().map_or(1, |port| port.queues(cores))
    }

    fn largest_packet(&self) -> usize {
        self.ports().map(|port| port.largest_packet()).max().unwrap_or(0)
    }

    fn frame_needs(&self) -> FrameNeeds {
        let most = |needs: FrameNeeds, port: &dyn Port| {
            let other = port.frame_needs();
            FrameNeeds {
                headroom: needs.headroom.max(other.headroom),
                chunk: needs.chunk.max(other.chunk),
                per_queue: needs.per_queue.max(other.per_queue),
            }
        };
        self.ports().fold(FrameNeeds { headroom: 0, chunk: 64, per_queue: 0 }, most)
    }

    fn mac_address(&self) -> Option<MacAddress> {
        self.port()?.mac_address()
    }

    fn links(&self) -> Vec<Link> {
        self.port().map(|port| port.links()).unwrap_or_default()
    }

    fn memory(&self) -> u64 {
        self.ports().map(|port| port.memory()).max().unwrap_or(0)
    }

    fn privileges(&self) -> Vec<Privilege> {
        // What the lowest rung needs is needed in any case. What those above need they get where it can be had;
        // where it cannot, they say so, and a lower one is taken.
        let may = ffi::capabilities::of_this_thread().map(|sets| sets.permitted);
        let had = |privilege: &Privilege| may.as_ref().is_ok_and(|may| may.contains(privilege.capability));
        let lowest = self.ports().last().map(|port| port.privileges()).unwrap_or_default();
        let above = self.ports().flat_map(|port| port.privileges()).filter(had);
        let mut all: Vec<Privilege> = Vec::new();
        for privilege in lowest.iter().copied().chain(above) {
            if !all.contains(&privilege) {
                all.push(privilege);
            }
        }
        all
    }

    fn describe(&self) -> String {
        let names: Vec<&str> = self.rungs.iter().map(|(rung, _)| rung.name).collect();
        let port = self.port().map(|port| port.describe()).unwrap_or_default();
        match self.chosen {
            Some(at) => format!("{port}, {}", names[at]),
            None => format!("{port}; the first of {} that passes its self-test", names.join(", ")),
        }
    }

    fn open(&mut self, opening: &mut Opening<'_>) -> anyhow::Result<Vec<Queue>> {
        let mut notes = Vec::new();
        let mut dropped = 0;
        for at in 0..self.rungs.len() {
            let (rung, looked) = &mut self.rungs[at];
            let Looked::Port(port) = looked else {
                if let Looked::Not(reason) = looked {
                    notes.push(format!("not {}: {reason}", rung.name));
                }
                continue;
            };
            let test = try_rung(rung);
            dropped += test.dropped;
            if let Some(step) = test.failure() {
                notes.push(format!(
                    "not {}: its self-test failed at {}: {}",
                    rung.name, step.name, step.detail
                ));
                continue;
            }
            match port.open(opening) {
                Ok(queues) => {
                    notes.insert(0, format!("{} was chosen: {}", rung.name, rung.cost));
                    if dropped > 0 {
                        notes.push(format!(
                            "{dropped} packets came during self-tests, before the run, and were dropped"
                        ));
                    }
                    (self.chosen, self.notes) = (Some(at), notes);
                    return Ok(queues);
                }
                Err(error) => notes.push(format!("not {}: {error:#}", rung.name)),
            }
        }
        anyhow::bail!("no way to drive the device:\n  {}", notes.join("\n  "))
    }

    fn watch(&mut self) -> Vec<String> {
        self.chosen_mut().map(|port| port.watch()).unwrap_or_default()
    }

    fn losses(&self) -> Losses {
        self.chosen.and(self.port()).map(|port| port.losses()).unwrap_or_default()
    }

    fn notes(&self) -> Vec<String> {
        let port = self.chosen.and(self.port()).map(|port| port.notes()).unwrap_or_default();
        self.notes.iter().cloned().chain(port).collect()
    }
}
