//! Every rung and every refusal, on a kernel that is none.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use ffi::bpf::{Hook, LoadError};
use ffi::device::{AttachMode, Attached, Device, Driver, Queues};
use ffi::errno;
use ffi::xdp::{BindFlags, RingSizes};
use hugepages::umem::{OpenStep, Umem};
use hugepages::{Arena, PagePolicy, PoolShape};

use super::{Lender, Rung, Wanted, climb};
use crate::port::af_xdp::config::Mode;
use crate::port::af_xdp::kernel::Kernel;
use crate::port::af_xdp::program::Filter;
use crate::port::af_xdp::refusal::{Refused, Step};

/// What the fake kernel says to each step on each hook, and what it was asked.
#[derive(Default)]
struct Fake {
    /// Step, and the rung's flags or hook, to errno and how often.
    refuses: Mutex<HashMap<&'static str, (i32, u32)>>,
    /// The driver says yes to zero-copy but does not give it.
    liar: bool,
    asked: Mutex<Vec<String>>,
}

struct FakeHalves {
    zero_copy: Mutex<bool>,
}

impl Fake {
    fn refusing(list: &[(&'static str, i32, u32)]) -> Fake {
        let refuses = list.iter().map(|(step, errno, times)| (*step, (*errno, *times))).collect();
        Fake { refuses: Mutex::new(refuses), ..Fake::default() }
    }

    fn answer(&self, step: &'static str) -> io::Result<()> {
        self.asked.lock().unwrap().push(step.to_owned());
        match self.refuses.lock().unwrap().get_mut(step) {
            Some((errno, times)) if *times > 0 => {
                *times -= 1;
                Err(io::Error::from_raw_os_error(*errno))
            }
            _ => Ok(()),
        }
    }

    fn asked(&self, step: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == step).count()
    }
}

impl Kernel for Fake {
    type Halves = FakeHalves;
    type Program = ();
    type Link = ();
    type Map = ();
    type Socket = OwnedFd;

    fn device(&self, _: &str) -> io::Result<Option<Device>> {
        Ok(Some(device()))
    }

    fn map(&self, _: u32) -> io::Result<()> {
        self.answer("map")
    }

    fn descriptor(&self, (): &()) -> i32 {
        7
    }

    fn load(&self, code: &[[u8; 8]], _: bool) -> Result<(), LoadError> {
        assert!(!code.is_empty());
        self.answer("load").map_err(|error| LoadError { error, log: "1: R1 is no pointer\n".to_owned() })
    }

    fn attach(&self, (): &(), _: u32, hook: Hook) -> io::Result<()> {
        self.answer(if hook == Hook::Native { "attach native" } else { "attach generic" })
    }

    fn socket(&self) -> io::Result<OwnedFd> {
        self.answer("socket")?;
        Ok(File::open("/dev/null")?.into())
    }

    fn open(&self, _: OwnedFd, _: &Umem, _: RingSizes) -> Result<FakeHalves, (OpenStep, io::Error)> {
        self.answer("register").map_err(|error| (OpenStep::Register, error))?;
        self.answer("rings").map_err(|error| (OpenStep::Rings, error))?;
        Ok(FakeHalves { zero_copy: Mutex::new(false) })
    }

    fn bind(&self, halves: &FakeHalves, _: u32, _: u32, flags: BindFlags) -> io::Result<()> {
        assert!(flags.zero_copy != flags.copy, "exactly one is asked for");
        self.answer(if flags.zero_copy { "bind zero-copy" } else { "bind copy" })?;
        *halves.zero_copy.lock().unwrap() = flags.zero_copy && !self.liar;
        Ok(())
    }

    fn is_zero_copy(&self, halves: &FakeHalves) -> io::Result<bool> {
        Ok(*halves.zero_copy.lock().unwrap())
    }

    fn put(&self, (): &(), _: u32, _: &FakeHalves) -> io::Result<()> {
        self.answer("put")
    }

    fn remove(&self, (): &(), _: u32) {}

