//! A pool's frames lent to the kernel through an AF_XDP socket, and safe to lend.
//!
//! The kernel writes into chunks that the fill ring names, whenever it likes, until they come back. So a frame is
//! *posted* by value: its handle ends, a bit says that the kernel has it, and a new handle is made only for a
//! descriptor of the receive ring that names a frame whose bit is set. Sending is the same, by the transmit and
//! completion rings. What has not come back is handed out again only when the socket is gone: [`close`] takes both
//! halves, unmaps the rings and closes the socket before it gives the frames back.
//!
//! A half that is dropped without that keeps its frames for good: they are missing in their pool, which then leaks its
//! memory on purpose. So nothing dangles, whatever its owner forgets.
//!
//! A frame is one or several chunks; only its first is posted, and a packet that the kernel put into several frames
//! comes back in several ([`Taken::continues`]).

mod lent;
mod receiver;
mod sender;

use std::io;
use std::sync::Arc;

use ffi::xdp::{AllOffsets, RingSizes, Rings, Socket};

use self::lent::Shape;
pub use self::receiver::{Receiver, Taken};
pub use self::sender::{NotSent, Sender};
use crate::frame::{Frame, HEAD_BYTES};
use crate::pool::FramePool;

/// The largest chunk: a page, of the smallest size there is.
const MOST_CHUNK: u32 = 4096;

/// A pool's memory as a UMEM: what a socket registers, and how frames and chunks relate.
#[derive(Clone, Debug)]
pub struct Umem {
    shape: Shape,
}

impl Umem {
    /// The memory of this pool in chunks as large as its frames allow, at most 4,096 bytes; `None` where that is
    /// less than the 2,048 a UMEM takes.
    #[must_use]
    pub fn of(pool: &FramePool) -> Option<Umem> {
        let chunk = (1 << pool.stride().trailing_zeros()).min(MOST_CHUNK);
        (chunk >= ffi::xdp::LEAST_CHUNK).then(|| Umem { shape: Shape::of(pool, chunk) })
    }

    /// Bytes of a chunk.
    #[must_use]
    pub fn chunk(&self) -> u32 {
        self.shape.chunk()
    }

    /// Bytes of a packet that the kernel puts into one chunk.
    #[must_use]
    pub fn chunk_room(&self) -> u32 {
        self.shape.chunk() - HEAD_BYTES as u32 - u32::from(ffi::xdp::KERNEL_HEADROOM)
    }

    /// Bytes of the memory: what is pinned.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shape.region().len()
    }

    /// Bytes of a packet that a frame takes behind the kernel's headroom.
    #[must_use]
    pub fn frame_room(&self) -> u32 {
        self.shape.chunk() * self.shape.chunks() - HEAD_BYTES as u32 - u32::from(ffi::xdp::KERNEL_HEADROOM)
    }

    /// Chunks of a frame.
    #[must_use]
    pub fn chunks(&self) -> u32 {
        self.shape.chunks()
    }

    /// Registers the memory with a socket, makes the four rings and maps them: both halves, not bound yet. The heads of
    /// frames are kept out of the kernel's way as headroom.
    ///
    /// # Errors
    /// The step that failed, and what the kernel said.
    pub fn open(
        &self,
        socket: Socket,
        sizes: RingSizes,
    ) -> Result<(Receiver, Sender), (OpenStep, io::Error)> {
        let at = |step| move |error| (step, error);
        // SAFETY: the region is the pool's, mapped as long as this lives; the kernel pins its pages, so that it has
        // them even longer, and writes only to what is posted.
        unsafe { socket.register(self.shape.region(), self.shape.chunk(), HEAD_BYTES as u32) }
            .map_err(at(OpenStep::Register))?;
        socket.size_rings(sizes).map_err(at(OpenStep::Rings))?;
        let offsets = socket.offsets().map_err(at(OpenStep::Rings))?;
        // SAFETY: a socket takes a UMEM and rings once, and that was here.
        unsafe { self.halves(socket, sizes, &offsets) }.map_err(at(OpenStep::Map))
    }

    /// Both halves of a socket that has this memory and these rings.
    ///
    /// # Errors
    /// As [`Socket::rings`].
    ///
    /// # Safety
    /// The socket has this memory registered and rings of these sizes and offsets made, and these halves are the
    /// only user of its rings; or its rings are memory laid out alike, and whoever plays the kernel's side touches
    /// posted chunks alone.
    pub unsafe fn halves(
        &self,
        socket: Socket,
        sizes: RingSizes,
        offsets: &AllOffsets,
    ) -> io::Result<(Receiver, Sender)> {
        // SAFETY: passed on to the caller.
        let Rings { fill, receive, transmit, completion } = unsafe { socket.rings(sizes, offsets)? };
        let socket = Arc::new(socket);
        let receiver = Receiver::new(self.shape.clone(), fill, receive, socket.clone());
        let sender = Sender::new(self.shape.clone(), transmit, completion, socket);
        Ok((receiver, sender))
    }
}

/// Steps of [`Umem::open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenStep {
    /// Registering the memory.
    Register,
    /// Making the rings.
    Rings,
    /// Mapping them.
    Map,
}

/// Halves of a socket that could not be closed: the other one is elsewhere.
#[derive(Debug)]
pub struct Unclosed {
    /// The receiving half.
    pub receiver: Option<Receiver>,
    /// The sending half.
    pub sender: Option<Sender>,
}

/// Closes a socket by its halves and hands every frame they still have to `each`. Rings are unmapped first: a mapping
/// keeps a socket open. In zero-copy mode this waits until the driver has let go of the queue; where it does not for
/// two seconds, the frames are not handed out.
///
/// # Errors
/// The halves themselves, when the socket is not theirs alone: the other half is elsewhere.
pub fn close(
    receiver: Option<Receiver>,
    sender: Option<Sender>,
    mut each: impl FnMut(Frame),
) -> Result<(), Box<Unclosed>> {
    let alone = match (&receiver, &sender) {
        (Some(receiver), Some(sender)) => {
            Arc::ptr_eq(&receiver.socket, &sender.socket) && Arc::strong_count(&sender.socket) == 2
        }
        // Nobody else can clone it meanwhile: whoever could would have one of these.
        (Some(Receiver { socket, .. }), None) | (None, Some(Sender { socket, .. })) => {
            Arc::strong_count(socket) == 1
        }
        (None, None) => return Ok(()),
    };
    if !alone {
        return Err(Box::new(Unclosed { receiver, sender }));
    }
    let socket = receiver.as_ref().map(|half| &half.socket).or(sender.as_ref().map(|half| &half.socket));
    // Where the kernel copies, a socket that is gone writes no more; a driver that writes itself is told later.
    let lingers = socket.and_then(|socket| socket.successor());
    let received = receiver.map(|Receiver { fill, receive, socket, lent }| {
        drop((fill, receive, socket));
        lent
    });
    let sent = sender.map(|Sender { transmit, completion, socket, lent, .. }| {
        drop((transmit, completion, socket));
        lent
    });
    if lingers.is_some_and(|successor| !successor.wait()) {
        // The driver may still write: the frames stay out, and their pool keeps its memory for good.
        return Ok(());
    }
    for lent in [received, sent].into_iter().flatten() {
        // SAFETY: the last reference to the socket and all its mappings went with the halves, and a driver that wrote
        // itself has let go of the queue, so nobody reads or writes what they had lent.
        unsafe { lent.reclaim_all(&mut each) };
    }
    Ok(())
}
