//! What messages take of a core's memory.

use std::any::TypeId;

use hugepages::arena;

use super::Message;
use super::exchange::{Pair, Parcel};

/// Room for messages of one type: made by [`TaskNeeds::messages`](crate::task::TaskNeeds::messages).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRoom {
    /// Messages that may be on their way, or wait to be received, for each pair of sender and receiver.
    pub per_pair: u16,
    of: TypeId,
    /// Bytes of one on its way, and of one that waits.
    parcel: usize,
    waiting: usize,
    align: usize,
}

/// Places in the rings between two cores with so many addresses each: whatever there is room for has one.
pub(super) fn places(here: usize, there: usize, per_pair: u16) -> usize {
    let messages = here.saturating_mul(there).saturating_mul(usize::from(per_pair));
    messages.checked_next_power_of_two().unwrap_or(usize::MAX)
}

impl MessageRoom {
    pub(crate) fn of<M: Send + 'static>(per_pair: u16) -> MessageRoom {
        MessageRoom {
            per_pair,
            of: TypeId::of::<M>(),
            parcel: size_of::<Parcel<M>>(),
            waiting: size_of::<Option<Message<M>>>(),
            align: align_of::<Parcel<M>>(),
        }
    }

    /// Bytes of the arena of a core with `here` of so many addresses, where no core has more.
    pub(crate) fn arena_bytes(&self, addresses: usize, here: usize, cores: usize) -> usize {
        let places = places(here, here, self.per_pair);
        // A ring is its header and its elements; what is aligned to more than any cache line takes more at both.
        let aligned = if self.align > 128 { 2 * self.align } else { 0 };
        let parcels = arena::ring_bytes::<u8>(places.saturating_mul(self.parcel)).saturating_add(aligned);
        let between = parcels.saturating_add(arena::ring_bytes::<Pair>(places)).saturating_mul(cores);
        let queue = addresses.saturating_mul(usize::from(self.per_pair)).saturating_mul(self.waiting);
        let queues = arena::carve_bytes::<u8>(queue).saturating_add(aligned).saturating_mul(here);
        let left = arena::carve_bytes::<u16>(here.saturating_mul(addresses));
        between.saturating_add(queues).saturating_add(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_have_places_for_all_there_is_room_for() {
        assert_eq!((places(1, 1, 1), places(3, 2, 4), places(8, 8, 4)), (1, 32, 256));
        assert_eq!(places(usize::MAX, 2, 4), usize::MAX);
        let room = MessageRoom::of::<u64>(4);
        assert!(room.arena_bytes(8, 8, 1) > 8 * 8 * 4 * 2 * 16);
        assert_eq!(room.arena_bytes(usize::MAX, usize::MAX, 2), usize::MAX, "and no overflow");
        assert_eq!(room, MessageRoom::of::<u64>(4));
        assert_ne!(room, MessageRoom::of::<i64>(4), "types are told apart");
    }
}
