//! Core to core: the lanes between polling cores.
//!
//! Between any two cores there is, in each direction, a ring for packets that are the other's to
//! process, a ring for packets only the other can transmit, and a ring for frames on their way home.
//! Packets to transmit have a ring of their own because what comes out of it never needs a lane
//! again: two cores whose packet rings are both full still take in each other's, so nothing
//! can lock up. The ring home has room for every frame of the pool it leads to and is never full.

use hugepages::ring::{Consumer, Producer};
use hugepages::{Arena, ArenaError, Frame, arena};

use crate::packet::{CoreId, Frames, Packet, Packets};

/// Slots in a packet ring between two cores.
pub const DEPTH: usize = 512;

/// This core's ends of the rings to and from one other core.
struct Peer {
    out: Producer<Packet>,
    staged: Packets,
    egress_out: Producer<Packet>,
    egress_staged: Packets,
    home_out: Producer<Frame>,
    intake: Consumer<Packet>,
    egress_in: Consumer<Packet>,
    home_in: Consumer<Frame>,
}

/// This core's ends of all its lanes.
pub struct Lanes {
    /// By core number; `None` for this core itself.
    peers: Vec<Option<Peer>>,
    staged: usize,
    egress_staged: usize,
    next: usize,
}

/// Bytes of each core's arena that its incoming rings need.
pub fn arena_bytes(cores: usize, frames: usize) -> usize {
    cores.saturating_sub(1)
        * (2 * arena::ring_bytes::<Packet>(DEPTH) + arena::ring_bytes::<Frame>(frames.next_power_of_two()))
}

/// Lanes between the cores whose arenas these are, each ring in the arena of the core that reads it.
/// `frames` is the number of frames in each core's pool.
///
/// # Errors
/// An arena has no room left.
pub fn mesh(arenas: &mut [Arena], frames: usize) -> Result<Vec<Lanes>, ArenaError> {
    let cores = arenas.len();
    let home = frames.next_power_of_two();
    let mut outs: Vec<Vec<Option<_>>> = (0..cores).map(|_| (0..cores).map(|_| None).collect()).collect();
    let mut ins: Vec<Vec<Option<_>>> = (0..cores).map(|_| (0..cores).map(|_| None).collect()).collect();
    for (to, arena) in arenas.iter_mut().enumerate() {
        for from in (0..cores).filter(|from| *from != to) {
            let (out, intake) = arena.carve_ring::<Packet>("lane: packets", DEPTH)?;
            let (egress_out, egress_in) = arena.carve_ring::<Packet>("lane: packets to transmit", DEPTH)?;
            let (home_out, home_in) = arena.carve_ring::<Frame>("lane: frames home", home)?;
            outs[from][to] = Some((out, egress_out, home_out));
            ins[to][from] = Some((intake, egress_in, home_in));
        }
    }
    let ends = outs.into_iter().zip(ins);
    Ok(ends
        .map(|(outs, ins)| Lanes {
            peers: outs
                .into_iter()
                .zip(ins)
                .map(|ends| match ends {
                    (Some((out, egress_out, home_out)), Some((intake, egress_in, home_in))) => Some(Peer {
                        out,
                        staged: Packets::new(),
                        egress_out,
                        egress_staged: Packets::new(),
                        home_out,
                        intake,
                        egress_in,
                        home_in,
                    }),
                    _ => None,
                })
                .collect(),
            staged: 0,
            egress_staged: 0,
            next: 0,
        })
        .collect())
}

/// Moves as much of `staged` into the ring as fits; how many packets went.
#[inline]
fn flush(out: &mut Producer<Packet>, staged: &mut Packets) -> usize {
    let room = out.free().min(staged.len());
    if room == 0 {
        return 0;
    }
    out.push_from(&mut staged.drain(..room))
}

impl Lanes {
    /// Is nothing waiting because a ring was full? Only then may another burst be steered: whatever of
    /// it belongs to another core has room here.
    #[inline]
    pub fn clear(&self) -> bool {
        self.staged == 0
    }

