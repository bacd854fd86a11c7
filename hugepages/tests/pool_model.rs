//! The pool under random use: frames are conserved, never handed out twice, never overlap.
#![cfg(not(loom))]

use std::panic::{AssertUnwindSafe, catch_unwind};

use hugepages::arena::pool_bytes;
use hugepages::{Arena, Frame, FramePool, PagePolicy, PoolShape};
use proptest::prelude::*;

const FRAMES: u32 = 40;

fn pool(owner: u16) -> FramePool {
    let shape = PoolShape { frame_room: 300, headroom: 32, frames: FRAMES, owner, chunk: 64 };
    let mut arena = Arena::reserve(pool_bytes(&shape), &PagePolicy::Never, None).unwrap();
    arena.carve_pool("pool", shape).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Acquire(usize, u32),
    AcquireEach(usize, usize, u32),
    Release(usize, prop::sample::Index),
    ReleaseEach(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..2usize, 0..310u32).prop_map(|(pool, len)| Step::Acquire(pool, len)),
        (0..2usize, 0..50usize, 0..310u32).prop_map(|(pool, n, len)| Step::AcquireEach(pool, n, len)),
        (0..2usize, any::<prop::sample::Index>()).prop_map(|(pool, which)| Step::Release(pool, which)),
        (0..2usize, 0..30usize).prop_map(|(pool, n)| Step::ReleaseEach(pool, n)),
    ]
}

/// Writes the frame's own number over all of its packet, headroom and tailroom included.
fn mark(frame: &mut Frame, number: u8) {
    frame.grow_front(32).unwrap();
    frame.set_len(332).unwrap();
    frame.bytes_mut().fill(number);
}

proptest! {
    #[test]
    fn frames_are_conserved(steps in prop::collection::vec(step(), 1..150)) {
        let mut pools = [pool(0), pool(1)];
        let mut out: Vec<(Frame, u8)> = Vec::new();
        let mut number = 0u8;
        for step in steps {
            let mut fresh = Vec::new();
            match step {
                Step::Acquire(p, len) => {
                    let possible = len <= 300 && pools[p].available() > 0;
                    let frame = pools[p].acquire(len);
                    prop_assert_eq!(frame.is_some(), possible);
                    fresh.extend(frame);
                }
                Step::AcquireEach(p, n, len) => {
                    let possible = if len <= 300 { n.min(pools[p].available()) } else { 0 };
                    prop_assert_eq!(pools[p].acquire_each(n, len, |frame| fresh.push(frame)), possible);
                    prop_assert_eq!(fresh.len(), possible);
                }
                Step::Release(p, which) if !out.is_empty() => {
                    let (frame, mark) = out.swap_remove(which.index(out.len()));
                    let owner = usize::from(frame.owner());
                    prop_assert_eq!(pools[p].owns(&frame), owner == p);
                    prop_assert_eq!(pools[p].index_of(&frame).is_some(), owner == p);
                    if let Err(foreign) = pools[p].release(frame) {
                        prop_assert!(owner != p);
                        out.push((foreign, mark));
                    }
                }
                Step::Release(..) => {}
                Step::ReleaseEach(p, n) => {
                    let from = out.len() - n.min(out.len());
                    let (batch, marks): (Vec<_>, Vec<_>) = out.drain(from..).unzip();
                    let own = batch.iter().filter(|frame| usize::from(frame.owner()) == p).count();
                    let mut marks = batch.iter().map(Frame::owner).zip(marks).filter(|(owner, _)| usize::from(*owner) != p);
                    let marks: Vec<u8> = marks.by_ref().map(|(_, mark)| mark).collect();
                    let mut foreign = Vec::new();
                    prop_assert_eq!(pools[p].release_each(batch, |frame| foreign.push(frame)), own);
                    out.extend(foreign.into_iter().zip(marks));
                }
            }
            for mut frame in fresh {
                number = number.wrapping_add(1);
                mark(&mut frame, number);
                out.push((frame, number));
            }
            let missing: usize = pools.iter().map(FramePool::missing).sum();
            prop_assert_eq!(missing, out.len());
        }
        for (frame, number) in out {
            prop_assert!(frame.bytes().iter().all(|&b| b == number), "two frames share memory");
            let home = usize::from(frame.owner());
            prop_assert!(pools[home].release(frame).is_ok());
        }
        prop_assert!(pools.iter().all(FramePool::is_full));
    }
}

#[test]
fn the_frame_released_last_is_acquired_first() {
    let mut pool = pool(0);
    let (a, b) = (pool.acquire(1).unwrap(), pool.acquire(1).unwrap());
    let (a_at, b_at) = (pool.index_of(&a), pool.index_of(&b));
    assert_eq!((a_at, b_at), (Some(0), Some(1)));
    pool.release(b).unwrap();
    pool.release(a).unwrap();
    let again = pool.acquire(1).unwrap();
    assert_eq!(pool.index_of(&again), a_at);
    pool.release(again).unwrap();
}

#[test]
fn a_panic_in_a_batch_loses_at_most_the_frame_it_was_given() {
    let mut pool = pool(0);
    let mut kept = Vec::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        pool.acquire_each(10, 60, |frame| {
            kept.push(frame);
            assert!(kept.len() < 4, "expected");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!((pool.missing(), kept.len()), (4, 4));
    assert_eq!(pool.release_each(kept, |_| unreachable!()), 4);
    assert!(pool.is_full());
}

#[test]
fn frames_come_home_from_another_thread() {
    let mut pool = pool(0);
    let (mut out, mut there) = hugepages::ring::boxed::<Frame>(16);
    let (mut back, mut home) = hugepages::ring::boxed::<Frame>(64);
    let other = std::thread::spawn(move || {
        loop {
            let last = there.is_abandoned();
            let count = there.pop_each(16, |mut frame| {
                frame.bytes_mut().fill(1);
                back.push(frame).expect("room for every frame of the pool");
            });
            if last && count == 0 {
                break;
            }
            std::thread::yield_now();
        }
    });
    for _ in 0..500 {
        pool.acquire_each(out.free(), 64, |frame| out.push(frame).expect("free slots were counted"));
        home.pop_each(64, |frame| pool.release(frame).expect("its own frame"));
    }
    drop(out);
    other.join().unwrap();
    home.pop_each(64, |frame| pool.release(frame).expect("its own frame"));
    assert!(pool.is_full());
}