    fn pause(&self) {}
}

fn device() -> Device {
    Device {
        index: 5,
        name: "eth5".to_owned(),
        mtu: 9000,
        queues: Queues { receive: 2, transmit: 2, receive_most: 2, transmit_most: 2 },
        driver: Some(Driver { name: "ice".to_owned(), bus: String::new() }),
        xdp: Some(Attached { mode: AttachMode::Native, program: 12 }),
        ..Device::default()
    }
}

/// Counts what was filled and what was given back.
#[derive(Default)]
struct Counting {
    filled: usize,
    undone: usize,
}

impl Lender<FakeHalves> for Counting {
    fn fill(&mut self, _: usize, _: &mut FakeHalves) {
        self.filled += 1;
    }

    fn undo(&mut self, _: usize, _: FakeHalves) {
        self.undone += 1;
    }
}

/// Climbs with two queues: the rung it stands on and the refusals above it, or all refusals.
fn climbed(fake: &Fake, mode: Mode) -> (Option<Rung>, Vec<Refused>) {
    let shape = PoolShape { frame_room: 3776, headroom: 256, frames: 16, owner: 0, chunk: 4096 };
    let mut arena = Arena::reserve(hugepages::arena::pool_bytes(&shape), &PagePolicy::Never, None).unwrap();
    let pool = arena.carve_pool("frames", shape).unwrap();
    let umems = vec![Umem::of(&pool).unwrap(); 2];
    let (device, everything) = (device(), Filter::Everything);
    let wanted = Wanted {
        device: &device,
        queues: &[0, 1],
        umems: &umems,
        sizes: RingSizes { fill: 128, receive: 128, transmit: 128, completion: 128 },
        fragments: true,
        filter: Some(&everything),
    };
    let mut lender = Counting::default();
    let result = climb(fake, &wanted, Rung::of(mode), &mut lender);
    let standing = if result.is_ok() { 2 } else { 0 };
    assert_eq!(lender.filled, lender.undone + standing, "what was filled is given back unless it stands");
    match result {
        Ok((stood, above)) => {
            assert_eq!(stood.halves.len(), 2);
            (Some(stood.rung), above)
        }
        Err(refused) => (None, refused),
    }
}

const ALWAYS: u32 = u32::MAX;

#[test]
fn the_best_rung_that_bears_is_taken() {
    assert!(
        matches!(climbed(&Fake::default(), Mode::Auto), (Some(Rung::ZeroCopy), above) if above.is_empty())
    );

    let copy = Fake::refusing(&[("bind zero-copy", errno::EOPNOTSUPP, ALWAYS)]);
    let (rung, above) = climbed(&copy, Mode::Auto);
    assert_eq!((rung, above.len()), (Some(Rung::Copy), 1));
    let why = above[0].to_string();
    assert!(
        why.contains("zero-copy: binding (queue 0): EOPNOTSUPP") && why.contains("ice has no zero-copy"),
        "{why}"
    );

    let generic = Fake::refusing(&[
        ("bind zero-copy", errno::ENOTSUPP, ALWAYS),
        ("attach native", errno::EOPNOTSUPP, ALWAYS),
    ]);
    let (rung, above) = climbed(&generic, Mode::Auto);
    assert_eq!((rung, above.len()), (Some(Rung::Generic), 2));
    assert!(above[1].to_string().contains("ice has no XDP of its own"), "{}", above[1]);
}

#[test]
fn zero_copy_that_is_promised_and_not_given_is_no_zero_copy() {
    let fake = Fake { liar: true, ..Fake::default() };
    assert_eq!(climbed(&fake, Mode::Auto).0, Some(Rung::Copy));
    assert_eq!(climbed(&fake, Mode::ZeroCopy).0, None);
}

#[test]
fn a_mode_that_is_named_is_never_replaced() {
    let fake = Fake::refusing(&[
        ("bind zero-copy", errno::EOPNOTSUPP, ALWAYS),
        ("attach native", errno::EOPNOTSUPP, ALWAYS),
    ]);
    for (mode, rung) in [(Mode::ZeroCopy, None), (Mode::Copy, None), (Mode::Generic, Some(Rung::Generic))] {
        assert_eq!(climbed(&fake, mode).0, rung);
    }
    assert_eq!(climbed(&Fake::default(), Mode::Copy).0, Some(Rung::Copy));
    assert_eq!(climbed(&Fake::default(), Mode::Generic).0, Some(Rung::Generic));
}

#[test]
fn what_is_busy_for_a_moment_is_tried_again() {
    let fake = Fake::refusing(&[("bind zero-copy", errno::EBUSY, 20), ("attach native", errno::EBUSY, 20)]);
    let (rung, above) = climbed(&fake, Mode::Auto);
    assert_eq!((rung, above.len()), (Some(Rung::ZeroCopy), 0));
    assert_eq!((fake.asked("bind zero-copy"), fake.asked("attach native")), (22, 21));
}

#[test]
fn what_no_rung_below_would_mend_ends_the_climb_with_what_to_do() {
    for (step, number, says) in [
        ("map", errno::EPERM, ["CAP_BPF", "cap_net_raw"]),
        ("map", errno::ENOSYS, ["bpf(2)", "af_packet"]),
        ("map", errno::EINVAL, ["XSKMAP", "af_packet"]),
        ("load", errno::EPERM, ["CAP_BPF", "run it as root"]),
        ("load", errno::EACCES, ["the verifier does not take the program", "R1 is no pointer"]),
        ("socket", errno::EPERM, ["CAP_NET_RAW", "cap_net_raw"]),
        ("socket", errno::EAFNOSUPPORT, ["CONFIG_XDP_SOCKETS", "af_packet"]),
        ("register", errno::ENOBUFS, ["RLIMIT_MEMLOCK", "ulimit -l 128"]),
        ("bind zero-copy", errno::EBUSY, ["another AF_XDP socket has the queue", "ss --xdp"]),
        ("bind zero-copy", errno::ENODEV, ["the device is gone", "ip link show eth5"]),
        ("bind zero-copy", errno::ENETDOWN, ["the device is down", "ip link set eth5 up"]),
        ("attach native", errno::EBUSY, ["id 12, native", "bpftool prog show id 12"]),
        ("attach native", errno::EPERM, ["CAP_NET_ADMIN", "run it as root"]),
    ] {
        let (rung, refused) = climbed(&Fake::refusing(&[(step, number, ALWAYS)]), Mode::Auto);
        assert_eq!((rung, refused.len()), (None, 1), "{step} {number}");
        let text = refused[0].to_string();
        for words in says {
            assert!(text.contains(words), "{step} {number}: {words}: {text}");
        }
    }
}

#[test]
fn what_a_rung_below_mends_leads_there_with_what_to_do() {
    for (step, number, stands, says) in [
        ("attach native", errno::ERANGE, Rung::Generic, ["MTU of 9000", "mtu 1500"]),
        ("attach native", errno::EINVAL, Rung::Generic, ["present offloads", "ethtool -K eth5 lro off"]),
        ("attach native", errno::ENOSPC, Rung::Generic, ["too few queues", "ethtool -L eth5"]),
        ("bind zero-copy", errno::EINVAL, Rung::Copy, ["no such queue", "ethtool -l eth5"]),
        ("bind zero-copy", errno::ENOTSUPP, Rung::Copy, ["for packets of several buffers", "MTU of 1500"]),
    ] {
        let (rung, refused) = climbed(&Fake::refusing(&[(step, number, ALWAYS)]), Mode::Auto);
        assert_eq!(rung, Some(stands), "{step} {number}");
        let text = refused.last().unwrap().to_string();
        for words in says {
            assert!(text.contains(words), "{step} {number}: {words}: {text}");
        }
    }
}

#[test]
fn every_step_that_fails_is_named() {
    for (step, expected) in [
        ("map", Step::Map),
        ("load", Step::Load),
        ("socket", Step::Socket),
        ("register", Step::Register),
        ("rings", Step::Rings),
        ("bind copy", Step::Bind),
        ("put", Step::Put),
        ("attach native", Step::Attach),
    ] {
        let (_, refused) = climbed(&Fake::refusing(&[(step, errno::EIO, ALWAYS)]), Mode::Copy);
        assert_eq!(refused[0].step, expected);
        assert!(refused[0].to_string().contains(&expected.to_string()));
    }
}
