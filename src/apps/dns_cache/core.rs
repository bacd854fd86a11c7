//! What one core has: its shards, and what happens to packets that need not wait.

use super::cache::{Cache, Hit};
use super::datagram::Datagram;
use super::fate::Fate;
use super::message::{self, Fault, HEADER, Key, OPT, Query, Refusal};
use super::neighbour;
use super::pending::Pending;
use super::settings::Settings;
use super::tally::DnsCacheTally;
use crate::packet::layers::Transport;
use crate::packet::{Packet, Verdict};

/// The longest message there is room for when an answer is cut down.
const MOST_MESSAGE: usize = 4096 + 64;

/// One part of the clients' flows.
#[derive(Debug)]
pub(super) struct Shard<W> {
    pub(super) cache: Cache,
    pub(super) pending: Pending<W>,
    /// By next hop: when its Ethernet address was asked for last, nanoseconds.
    pub(super) asked_ns: Vec<Option<u64>>,
}

/// What one core has; `W` wakes a task.
#[derive(Debug)]
pub(super) struct Core<W> {
    pub(super) settings: Settings,
    /// By number; those of other cores are not here.
    pub(super) shards: Vec<Option<Shard<W>>>,
    pub(super) tally: DnsCacheTally,
    scratch: Box<[u8; MOST_MESSAGE]>,
}

/// A query that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) datagram: Datagram,
    pub(super) query: Query,
    /// The shard of its flow.
    pub(super) shard: usize,
    /// When it came, nanoseconds of the run's clock.
    pub(super) since_ns: u64,
}

/// A packet that is looked at.
#[allow(clippy::large_enum_variant, reason = "made and taken apart on the spot, one at a time")]
pub(super) enum Found {
    /// A query that can be looked up.
    Query(Asked),
    /// A datagram to another port of ours: an answer, perhaps.
    Datagram(Datagram),
}

impl<W> Core<W> {
    pub(super) fn new(settings: Settings, shards: Vec<Option<Shard<W>>>) -> Core<W> {
        Core { settings, shards, tally: DnsCacheTally::default(), scratch: Box::new([0; MOST_MESSAGE]) }
    }

    /// The shard of this number, if it is here.
    pub(super) fn shard(&mut self, number: usize) -> Option<&mut Shard<W>> {
        self.shards.get_mut(number)?.as_mut()
    }

    /// What need not wait: hits, refusals, what neighbours say, what is dropped. All else passes.
    #[inline]
    pub(super) fn look(&mut self, packet: &mut Packet, now_ns: u64) -> Verdict {
        let Some(mac) = self.settings.mac(packet.port()) else { return Verdict::Pass };
        if packet.layers().transport() != Transport::Udp {
            return self.hear(packet, &mac, now_ns);
        }
        match self.read(packet, &mac, now_ns) {
            Ok(Found::Datagram(_)) => Verdict::Pass,
            Ok(Found::Query(asked)) => {
                self.tally.queries += 1;
                self.serve(packet, &asked, &mac, now_ns).unwrap_or(Verdict::Pass)
            }
            Err(Unread::Refused(datagram, refusal)) => self.refuse(packet, &datagram, &refusal, &mac),
            Err(Unread::Fate(Fate::Drop(reason))) => Verdict::Drop(reason),
            Err(Unread::Fate(Fate::Other)) => Verdict::Pass,
        }
    }

    /// Reads a packet.
    ///
    /// # Errors
    /// What becomes of it instead.
    #[inline]
    pub(super) fn read(&self, packet: &Packet, mac: &[u8; 6], now_ns: u64) -> Result<Found, Unread> {
        let Settings { addresses, reasons, port, .. } = &self.settings;
        let datagram = Datagram::of(packet, mac, addresses, reasons).map_err(Unread::Fate)?;
        if datagram.to_port != *port {
            return Ok(Found::Datagram(datagram));
        }
        let message = datagram.message(packet);
        let query = message::parse(message).map_err(|fault| match fault {
            Fault::Short => Unread::Fate(Fate::Drop(reasons.malformed)),
            Fault::Response => Unread::Fate(Fate::Drop(reasons.not_a_query)),
            Fault::Refused(refusal) => Unread::Refused(datagram, refusal),
        })?;
        let shard = packet.hash() as usize & (self.shards.len() - 1);
        Ok(Found::Query(Asked { datagram, query, shard, since_ns: now_ns }))
    }

