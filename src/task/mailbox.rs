//! Mailboxes: where packets of a flow wait for its task.
//!
//! A mailbox is bounded, and so is what lies in all of them: there is a place for every packet the core can have.

use std::task::Waker;

use hugepages::{Arena, Filled, arena, prefetch};

use crate::packet::Packet;
use crate::state::timer_wheel::TimerId;

/// No mailbox, no place.
const NONE: u32 = u32::MAX;

/// Names a mailbox; one that was closed is named by nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MailboxId {
    index: u32,
    generation: u32,
}

impl MailboxId {
    pub(super) fn new(index: u32, generation: u32) -> MailboxId {
        MailboxId { index, generation }
    }

    pub(super) fn index(self) -> u32 {
        self.index
    }

    pub(super) fn generation(self) -> u32 {
        self.generation
    }
}

struct Mailbox {
    generation: u32,
    /// First and last of its packets; the first is the next free mailbox where this one is closed.
    first: u32,
    last: u32,
    len: u16,
    /// The set of flows it is for.
    set: u8,
    state: State,
    /// When it was last given something, nanoseconds.
    used_ns: u64,
    timer: Option<TimerId>,
    waker: Option<Waker>,
}

const _: () = assert!(size_of::<Mailbox>() <= 48);

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody has it.
    Closed,
    /// It is a flow's.
    Open,
    /// It is a flow's of which nothing comes any more.
    Over,
}

struct Place {
    packet: Option<Packet>,
    next: u32,
}

/// Why a packet was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undelivered {
    /// As many wait as may.
    Full,
    /// Its task takes nothing any more.
    Over,
}

/// What whoever asks a mailbox for a packet gets.
pub(super) enum Taken {
    /// A packet.
    Packet(Packet),
    /// Nothing, and nothing will come any more.
    Over,
    /// Nothing yet: it will be woken. The waker that nobody needs any more.
    Waits(Option<Waker>),
}

/// What becomes of a mailbox whose timer fired.
pub(super) enum Idle {
    /// It was used meanwhile: it is idle no earlier than this.
    Until(u64),
    /// It is over; who waits for it is to be woken.
    Over(Option<Waker>),
}

/// Places for packets in so many mailboxes: for every packet there can be, where there is a mailbox at all.
fn places_for(boxes: usize, packets: usize) -> usize {
    if boxes == 0 { 0 } else { packets }
}

/// Bytes of an arena that so many mailboxes take, for so many packets in all of them.
pub(super) fn arena_bytes(boxes: usize, packets: usize) -> usize {
    let places = arena::carve_bytes::<Place>(places_for(boxes, packets));
    places.saturating_add(arena::carve_bytes::<Mailbox>(boxes))
}

/// The mailboxes of a core.
pub(super) struct Mailboxes {
    boxes: Filled<Mailbox>,
    places: Filled<Place>,
    free_box: u32,
    free_place: u32,
    len: usize,
    peak: usize,
}

/// The mailbox with this name, unless it was closed.
#[inline(always)]
fn named(boxes: &mut [Mailbox], id: MailboxId) -> Option<&mut Mailbox> {
    // Closing one changes its generation, and opening it names the new one: none that is closed has a name.
    boxes.get_mut(id.index as usize).filter(|mailbox| mailbox.generation == id.generation)
}

impl Mailboxes {
    /// Room for so many mailboxes, and so many packets in all of them.
    ///
    /// # Errors
    /// The arena has no room for them.
    pub(super) fn carve(arena: &mut Arena, boxes: usize, packets: usize) -> anyhow::Result<Mailboxes> {
        let next = |number: usize, count: usize| if number + 1 < count { number as u32 + 1 } else { NONE };
        let mailbox = |number| Mailbox {
            generation: 0,
            first: next(number, boxes),
            last: NONE,
            len: 0,
            set: 0,
            state: State::Closed,
            used_ns: 0,
            timer: None,
            waker: None,
        };
        let packets = places_for(boxes, packets);
        let place = |number| Place { packet: None, next: next(number, packets) };
        Ok(Mailboxes {
            boxes: arena.carve_filled("mailboxes", boxes, mailbox)?,
            places: arena.carve_filled("mailboxes", packets, place)?,
            free_box: if boxes > 0 { 0 } else { NONE },
            free_place: if packets > 0 { 0 } else { NONE },
            len: 0,
            peak: 0,
        })
    }

    pub(super) fn capacity(&self) -> usize {
        self.boxes.len()
    }

    /// The most that were open at a time.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }

    /// Asks the cache for a mailbox that something will be put in.
    #[inline]
    pub(super) fn prefetch(&self, id: MailboxId) {
        if let Some(mailbox) = self.boxes.get(id.index as usize) {
            prefetch::for_writing(std::ptr::from_ref(mailbox).cast_mut());
        }
    }

    /// A mailbox for a flow of this set; `None` when all are open.
    pub(super) fn open(&mut self, set: u8, now_ns: u64) -> Option<MailboxId> {
        let index = self.free_box;
        let mailbox = self.boxes.get_mut(index as usize)?;
        self.free_box = mailbox.first;
        (mailbox.first, mailbox.last, mailbox.len) = (NONE, NONE, 0);
        (mailbox.set, mailbox.state, mailbox.used_ns) = (set, State::Open, now_ns);
        self.len += 1;
        self.peak = self.peak.max(self.len);
        Some(MailboxId { index, generation: mailbox.generation })
    }

