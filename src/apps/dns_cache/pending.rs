//! Questions that are under way to an upstream server, and the queries that wait for each.

use super::message::Key;

/// The number of a question under way, from 0.
pub(super) type Ticket = u32;

/// No entry.
const NONE: u32 = u32::MAX;

/// What became of a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place<W> {
    /// It is the first to ask this: somebody has to find out.
    First(Ticket),
    /// It waits with others.
    Joined,
    /// As many questions are under way as there may be.
    NoQuestion(W),
    /// As many queries wait for this answer as may.
    NoWaiting(W),
}

/// How much may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Different questions.
    pub(super) questions: u32,
    /// Queries that wait, all questions together.
    pub(super) waiting: u32,
    /// Queries that wait for one answer.
    pub(super) waiting_each: u32,
}

/// Questions under way; their memory is taken once, when it is made.
#[derive(Debug)]
pub(super) struct Pending<W> {
    questions: Vec<Option<Question>>,
    waiters: Vec<Waiter<W>>,
    /// By hash: the first question of a place.
    places: Vec<u32>,
    /// Lists of what is unused.
    free_questions: Vec<u32>,
    free_waiters: Vec<u32>,
    waiting_each: u32,
}

#[derive(Debug)]
struct Question {
    key: Key,
    /// The next question of the same place.
    next: u32,
    /// Those who wait, in order.
    first: u32,
    last: u32,
    waiting: u32,
}

#[derive(Debug)]
struct Waiter<W> {
    waits: Option<W>,
    next: u32,
}

impl<W> Pending<W> {
    /// None under way, room for so many.
    pub(super) fn new(limits: Limits) -> Pending<W> {
        let Limits { questions, waiting, waiting_each } = limits;
        let places = (questions.max(1) as usize).next_power_of_two();
        Pending {
            questions: (0..questions).map(|_| None).collect(),
            waiters: (0..waiting).map(|_| Waiter { waits: None, next: NONE }).collect(),
            places: vec![NONE; places],
            free_questions: (0..questions).rev().collect(),
            free_waiters: (0..waiting).rev().collect(),
            waiting_each,
        }
    }

    /// Questions under way.
    pub(super) fn len(&self) -> usize {
        self.questions.len() - self.free_questions.len()
    }

    fn place(&self, key: &Key) -> usize {
        key.hash() as usize & (self.places.len() - 1)
    }

    /// Puts a query in line.
    pub(super) fn join(&mut self, key: &Key, waiter: W) -> Place<W> {
        if let Some(ticket) = self.look(key) {
            return match self.add(ticket, waiter) {
                Ok(()) => Place::Joined,
                Err(waiter) => Place::NoWaiting(waiter),
            };
        }
        if self.free_waiters.is_empty() {
            return Place::NoWaiting(waiter);
        }
        let Some(ticket) = self.free_questions.pop() else { return Place::NoQuestion(waiter) };
        let place = self.place(key);
        let next = std::mem::replace(&mut self.places[place], ticket);
        let question = Question { key: *key, next, first: NONE, last: NONE, waiting: 0 };
        self.questions[ticket as usize] = Some(question);
        match self.add(ticket, waiter) {
            Ok(()) => Place::First(ticket),
            Err(waiter) => Place::NoWaiting(waiter),
        }
    }

    fn look(&self, key: &Key) -> Option<Ticket> {
        let mut at = self.places[self.place(key)];
        while let Some(question) = self.question(at) {
            if question.key == *key {
                return Some(at);
            }
            at = question.next;
        }
        None
    }

    fn question(&self, ticket: Ticket) -> Option<&Question> {
        self.questions.get(ticket as usize)?.as_ref()
    }

    fn add(&mut self, ticket: Ticket, waiter: W) -> Result<(), W> {
        let Some(question) = self.questions.get_mut(ticket as usize).and_then(Option::as_mut) else {
            return Err(waiter);
        };
        if question.waiting >= self.waiting_each.max(1) {
            return Err(waiter);
        }
        let Some(at) = self.free_waiters.pop() else { return Err(waiter) };
        self.waiters[at as usize] = Waiter { waits: Some(waiter), next: NONE };
        match question.last {
            NONE => question.first = at,
            last => self.waiters[last as usize].next = at,
        }
        question.last = at;
        question.waiting += 1;
        Ok(())
    }

    /// The key of a question under way.
    pub(super) fn key(&self, ticket: Ticket) -> Option<&Key> {
        self.question(ticket).map(|question| &question.key)
    }

    /// The query that asked it first.
    pub(super) fn first(&self, ticket: Ticket) -> Option<&W> {
        self.waiters.get(self.question(ticket)?.first as usize)?.waits.as_ref()
    }

    /// Takes the next query that waits for it, in order; after the last one the question is no longer under way.
    pub(super) fn next(&mut self, ticket: Ticket) -> Option<W> {
        let question = self.questions.get_mut(ticket as usize)?.as_mut()?;
        let at = question.first;
        match self.waiters.get_mut(at as usize) {
            Some(waiter) => {
                question.first = waiter.next;
                question.waiting -= 1;
                self.free_waiters.push(at);
                waiter.waits.take()
            }
            None => {
                self.close(ticket);
                None
            }
        }
    }

    fn close(&mut self, ticket: Ticket) {
        let Some(question) = self.questions.get_mut(ticket as usize).and_then(Option::take) else { return };
        let place = self.place(&question.key);
        let mut at = self.places[place];
        if at == ticket {
            self.places[place] = question.next;
        }
        while let Some(before) = self.questions.get_mut(at as usize).and_then(Option::as_mut) {
            if before.next == ticket {
                before.next = question.next;
                break;
            }
            at = before.next;
        }
        self.free_questions.push(ticket);
    }
}
