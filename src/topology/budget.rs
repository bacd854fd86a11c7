//! The memory of every core, computed before anything is mapped.

use std::fmt;

use hugepages::{PoolShape, arena};

use super::Wiring;
use crate::lane;
use crate::task;

/// Bytes before a packet for headers to come.
pub const HEADROOM: u16 = 64;
/// The smallest room a frame has: what a full Ethernet frame needs, and then some.
const LEAST_ROOM: usize = 1920;
/// Frames a core gets unless configured: so many, or as many as make up this many bytes, where they fit.
const USUAL_FRAMES: u32 = 2048;
const USUAL_POOL_BYTES: u32 = 16 << 20;
/// Frames a core needs at least: a few bursts in every place a packet can be.
const LEAST_FRAMES: u32 = 256;

/// What one core's arena is for. Every core's is alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes by purpose, in the order they are carved.
    pub lines: Vec<(String, usize)>,
    /// Shape of the frame pool (owner 0).
    pub shape: PoolShape,
    /// The most the configuration allows.
    pub limit: u64,
}

impl Budget {
    /// The budget of each core.
    ///
    /// # Errors
    /// It exceeds the configured arena: with the numbers, and what to change.
    pub fn of(wiring: &Wiring) -> anyhow::Result<Budget> {
        let largest = wiring.ports.iter().map(|seat| seat.port.largest_packet()).max().unwrap_or(0);
        let shape = frame_shape(wiring, largest)?;
        let room = shape.frame_room;
        let usual = (USUAL_POOL_BYTES / room).clamp(LEAST_FRAMES, USUAL_FRAMES).saturating_add(lent(wiring));
        let wanted = wiring.frames.unwrap_or(usual);
        let least = wiring.frames.unwrap_or(LEAST_FRAMES);
        let mut frames = wanted;
        loop {
            let budget = Budget::with_frames(wiring, PoolShape { frames, ..shape });
            if budget.total() as u64 <= wiring.arena_limit {
                return Ok(budget);
            }
            if frames <= least {
                anyhow::bail!(
                    "a core's memory does not fit: {} of {} allowed\n{budget}\nset dataplane.arena = \"{}MiB\" or more, \
                     or make less room necessary (smaller app capacities, fewer frames)",
                    bytes(budget.total() as u64),
                    bytes(wiring.arena_limit),
                    budget.total().div_ceil(1 << 20)
                );
            }
            frames = (frames / 2).max(least);
        }
    }

    fn with_frames(wiring: &Wiring, shape: PoolShape) -> Budget {
        let PoolShape { frames, frame_room: room, .. } = shape;
        let mut lines = vec![(format!("{frames} frames of {room} bytes"), arena::pool_bytes(&shape))];
        let lanes = lane::arena_bytes(wiring.cores.len(), frames as usize);
        if lanes > 0 {
            lines.push((format!("lanes from {} other cores", wiring.cores.len() - 1), lanes));
        }
        for pipeline in &wiring.pipelines {
            for (entry, configured) in &pipeline.stages {
                // A core has one share, or one for each of the application's shards in as many buckets as a core has at most.
                let cores = wiring.cores.len();
                let shares = configured.shards().zip(pipeline.shards()).map_or(1, |(shards, buckets)| {
                    usize::from(shards / buckets) * usize::from(buckets).div_ceil(cores)
                });
                let addresses = configured.shards().map_or(cores, usize::from);
                for room in configured.tasks().messages {
                    let what =
                        format!("{} messages for each pair of {addresses} in {}", room.per_pair, entry.name);
                    lines.push((what, room.arena_bytes(addresses, shares, cores)));
                }
                let bytes = configured.arena_bytes().saturating_mul(shares);
                if bytes > 0 {
                    lines.push((format!("{} in pipeline {}", entry.name, pipeline.name), bytes));
                }
            }
        }
        let tasks = wiring.tasks();
        if !tasks.is_none() {
            let slots: u64 = tasks.slots.iter().map(|class| u64::from(class.count)).sum();
            lines.push((format!("slots for {slots} tasks"), arena::slots_bytes(&tasks.slots)));
            for room in &tasks.flow_sets {
                lines.push((format!("a table of {} flows with tasks", room.flows), task::flow_bytes(*room)));
            }
            let packets = frames as usize * wiring.cores.len();
            lines.extend(task::Room::of(&tasks, packets).lines());
        }
        Budget { lines, shape, limit: wiring.arena_limit }
    }

    /// Bytes of one core's arena.
    pub fn total(&self) -> usize {
        self.lines.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

/// Frames that the queues of one core keep with kernels and cards when they have as many as they can use.
fn lent(wiring: &Wiring) -> u32 {
    let cores = wiring.cores.len().max(1);
    let of = |seat: &super::PortSeat| {
        let queues = u32::try_from(seat.queues.div_ceil(cores)).unwrap_or(u32::MAX);
        seat.port.frame_needs().per_queue.saturating_mul(queues)
    };
    wiring.ports.iter().map(of).fold(0, u32::saturating_add)
}

/// Frames each queue of a port may keep with its kernel or card, of `total` that its core has: all it can use, or where
/// that would leave too few for packets on their way, its share of three quarters.
pub(super) fn granted(wiring: &Wiring, port: usize, total: usize) -> usize {
    let needs = wiring.ports[port].port.frame_needs();
    share(needs.per_queue as usize, lent(wiring) as usize, total)
}

/// What one that wants `wanted` gets, where `all` is wanted of `total`.
fn share(wanted: usize, all: usize, total: usize) -> usize {
    let most = total / 4 * 3;
    if all <= most { wanted } else { wanted * most / all }
}

/// Frames that suit every port: the largest packet of any, the most headroom, the largest chunk; where frames are made
/// of chunks, their room is all that the chunks leave.
fn frame_shape(wiring: &Wiring, largest: usize) -> anyhow::Result<PoolShape> {
    let needs = wiring.ports.iter().map(|seat| seat.port.frame_needs());
    let (headroom, chunk) = needs.fold((HEADROOM, 64), |(headroom, chunk), needs| {
        (headroom.max(needs.headroom), chunk.max(needs.chunk))
    });
    let least = if chunk == 64 { LEAST_ROOM } else { 1 };
    let frame_room = u32::try_from(largest.max(least).next_multiple_of(64))?;
    let tight = PoolShape { frame_room, headroom, frames: 1, owner: 0, chunk };
    if chunk == 64 {
        return Ok(tight);
    }
    let before = hugepages::HEAD_BYTES + usize::from(headroom);
    Ok(PoolShape { frame_room: u32::try_from(tight.stride() - before)?, ..tight })
}

/// A number of bytes for people.
pub fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{:.1} KiB", count as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", count as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", count as f64 / 1_073_741_824.0),
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.lines.iter().map(|(what, _)| what.len()).max().unwrap_or(0).max(5);
        for (what, size) in &self.lines {
            writeln!(f, "    {what:width$}  {:>10}", bytes(*size as u64))?;
        }
        write!(
            f,
            "    {:width$}  {:>10}  of {} a core",
            "total",
            bytes(self.total() as u64),
            bytes(self.limit)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn queues_get_what_they_want_or_a_share_that_leaves_room_for_packets_on_their_way() {
        assert_eq!(share(3072, 3072, 5120), 3072);
        // Two queues that want 3072 each of 2048 frames: three quarters, in halves.
        assert_eq!(share(3072, 6144, 2048), 768);
        assert_eq!(share(192, 192, 256), 192);
        assert_eq!(share(0, 6144, 2048), 0);
    }
}
