//! Packets that tasks have.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::local::{here, with};
use crate::packet::layers::LinkClass;
use crate::packet::{Burst, Packet, PortId, Reason, Verdict};

/// A packet that a task has: it is in the books as held until it is [forwarded](Held::forward), [consumed](Held::consume)
/// or [dropped for a reason](Held::drop_for). One that is let go without any of these (its task ended, was cancelled or
/// panicked) is dropped as `task-ended`.
///
/// It stays on its core.
#[must_use = "a packet that is let go is dropped as task-ended: forward, consume or drop it for a reason"]
pub struct Held {
    /// `None` only once it was given back.
    packet: Option<Packet>,
    on_its_core: PhantomData<*const ()>,
}

/// Hands over every packet of a burst nobody has decided about: `take` keeps it, for a task, or returns it with a verdict
/// ([`Verdict::Pass`] leaves it to the next application).
///
/// ```no_run
/// # use mnvkd::{prelude::*, task::{self, TaskKind}};
/// # use std::time::Duration;
/// # fn process(burst: &mut Burst, delayed: TaskKind, port: PortId) {
/// task::hand_over(burst, |held| match task::spawn(delayed, delay(held, port)) {
///     Ok(join) => { join.detach(); None }
///     Err(refused) => { drop(refused); None } // the packet goes with the future: task-ended
/// });
/// # }
/// async fn delay(held: task::Held, port: PortId) {
///     task::sleep(Duration::from_millis(10)).await;
///     held.forward(port);
/// }
/// ```
///
/// # Panics
/// In applications that declared no tasks.
#[inline]
pub fn hand_over(burst: &mut Burst, mut take: impl FnMut(Held) -> Option<(Held, Verdict)>) {
    burst.hand_over(|packet| {
        let (held, verdict) = take(hold(packet))?;
        Some((held.release(), verdict))
    });
}

#[inline]
pub(super) fn hold(packet: Packet) -> Held {
    here(|local| local.held += 1);
    Held { packet: Some(packet), on_its_core: PhantomData }
}

/// A new packet of no bytes, as if it had come in by `port` just now: an Ethernet frame to be ([`Packet::resize`] makes room for
/// its bytes). `None` when the core has no frame left, or the application has made as many in this turn as it said it would
/// ([`TaskNeeds::originates`](super::TaskNeeds::originates)): [yield](super::yield_now) and try again.
///
/// It is counted as originated, and accounted for as if it had been received.
///
/// # Panics
/// Outside of tasks and of applications that declared some.
#[must_use]
pub fn originate(port: PortId) -> Option<Held> {
    here(|local| {
        let frame = local.stash.pop()?;
        local.originated += 1;
        local.held += 1;
        let packet = Packet::new(frame, port, LinkClass::Ethernet, local.now_ns);
        Some(Held { packet: Some(packet), on_its_core: PhantomData })
    })
}

impl Held {
    /// A packet that is counted as held already.
    #[inline]
    pub(super) fn taken_over(packet: Packet) -> Held {
        Held { packet: Some(packet), on_its_core: PhantomData }
    }

    /// Sends it out by a port, once the tasks of this turn have run. Its time is that of the sending.
    #[inline]
    pub fn forward(self, port: PortId) {
        self.decide(Verdict::Forward(port));
    }

    /// It has served its purpose.
    #[inline]
    pub fn consume(self) {
        self.decide(Verdict::Consume);
    }

    /// Drops it for a reason.
    #[inline]
    pub fn drop_for(self, reason: Reason) {
        self.decide(Verdict::Drop(reason));
    }

    /// Gives it any verdict; [`Verdict::Pass`] drops it as `no-verdict`, there being no next application.
    #[inline]
    pub fn decide(mut self, verdict: Verdict) {
        self.give_back(verdict);
    }

    /// The packet itself again, for its burst: what `hold` did, undone.
    #[inline]
    pub(super) fn release(mut self) -> Packet {
        let packet = self.packet.take().expect("a packet is given back once");
        with(|local| local.held -= 1);
        packet
    }

    #[inline]
    fn give_back(&mut self, verdict: Verdict) {
        let Some(mut packet) = self.packet.take() else { return };
        // Elsewhere it would be of no core: its frame is missed at the end of the run, which says so. (Tasks are ended on their core.)
        with(|local| {
            local.held -= 1;
            if matches!(verdict, Verdict::Forward(_)) {
                packet.set_time(packet.time_ns().max(local.now_ns));
                if local.virtual_time && packet.order().is_none() {
                    // Nobody's arrival: its place is where its content puts it, on any number of cores. The low bits are the
                    // interface of the file it came from; it came from none.
                    packet.set_order([local.now_ns, xxhash_rust::xxh3::xxh3_64(packet.data()) << 16]);
                }
            }
            local.give_back(packet, verdict);
        });
    }
}

impl Drop for Held {
    #[inline]
    fn drop(&mut self) {
        self.give_back(Verdict::Drop(Reason::TASK_ENDED));
    }
}

impl Deref for Held {
    type Target = Packet;

    #[inline]
    fn deref(&self) -> &Packet {
        self.packet.as_ref().expect("it is there until it is given back")
    }
}

impl DerefMut for Held {
    #[inline]
    fn deref_mut(&mut self) -> &mut Packet {
        self.packet.as_mut().expect("it is there until it is given back")
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.packet).finish()
    }
}
