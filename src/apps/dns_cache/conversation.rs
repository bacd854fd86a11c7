//! What a core knows and keeps while a question is under way.

use std::net::{IpAddr, SocketAddr};
use std::task::Waker;

use super::ask::ASK_AGAIN_NS;
use super::cache::Answer;
use super::core::{Asked, Core, Shard};
use super::datagram::Datagram;
use super::draw::{Asking, draw};
use super::lookup::Client;
use super::message::{self, HEADER, Key, Kind, MOST_QUESTION, Variant, Wrong, put};
use super::pending::{Place, Seat, Ticket};
use super::tally::Ignored;
use crate::packet::{Packet, PortId, Reason};

/// The lowest port that servers are asked from: flows take the upper half.
const FIRST_PORT: u16 = 1 << 15;

/// Whom to ask, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) server: SocketAddr,
    /// The number of the next hop to it.
    pub(super) hop: usize,
    /// The port to send by, and our addresses there.
    pub(super) port: PortId,
    pub(super) mac: [u8; 6],
    pub(super) own: IpAddr,
    pub(super) id: u16,
    /// What the id was drawn with.
    pub(super) draw: u64,
    pub(super) variant: Variant,
    /// With an OPT record?
    pub(super) edns: bool,
    pub(super) payload: u16,
    pub(super) timeout_ns: u64,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Not the answer: there may be one yet.
    Ignored,
    /// The answer; it is in the cache.
    Settled,
    /// The server does not understand EDNS.
    WithoutEdns,
    /// The server could not or would not say.
    Failed(u16),
}

impl Core<Waker> {
    /// Puts a query in line for its answer.
    pub(super) fn join(&mut self, packet: &Packet, asked: &Asked) -> Place {
        let key = Key::new(asked.datagram.message(packet), &asked.query, self.settings.seed);
        let Some(shard) = self.shard(asked.shard) else { return Place::NoQuestion };
        let place = shard.pending.join(&key);
        self.tally.misses += u64::from(matches!(place, Place::First(_)));
        place
    }

    /// Waits for a question to be closed: `false` where it is.
    pub(super) fn wait(&mut self, shard: usize, seat: Seat, waker: impl FnOnce() -> Waker) -> bool {
        self.shard(shard).is_some_and(|shard| shard.pending.wait(seat, waker))
    }

    /// Why a query found no place.
    pub(super) fn refusal(&self, place: Place) -> Reason {
        match place {
            Place::NoQuestion => self.settings.reasons.too_many_questions,
            _ => self.settings.reasons.too_many_waiting,
        }
    }

    /// Whom to ask at this attempt; `None` where the client came in by a port that leads nowhere.
    pub(super) fn plan(&self, client: &Client, attempt: usize, edns: bool) -> Option<Plan> {
        let settings = &self.settings;
        let upstream = settings.upstreams.get(attempt % settings.upstreams.len().max(1))?;
        let Client { held, asked } = client;
        let port = settings.egress(held.port())?;
        let asking = Asking {
            client: asked.datagram.source(held),
            own: asked.datagram.own(held),
            id: asked.query.id,
            question: client.question(),
        };
        let number = attempt as u32 * 2 + u32::from(!edns);
        let draw = draw(settings.seed, &asking, number);
        Some(Plan {
            server: upstream.address,
            hop: upstream.hop,
            port,
            mac: settings.mac(port)?,
            own: upstream.own,
            id: draw as u16,
            draw,
            variant: Variant::of(&asked.query),
            edns,
            payload: settings.payload,
            timeout_ns: settings.timeout_ns,
        })
    }

    /// The Ethernet address of a next hop, where it is known.
    pub(super) fn next_hop(&self, hop: usize, now_ns: u64) -> Option<[u8; 6]> {
        let known = self.settings.hops.get(hop)?.mac;
        known.or_else(|| self.settings.board.mac(hop, now_ns))
    }

