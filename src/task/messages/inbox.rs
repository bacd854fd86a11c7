//! Where messages are received.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::task::{Poll, Waker};

use super::{Message, Messages};
use crate::task::local::{here, with};

/// The receiving end of one address: one task has it, and it stays on its core. When it is dropped (its task ended or panicked), what
/// was not received waits for whoever opens it next.
///
/// ```compile_fail
/// fn needs_clone<T: Clone>() {}
/// needs_clone::<mnvkd::task::Inbox<u64>>();
/// ```
/// ```compile_fail
/// fn needs_send<T: Send>() {}
/// needs_send::<mnvkd::task::Inbox<u64>>();
/// ```
#[must_use = "what is sent to it waits until it is received"]
pub struct Inbox<M: Send + 'static> {
    messages: Messages<M>,
    address: u16,
    on_its_core: PhantomData<*const ()>,
}

/// Why nobody receives there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoInbox {
    /// The address is one of another core's, or of none.
    #[error("the address is not one of this core's")]
    Elsewhere,
    /// Somebody has it already.
    #[error("another task receives there")]
    Open,
}

impl<M: Send + 'static> Inbox<M> {
    pub(super) fn open(messages: Messages<M>, address: u16) -> Result<Inbox<M>, NoInbox> {
        here(|local| {
            let tray = local.mail.exchange::<M>(messages.number).tray(address).ok_or(NoInbox::Elsewhere)?;
            if std::mem::replace(&mut tray.open, true) { Err(NoInbox::Open) } else { Ok(()) }
        })?;
        Ok(Inbox { messages, address, on_its_core: PhantomData })
    }

    /// The address it is of.
    pub fn address(&self) -> u16 {
        self.address
    }

    /// The next message; waits for one. A task that waits when the run is over is ended with it.
    ///
    /// # Panics
    /// Outside of tasks of its core.
    pub async fn recv(&mut self) -> Message<M> {
        poll_fn(|context| {
            let (received, before) = here(|local| {
                let received = local.mail.receive::<M>(self.messages.number, self.address);
                if received.is_some() {
                    return (received, None);
                }
                let tray = local.mail.exchange::<M>(self.messages.number).tray(self.address);
                (None, tray.and_then(|tray| tray.receiver.replace(context.waker().clone())))
            });
            // Out here: a waker may be anybody's.
            drop(before);
            received.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// A message that is here already.
    ///
    /// # Panics
    /// Outside of tasks of its core.
    pub fn try_recv(&mut self) -> Option<Message<M>> {
        here(|local| local.mail.receive::<M>(self.messages.number, self.address))
    }
}

impl<M: Send + 'static> Drop for Inbox<M> {
    fn drop(&mut self) {
        // Tasks are ended on their core; elsewhere there is nothing left to close.
        let waker: Option<Option<Waker>> = with(|local| {
            let tray = local.mail.exchange::<M>(self.messages.number).tray(self.address)?;
            tray.open = false;
            tray.receiver.take()
        });
        drop(waker);
    }
}

impl<M: Send + 'static> fmt::Debug for Inbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({} of {:?})", self.address, self.messages)
    }
}
