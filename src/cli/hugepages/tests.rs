//! The pictures of a made-up machine.

use super::*;

fn machine() -> Machine {
    let pool = |node, page_bytes, total, free| PageCounts {
        node,
        page_bytes,
        total,
        free,
        reserved: 0,
        surplus: 0,
        overcommit: 0,
    };
    Machine {
        pools: vec![
            pool(None, 2 << 20, 1024, 1000),
            pool(Some(0), 2 << 20, 1024, 1000),
            pool(Some(0), 1 << 30, 0, 0),
        ],
        transparent: Some("madvise".into()),
        memlock: Some(8 << 20),
        holders: vec![Holder {
            pid: 77,
            command: "testpmd".into(),
            private_bytes: 48 << 20,
            shared_bytes: 0,
        }],
        mounts: vec![HugeMount { path: "/dev/hugepages".into(), options: "rw,pagesize=2M".into() }],
    }
}

#[test]
fn a_machine_is_drawn_to_the_letter() {
    let expected = "\
node   page  total   free  promised  surplus  obtainable  memory
all   2 MiB  1,024  1,000         0        0       1,000   2 GiB
0     2 MiB  1,024  1,000         0        0       1,000   2 GiB
0     1 GiB      0      0         0        0           0     0 B

transparent    madvise
memlock limit  8 MiB
hugetlbfs      /dev/hugepages (rw,pagesize=2M)

holders
  pid  command  private  shared
   77  testpmd   48 MiB     0 B
";
    assert_eq!(machine().text(), expected);
}

#[test]
fn a_machine_without_any_says_so() {
    let machine =
        Machine { pools: vec![], transparent: None, memlock: None, holders: vec![], mounts: vec![] };
    let expected = "\
this kernel keeps no pool of huge pages

transparent    none in this kernel
memlock limit  none

holders
  none that can be seen (other users' processes only root sees)
";
    assert_eq!(machine.text(), expected);
}

#[test]
fn the_json_has_every_number() {
    let json = machine().json();
    assert_eq!(json["pools"][1]["node"], 0);
    assert_eq!(json["pools"][0]["obtainable"], 1000);
    assert_eq!(json["holders"][0]["private_bytes"], 48 << 20);
    assert_eq!(json["memlock_bytes"], 8 << 20);
}

#[test]
fn a_change_says_what_it_got_and_what_to_do() {
    let less = Reserved { asked: 512, got: 100, before: 0 };
    let text = outcome(less, PageSize::Huge2M, Some(1), &[]);
    assert!(
        text.starts_with("pages of 2M on node 1: 100 of the 512 asked for, 200 MiB; before: 0\nfewer"),
        "{text}"
    );
    let held = Reserved { asked: 0, got: 24, before: 1024 };
    let text = outcome(held, PageSize::Huge2M, None, &machine().holders);
    assert!(text.contains("24 of the 0 asked for, 48 MiB; before: 1,024\nsome stay"), "{text}");
    assert!(text.ends_with("   77  testpmd   48 MiB     0 B\n"), "{text}");
}
