//! Which CPUs the cores sit on, and what is said when they do not.

use crate::topology::CoreSeat;

/// Says that a core could not be pinned, and forgets the CPU it was meant for.
pub(super) fn record(seat: &mut CoreSeat, pin_error: Option<String>, core: usize, notes: &mut Vec<String>) {
    if let (Some(cpu), Some(error)) = (seat.cpu, pin_error) {
        notes.push(format!(
            "core {core} is not pinned: CPU {cpu}: {error}; it runs where the scheduler puts it"
        ));
        seat.cpu = None;
    }
}
