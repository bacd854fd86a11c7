//! Frames lent to a kernel that is none: its side of the rings is played here, on a file laid out as the kernel lays
//! out an AF_XDP socket's. No root needed.
#![cfg(not(loom))]

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;

use ffi::xdp::{AllOffsets, CONTINUES, Descriptor, RingOffsets, RingSizes, Socket};
use hugepages::umem::{NotSent, Receiver, Sender, Umem, close};
use hugepages::{Arena, Frame, FramePool, PagePolicy, PoolShape};

const ENTRIES: u32 = 8;
const OFFSETS: RingOffsets = RingOffsets { producer: 0, consumer: 64, flags: 128, entries: 192 };
/// Where the rings lie in the socket's file (`XDP_PGOFF_*`, `linux/if_xdp.h`).
const RECEIVE: u64 = 0;
const TRANSMIT: u64 = 0x8000_0000;
const FILL: u64 = 0x1_0000_0000;
const COMPLETION: u64 = 0x1_8000_0000;

/// The kernel's side, through plain reads and writes of the file.
struct Kernel {
    file: File,
}

impl Kernel {
    fn number(&mut self, at: u64) -> u32 {
        let mut bytes = [0; 4];
        self.file.seek(SeekFrom::Start(at)).unwrap();
        self.file.read_exact(&mut bytes).unwrap();
        u32::from_ne_bytes(bytes)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        self.file.seek(SeekFrom::Start(at)).unwrap();
        self.file.write_all(bytes).unwrap();
    }

    fn entry(&self, ring: u64, counter: u32, bytes: u64) -> u64 {
        ring + OFFSETS.entries + u64::from(counter % ENTRIES) * bytes
    }

    /// Takes an address out of the fill ring.
    fn filled(&mut self) -> Option<u64> {
        let consumer = self.number(FILL + OFFSETS.consumer);
        if consumer == self.number(FILL + OFFSETS.producer) {
            return None;
        }
        let at = self.entry(FILL, consumer, 8);
        let (low, high) = (self.number(at), self.number(at + 4));
        self.write(FILL + OFFSETS.consumer, &consumer.wrapping_add(1).to_ne_bytes());
        Some(u64::from(high) << 32 | u64::from(low))
    }

    /// Puts a descriptor into the receive ring.
    fn deliver(&mut self, address: u64, len: u32, options: u32) {
        let producer = self.number(RECEIVE + OFFSETS.producer);
        let at = self.entry(RECEIVE, producer, 16);
        self.write(at, &address.to_ne_bytes());
        self.write(at + 8, &len.to_ne_bytes());
        self.write(at + 12, &options.to_ne_bytes());
        self.write(RECEIVE + OFFSETS.producer, &producer.wrapping_add(1).to_ne_bytes());
    }

    /// Takes a descriptor out of the transmit ring.
    fn next_to_send(&mut self) -> Option<Descriptor> {
        let consumer = self.number(TRANSMIT + OFFSETS.consumer);
        if consumer == self.number(TRANSMIT + OFFSETS.producer) {
            return None;
        }
        let at = self.entry(TRANSMIT, consumer, 16);
        let address = u64::from(self.number(at + 4)) << 32 | u64::from(self.number(at));
        let (len, options) = (self.number(at + 8), self.number(at + 12));
        self.write(TRANSMIT + OFFSETS.consumer, &consumer.wrapping_add(1).to_ne_bytes());
        Some(Descriptor { address, len, options })
    }

    /// Says that a chunk was sent.
    fn complete(&mut self, address: u64) {
        let producer = self.number(COMPLETION + OFFSETS.producer);
        let at = self.entry(COMPLETION, producer, 8);
        self.write(at, &address.to_ne_bytes());
        self.write(COMPLETION + OFFSETS.producer, &producer.wrapping_add(1).to_ne_bytes());
    }
}

struct Rig {
    kernel: Kernel,
    receiver: Receiver,
    sender: Sender,
    pool: FramePool,
    /// Keeps the memory.
    _arena: Arena,
}

fn pool(shape: PoolShape) -> (FramePool, Arena) {
    let mut arena = Arena::reserve(hugepages::arena::pool_bytes(&shape), &PagePolicy::Never, None).unwrap();
    (arena.carve_pool("frames", shape).unwrap(), arena)
}

