//! Is a device's port able to do what it is there for? Tried before a port is chosen, and by `mnvkd doctor --port`.
//!
//! The port is opened on a few frames of its own, sends some, waits for them to come back from the kernel, listens for a while,
//! and is closed; every frame must be home. What is sent carries the device's own address as its
//! destination and EtherType 0x88B5, which IEEE 802 keeps for local experiments, so that nobody takes it for anything.
//! Where there is a loop, or a peer that sends frames back, they are seen coming round.

use std::fmt;

use hugepages::{Arena, HEAD_BYTES, PagePolicy, PoolShape, arena};

use super::{Opening, Port, Queue};
use crate::packet::layers::LinkClass;
use crate::packet::{BurstSize, Frames, Packet, Packets, PortId};
use crate::port::Gate;

/// Frames that are sent: a burst, since drivers may not look for fewer to come back.
const SENT: usize = BurstSize::MAX;
/// What they carry.
const MARK: &[u8] = b"mnvkd self-test";
/// IEEE Std 802 local experimental EtherType 1.
const LOCAL_EXPERIMENT: [u8; 2] = [0x88, 0xb5];
/// Bytes of each: the shortest Ethernet frame, less its check sequence.
const LENGTH: usize = 60;
/// Looks at the queues while it listens; the most there are while something that was sent is not back (a device that
/// was set up just now has no carrier for a while); the pause between two; looks between two at the device itself.
const LOOKS: usize = 200;
const MOST_LOOKS: usize = 10_000;
const WATCH_EVERY: usize = 500;
const PAUSE_NS: u64 = 100_000;
/// Frames beside those that lie with the kernel.
const SPARE: u32 = 128;

/// How a step of a self-test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it should.
    Passed,
    /// It did not.
    Failed,
    /// It could not be tried, or says nothing either way.
    Open,
}

impl Outcome {
    /// One word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Open => "open",
        }
    }
}

/// One step of a self-test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestStep {
    /// What was tried: `open`, `send`, `completion`, `receive`, `frames`.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen; where it failed, what that means and what to do.
    pub detail: String,
}

/// All steps that were tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelfTest {
    /// In their order. A step that fails is not always the last: frames are brought home whatever happened.
    pub steps: Vec<TestStep>,
    /// Packets of others that came meanwhile, and were dropped.
    pub dropped: u64,
}

impl SelfTest {
    /// Did no step fail?
    pub fn passed(&self) -> bool {
        self.failure().is_none()
    }

    /// The first step that failed.
    pub fn failure(&self) -> Option<&TestStep> {
        self.steps.iter().find(|step| step.outcome == Outcome::Failed)
    }

    /// There was no port to try.
    pub(super) fn refused(error: &anyhow::Error) -> SelfTest {
        let mut test = SelfTest::default();
        test.note("open", Outcome::Failed, format!("{error:#}"));
        test
    }

    fn note(&mut self, name: &'static str, outcome: Outcome, detail: impl fmt::Display) {
        self.steps.push(TestStep { name, outcome, detail: detail.to_string() });
    }
}

/// Tries a port that is not open yet, on memory of its own. It is closed afterwards, and of no more use.
pub fn self_test(port: &mut dyn Port) -> SelfTest {
    let mut test = SelfTest::default();
    let mut frames = match memory(port) {
        Ok(frames) => frames,
        Err(error) => {
            test.note("open", Outcome::Failed, format!("no memory for it: {error:#}"));
            return test;
        }
    };
    match open(port, &mut frames) {
        Err(error) => test.note("open", Outcome::Failed, format!("{error:#}")),
        Ok(mut queues) => {
            let notes = port.notes().join("; ");
            test.note("open", Outcome::Passed, if notes.is_empty() { port.describe() } else { notes });
            exchange(port, &mut queues, &mut frames, &mut test);
            close(queues, &mut frames, &mut test);
        }
    }
    test
}

/// Frames as the port wants them, as many as its queues keep and some.
fn memory(port: &dyn Port) -> anyhow::Result<Frames> {
    let (needs, queues) = (port.frame_needs(), port.queues(1) as u32);
    let room = u32::try_from(port.largest_packet())?.next_multiple_of(64);
    let (headroom, chunk) = (needs.headroom.max(64), needs.chunk.max(64));
    let mut shape = PoolShape { frame_room: room, headroom, frames: 1, owner: 0, chunk };
    if chunk > 64 {
        shape.frame_room = u32::try_from(shape.stride() - HEAD_BYTES - usize::from(headroom))?;
    }
    shape.frames = (needs.per_queue.saturating_mul(queues)).saturating_add(SPARE).min(1 << 16);
    let mut arena = Arena::reserve(arena::pool_bytes(&shape), &PagePolicy::Never, None)?;
    Ok(Frames::new(arena.carve_pool("self-test", shape)?, 0))
}

fn open(port: &mut dyn Port, frames: &mut Frames) -> anyhow::Result<Vec<Queue>> {
    let queues = port.queues(1);
    let per_queue = (frames.total() - SPARE as usize / 2) / queues.max(1);
    let id = PortId::new(0).ok_or_else(|| anyhow::anyhow!("no port number is left"))?;
    port.open(&mut Opening {
        id,
        cores: 1,
        queues,
        seed: 0,
        name: "self-test".to_owned(),
        pages: PagePolicy::Never,
        carries: port.links(),
        spread: std::sync::Arc::new(|_, _, _| 0),
        virtual_time: false,
        receives: true,
        reads: true,
        frames_per_queue: per_queue,
        frames: std::slice::from_mut(frames),
    })
}

