//! What an element costs from core to core: two pinned threads stream through a ring, rtrb beside it.
//!
//! Prints `name value unit` lines, the median of several runs and the best one, in time-stamp counter
//! cycles for an element. `cargo bench -p mnvkd-hugepages --bench ring`.

use std::sync::Barrier;
use std::thread;

use ffi::affinity::{allowed_cpus, pin_current_thread};
use ffi::cycles::cycles;
use hugepages::ring;

/// Elements a run moves.
const ELEMENTS: u64 = 8 << 20;
const RUNS: usize = 9;
const BURST: usize = 32;

/// Runs both halves on two CPUs and returns the cycles an element took, start to end.
fn stream(produce: impl FnOnce() + Send, consume: impl FnOnce() + Send) -> f64 {
    let cpus = allowed_cpus().expect("sched_getaffinity");
    let (first, second) = (cpus[0], cpus[1 % cpus.len()]);
    let start = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            pin_current_thread(second).expect("pin");
            start.wait();
            produce();
        });
        let consumer = scope.spawn(|| {
            pin_current_thread(first).expect("pin");
            start.wait();
            let before = cycles();
            consume();
            cycles() - before
        });
        consumer.join().expect("consumer") as f64 / ELEMENTS as f64
    })
}

fn ours<const WORDS: usize>(capacity: usize) -> f64 {
    let (mut producer, mut consumer) = ring::boxed::<[u64; WORDS]>(capacity);
    stream(
        move || {
            let mut sent = 0;
            while sent < ELEMENTS {
                let mut burst = (sent..(sent + BURST as u64).min(ELEMENTS)).map(|n| [n; WORDS]);
                let pushed = producer.push_from(&mut burst) as u64;
                sent += pushed;
                if pushed == 0 {
                    std::hint::spin_loop();
                }
            }
        },
        move || {
            let (mut taken, mut sum) = (0, 0u64);
            while taken < ELEMENTS {
                let popped =
                    consumer.pop_each(BURST, |element| sum = sum.wrapping_add(element[WORDS - 1])) as u64;
                taken += popped;
                if popped == 0 {
                    std::hint::spin_loop();
                }
            }
            assert_eq!(sum, ELEMENTS * (ELEMENTS - 1) / 2);
        },
    )
}

fn rtrb<const WORDS: usize>(capacity: usize) -> f64 {
    let (mut producer, mut consumer) = rtrb::RingBuffer::<[u64; WORDS]>::new(capacity);
    stream(
        move || {
            let mut sent = 0;
            while sent < ELEMENTS {
                let count = producer.slots().min(BURST).min((ELEMENTS - sent) as usize);
                if count == 0 {
                    std::hint::spin_loop();
                    continue;
                }
                let chunk = producer.write_chunk_uninit(count).expect("slots were free");
                sent += chunk.fill_from_iter((sent..).map(|n| [n; WORDS])) as u64;
            }
        },
        move || {
            let (mut taken, mut sum) = (0, 0u64);
            while taken < ELEMENTS {
                let count = consumer.slots().min(BURST);
                if count == 0 {
                    std::hint::spin_loop();
                    continue;
                }
                let chunk = consumer.read_chunk(count).expect("slots were filled");
                chunk.into_iter().for_each(|element| sum = sum.wrapping_add(element[WORDS - 1]));
                taken += count as u64;
            }
            assert_eq!(sum, ELEMENTS * (ELEMENTS - 1) / 2);
        },
    )
}

/// Push and pop on one core: what the code itself costs.
fn one_core<const WORDS: usize>() -> f64 {
    let (mut producer, mut consumer) = ring::boxed::<[u64; WORDS]>(1024);
    let (mut sent, mut sum) = (0, 0u64);
    let before = cycles();
    while sent < ELEMENTS {
        let mut burst = (sent..sent + BURST as u64).map(|n| [n; WORDS]);
        sent += producer.push_from(&mut burst) as u64;
        consumer.pop_each(BURST, |element| sum = sum.wrapping_add(element[0]));
    }
    assert_eq!(std::hint::black_box(sum), ELEMENTS * (ELEMENTS - 1) / 2);
    (cycles() - before) as f64 / ELEMENTS as f64
}

fn report(name: &str, mut run: impl FnMut() -> f64) {
    let mut runs: Vec<f64> = (0..RUNS).map(|_| run()).collect();
    runs.sort_by(f64::total_cmp);
    println!("{name} {:.2} cycles_per_element (best {:.2})", runs[RUNS / 2], runs[0]);
}

fn main() {
    report("ring_one_core_16B", one_core::<2>);
    report("ring_one_core_32B", one_core::<4>);
    for capacity in [512, 1024, 4096] {
        report(&format!("ring_16B_{capacity}"), || ours::<2>(capacity));
        report(&format!("rtrb_16B_{capacity}"), || rtrb::<2>(capacity));
        report(&format!("ring_32B_{capacity}"), || ours::<4>(capacity));
        report(&format!("rtrb_32B_{capacity}"), || rtrb::<4>(capacity));
    }
}
