//! Tasks that wait for room to send a message.

use std::task::Waker;

use super::exchange::Pair;

/// Tasks of a core that may wait for room at a time, of one application.
pub(super) const WAITING: usize = 256;

/// Who waits, in the order they began to; as many as there may be, and no more.
pub(super) struct Waiting {
    list: Vec<Entry>,
    tickets: u64,
}

struct Entry {
    ticket: u64,
    pair: Pair,
    waker: Waker,
}

impl Default for Waiting {
    /// Nobody, and room for all.
    fn default() -> Waiting {
        Waiting { list: Vec::with_capacity(WAITING), tickets: 0 }
    }
}

impl Waiting {
    /// Who has this ticket waits (on); `None` has none, and is given one. Returned is a waker that was replaced.
    ///
    /// # Errors
    /// As many as may do wait.
    pub(super) fn wait(
        &mut self,
        ticket: &mut Option<u64>,
        pair: Pair,
        waker: &Waker,
    ) -> Result<Option<Waker>, ()> {
        if let Some(entry) = self.list.iter_mut().find(|entry| Some(entry.ticket) == *ticket) {
            return Ok(Some(std::mem::replace(&mut entry.waker, waker.clone())));
        }
        if self.list.len() == WAITING {
            return Err(());
        }
        self.tickets += 1;
        *ticket = Some(self.tickets);
        self.list.push(Entry { ticket: self.tickets, pair, waker: waker.clone() });
        Ok(None)
    }

    /// Who has this ticket waits no longer.
    pub(super) fn leave(&mut self, ticket: u64) -> Option<Waker> {
        let at = self.list.iter().position(|entry| entry.ticket == ticket)?;
        Some(self.list.remove(at).waker)
    }

    /// Wakers of all that have `room` now.
    pub(super) fn take(&mut self, room: impl Fn(Pair) -> bool, awake: &mut Vec<Waker>) {
        awake.extend(self.list.extract_if(.., |entry| room(entry.pair)).map(|entry| entry.waker));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_woken_in_order_unless_it_left() {
        let (mut waiting, mut tickets) = (Waiting::default(), [None; 4]);
        for (ticket, to) in tickets.iter_mut().zip([1, 2, 1, 1]) {
            assert!(matches!(waiting.wait(ticket, Pair { from: 0, to }, Waker::noop()), Ok(None)));
        }
        assert!(waiting.leave(tickets[2].unwrap()).is_some());
        assert!(waiting.leave(tickets[2].unwrap()).is_none());
        // Again: it keeps its place.
        let known = tickets[0];
        assert!(matches!(waiting.wait(&mut tickets[0], Pair { from: 0, to: 1 }, Waker::noop()), Ok(Some(_))));
        assert_eq!((tickets[0], waiting.list.len()), (known, 3));
        let mut awake = Vec::new();
        waiting.take(|pair| pair.to == 1, &mut awake);
        assert_eq!((awake.len(), waiting.list.len(), waiting.list[0].ticket), (2, 1, tickets[1].unwrap()));
    }

    #[test]
    fn so_many_wait_and_no_more() {
        let mut waiting = Waiting::default();
        let pair = Pair { from: 0, to: 0 };
        for _ in 0..WAITING {
            assert!(waiting.wait(&mut None, pair, Waker::noop()).is_ok());
        }
        assert!(waiting.wait(&mut None, pair, Waker::noop()).is_err());
        assert_eq!(waiting.list.capacity(), WAITING, "it never grew");
    }
}
