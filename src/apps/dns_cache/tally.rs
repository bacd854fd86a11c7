//! What was answered, and what happened on the way.

use serde::Serialize;

use crate::reduce::Tally;

macro_rules! sums {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)+
        }

        impl $name {
            fn add(&mut self, other: &$name) {
                $(Sum::add(&mut self.$field, &other.$field);)+
            }
        }

        impl Sum for $name {
            fn add(&mut self, other: &$name) {
                $name::add(self, other);
            }
        }
    };
}

/// What can be added up.
trait Sum {
    fn add(&mut self, other: &Self);
}

impl Sum for u64 {
    fn add(&mut self, other: &u64) {
        *self += other;
    }
}

sums! {
    /// What dns-cache did; its drops are in the books, by reason.
    DnsCacheTally {
        /// Queries that could be read.
        queries: u64,
        /// Answered from the cache.
        hits: u64,
        /// Asked upstream.
        misses: u64,
        /// Waited for an answer that was under way already.
        joined: u64,
        /// Answers by response code.
        answers: Answers,
        /// Answers that were cut down to what the client takes.
        truncated: u64,
        /// What upstream servers were asked.
        upstream: Upstream,
        /// Packets that came as answers and were none; they are ignored.
        ignored: Ignored,
        /// What became of answers in the cache.
        cache: Remembered,
        /// Packets that were none of its business.
        others: u64,
    }
}

sums! {
    /// Answers by response code (RFC 6895, 2.3).
    Answers {
        /// 0.
        noerror: u64,
        /// 1: the query could not be read.
        formerr: u64,
        /// 2: no upstream server had an answer.
        servfail: u64,
        /// 3: there is no such name.
        nxdomain: u64,
        /// 4: a kind of query that is not answered.
        notimp: u64,
        /// 5.
        refused: u64,
        /// 16: an unknown version of EDNS.
        badvers: u64,
        /// Any other.
        other: u64,
    }
}

sums! {
    /// What upstream servers were asked.
    Upstream {
        /// Queries sent.
        queries: u64,
        /// Answers.
        answers: u64,
        /// Answers that said that it went wrong: the next server was asked.
        failures: u64,
        /// Answers whose records could not be followed: the next server was asked.
        malformed: u64,
        /// No answer in time: the next server was asked.
        timeouts: u64,
        /// Asked again without EDNS, which the server did not understand.
        without_edns: u64,
        /// Not asked: no frame, no port, no Ethernet address of the server or its gateway.
        unsent: u64,
        /// Requests for the Ethernet address of a server or gateway.
        resolutions: u64,
    }
}

sums! {
    /// Packets that came as answers and were none.
    Ignored {
        /// With another id than the query's.
        wrong_id: u64,
        /// To another question, or in other letters.
        wrong_question: u64,
        /// No responses, or none to a query.
        wrong_header: u64,
        /// From where, or to where, nothing was asked: late ones, and spoofed ones.
        wrong_source: u64,
    }
}

sums! {
    /// What became of answers in the cache.
    Remembered {
        /// Put in.
        inserted: u64,
        /// Made room for others before their time.
        evicted: u64,
        /// Too old when they were looked for or had to make room.
        expired: u64,
        /// There at the end.
        left: u64,
    }
}

impl Answers {
    /// Counts an answer with this response code.
    #[inline]
    pub(super) fn count(&mut self, rcode: u16) {
        *match rcode {
            0 => &mut self.noerror,
            1 => &mut self.formerr,
            2 => &mut self.servfail,
            3 => &mut self.nxdomain,
            4 => &mut self.notimp,
            5 => &mut self.refused,
            16 => &mut self.badvers,
            _ => &mut self.other,
        } += 1;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        let Answers { noerror, formerr, servfail, nxdomain, notimp, refused, badvers, other } = self;
        noerror + formerr + servfail + nxdomain + notimp + refused + badvers + other
    }
}

impl Tally for DnsCacheTally {
    fn merge(&mut self, other: DnsCacheTally) {
        self.add(&other);
    }
}
