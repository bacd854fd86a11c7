//! A flow, as its task has it.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use super::held::Held;
use super::local::{here, with};
use super::mailbox::MailboxId;
use super::time::{Elapsed, timeout};
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
    pub async fn recv(&mut self) -> Option<Held> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// The same, waiting for no longer than `duration`.
    ///
    /// # Errors
    /// [`Elapsed`]: nothing came in time.
    pub async fn recv_timeout(&mut self, duration: Duration) -> Result<Option<Held>, Elapsed> {
        timeout(duration, self.recv()).await
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
        let (polled, _dropped_here) = here(|local| {
            if let Some(packet) = local.mailboxes.take(self.mailbox) {
                return (Poll::Ready(Some(packet)), None);
            }
            if local.ending || local.mailboxes.is_over(self.mailbox) {
                return (Poll::Ready(None), None);
            }
            (Poll::Pending, local.mailboxes.wait(self.mailbox, context.waker()))
        });
        polled.map(|packet| packet.map(Held::taken_over))
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