    /// Answers a query from the cache; `None` where the answer is not there.
    #[inline]
    fn serve(&mut self, packet: &mut Packet, asked: &Asked, mac: &[u8; 6], now_ns: u64) -> Option<Verdict> {
        let key = Key::new(asked.datagram.message(packet), &asked.query, self.settings.seed);
        let cache = &mut self.shards.get_mut(asked.shard)?.as_mut()?.cache;
        let hit = cache.find(&key, now_ns, asked.since_ns)?;
        self.tally.hits += 1;
        Some(self.answer(packet, asked, hit, mac))
    }

    /// The same for one that waited: `first` is the one that asked.
    pub(super) fn serve_late(
        &mut self,
        packet: &mut Packet,
        asked: &Asked,
        first: bool,
        now_ns: u64,
    ) -> Option<Verdict> {
        let mac = self.settings.mac(packet.port())?;
        let key = Key::new(asked.datagram.message(packet), &asked.query, self.settings.seed);
        let hit = self.shard(asked.shard)?.cache.find(&key, now_ns, asked.since_ns)?;
        // One that was answered at once might as well have come after the answer: which of them comes first within a step
        // of virtual time depends on the number of cores.
        match (first, now_ns == asked.since_ns) {
            (true, _) => {}
            (false, true) => self.tally.hits += 1,
            (false, false) => self.tally.joined += 1,
        }
        Some(self.answer(packet, asked, hit, &mac))
    }

    #[inline]
    fn answer(&mut self, packet: &mut Packet, asked: &Asked, hit: Hit, mac: &[u8; 6]) -> Verdict {
        let Asked { datagram, query, shard, .. } = asked;
        let Settings { payload, reasons, .. } = &self.settings;
        let extra = if query.edns.is_some() { OPT } else { 0 };
        let Some(Shard { cache, .. }) = &self.shards[*shard] else { return Verdict::Pass };
        let limit = query.limit(*payload);
        let (len, rcode) = if hit.len + extra <= limit {
            let Some(answer) = datagram.settle(packet, hit.len + extra, HEADER + query.question) else {
                return Verdict::Drop(reasons.no_room);
            };
            cache.copy(hit, answer);
            (answer.len(), message::finish(answer, query, hit.len, hit.extended, *payload))
        } else {
            self.tally.truncated += 1;
            let whole = &mut self.scratch[..hit.len.min(MOST_MESSAGE)];
            let asked = datagram.message(packet).get(..HEADER + query.question).unwrap_or_default();
            if let Some(place) = whole.get_mut(..asked.len()) {
                place.copy_from_slice(asked);
            }
            cache.copy(hit, whole);
            let body = message::fit(whole, query.question, limit - extra);
            let Some(answer) = datagram.settle(packet, body + extra, HEADER + query.question) else {
                return Verdict::Drop(reasons.no_room);
            };
            answer[..body].copy_from_slice(&whole[..body]);
            (answer.len(), message::finish(answer, query, body, hit.extended, *payload))
        };
        datagram.turn(packet, len, mac);
        self.tally.answers.count(rcode);
        Verdict::Forward(packet.port())
    }

    fn refuse(
        &mut self,
        packet: &mut Packet,
        datagram: &Datagram,
        refusal: &Refusal,
        mac: &[u8; 6],
    ) -> Verdict {
        let len = message::refuse(datagram.message_mut(packet), refusal, self.settings.payload);
        if datagram.settle(packet, len, len).is_none() {
            return Verdict::Drop(self.settings.reasons.no_room);
        }
        datagram.turn(packet, len, mac);
        self.tally.answers.count(refusal.rcode);
        Verdict::Forward(packet.port())
    }

    /// What neighbours answer.
    fn hear(&mut self, packet: &Packet, mac: &[u8; 6], now_ns: u64) -> Verdict {
        let Settings { addresses, board, .. } = &self.settings;
        let said = neighbour::heard_arp(packet.data(), mac, addresses)
            .or_else(|| neighbour::heard_advertisement(packet, mac, addresses));
        match said.is_some_and(|neighbour| board.hear(&neighbour, now_ns)) {
            true => Verdict::Consume,
            false => Verdict::Pass,
        }
    }

    /// Ends it: what was found out.
    pub(super) fn finish(mut self) -> DnsCacheTally {
        for shard in self.shards.iter().flatten() {
            let counts = shard.cache.counts;
            self.tally.cache.inserted += counts.inserted;
            self.tally.cache.evicted += counts.evicted;
            self.tally.cache.expired += counts.expired;
            self.tally.cache.left += shard.cache.len() as u64;
        }
        self.tally
    }
}

/// Why a packet is no query that can be looked up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unread {
    /// It is told why.
    Refused(Datagram, Refusal),
    /// It is not answered.
    Fate(Fate),
}
