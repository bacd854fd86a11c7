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
    /// Codes of the verdicts ([`Verdict::code`]): words compare faster than variants.
    codes: [u16; BurstSize::MAX],
    /// Bit i: packet i is undecided. Bits past the last packet are 0.
    undecided: u64,
    /// Do all packets have the code of the first?
    uniform: bool,
}

impl Default for Burst {
    fn default() -> Self {
        Burst { packets: Packets::new(), codes: [Verdict::PASS; BurstSize::MAX], undecided: 0, uniform: true }
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
        if self.undecided != ones(self.packets.len()) {
            return self.decide_some(fate);
        }
        let mut first = None;
        let (mut differ, mut passed) = (0, false);
        for (packet, slot) in self.packets.iter_mut().zip(&mut self.codes) {
            let code = fate(packet).code();
            *slot = code;
            differ |= code ^ *first.get_or_insert(code);
            passed |= code == Verdict::PASS;
        }
        self.uniform = differ == 0;
        if passed {
            self.find_undecided();
        } else {
            self.undecided = 0;
        }
    }

    /// Sets the bits of the packets whose code says pass.
    fn find_undecided(&mut self) {
        let codes = self.codes[..self.packets.len()].iter().enumerate();
        self.undecided = codes.fold(0, |mask, (i, code)| mask | u64::from(*code == Verdict::PASS) << i);
    }

    /// Gives away each undecided packet: `take` returns it with a verdict, or keeps it, and then the burst is rid of it.
    #[inline]
    pub(crate) fn hand_over(&mut self, mut take: impl FnMut(Packet) -> Option<(Packet, Verdict)>) {
        if self.undecided == 0 {
            return;
        }
        let undecided = self.undecided;
        // From the last to the first in memory, so that each is taken off the end: what is not handed over yet is in the burst
        // all the time, also when `take` panics.
        self.packets.reverse();
        let mut handing =
            HandingOver { burst: self, kept: Packets::new(), codes: [Verdict::PASS; BurstSize::MAX] };
        let mut place = 0;
        while let Some(packet) = handing.burst.packets.pop() {
            if undecided >> place & 1 == 0 {
                let code = handing.burst.codes[place];
                handing.keep(packet, code);
            } else if let Some((packet, verdict)) = take(packet) {
                handing.keep(packet, verdict.code());
            }
            place += 1;
        }
    }

    fn decide_some(&mut self, mut fate: impl FnMut(&mut Packet) -> Verdict) {
        let mut left = self.undecided;
        while left != 0 {
            let i = left.trailing_zeros() as usize;
            left &= left - 1;
            self.codes[i] = fate(&mut self.packets[i]).code();
        }
        self.find_undecided();
        let codes = &self.codes[..self.packets.len()];
        self.uniform = codes.iter().fold(0, |differ, code| differ | code ^ codes[0]) == 0;
    }

    /// Gives every undecided packet the same verdict.
    #[inline]
    pub fn decide_all(&mut self, verdict: Verdict) {
        let count = self.packets.len();
        if self.undecided != ones(count) {
            return self.decide_some(|_| verdict);
        }
        self.codes[..count].fill(verdict.code());
        self.uniform = true;
        if verdict != Verdict::Pass {
            self.undecided = 0;
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
        let count = self.packets.len();
        self.undecided = ones(count);
        self.codes[..count].fill(Verdict::PASS);
        self.uniform = true;
    }

    /// The verdict all packets share, if they do and there is one.
    #[inline]
    pub(crate) fn uniform(&self) -> Option<Verdict> {
        (self.uniform && !self.packets.is_empty()).then(|| Verdict::from_code(self.codes[0]))
    }

    /// All packets with their verdicts, emptied out of the burst.
    #[inline]
    pub(crate) fn settle(&mut self) -> impl Iterator<Item = (Packet, Verdict)> + '_ {
        self.undecided = 0;
        self.packets.drain(..).zip(self.codes.iter().copied().map(Verdict::from_code))
    }
}

/// A burst that is being handed over: what stays in it, and what has been decided about that.
struct HandingOver<'a> {
    burst: &'a mut Burst,
    kept: Packets,
    codes: [u16; BurstSize::MAX],
}

impl HandingOver<'_> {
    /// A packet stays; there are never more than were taken out before it.
    #[inline]
    fn keep(&mut self, packet: Packet, code: u16) {
        self.codes[self.kept.len()] = code;
        self.kept.push(packet);
    }
}

impl Drop for HandingOver<'_> {
    #[inline]
    fn drop(&mut self) {
        let burst = &mut *self.burst;
        let kept = self.kept.len();
        // Nothing, unless it panicked: then nobody has decided about these, and their order is no matter any more.
        let left = burst.packets.len();
        burst.packets.extend(self.kept.drain(..));
        burst.codes[..left].fill(Verdict::PASS);
        burst.codes[left..left + kept].copy_from_slice(&self.codes[..kept]);
        burst.find_undecided();
        let codes = &burst.codes[..left + kept];
        burst.uniform = codes.iter().fold(0, |differ, code| differ | code ^ codes[0]) == 0;
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