    /// The same for packets to transmit: only then may another burst be run through a pipeline.
    #[inline]
    pub fn egress_clear(&self) -> bool {
        self.egress_staged == 0
    }

    /// Cores these lanes connect, this one included.
    #[inline]
    pub fn cores(&self) -> usize {
        self.peers.len()
    }

    /// Puts a packet in the lane to its core, to go with the next [`Lanes::flush`].
    /// The caller has seen [`Lanes::clear`] and stages at most a burst.
    #[inline]
    pub fn stage(&mut self, to: CoreId, packet: Packet) {
        if let Some(Some(peer)) = self.peers.get_mut(to.index()) {
            peer.staged.push(packet);
            self.staged += 1;
        } else {
            unreachable!("steering never names {to} as another core here");
        }
    }

    /// Puts a packet in the lane to the core that has the transmit queue.
    #[inline]
    pub fn stage_egress(&mut self, to: CoreId, packet: Packet) {
        if let Some(Some(peer)) = self.peers.get_mut(to.index()) {
            peer.egress_staged.push(packet);
            self.egress_staged += 1;
        } else {
            unreachable!("no port's transmit queue is with {to} as another core here");
        }
    }

    /// Sends what was staged and the frames that go home. Did anything move?
    #[inline]
    pub fn flush(&mut self, frames: &mut Frames) -> bool {
        let mut moved = 0;
        if self.staged + self.egress_staged > 0 {
            for peer in self.peers.iter_mut().flatten() {
                if !peer.staged.is_empty() {
                    let sent = flush(&mut peer.out, &mut peer.staged);
                    self.staged -= sent;
                    moved += sent;
                }
                if !peer.egress_staged.is_empty() {
                    let sent = flush(&mut peer.egress_out, &mut peer.egress_staged);
                    self.egress_staged -= sent;
                    moved += sent;
                }
            }
        }
        if frames.has_strays() {
            moved += frames.strays().len();
            let mut strays = frames.strays().drain(..).peekable();
            while let Some(owner) = strays.peek().map(Frame::owner) {
                let Some(Some(peer)) = self.peers.get_mut(usize::from(owner)) else {
                    unreachable!("frames are released to the cores that made them");
                };
                // Published once for all frames in a row that go to the same core.
                let mut row = std::iter::from_fn(|| strays.next_if(|frame| frame.owner() == owner));
                if peer.home_out.push_from(&mut row) == 0 {
                    unreachable!("the ring home holds every frame there is");
                }
            }
        }
        moved > 0
    }

    /// Takes up to `limit` packets that others steered here, starting with another core each time.
    #[inline]
    pub fn take(&mut self, into: &mut Packets, limit: usize) -> usize {
        let mut taken = 0;
        for _ in 0..self.peers.len() {
            self.next = if self.next + 1 >= self.peers.len() { 0 } else { self.next + 1 };
            if let Some(peer) = &mut self.peers[self.next] {
                taken += peer.intake.pop_each(limit - taken, |packet| into.push(packet));
                if taken == limit {
                    break;
                }
            }
        }
        taken
    }

    /// Takes up to `limit` packets that others can only transmit here.
    #[inline]
    pub fn take_egress(&mut self, mut each: impl FnMut(Packet), limit: usize) -> usize {
        let mut taken = 0;
        for peer in self.peers.iter_mut().flatten() {
            taken += peer.egress_in.pop_each(limit - taken, &mut each);
            if taken == limit {
                break;
            }
        }
        taken
    }

    /// Takes in frames that came home.
    #[inline]
    pub fn take_home(&mut self, frames: &mut Frames) -> usize {
        let mut taken = 0;
        for peer in self.peers.iter_mut().flatten() {
            taken += peer.home_in.pop_each(usize::MAX, |frame| frames.release(frame));
        }
        taken
    }

    /// Everything staged, to be ended by force.
    pub fn abandon(&mut self, mut each: impl FnMut(Packet)) {
        for peer in self.peers.iter_mut().flatten() {
            peer.staged.drain(..).chain(peer.egress_staged.drain(..)).for_each(&mut each);
        }
        self.staged = 0;
        self.egress_staged = 0;
    }
}
