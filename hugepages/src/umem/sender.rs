//! The sending half: packets for the kernel to send, chunks that were sent.

use std::sync::Arc;

use ffi::xdp::{CONTINUES, Consumer, Descriptor, Producer, Socket};

use super::lent::{Lent, Shape};
use crate::frame::Frame;

/// The sending half of a socket.
#[derive(Debug)]
pub struct Sender {
    pub(super) transmit: Producer<Descriptor>,
    pub(super) completion: Consumer<u64>,
    pub(super) lent: Lent,
    /// By frame: chunks of it that were not completed yet. Empty where a frame is one chunk.
    pub(super) open: Box<[u8]>,
    pub(super) socket: Arc<Socket>,
}

/// Why a frame was not taken.
#[derive(Debug)]
pub enum NotSent {
    /// There is no room in the transmit ring now.
    Full(Frame),
    /// It is another pool's.
    Foreign(Frame),
}

impl Sender {
    pub(super) fn new(
        shape: Shape,
        transmit: Producer<Descriptor>,
        completion: Consumer<u64>,
        socket: Arc<Socket>,
    ) -> Sender {
        let frames = if shape.chunks() == 1 { 0 } else { shape.frames() };
        Sender { transmit, completion, open: vec![0; frames].into(), lent: Lent::new(shape), socket }
    }

    /// The socket.
    #[inline(always)]
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Frames that are with the kernel.
    #[inline(always)]
    #[must_use]
    pub fn sending(&self) -> usize {
        self.lent.count()
    }

    /// Descriptors the kernel has not looked at yet.
    #[inline]
    pub fn waiting(&mut self) -> usize {
        self.transmit.waiting() as usize
    }

    /// Is the frame one of the memory the socket sends from?
    #[inline(always)]
    #[must_use]
    pub fn owns(&self, frame: &Frame) -> bool {
        self.lent.shape().address_of(frame).is_some()
    }

    /// Descriptors that can be put into the transmit ring now.
    #[inline(always)]
    pub fn room(&mut self, wanted: u32) -> u32 {
        self.transmit.room(wanted)
    }

    /// The most descriptors a packet of `len` bytes takes, wherever it lies in its frame.
    #[inline(always)]
    #[must_use]
    pub fn most_descriptors(&self, len: u32) -> u32 {
        if self.open.is_empty() { 1 } else { len / self.lent.shape().chunk() + 2 }
    }

    /// Descriptors the packet in a frame takes: one for each chunk it touches.
    #[inline(always)]
    #[must_use]
    pub fn descriptors(&self, frame: &Frame) -> u32 {
        let (chunk, at) = (self.lent.shape().chunk(), u32::from(frame.offset()));
        if self.open.is_empty() { 1 } else { (at % chunk + frame.len() as u32).div_ceil(chunk).max(1) }
    }

    /// Hands a packet over; the kernel sees it after [`publish`](Self::publish).
    ///
    /// # Errors
    /// The frame, with the reason.
    #[inline(always)]
    pub fn send(&mut self, frame: Frame) -> Result<(), NotSent> {
        let descriptors = self.descriptors(&frame);
        if self.transmit.room(descriptors) < descriptors {
            return Err(NotSent::Full(frame));
        }
        let (offset, len) = (u64::from(frame.offset()), frame.len() as u32);
        let address = self.lent.lend(frame).map_err(NotSent::Foreign)? + offset;
        if self.open.is_empty() {
            // SAFETY: the kernel reads the bytes, which nobody writes: the frame's only handle ended in `lend`.
            unsafe { self.transmit.put(Descriptor { address, len, options: 0 }) };
        } else {
            self.put_chunks(address, len, descriptors as u8);
        }
        Ok(())
    }

    /// A descriptor for each chunk a packet touches, all but the last marked as going on.
    fn put_chunks(&mut self, mut address: u64, mut len: u32, descriptors: u8) {
        let chunk = self.lent.shape().chunk();
        if let Some(open) = self.lent.shape().frame_at(address).and_then(|index| self.open.get_mut(index)) {
            *open = descriptors;
        }
        for left in (0..descriptors).rev() {
            let part = len.min(chunk - (address % u64::from(chunk)) as u32);
            let options = if left == 0 { 0 } else { CONTINUES };
            // SAFETY: as in `send`.
            unsafe { self.transmit.put(Descriptor { address, len: part, options }) };
            (address, len) = (address + u64::from(part), len - part);
        }
    }

    /// Lets the kernel see what was handed over.
    #[inline(always)]
    pub fn publish(&mut self) {
        self.transmit.publish();
    }

    /// Does the kernel wait to be called before it sends?
    #[inline(always)]
    #[must_use]
    pub fn needs_wakeup(&self) -> bool {
        self.transmit.needs_wakeup()
    }

    /// Hands up to `limit` frames that were sent to `each`; how many.
    #[inline(always)]
    pub fn reap(&mut self, limit: usize, mut each: impl FnMut(Frame)) -> usize {
        let mut reaped = 0;
        while reaped < limit
            && let Some(address) = self.completion.take()
        {
            if let Some(frame) = self.completed(address) {
                each(frame);
                reaped += 1;
            }
        }
        self.completion.release();
        reaped
    }

    /// The frame of a chunk that was sent, if it was the last one of its packet.
    #[inline(always)]
    fn completed(&mut self, address: u64) -> Option<Frame> {
        let index = self.lent.shape().frame_at(address)?;
        if let Some(open) = self.open.get_mut(index) {
            *open = open.saturating_sub(1);
            if *open > 0 {
                return None;
            }
        }
        // SAFETY: the kernel says it is done with every chunk of the frame.
        unsafe { self.lent.reclaim_empty(index) }
    }
}
