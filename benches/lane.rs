//! What a packet costs from core to core, on two CPUs: the ring alone, and the lane around it.
//!
//! Cycles are those of both sides together, producer's and consumer's, waiting included: what DPDK's
//! `ring_perf` prints for its rings between two cores.
//!
//! - `ring_32B`: descriptors as large as a packet's, in bursts of 32, through a ring as deep as a lane's,
//!   in huge pages where there are any. `ring_16B`, `ring_8B`: smaller ones.
//! - `lane_there_and_back`: the whole way: a frame from the first core's pool, as a packet through the
//!   lane, released on the second core, and home to the pool it came from.

mod measure;

use std::hint::{black_box, spin_loop};

use hugepages::{Arena, Consumer, PagePolicy, PoolShape, Producer, arena};
use measure::{Bench, Stretches, on_two_cpus};
use mnvkd::lane::{self, Lanes};
use mnvkd::packet::layers::LinkClass;
use mnvkd::packet::{CoreId, Frames, Packet, Packets, PortId};

const BURST: usize = 32;
const FRAMES: u32 = 1024;

fn ring<const WORDS: usize>(packets: usize, capacity: usize) -> f64 {
    let bytes = arena::ring_bytes::<[u64; WORDS]>(capacity);
    let mut arena = Arena::reserve(bytes, &PagePolicy::default(), None).expect("memory");
    let (out, intake) = arena.carve_ring::<[u64; WORDS]>("bench", capacity).expect("room");
    let (sent, received) = on_two_cpus(move || send(out, packets), move || receive(intake, packets));
    sent + received
}

fn send<const WORDS: usize>(mut out: Producer<[u64; WORDS]>, packets: usize) -> f64 {
    let burst = [[7u64; WORDS]; BURST];
    let mut stretches = Stretches::start();
    for _ in 0..packets / BURST {
        let mut left = black_box(&burst).iter().copied();
        while left.len() > 0 {
            if out.push_from(&mut left) == 0 {
                spin_loop();
            }
        }
        stretches.add(BURST);
    }
    stretches.median()
}

fn receive<const WORDS: usize>(mut intake: Consumer<[u64; WORDS]>, packets: usize) -> f64 {
    let mut burst = [[0u64; WORDS]; BURST];
    let (mut taken, mut stretches) = (0, Stretches::start());
    while taken < packets {
        let mut into = burst.iter_mut();
        let popped = intake.pop_each(BURST, |element| {
            if let Some(place) = into.next() {
                *place = element;
            }
        });
        black_box(&mut burst);
        if popped == 0 {
            spin_loop();
        }
        taken += popped;
        stretches.add(popped);
    }
    stretches.median()
}

/// One core's memory, with its pool, for `cores` cores.
fn cores(cores: u16) -> Vec<(Frames, Lanes)> {
    let shape = |owner| PoolShape { frame_room: 1920, headroom: 64, frames: FRAMES, owner, chunk: 64 };
    let bytes = arena::pool_bytes(&shape(0)) + lane::arena_bytes(usize::from(cores), FRAMES as usize);
    let mut arenas: Vec<Arena> =
        (0..cores).map(|_| Arena::reserve(bytes, &PagePolicy::default(), None).expect("memory")).collect();
    let pools: Vec<_> =
        (0u16..).zip(&mut arenas).map(|(n, arena)| arena.carve_pool("frames", shape(n))).collect();
    let lanes = lane::mesh(&mut arenas, FRAMES as usize).expect("room");
    let frames = pools.into_iter().map(|pool| Frames::new(pool.expect("room"), FRAMES as usize));
    frames.zip(lanes).collect()
}

fn there_and_back(packets: usize) -> f64 {
    let mut both = cores(2).into_iter();
    let (mut here, mut there) = (both.next().expect("two"), both.next().expect("two"));
    let (sent, received) = on_two_cpus(
        || {
            let (frames, lanes) = &mut here;
            let (mut sent, mut stretches) = (0, Stretches::start());
            let (other, port) = (CoreId::new(1).expect("in range"), PortId::new(0).expect("in range"));
            while sent < packets || frames.missing() > 0 {
                let most = if lanes.clear() { BURST.min(packets - sent) } else { 0 };
                let staged = frames.acquire_each(most, 64, |frame| {
                    lanes.stage(other, Packet::new(frame, port, LinkClass::Ethernet, 1));
                });
                lanes.flush(frames);
                lanes.take_home(frames);
                if staged == 0 {
                    spin_loop();
                }
                sent += staged;
                stretches.add(staged);
            }
            stretches.median()
        },
        || {
            let (frames, lanes) = &mut there;
            let (mut taken, mut stretches) = (0, Stretches::start());
            let mut burst = Packets::new();
            while taken < packets {
                let popped = lanes.take(&mut burst, BURST);
                frames.release_each(burst.drain(..).map(Packet::into_frame));
                lanes.flush(frames);
                if popped == 0 {
                    spin_loop();
                }
                taken += popped;
                stretches.add(popped);
            }
            stretches.median()
        },
    );
    assert_eq!((here.0.missing(), there.0.missing()), (0, 0), "every frame is home");
    sent + received
}

fn main() {
    let bench = Bench::from_args();
    let packets = bench.pick(4 << 20, 1 << 20);
    let unit = "cycles/packet";
    bench.report("ring_32B", unit, || ring::<4>(packets, lane::DEPTH));
    bench.report("ring_16B", unit, || ring::<2>(packets, lane::DEPTH));
    bench.report("ring_8B", unit, || ring::<1>(packets, lane::DEPTH));
    bench.report("lane_there_and_back", unit, || there_and_back(packets));
}