/// Frames of `chunks` chunks of 4096 bytes; all counters start at `first`, to see them wrap.
fn rig(chunks: u32, frames: u32, first: u32) -> Rig {
    let shape = PoolShape { frame_room: chunks * 4096 - 320, headroom: 256, frames, owner: 0, chunk: 4096 };
    let (pool, arena) = pool(shape);
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("mnvkd-umem-{}-{number}", std::process::id()));
    let open = || File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
    let (ours, theirs) = (open(), open());
    std::fs::remove_file(&path).unwrap();
    ours.set_len(COMPLETION + 4096).unwrap();
    let mut kernel = Kernel { file: theirs };
    for ring in [RECEIVE, TRANSMIT, FILL, COMPLETION] {
        kernel.write(ring + OFFSETS.producer, &first.to_ne_bytes());
        kernel.write(ring + OFFSETS.consumer, &first.to_ne_bytes());
    }
    // SAFETY: the file was opened for this alone; `theirs` is another open file.
    let socket = unsafe { Socket::from_descriptor(OwnedFd::from(ours)) };
    let sizes = RingSizes { fill: ENTRIES, receive: ENTRIES, transmit: ENTRIES, completion: ENTRIES };
    let offsets = AllOffsets { fill: OFFSETS, receive: OFFSETS, transmit: OFFSETS, completion: OFFSETS };
    let umem = Umem::of(&pool).unwrap();
    // SAFETY: the file is laid out with these offsets, and this test plays the kernel's side: it writes packets only
    // through frames it holds.
    let (receiver, sender) = unsafe { umem.halves(socket, sizes, &offsets) }.unwrap();
    Rig { kernel, receiver, sender, pool, _arena: arena }
}

impl Rig {
    fn post(&mut self, count: usize) {
        for _ in 0..count {
            let frame = self.pool.acquire(0).unwrap();
            self.receiver.post(frame).unwrap();
        }
        self.receiver.publish();
    }

    /// Closes; every frame is home.
    fn end(mut self) {
        let mut home = Vec::<Frame>::new();
        close(Some(self.receiver), Some(self.sender), |frame| home.push(frame)).unwrap();
        home.into_iter().for_each(|frame| self.pool.release(frame).unwrap());
        assert!(self.pool.is_full(), "{:?}", self.pool);
    }
}

#[test]
fn what_is_posted_comes_back_where_the_kernel_put_the_packet() {
    let mut rig = rig(1, 16, u32::MAX - 2);
    for round in 0..20u32 {
        rig.post(5);
        for n in 0..5 {
            let address = rig.kernel.filled().unwrap();
            assert_eq!(address % 4096, 0);
            rig.kernel.deliver(address + 320, 60 + n, 0);
        }
        assert_eq!((rig.kernel.filled(), rig.receiver.posted()), (None, 5));
        for n in 0..5 {
            let taken = rig.receiver.take().unwrap().unwrap();
            let (offset, len) = (taken.frame.offset(), taken.frame.len() as u32);
            assert_eq!((offset, len, taken.continues), (320, 60 + n, false), "{round}");
            rig.pool.release(taken.frame).unwrap();
        }
        assert!(rig.receiver.take().is_none());
        rig.receiver.release();
    }
    rig.end();
}

#[test]
fn descriptors_that_make_no_sense_are_no_frames() {
    let mut rig = rig(1, 4, 0);
    rig.post(2);
    let [first, second] = [rig.kernel.filled().unwrap(), rig.kernel.filled().unwrap()];
    let never = (0..4).map(|n| n * 4096).find(|address| ![first, second].contains(address)).unwrap();
    for (address, len) in [
        (never + 320, 60),       // never posted
        (4 * 4096 + 320, 60),    // past the memory
        (u64::MAX, 60),          // far past it
        (first + 63, 60),        // in the frame's head
        (first + 320, 3777),     // past the frame's end
        (first + 4095, 2),       // the same
        (first + 320, u32::MAX), // the same
    ] {
        rig.kernel.deliver(address, len, 0);
        let taken = rig.receiver.take().unwrap();
        assert_eq!(taken.unwrap_err(), Descriptor { address, len, options: 0 });
        rig.receiver.release();
    }
    // The right one once, and not again.
    for _ in 0..2 {
        rig.kernel.deliver(first + 320, 3776, CONTINUES);
    }
    let taken = rig.receiver.take().unwrap().unwrap();
    assert!(taken.continues && taken.frame.len() == 3776);
    rig.pool.release(taken.frame).unwrap();
    assert!(rig.receiver.take().unwrap().is_err());
    rig.end();
}

#[test]
fn a_counter_that_makes_no_sense_is_not_believed() {
    let mut rig = rig(1, 16, 0);
    rig.post(8);
    let more = rig.pool.acquire(0).unwrap();
    let full = rig.receiver.post(more).unwrap_err();
    // More consumed than there was; more produced than there is room for.
    rig.kernel.write(FILL + OFFSETS.consumer, &1000u32.to_ne_bytes());
    let full = rig.receiver.post(full).unwrap_err();
    rig.pool.release(full).unwrap();
    rig.kernel.write(RECEIVE + OFFSETS.producer, &1000u32.to_ne_bytes());
    assert!(rig.receiver.take().is_none());
    rig.end();
}

