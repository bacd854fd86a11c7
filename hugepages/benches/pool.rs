//! What acquiring and releasing a frame costs, in bursts of 32 and one by one.
//!
//! Prints `name value unit` lines, the median of several runs, in time-stamp counter cycles for a
//! frame. `cargo bench -p mnvkd-hugepages --bench pool`.

use std::hint::black_box;
use std::mem::MaybeUninit;

use ffi::cycles::cycles;
use hugepages::arena::pool_bytes;
use hugepages::{Arena, Frame, FramePool, PagePolicy, PoolShape};

const BURST: usize = 32;
/// Frames out between two readings of the counter: enough to hide what a reading costs, few enough
/// for the handles to stay in the nearest cache.
const FRAMES: usize = 512;
const ROUNDS: usize = 2_000;
const RUNS: usize = 15;
const SHAPE: PoolShape =
    PoolShape { frame_room: 1518, headroom: 128, frames: FRAMES as u32, owner: 0, chunk: 64 };

/// Handles as a burst keeps them: plain memory, no drop glue.
type Handles = [MaybeUninit<Frame>];

#[inline(never)]
fn acquire_burst(pool: &mut FramePool, burst: &mut Handles) {
    let mut n = 0;
    let got = pool.acquire_each(BURST, 64, |frame| {
        burst[n].write(frame);
        n += 1;
    });
    assert_eq!(got, BURST);
}

#[inline(never)]
fn release_burst(pool: &mut FramePool, burst: &mut Handles) {
    // SAFETY: `acquire_burst` wrote all of them, and each is read once before it is written again.
    let frames = burst.iter().map(|frame| unsafe { frame.assume_init_read() });
    assert_eq!(pool.release_each(frames, |_| panic!("foreign")), BURST);
}

#[inline(never)]
fn acquire_singly(pool: &mut FramePool, burst: &mut Handles) {
    for place in burst {
        place.write(pool.acquire(64).expect("enough frames"));
    }
}

#[inline(never)]
fn release_singly(pool: &mut FramePool, burst: &mut Handles) {
    for place in burst {
        // SAFETY: `acquire_singly` wrote it, and it is read once before it is written again.
        pool.release(unsafe { place.assume_init_read() }).expect("its own frame");
    }
}

type Step = fn(&mut FramePool, &mut Handles);

/// Cycles for a frame of the two halves: everything out, everything home.
fn run(pool: &mut FramePool, handles: &mut Handles, out: Step, home: Step) -> (f64, f64) {
    let (mut acquiring, mut releasing) = (0, 0);
    for _ in 0..ROUNDS {
        let start = cycles();
        handles.chunks_exact_mut(BURST).for_each(|burst| out(pool, burst));
        let middle = cycles();
        black_box(&mut *handles);
        let between = cycles();
        handles.chunks_exact_mut(BURST).for_each(|burst| home(pool, burst));
        releasing += cycles() - between;
        acquiring += middle - start;
    }
    let frames = (ROUNDS * FRAMES) as f64;
    (acquiring as f64 / frames, releasing as f64 / frames)
}

fn median(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

fn main() {
    let mut arena = Arena::reserve(pool_bytes(&SHAPE), &PagePolicy::default(), None).expect("memory");
    let mut pool = arena.carve_pool("bench", SHAPE).expect("budget");
    let mut handles: Vec<MaybeUninit<Frame>> = (0..FRAMES).map(|_| MaybeUninit::uninit()).collect();
    let ways: [(&str, Step, Step); 2] =
        [("burst32", acquire_burst, release_burst), ("single", acquire_singly, release_singly)];
    for (name, out, home) in ways {
        let runs: Vec<_> = (0..RUNS).map(|_| run(&mut pool, &mut handles, out, home)).collect();
        println!("pool_acquire_{name} {:.2} cycles_per_frame", median(runs.iter().map(|r| r.0).collect()));
        println!("pool_release_{name} {:.2} cycles_per_frame", median(runs.iter().map(|r| r.1).collect()));
    }
}