    /// The set of flows an open mailbox is for.
    pub(super) fn set(&self, index: u32) -> Option<u8> {
        self.boxes
            .get(index as usize)
            .filter(|mailbox| mailbox.state != State::Closed)
            .map(|mailbox| mailbox.set)
    }

    pub(super) fn set_timer(&mut self, index: u32, timer: Option<TimerId>) {
        self.boxes[index as usize].timer = timer;
    }

    /// May a packet be put in, of which there may be `limit`?
    #[inline(always)]
    pub(super) fn has_room(&self, id: MailboxId, limit: u16) -> Result<(), Undelivered> {
        match self.boxes.get(id.index as usize) {
            Some(mailbox) if mailbox.generation == id.generation && mailbox.state == State::Open => {
                let is_full = mailbox.len >= limit || self.free_place == NONE;
                if is_full { Err(Undelivered::Full) } else { Ok(()) }
            }
            _ => Err(Undelivered::Over),
        }
    }

    /// Puts a packet in where there [is room](Mailboxes::has_room). Who waits for it is to be woken.
    #[inline(always)]
    pub(super) fn put(&mut self, id: MailboxId, packet: Packet, now_ns: u64) -> Option<Waker> {
        let place = self.free_place;
        let slot = &mut self.places[place as usize];
        self.free_place = slot.next;
        slot.next = NONE;
        slot.packet = Some(packet);
        let mailbox = &mut self.boxes[id.index as usize];
        mailbox.used_ns = now_ns;
        mailbox.len += 1;
        let before = std::mem::replace(&mut mailbox.last, place);
        let waker = mailbox.waker.take();
        if before == NONE {
            mailbox.first = place;
        } else {
            self.places[before as usize].next = place;
        }
        waker
    }

    /// The packet that has waited longest.
    #[inline]
    pub(super) fn take(&mut self, id: MailboxId) -> Option<Packet> {
        let Mailboxes { boxes, places, free_place, .. } = self;
        let mailbox = named(boxes, id)?;
        Self::take_first(mailbox, places, free_place)
    }

    #[inline(always)]
    fn take_first(mailbox: &mut Mailbox, places: &mut [Place], free_place: &mut u32) -> Option<Packet> {
        let place = mailbox.first;
        let slot = places.get_mut(place as usize)?;
        let next = std::mem::replace(&mut slot.next, *free_place);
        *free_place = place;
        mailbox.first = next;
        mailbox.len -= 1;
        if next == NONE {
            mailbox.last = NONE;
        }
        slot.packet.take()
    }

    /// The packet that has waited longest; where there is none and some may come, has this waker be woken by the next.
    #[inline]
    pub(super) fn take_or_wait(&mut self, id: MailboxId, waker: &Waker) -> Taken {
        let Mailboxes { boxes, places, free_place, .. } = self;
        let Some(mailbox) = named(boxes, id) else { return Taken::Over };
        if let Some(packet) = Self::take_first(mailbox, places, free_place) {
            return Taken::Packet(packet);
        }
        if mailbox.state == State::Over {
            return Taken::Over;
        }
        match &mailbox.waker {
            Some(known) if known.will_wake(waker) => Taken::Waits(None),
            _ => Taken::Waits(mailbox.waker.replace(waker.clone())),
        }
    }

    /// The timer of a mailbox fired, which is over when nothing came for `idle_ns`.
    pub(super) fn idle(&mut self, index: u32, now_ns: u64, idle_ns: u64) -> Option<Idle> {
        let mailbox = self.boxes.get_mut(index as usize).filter(|mailbox| mailbox.state == State::Open)?;
        mailbox.timer = None;
        let until_ns = mailbox.used_ns.saturating_add(idle_ns);
        // One with packets in it waits for its task and not for packets.
        if mailbox.len > 0 {
            return Some(Idle::Until(now_ns.saturating_add(idle_ns)));
        }
        if until_ns > now_ns {
            return Some(Idle::Until(until_ns));
        }
        mailbox.state = State::Over;
        Some(Idle::Over(mailbox.waker.take()))
    }

    /// Nothing comes any more, to any of them: who waits is to be woken.
    pub(super) fn end_all(&mut self) -> impl Iterator<Item = Waker> + '_ {
        self.boxes.iter_mut().filter(|mailbox| mailbox.state == State::Open).filter_map(|mailbox| {
            mailbox.state = State::Over;
            mailbox.waker.take()
        })
    }

    /// Closes an empty mailbox (see [`take`](Mailboxes::take)): its timer, and the waker that nobody needs.
    pub(super) fn close(&mut self, id: MailboxId) -> (Option<TimerId>, Option<Waker>) {
        let free = self.free_box;
        let Some(mailbox) = named(&mut self.boxes, id) else { return (None, None) };
        debug_assert_eq!(mailbox.len, 0);
        mailbox.state = State::Closed;
        mailbox.generation = mailbox.generation.wrapping_add(1);
        mailbox.first = free;
        let rest = (mailbox.timer.take(), mailbox.waker.take());
        self.free_box = id.index;
        self.len -= 1;
        rest
    }
}