#[test]
fn a_packet_over_several_chunks_goes_out_in_parts_and_comes_back_once() {
    for reversed in [false, true] {
        let mut rig = rig(3, 4, u32::MAX - 1);
        let frame = rig.pool.acquire(9000).unwrap();
        assert_eq!(rig.sender.descriptors(&frame), 3);
        rig.sender.send(frame).unwrap();
        rig.sender.publish();
        let mut parts: Vec<Descriptor> = std::iter::from_fn(|| rig.kernel.next_to_send()).collect();
        let lens: Vec<u32> = parts.iter().map(|part| part.len).collect();
        assert_eq!(lens, [4096 - 320, 4096, 9000 - 4096 - 3776]);
        assert_eq!(parts.iter().map(|part| part.options).collect::<Vec<_>>(), [CONTINUES, CONTINUES, 0]);
        assert!(parts.windows(2).all(|pair| pair[0].address + u64::from(pair[0].len) == pair[1].address));
        if reversed {
            parts.reverse();
        }
        let mut home = Vec::new();
        for (n, part) in parts.iter().enumerate() {
            rig.kernel.complete(part.address);
            let reaped = rig.sender.reap(64, |frame| home.push(frame));
            assert_eq!(reaped, usize::from(n == 2));
        }
        home.into_iter().for_each(|frame| rig.pool.release(frame).unwrap());
        assert!(rig.pool.is_full());
        rig.end();
    }
}

#[test]
fn sending_stops_when_the_ring_is_full_and_goes_on_when_it_is_not() {
    let mut rig = rig(1, 32, 7);
    for _ in 0..50 {
        let mut sent = 0;
        let full = loop {
            let frame = rig.pool.acquire(100).unwrap();
            match rig.sender.send(frame) {
                Ok(()) => sent += 1,
                Err(NotSent::Full(frame)) => break frame,
                Err(other) => panic!("{other:?}"),
            }
        };
        rig.pool.release(full).unwrap();
        assert_eq!(
            (sent, rig.sender.sending(), rig.sender.waiting()),
            (8, 8, 8),
            "the kernel has looked at none"
        );
        rig.sender.publish();
        for part in std::iter::from_fn(|| rig.kernel.next_to_send()).collect::<Vec<_>>() {
            rig.kernel.complete(part.address);
        }
        let pool = &mut rig.pool;
        assert_eq!(rig.sender.reap(5, |frame| pool.release(frame).unwrap()), 5);
        assert_eq!(rig.sender.reap(5, |frame| pool.release(frame).unwrap()), 3);
    }
    // What is completed twice, or was never sent, is nobody's frame.
    rig.kernel.complete(320);
    rig.kernel.complete(u64::MAX);
    assert_eq!(rig.sender.reap(64, |_| unreachable!()), 0);
    rig.end();
}

#[test]
fn frames_of_other_pools_are_not_taken() {
    let mut rig = rig(1, 4, 0);
    let (mut other, _arena) =
        pool(PoolShape { frame_room: 3776, headroom: 256, frames: 2, owner: 1, chunk: 4096 });
    let frame = rig.receiver.post(other.acquire(0).unwrap()).unwrap_err();
    assert!(!rig.sender.owns(&frame));
    let Err(NotSent::Foreign(frame)) = rig.sender.send(frame) else {
        panic!("another pool's frame was sent")
    };
    other.release(frame).unwrap();
    rig.end();
}

#[test]
fn one_half_alone_cannot_close_what_the_other_still_has() {
    let mut rig = rig(1, 4, 0);
    rig.post(3);
    let unclosed = close(Some(rig.receiver), None, |_| unreachable!()).unwrap_err();
    rig.receiver = unclosed.receiver.unwrap();
    rig.end();
}

#[test]
fn halves_that_are_dropped_keep_their_memory_mapped() {
    let mut rig = rig(1, 4, 0);
    rig.post(3);
    let mut held = rig.pool.acquire(100).unwrap();
    let Rig { receiver, sender, pool, _arena, .. } = rig;
    drop((receiver, sender));
    assert_eq!(pool.missing(), 4);
    drop((pool, _arena));
    // The pool leaked its memory for this frame's sake, and for that of those the halves took with them.
    held.bytes_mut().fill(7);
    assert!(held.bytes().iter().all(|byte| *byte == 7));
}
