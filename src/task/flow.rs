//! A flow, as its task has it.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::held::Held;
use super::local::{here, with};
use super::mailbox::{MailboxId, Taken};
use super::time::{Elapsed, Sleep, sleep};
use crate::packet::PortId;
use crate::packet::flow::FlowKey;

/// A flow and the mailbox its packets come to. When it is dropped the flow is over: what waits in the mailbox is dropped as
/// `task-ended`.
pub struct Flow {
    set: u32,
    key: FlowKey,
    mailbox: MailboxId,
    /// A task opened it: its port rests when it is over.
    opened: bool,
    on_its_core: PhantomData<*const ()>,
}

impl Flow {
    pub(super) fn new(set: u32, key: FlowKey, mailbox: MailboxId, opened: bool) -> Flow {
        Flow { set, key, mailbox, opened, on_its_core: PhantomData }
    }

    /// What both directions of it have in common.
    #[must_use]
    pub fn key(&self) -> &FlowKey {
        &self.key
    }

    /// Its end that is not `remote`.
    #[must_use]
    pub fn local(&self, remote: SocketAddr) -> SocketAddr {
        if self.key.a() == remote { self.key.b() } else { self.key.a() }
    }

    /// The next packet of the flow, of either direction; `None` when it is over: it was idle for as long as its
    /// [limits](super::FlowLimits) allow, or the run ends.
    #[inline]
    pub fn recv(&mut self) -> Recv<'_> {
        Recv(self)
    }

    /// The same, waiting for no longer than `duration` from now on.
    ///
    /// # Errors
    /// [`Elapsed`]: nothing came in time.
    ///
    /// # Panics
    /// As [`sleep`](super::sleep) does.
    pub fn recv_timeout(&mut self, duration: Duration) -> RecvTimeout<'_> {
        RecvTimeout { recv: self.recv(), sleep: sleep(duration) }
    }

    /// A packet of the flow that is here already.
    #[inline]
    pub fn try_recv(&mut self) -> Option<Held> {
        here(|local| local.mailboxes.take(self.mailbox)).map(Held::taken_over)
    }

    /// Sends a packet out by a port.
    #[inline]
    pub fn send(&self, packet: Held, port: PortId) {
        packet.forward(port);
    }

    #[inline]
    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Held>> {
        let taken = here(|local| local.mailboxes.take_or_wait(self.mailbox, context.waker()));
        match taken {
            Taken::Packet(packet) => Poll::Ready(Some(Held::taken_over(packet))),
            Taken::Over => Poll::Ready(None),
            Taken::Waits(nobodys) => {
                // Out here: it is others' code.
                drop(nobodys);
                Poll::Pending
            }
        }
    }
}

/// Waits for a packet of a flow. Made by [`Flow::recv`]; it is no more than a reference.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Recv<'a>(&'a mut Flow);

impl Future for Recv<'_> {
    type Output = Option<Held>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Held>> {
        self.0.poll_recv(context)
    }
}

/// Waits for a packet of a flow, but not for long. Made by [`Flow::recv_timeout`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct RecvTimeout<'a> {
    recv: Recv<'a>,
    sleep: Sleep,
}

impl Future for RecvTimeout<'_> {
    type Output = Result<Option<Held>, Elapsed>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(packet) = self.recv.0.poll_recv(context) {
            return Poll::Ready(Ok(packet));
        }
        Pin::new(&mut self.sleep).poll(context).map(|()| Err(Elapsed))
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        let _dropped_here = with(|local| local.close_flow(self.set, &self.key, self.mailbox, self.opened));
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flow({})", self.key)
    }
}
