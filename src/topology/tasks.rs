//! The tasks of every core, wired: slots, timers, and what applications give to their cores.

use hugepages::Arena;
use hugepages::slots::Slots;

use super::build::core_id;
use crate::task::{self, Local, Mail, Room, TaskNeeds};
use crate::worker::Tasks;

/// The tasks of a core to be.
pub(super) struct TaskSeed {
    slots: Slots,
    local: Box<Local>,
}

impl TaskSeed {
    /// What applications give to their core.
    pub(super) fn local(&mut self) -> &mut Local {
        &mut self.local
    }

    /// The tasks of the core, which is built.
    pub(super) fn finish(self, needs: &TaskNeeds) -> Box<Tasks> {
        Box::new(Tasks::new(self.slots, self.local, needs.originates as usize))
    }
}

/// By core number; `None` each where no application has tasks.
///
/// # Errors
/// The arenas have no room for them.
pub(super) fn carve(
    arenas: &mut [Arena],
    needs: &TaskNeeds,
    virtual_time: bool,
    frames: usize,
) -> anyhow::Result<Vec<Option<TaskSeed>>> {
    // Any core may have the packets of all: so many there are.
    let packets = frames * arenas.len();
    let mut seeds = Vec::with_capacity(arenas.len());
    let mails = Mail::of_cores(arenas.len());
    for ((number, arena), mail) in arenas.iter_mut().enumerate().zip(mails) {
        if needs.is_none() {
            seeds.push(None);
            continue;
        }
        let slots = arena.carve_slots("tasks", &needs.slots)?;
        let room = Room::of(needs, packets);
        let local = Local::carve(arena, core_id(number)?, virtual_time, &room, mail)?;
        seeds.push(Some(TaskSeed { slots, local: Box::new(local) }));
    }
    Ok(seeds)
}

/// Gives every core its ends of the rings that messages go through.
///
/// # Errors
/// An application did not declare the same on every core.
pub(super) fn connect(seeds: &mut [Option<TaskSeed>]) -> anyhow::Result<()> {
    let mut mails: Vec<&mut Mail> = seeds.iter_mut().flatten().map(|seed| seed.local().mail()).collect();
    task::connect(&mut mails)
}
