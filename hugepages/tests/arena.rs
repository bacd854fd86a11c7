//! Carving: budgets that hold, zeroed and aligned memory, frames that stay inside their bounds.
#![cfg(not(loom))]

use hugepages::arena::{carve_bytes, pool_bytes, ring_bytes};
use hugepages::{Arena, ArenaError, PagePolicy, PoolShape};

const SHAPE: PoolShape = PoolShape { frame_room: 1518, headroom: 128, frames: 100, owner: 3, chunk: 64 };

fn arena(bytes: usize) -> Arena {
    Arena::reserve(bytes, &PagePolicy::Never, None).unwrap()
}

#[derive(zerocopy::FromZeros, Clone, Copy, Debug, PartialEq)]
#[repr(C, align(512))]
struct Wide([u8; 512]);

#[test]
fn a_budget_added_up_beforehand_is_enough_in_any_order() {
    for order in 0..6 {
        let mut budget =
            carve_bytes::<u8>(1) + carve_bytes::<Wide>(3) + pool_bytes(&SHAPE) + ring_bytes::<[u64; 4]>(64);
        budget += carve_bytes::<u64>(0);
        let mut arena = arena(budget);
        // Use up what rounding to pages gave beyond the budget, so that the budget alone has to do.
        let spare = arena.left() - budget;
        let _spare = arena.carve::<u8>("spare", spare / 64 * 64).unwrap();
        for step in [0, 1, 2, 3].map(|n| (n + order) % 4) {
            match step {
                0 => assert_eq!(arena.carve::<u8>("byte", 1).unwrap()[..], [0]),
                1 => {
                    let wide = arena.carve::<Wide>("wide", 3).unwrap();
                    assert!(wide.as_ptr().addr().is_multiple_of(512) && wide.iter().all(|w| w.0 == [0; 512]));
                }
                2 => assert!(arena.carve_pool("pool", SHAPE).unwrap().is_full()),
                _ => assert_eq!(arena.carve_ring::<[u64; 4]>("ring", 64).unwrap().0.capacity(), 64),
            }
        }
        assert!(arena.carve::<u64>("none", 0).unwrap().is_empty());
        let sealed = arena.seal();
        assert!(sealed.used <= sealed.total);
        let starts: Vec<usize> = sealed.carvings.iter().map(|c| c.offset).collect();
        assert!(starts.is_sorted());
        assert!(sealed.carvings.windows(2).all(|w| w[0].offset + w[0].bytes <= w[1].offset));
    }
}

#[test]
fn what_does_not_fit_is_refused_with_numbers_and_takes_nothing() {
    let mut arena = arena(4096);
    let left = arena.left();
    let error = arena.carve::<u64>("flow table", 1000).unwrap_err();
    assert_eq!(error.to_string(), "arena full: flow table needs 8000 bytes, 4096 of 4096 are left");
    assert!(matches!(arena.carve_pool("pool", SHAPE), Err(ArenaError::Full { what: "pool", .. })));
    assert!(matches!(arena.carve::<u64>("huge", usize::MAX), Err(ArenaError::Full { .. })));
    assert!(matches!(arena.carve_ring::<u64>("ring", 1 << 31), Err(ArenaError::Full { .. })));
    for shape in [
        PoolShape { frames: 0, ..SHAPE },
        PoolShape { frame_room: 0, ..SHAPE },
        PoolShape { headroom: u16::MAX, ..SHAPE },
        PoolShape { chunk: 0, ..SHAPE },
        PoolShape { chunk: 32, ..SHAPE },
        PoolShape { chunk: 96, ..SHAPE },
        PoolShape { chunk: 8192, ..SHAPE },
        PoolShape { frame_room: u32::MAX, ..SHAPE },
    ] {
        assert!(matches!(arena.carve_pool("pool", shape), Err(ArenaError::Shape { .. })));
    }
    for capacity in [0, 3, 1 << 32] {
        assert!(matches!(arena.carve_ring::<u64>("ring", capacity), Err(ArenaError::Shape { .. })));
    }
    assert_eq!(arena.left(), left);
    assert_eq!(carve_bytes::<u64>(usize::MAX), usize::MAX);
}

#[test]
fn carvings_outlive_their_arena() {
    let mut arena = arena(1 << 16);
    let mut slice = arena.carve::<u32>("numbers", 10).unwrap();
    let (mut tx, mut rx) = arena.carve_ring::<String>("strings", 4).unwrap();
    drop(arena.seal());
    slice[9] = 7;
    tx.push("still here".into()).unwrap();
    assert_eq!((slice.iter().sum::<u32>(), rx.pop().as_deref()), (7, Some("still here")));
    tx.push("dropped with the ring".into()).unwrap();
}

