//! The packets handled together, and what has been decided about them.

use arrayvec::ArrayVec;

use super::ids::BurstSize;
use super::packet::Packet;
use super::verdict::Verdict;

/// Packets on their way, at most a burst of them.
pub type Packets = ArrayVec<Packet, { BurstSize::MAX }>;

/// Up to 64 packets and a verdict for each: what an application's `process` is called with.
///
/// An application looks at the packets nobody before it has decided about, through
/// [`Burst::decide`], [`Burst::decide_all`] or [`Burst::undecided`].
#[derive(Debug)]
pub struct Burst {
    packets: Packets,
    verdicts: [Verdict; BurstSize::MAX],
    /// Bit i: packet i is undecided. Bits past the last packet are 0.
    undecided: u64,
}

impl Default for Burst {
    fn default() -> Self {
        Burst { packets: Packets::new(), verdicts: [Verdict::Pass; BurstSize::MAX], undecided: 0 }
    }
}

/// Bits 0 to `count`, exclusive.
#[inline]
fn ones(count: usize) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

impl Burst {
    /// Packets in it, decided or not.
    #[inline]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Is there no packet in it?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Packets still undecided.
    #[inline]
    pub fn undecided_len(&self) -> usize {
        self.undecided.count_ones() as usize
    }

    /// The packets nobody has decided about, in order of arrival.
    #[inline]
    pub fn undecided(&self) -> Undecided<'_> {
        Undecided { packets: &self.packets, left: self.undecided }
    }

    /// Gives each undecided packet the verdict `fate` returns for it; [`Verdict::Pass`] leaves it
    /// to the next application.
    #[inline]
    pub fn decide(&mut self, mut fate: impl FnMut(&mut Packet) -> Verdict) {
        if self.undecided == ones(self.packets.len()) {
            let mut undecided = 0;
            for (i, (packet, verdict)) in self.packets.iter_mut().zip(&mut self.verdicts).enumerate() {
                *verdict = fate(packet);
                undecided |= u64::from(matches!(verdict, Verdict::Pass)) << i;
            }
            self.undecided = undecided;
        } else {
            self.decide_some(fate);
        }
    }

    fn decide_some(&mut self, mut fate: impl FnMut(&mut Packet) -> Verdict) {
        let mut left = self.undecided;
        while left != 0 {
            let i = left.trailing_zeros() as usize;
            left &= left - 1;
            let verdict = fate(&mut self.packets[i]);
            self.verdicts[i] = verdict;
            if verdict != Verdict::Pass {
                self.undecided &= !(1 << i);
            }
        }
    }

    /// Gives every undecided packet the same verdict.
    #[inline]
    pub fn decide_all(&mut self, verdict: Verdict) {
        if self.undecided == ones(self.packets.len()) {
            let count = self.packets.len();
            self.verdicts[..count].fill(verdict);
            if verdict != Verdict::Pass {
                self.undecided = 0;
            }
        } else {
            self.decide_some(|_| verdict);
        }
    }

    /// Opens the burst for filling in place; [`Burst::reset`] makes all of it undecided.
    #[inline]
    pub(crate) fn packets_mut(&mut self) -> &mut Packets {
        &mut self.packets
    }

    /// Makes every packet in it undecided.
    #[inline]
    pub(crate) fn reset(&mut self) {
        self.undecided = ones(self.packets.len());
        self.verdicts[..self.packets.len()].fill(Verdict::Pass);
    }

    /// The verdict all packets share, if they do and there is one.
    #[inline]
    pub(crate) fn uniform(&self) -> Option<Verdict> {
        let (first, rest) = self.verdicts[..self.packets.len()].split_first()?;
        rest.iter().all(|verdict| verdict == first).then_some(*first)
    }

    /// All packets with their verdicts, emptied out of the burst.
    #[inline]
    pub(crate) fn settle(&mut self) -> impl Iterator<Item = (Packet, Verdict)> + '_ {
        self.undecided = 0;
        self.packets.drain(..).zip(self.verdicts.iter().copied())
    }
}

/// The undecided packets of a burst.
#[derive(Debug)]
pub struct Undecided<'a> {
    packets: &'a [Packet],
    left: u64,
}

impl<'a> Iterator for Undecided<'a> {
    type Item = &'a Packet;

    #[inline]
    fn next(&mut self) -> Option<&'a Packet> {
        if self.left == 0 {
            return None;
        }
        let i = self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        self.packets.get(i)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.left.count_ones() as usize;
        (left, Some(left))
    }
}
