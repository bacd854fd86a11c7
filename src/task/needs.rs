//! What an application's tasks take of a core's memory, said before anything is mapped.

use hugepages::slots::SlotClass;

use super::flow_set::FlowRoom;
use super::messages::MessageRoom;

/// Slots, timers and frames the tasks of one application need on each core.
///
/// ```
/// # use mnvkd::task::{TaskNeeds, room};
/// async fn conversation(port: u16, limit: u32) -> bool { port > 0 && limit > 0 }
/// let needs = TaskNeeds::default().tasks(room(|(port, limit)| conversation(port, limit)), 1024);
/// assert_eq!((needs.slots.len(), needs.timers), (1, 1024));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskNeeds {
    /// Slots by size of the future.
    pub slots: Vec<SlotClass>,
    /// Timers that may be armed at a time.
    pub timers: u32,
    /// Flows that may have a mailbox at a time.
    pub mailboxes: u32,
    /// By set of flows: how many it may have. (Each takes a table of the core's memory.)
    pub flow_sets: Vec<FlowRoom>,
    /// Packets its tasks may [originate](super::originate) in one turn: so many frames are kept at hand.
    pub originates: u32,
    /// By kind of messages: how many there is room for.
    pub messages: Vec<MessageRoom>,
}

/// The room a slot needs for what `task` returns, and for its output: `room(|(a, b)| my_async_fn(a, b))`. Nothing is called.
pub const fn room<A, F: Future>(_task: fn(A) -> F) -> u32 {
    let (future, output) = (size_of::<F>(), size_of::<F::Output>());
    let most = if future > output { future } else { output };
    assert!(most < u32::MAX as usize, "a future of 4 GiB or more");
    most as u32
}

impl TaskNeeds {
    /// `count` tasks more whose futures take `room` bytes at most (see [`room`]), each with a timer.
    #[must_use]
    pub fn tasks(self, room: u32, count: u32) -> TaskNeeds {
        self.tasks_without_timers(room, count).timers(count)
    }

    /// The same for tasks that wait for packets, and never for time.
    #[must_use]
    pub fn tasks_without_timers(mut self, room: u32, count: u32) -> TaskNeeds {
        self.slots.push(SlotClass { room, count });
        self
    }

    /// `count` values more of at most `room` bytes that tasks [share](super::share), [channels](super::channel) among them.
    #[must_use]
    pub fn shared(mut self, room: u32, count: u32) -> TaskNeeds {
        self.slots.push(SlotClass { room, count });
        self
    }

    /// `count` timers more: for tasks that wait for several things at a time.
    #[must_use]
    pub fn timers(mut self, count: u32) -> TaskNeeds {
        self.timers = self.timers.saturating_add(count);
        self
    }

    /// A set of `count` flows that may have a task at a time ([`Build::flows`](crate::pipeline::Build::flows)), each with a mailbox.
    #[must_use]
    pub fn flows(self, count: u32) -> TaskNeeds {
        self.flow_set(FlowRoom { flows: count, resting: 0 })
    }

    /// The same for flows that tasks [open](super::Flows::open): as many more are remembered while their ports rest.
    #[must_use]
    pub fn own_flows(self, count: u32) -> TaskNeeds {
        self.flow_set(FlowRoom { flows: count, resting: count })
    }

    fn flow_set(mut self, room: FlowRoom) -> TaskNeeds {
        self.flow_sets.push(room);
        self.mailboxes = self.mailboxes.saturating_add(room.flows);
        self
    }

    /// `count` packets more that may be originated in a turn.
    #[must_use]
    pub fn originates(mut self, count: u32) -> TaskNeeds {
        self.originates = self.originates.saturating_add(count);
        self
    }

    /// [Messages](super::Messages) of type `M`, `per_pair` for each pair of sender and receiver that may be on their way or wait to be
    /// received ([`Build::messages`](crate::pipeline::Build::messages)). With n addresses, n on each of c cores, they take about
    /// n² / c · `per_pair` times twice the size of an `M` on each.
    ///
    /// ```compile_fail
    /// // What may not be sent to another thread is no message.
    /// mnvkd::task::TaskNeeds::default().messages::<std::rc::Rc<u8>>(4);
    /// ```
    #[must_use]
    pub fn messages<M: Send + 'static>(mut self, per_pair: u16) -> TaskNeeds {
        self.messages.push(MessageRoom::of::<M>(per_pair));
        self
    }

    /// Nothing at all?
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == TaskNeeds::default()
    }

    /// Adds what another application needs.
    pub(crate) fn add(&mut self, other: TaskNeeds) {
        for class in other.slots.into_iter().filter(|class| class.count > 0) {
            // Futures of one room share their slots.
            match self.slots.iter_mut().find(|mine| mine.stride() == class.stride()) {
                Some(mine) => {
                    mine.room = mine.room.max(class.room);
                    mine.count = mine.count.saturating_add(class.count);
                }
                None => self.slots.push(class),
            }
        }
        self.timers = self.timers.saturating_add(other.timers);
        self.mailboxes = self.mailboxes.saturating_add(other.mailboxes);
        self.originates = self.originates.saturating_add(other.originates);
        self.flow_sets.extend(other.flow_sets);
        self.messages.extend(other.messages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_add_up_and_futures_of_one_stride_share_a_class() {
        let mut all = TaskNeeds::default().tasks(100, 10).flows(3);
        all.add(TaskNeeds::default().tasks(110, 5).tasks(1000, 1).timers(2).originates(4));
        all.add(TaskNeeds::default());
        let class = |room, count| SlotClass { room, count };
        assert_eq!(all.slots, [class(110, 15), class(1000, 1)]);
        assert_eq!((all.timers, all.mailboxes, all.originates), (18, 3, 4));
        assert!(TaskNeeds::default().is_none() && !all.is_none());
    }

    #[test]
    fn a_room_holds_the_future_and_its_output() {
        async fn large(_: u8) -> [u8; 4096] {
            [0; 4096]
        }
        assert!(room(|(one,)| large(one)) >= 4096);
    }
}
