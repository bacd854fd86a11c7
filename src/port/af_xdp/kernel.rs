//! The kernel as the ladder sees it: one trait, so that rungs this machine lacks can be tried on a fake one.
//! Packets do not pass here; once both halves are there, nothing calls through this trait but the control thread.

use std::io;
use std::sync::Arc;

use ffi::bpf::{Hook, Link, LoadError, Program, SocketMap};
use ffi::device::{Device, Links};
use ffi::xdp::{BindFlags, RingSizes, Socket};
use hugepages::umem::{OpenStep, Receiver, Sender, Umem};

/// Both halves of a socket.
pub(super) type Halves = (Receiver, Sender);

/// What is asked of the kernel while a port is opened or looked after.
pub(super) trait Kernel: Send {
    /// Both halves of a socket, or what stands for them.
    type Halves;
    /// A loaded program.
    type Program;
    /// An attached program; detached when it goes.
    type Link: Send;
    /// The map of sockets by queue.
    type Map: Send + Sync;

    /// The device of this name.
    fn device(&self, name: &str) -> io::Result<Option<Device>>;
    /// A map for so many queues.
    fn map(&self, queues: u32) -> io::Result<Self::Map>;
    /// What a program names the map by.
    fn descriptor(&self, map: &Self::Map) -> i32;
    /// Loads a program.
    fn load(&self, code: &[[u8; 8]], fragments: bool) -> Result<Self::Program, LoadError>;
    /// Attaches it.
    fn attach(&self, program: &Self::Program, device: u32, hook: Hook) -> io::Result<Self::Link>;
    /// A new socket.
    fn socket(&self) -> io::Result<Socket>;
    /// Its memory and rings.
    fn open(
        &self,
        socket: Socket,
        umem: &Umem,
        sizes: RingSizes,
    ) -> Result<Self::Halves, (OpenStep, io::Error)>;
    /// Binds it to a queue.
    fn bind(&self, halves: &Self::Halves, device: u32, queue: u32, flags: BindFlags) -> io::Result<()>;
    /// Did it get zero-copy?
    fn is_zero_copy(&self, halves: &Self::Halves) -> io::Result<bool>;
    /// Puts it into the map.
    fn put(&self, map: &Self::Map, queue: u32, halves: &Self::Halves) -> io::Result<()>;
    /// What takes the socket of a queue out of the map.
    fn unplug(&self, map: &Arc<Self::Map>, queue: u32) -> Box<dyn Fn() + Send>;
    /// Waits a little before something is tried again.
    fn pause(&self);
}

/// Nanoseconds of a pause.
const PAUSE_NS: u64 = 10_000_000;
/// The program's name in `bpftool prog`.
const PROGRAM: &str = "mnvkd_xdp";

/// The kernel we run on. It asks about devices of the network namespace it was made in.
#[derive(Debug)]
pub(super) struct Linux {
    links: Links,
}

impl Linux {
    pub(super) fn new() -> io::Result<Linux> {
        Ok(Linux { links: Links::open()? })
    }
}

impl Kernel for Linux {
    type Halves = Halves;
    type Program = Program;
    type Link = Link;
    type Map = SocketMap;

    fn device(&self, name: &str) -> io::Result<Option<Device>> {
        self.links.by_name(name)
    }

    fn map(&self, queues: u32) -> io::Result<SocketMap> {
        SocketMap::new(queues)
    }

    fn descriptor(&self, map: &SocketMap) -> i32 {
        map.descriptor()
    }

    fn load(&self, code: &[[u8; 8]], fragments: bool) -> Result<Program, LoadError> {
        Program::load(PROGRAM, code, fragments)
    }

    fn attach(&self, program: &Program, device: u32, hook: Hook) -> io::Result<Link> {
        program.attach(device, hook)
    }

    fn socket(&self) -> io::Result<Socket> {
        Socket::open()
    }

    fn open(&self, socket: Socket, umem: &Umem, sizes: RingSizes) -> Result<Halves, (OpenStep, io::Error)> {
        umem.open(socket, sizes)
    }

    fn bind(&self, halves: &Halves, device: u32, queue: u32, flags: BindFlags) -> io::Result<()> {
        halves.0.socket().bind(device, queue, flags)
    }

    fn is_zero_copy(&self, halves: &Halves) -> io::Result<bool> {
        halves.0.socket().is_zero_copy()
    }

    fn put(&self, map: &SocketMap, queue: u32, halves: &Halves) -> io::Result<()> {
        map.put(queue, halves.0.socket())
    }

    fn unplug(&self, map: &Arc<SocketMap>, queue: u32) -> Box<dyn Fn() + Send> {
        let map = map.clone();
        // Where it is not in the map any more, the device took it out by going away.
        Box::new(move || drop(map.remove(queue)))
    }

    fn pause(&self) {
        ffi::time::sleep_ns(PAUSE_NS);
    }
}
