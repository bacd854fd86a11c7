//! Which CPUs the cores sit on, and what is said when they do not; where the control thread goes.

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

/// The control thread off the CPUs of polling cores, where any other is left; back where it was when this goes.
pub(super) struct Apart {
    before: Vec<usize>,
}

impl Apart {
    /// Goes; `None` where it may stay: cores that are not pinned, no other CPU.
    pub(super) fn from(seats: &[CoreSeat]) -> Option<Apart> {
        let polling: Vec<usize> = seats.iter().filter_map(|seat| seat.cpu).collect();
        let before = ffi::affinity::allowed_cpus().ok()?;
        let others: Vec<usize> = before.iter().copied().filter(|cpu| !polling.contains(cpu)).collect();
        if others.is_empty() || others == before {
            return None;
        }
        // Where it may not, it stays, and the report says what it took.
        ffi::affinity::allow_current_thread(&others).ok()?;
        Some(Apart { before })
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // It was allowed there before; if no longer, it stays where it is.
        let _ = ffi::affinity::allow_current_thread(&self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_thread_leaves_polling_cpus_and_comes_back() {
        std::thread::spawn(|| {
            let all = ffi::affinity::allowed_cpus().unwrap();
            let seat = |cpu: usize| CoreSeat { cpu: Some(cpu), node: None };
            let every: Vec<CoreSeat> = all.iter().copied().map(seat).collect();
            assert!(Apart::from(&every).is_none() && Apart::from(&[]).is_none());
            if let [first, rest @ ..] = &all[..]
                && !rest.is_empty()
            {
                let apart = Apart::from(&[seat(*first)]);
                assert_eq!(ffi::affinity::allowed_cpus().unwrap(), rest);
                drop(apart);
            }
            assert_eq!(ffi::affinity::allowed_cpus().unwrap(), all);
        })
        .join()
        .unwrap();
    }
}
