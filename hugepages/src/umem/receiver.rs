//! The receiving half: chunks for the kernel to write to, packets that came.

use std::sync::Arc;

use ffi::xdp::{CONTINUES, Consumer, Descriptor, Producer, Socket};

use super::lent::{Lent, Shape};
use crate::frame::Frame;

/// The receiving half of a socket.
#[derive(Debug)]
pub struct Receiver {
    pub(super) fill: Producer<u64>,
    pub(super) receive: Consumer<Descriptor>,
    pub(super) lent: Lent,
    pub(super) socket: Arc<Socket>,
}

/// A packet that came, or a part of one.
#[derive(Debug)]
pub struct Taken {
    /// The frame it lies in, placed.
    pub frame: Frame,
    /// Does the packet go on in the next one?
    pub continues: bool,
}

impl Receiver {
    pub(super) fn new(
        shape: Shape,
        fill: Producer<u64>,
        receive: Consumer<Descriptor>,
        socket: Arc<Socket>,
    ) -> Receiver {
        Receiver { fill, receive, lent: Lent::new(shape), socket }
    }

    /// The socket.
    #[inline(always)]
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Frames that are with the kernel, or in the receive ring.
    #[inline(always)]
    #[must_use]
    pub fn posted(&self) -> usize {
        self.lent.count()
    }

    /// Frames that can be posted now.
    #[inline(always)]
    pub fn room(&mut self, wanted: usize) -> usize {
        self.fill.room(wanted as u32) as usize
    }

    /// Lends a frame to the kernel to receive into; it sees it after [`publish`](Self::publish).
    ///
    /// # Errors
    /// The frame, when it is another pool's or the fill ring is full.
    #[inline(always)]
    pub fn post(&mut self, frame: Frame) -> Result<(), Frame> {
        if self.fill.room(1) == 0 {
            return Err(frame);
        }
        let address = self.lent.lend(frame)?;
        // SAFETY: the frame's only handle ended in `lend`; none is made before the kernel gives the chunk back, or
        // the socket is gone.
        unsafe { self.fill.put(address) };
        Ok(())
    }

    /// Lets the kernel see what was posted.
    #[inline(always)]
    pub fn publish(&mut self) {
        self.fill.publish();
    }

    /// Does the kernel wait to be called before it goes on receiving?
    #[inline(always)]
    #[must_use]
    pub fn needs_wakeup(&self) -> bool {
        self.fill.needs_wakeup()
    }

    /// Descriptors that wait to be taken, as of now.
    #[inline(always)]
    pub fn available(&mut self) -> usize {
        self.receive.available() as usize
    }

    /// Takes what came next. `Some(Err(_))` is a descriptor that names no frame the kernel has: never seen, and
    /// passed over.
    #[inline(always)]
    pub fn take(&mut self) -> Option<Result<Taken, Descriptor>> {
        let descriptor = self.receive.take()?;
        // SAFETY: the kernel gave the chunk back with this descriptor.
        let frame = unsafe { self.lent.reclaim(descriptor.address, descriptor.len) };
        let continues = descriptor.options & CONTINUES != 0;
        Some(frame.map(|frame| Taken { frame, continues }).ok_or(descriptor))
    }

    /// Gives the places of what was taken back to the kernel.
    #[inline(always)]
    pub fn release(&mut self) {
        self.receive.release();
    }
}