#[test]
fn a_frame_stays_inside_its_bounds() {
    let mut pool = arena(pool_bytes(&SHAPE)).carve_pool("pool", SHAPE).unwrap();
    assert!(pool.acquire(1519).is_none());
    let mut frame = pool.acquire(60).unwrap();
    assert_eq!(
        (frame.len(), frame.headroom(), frame.room(), frame.owner(), frame.tag()),
        (60, 128, 1518, 3, 0)
    );
    frame.bytes_mut().fill(9);
    assert_eq!(frame.grow_front(129).unwrap_err().left, 128);
    frame.grow_front(128).unwrap().fill(1);
    assert_eq!((frame.len(), frame.room(), frame.bytes()[127], frame.bytes()[128]), (188, 1646, 1, 9));
    assert_eq!(
        frame.set_len(1647).unwrap_err().to_string(),
        "no room in the frame: 1647 bytes asked, 1646 left"
    );
    frame.set_len(1646).unwrap();
    frame.bytes_mut().fill(0xff);
    assert_eq!(frame.owner(), 3, "filling a frame to its end leaves its head alone");
    frame.trim_front(1646).unwrap();
    assert_eq!((frame.len(), frame.room()), (0, 0));
    assert!(frame.trim_front(1).is_err() && frame.set_len(1).is_err());
    frame.grow_front(1000).unwrap();
    frame.truncate(2000);
    assert_eq!(frame.len(), 1000);
    frame.truncate(64);
    frame.set_wire_len(9000);
    frame.set_order([1, u64::MAX]);
    frame.set_tag(77);
    frame.prefetch();
    frame.prefetch_head();
    assert_eq!((frame.len(), frame.wire_len(), frame.order(), frame.tag()), (64, 9000, [1, u64::MAX], 77));
    pool.release(frame).unwrap();
    let frame = pool.acquire(0).unwrap();
    assert_eq!((frame.headroom(), frame.room(), frame.tag()), (128, 1518, 0));
    pool.release(frame).unwrap();
    assert!(pool.is_full());
}

#[test]
fn a_frame_of_more_than_64_kib_is_trimmed_only_as_far_as_its_handle_can_say() {
    let shape = PoolShape { frame_room: 300_000, headroom: 0, frames: 2, owner: 0, chunk: 64 };
    let mut pool = arena(pool_bytes(&shape)).carve_pool("jumbo", shape).unwrap();
    let mut frame = pool.acquire(300_000).unwrap();
    frame.trim_front(65_471).unwrap();
    assert_eq!(frame.trim_front(1).unwrap_err().left, 0);
    assert_eq!(frame.len(), 300_000 - 65_471);
    frame.bytes_mut().fill(1);
    pool.release(frame).unwrap();
}

#[test]
fn frames_are_spread_over_cache_sets_and_the_region_is_whole_pages() {
    let pool = arena(pool_bytes(&SHAPE)).carve_pool("pool", SHAPE).unwrap();
    assert_eq!(pool.stride() / 64 % 2, 1);
    assert!(pool.region().addr().get().is_multiple_of(4096));
    assert_eq!(pool.region().len(), pool.stride() * pool.frames());
}

#[test]
fn a_pool_dropped_before_its_frames_leaves_their_memory_alone() {
    let mut pool = arena(pool_bytes(&SHAPE)).carve_pool("pool", SHAPE).unwrap();
    let mut frame = pool.acquire(100).unwrap();
    assert_eq!(pool.missing(), 1);
    drop(pool);
    frame.bytes_mut().fill(5);
    assert_eq!(frame.bytes(), [5; 100]);
}

#[test]
fn values_of_any_type_are_made_aligned_and_dropped() {
    #[repr(align(256))]
    struct Counted(std::rc::Rc<()>);
    let counted = std::rc::Rc::new(());
    let mut arena = arena(carve_bytes::<Counted>(20) + carve_bytes::<u8>(1));
    let _odd = arena.carve::<u8>("byte", 1).unwrap();
    let filled = arena.carve_filled("values", 20, |_| Counted(counted.clone())).unwrap();
    assert!(filled.as_ptr().addr().is_multiple_of(256));
    assert_eq!((filled.len(), std::rc::Rc::strong_count(&filled[19].0)), (20, 21));
    let nothing = |_| -> u64 { panic!("made where there is no room") };
    let error = arena.carve_filled("more", 1 << 40, nothing);
    assert!(matches!(error, Err(ArenaError::Full { what: "more", .. })));
    drop(arena);
    drop(filled);
    assert_eq!(std::rc::Rc::strong_count(&counted), 1);
}