    /// The next hop whose Ethernet address is to be asked for; `None` where that was done just now.
    pub(super) fn may_ask(&mut self, shard: usize, hop: usize, now_ns: u64) -> Option<IpAddr> {
        let address = self.settings.hops.get(hop)?.address;
        let asked_ns = self.shard(shard)?.asked_ns.get_mut(hop)?;
        if asked_ns.is_some_and(|asked_ns| now_ns < asked_ns.saturating_add(ASK_AGAIN_NS)) {
            return None;
        }
        *asked_ns = Some(now_ns);
        self.tally.upstream.resolutions += 1;
        Some(address)
    }

    /// Looks at what came back, and remembers it where it is the answer.
    pub(super) fn hear_answer(
        &mut self,
        client: &Client,
        ticket: Ticket,
        plan: &Plan,
        packet: &mut Packet,
        now_ns: u64,
    ) -> Heard {
        let settings = &self.settings;
        let read = Datagram::of(packet, &plan.mac, &settings.addresses, &settings.reasons);
        let Ok(datagram) = read else { return Heard::Ignored };
        let question = client.question();
        if let Err(wrong) = message::belongs(datagram.message(packet), plan.id, question) {
            self.tally.ignored.count(wrong);
            return Heard::Ignored;
        }
        let (len, lives) = (question.len(), settings.lives);
        let Ok(response) = message::read(datagram.message_mut(packet), len, lives) else {
            self.tally.upstream.malformed += 1;
            return Heard::Failed(message::rcode::SERVFAIL);
        };
        if response.kind == Kind::Failure {
            self.tally.upstream.failures += 1;
            let ignorant = matches!(response.rcode, message::rcode::FORMERR | message::rcode::NOTIMP);
            return match ignorant && plan.edns && !response.edns {
                true => Heard::WithoutEdns,
                false => Heard::Failed(response.rcode),
            };
        }
        self.tally.upstream.answers += 1;
        let message = datagram.message(packet).get(..response.len).unwrap_or_default();
        let answer = Answer {
            message,
            ttls: &response.ttls,
            extended: (response.rcode >> 4) as u8,
            life: response.life,
        };
        self.remember(client.asked.shard, ticket, &answer, now_ns);
        Heard::Settled
    }

    /// Why a datagram is dropped that no conversation waits for; `None` where it has nothing to do with upstream servers: neither
    /// is it from the address or the port of one, nor for a port they are asked from.
    pub(super) fn unexpected(&mut self, packet: &Packet, datagram: &Datagram) -> Option<Reason> {
        let source = datagram.source(packet);
        let mut servers = self.settings.upstreams.iter().map(|upstream| upstream.address);
        let like_one = servers.any(|server| server.ip() == source.ip() || server.port() == source.port());
        if !like_one || datagram.to_port < FIRST_PORT {
            return None;
        }
        self.tally.ignored.wrong_source += 1;
        Some(self.settings.reasons.unexpected)
    }

    /// Remembers for a short time that nobody has an answer (RFC 9520).
    pub(super) fn fail(&mut self, packet: &Packet, asked: &Asked, ticket: Ticket, rcode: u16, now_ns: u64) {
        let mut message = [0; HEADER + MOST_QUESTION];
        let len = HEADER + asked.query.question.min(MOST_QUESTION);
        let query = asked.datagram.message(packet).get(HEADER..len).unwrap_or_default();
        if let Some(place) = message.get_mut(HEADER..HEADER + query.len()) {
            place.copy_from_slice(query);
        }
        put(&mut message, 2, rcode & 0xf);
        put(&mut message, 4, 1);
        let answer = Answer {
            message: &message[..len],
            ttls: &[],
            extended: (rcode >> 4) as u8,
            life: self.settings.lives.failure,
        };
        self.remember(asked.shard, ticket, &answer, now_ns);
    }

    fn remember(&mut self, shard: usize, ticket: Ticket, answer: &Answer<'_>, now_ns: u64) {
        let Some(Shard { cache, pending, .. }) = self.shard(shard) else { return };
        let wanted = pending.has_waiting(ticket);
        if let Some(key) = pending.key(ticket) {
            cache.insert(key, answer, wanted, now_ns);
        }
    }
}

impl Ignored {
    fn count(&mut self, wrong: Wrong) {
        *match wrong {
            Wrong::Header => &mut self.wrong_header,
            Wrong::Id => &mut self.wrong_id,
            Wrong::Question => &mut self.wrong_question,
        } += 1;
    }
}
