//! What is worth a word, and the words.

use super::*;
use crate::host::Thread;

fn lost(times: u64, waited_ns: Option<u64>) -> Preemption {
    Preemption { times, waited_ns }
}

fn thread(process: u32, thread: u32, name: &str, kernel: bool) -> Thread {
    Thread { process, thread, name: name.into(), kernel, runnable: true, cpu: 0, ran_ns: 0 }
}

#[test]
fn a_part_in_a_thousand_is_worth_a_word() {
    let second = 1_000_000_000;
    assert!(is_worth_a_word(lost(1, Some(1_000_000)), second));
    assert!(!is_worth_a_word(lost(9, Some(999_999)), second));
    assert!(!is_worth_a_word(lost(0, Some(second)), second), "waiting for no one is no preemption");
    assert!(is_worth_a_word(lost(10, None), second) && !is_worth_a_word(lost(9, None), second));
    assert!(!is_worth_a_word(lost(0, None), 0) && !is_worth_a_word(lost(0, Some(0)), 0));
}

#[test]
fn who_ran_longest_is_named_first() {
    let mut culprits = Culprits::default();
    culprits.add(1, &thread(7, 7, "yes", false), 20_000_000);
    culprits.add(1, &thread(2, 2, "kworker/1:1", true), 60_000);
    culprits.add(1, &thread(8, 9, "pool", false), 1_000_000_000);
    culprits.add(1, &thread(3, 3, "blink", false), 49_999);
    culprits.add(0, &thread(5, 5, "other", false), 1_000_000);
    culprits.add(0, &thread(6, 6, "mnvkd", false), 500_000);
    let mut again = Culprits::default();
    again.add(1, &thread(7, 7, "yes", false), 5_000_000);
    culprits.merge(again);
    assert_eq!(
        culprits.names(1, 6),
        "there ran \"pool\" (thread 9 of process 8) 1.00 s, \"yes\" (process 7) 25.0 ms, kworker/1:1 of the kernel \
         60.0 µs"
    );
    assert_eq!(
        culprits.names(0, 6),
        "there ran \"other\" (process 5) 1.0 ms, mnvkd's control thread 500.0 µs (leave it a CPU)"
    );
    assert_eq!(culprits.names(2, 6), "who ran there instead is gone, or cannot be seen from here");
    let told = told(1, 3, lost(1234, Some(500_000_000)), 2_000_000_000);
    assert_eq!(told, "core 1 (CPU 3) was preempted 1,234 times and had to wait 500.0 ms in 2.00 s");
}