/// What came while it was listening.
#[derive(Default)]
struct Heard {
    packets: u64,
    round: u64,
}

/// Sends on the first queue, listens on all.
fn exchange(port: &mut dyn Port, queues: &mut [Queue], frames: &mut Frames, test: &mut SelfTest) {
    let before = frames.missing();
    let ethernet = port.links().iter().any(|link| link.class == LinkClass::Ethernet);
    let mut out = match port.mac_address() {
        Some(mac) if ethernet => burst(mac, frames),
        _ => Packets::new(),
    };
    let (wanted, mut sent, mut refused) = (out.len(), 0, None);
    let mut heard = Heard::default();
    let mut looks = 0;
    while looks < MOST_LOOKS {
        if let Some(queue) = queues.first_mut().and_then(|queue| queue.transmit.as_mut()) {
            let (moved, refusal) = queue.transmit(&mut out, frames);
            (sent, refused) = (sent + moved.packets as usize, refusal.or(refused));
            queue.flush(frames);
        }
        listen(queues, frames, &mut heard);
        // What lies with the kernel to receive into varies, and drivers take back what was sent in batches: when
        // half of it is home, the rest will follow.
        if sent == wanted && frames.missing() <= before + sent / 2 && (heard.round > 0 || looks > LOOKS) {
            break;
        }
        looks += 1;
        if looks.is_multiple_of(WATCH_EVERY) {
            port.watch();
        }
        ffi::time::sleep_ns(PAUSE_NS);
    }
    let left = out.len();
    frames.release_each(out.drain(..).map(Packet::into_frame));
    match (wanted, left) {
        (0, _) => test.note("send", Outcome::Open, "not tried: the device has no Ethernet address"),
        (_, 0) => test.note("send", Outcome::Passed, format!("{sent} frames taken")),
        _ => test.note(
            "send",
            Outcome::Failed,
            format!(
                "{sent} of {wanted} frames taken, the rest refused ({refused:?}): is the device up, with a carrier? `ip link` says"
            ),
        ),
    }
    if sent > 0 {
        let back = sent.saturating_sub(frames.missing().saturating_sub(before));
        let milliseconds = MOST_LOOKS as u64 * PAUSE_NS / 1_000_000;
        match back * 2 >= sent {
            true => test.note("completion", Outcome::Passed, format!("{back} frames came back from the kernel so far: wake-ups work")),
            false => test.note(
                "completion",
                Outcome::Failed,
                format!(
                    "{back} of {sent} frames came back in {milliseconds} ms: the driver does not send, does not wake up, or \
                     the device is down (`ip link` says)"
                ),
            ),
        }
    }
    receive_step(&heard, test);
}

fn receive_step(heard: &Heard, test: &mut SelfTest) {
    let others = heard.packets - heard.round;
    test.dropped = others;
    let dropped = match others {
        0 => String::new(),
        _ => format!("; {others} packets of others came meanwhile and were dropped"),
    };
    match heard.round {
        0 if others == 0 => test.note(
            "receive",
            Outcome::Open,
            "nothing came: nobody sent anything, and there is no peer that sends frames back",
        ),
        0 => test.note("receive", Outcome::Passed, format!("{others} packets came, and were dropped")),
        round => test.note("receive", Outcome::Passed, format!("{round} of our frames came round{dropped}")),
    }
}

/// Takes what came, and drops it.
fn listen(queues: &mut [Queue], frames: &mut Frames, heard: &mut Heard) {
    let mut came = Packets::new();
    for queue in queues.iter_mut().filter_map(|queue| queue.receive.as_mut()) {
        queue.receive(frames, &mut came, BurstSize::MAX, 0, Gate::OPEN);
        heard.packets += came.len() as u64;
        heard.round += came.iter().filter(|packet| is_ours(packet.data())).count() as u64;
        frames.release_each(came.drain(..).map(Packet::into_frame));
    }
}

fn is_ours(data: &[u8]) -> bool {
    data.get(12..14) == Some(&LOCAL_EXPERIMENT) && data.get(14..14 + MARK.len()) == Some(MARK)
}

fn burst(mac: [u8; 6], frames: &mut Frames) -> Packets {
    let Some(id) = PortId::new(0) else { return Packets::new() };
    let packet = |mut frame: hugepages::Frame| {
        let bytes = frame.bytes_mut();
        bytes.fill(0);
        bytes[..6].copy_from_slice(&mac);
        bytes[6..12].copy_from_slice(&mac);
        bytes[12..14].copy_from_slice(&LOCAL_EXPERIMENT);
        bytes[14..14 + MARK.len()].copy_from_slice(MARK);
        Packet::new(frame, id, LinkClass::Ethernet, 0)
    };
    (0..SENT).map_while(|_| frames.acquire(LENGTH)).map(packet).collect()
}

fn close(queues: Vec<Queue>, frames: &mut Frames, test: &mut SelfTest) {
    let mut errors = Vec::new();
    for Queue { receive, transmit } in queues {
        errors.extend(receive.and_then(|mut queue| queue.close(frames).err()));
        errors.extend(transmit.and_then(|mut queue| queue.close(frames).err()));
    }
    match frames.missing() {
        _ if !errors.is_empty() => test.note("frames", Outcome::Failed, errors.join("; ")),
        0 => test.note("frames", Outcome::Passed, format!("all {} are home", frames.total())),
        missing => test.note("frames", Outcome::Failed, format!("{missing} of {} are lost", frames.total())),
    }
}
